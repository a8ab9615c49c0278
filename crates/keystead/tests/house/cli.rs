//! The binary as a person uses it: a demo in one terminal, commands in another, an installation from nothing, files that others can check. What is asserted are
//! exit codes and JSON members, which scripts rely on; words are free to change.

use std::fs;

use serde_json::{Value, json};

use crate::{
    desk::{Desk, demo, ran, slug, until},
    refusals::{openssl, openssl_text},
};

#[test]
fn a_key_lives_its_life_from_the_command_line() {
    let (desk, terminal) = demo();
    let line = ["key", "create", "orders", "--keystore", "demo-eu", "--alias", "orders", "--expires", "90d", "--tag", "team=pay", "--description", "Orders"];
    let made = desk.json(&line);
    for (member, value) in [("name", "orders"), ("state", "ACTIVE"), ("keystore", "demo-eu"), ("cloud", "aws"), ("origin", "generated")] {
        assert_eq!(made[member], value, "{made}");
    }
    assert_eq!((&made["tags"], &made["no_op"]), (&json!({"team": "pay"}), &json!(false)));
    let (id, operation) = (made["id"].as_str().expect("an id"), made["operation"].as_str().expect("an operation"));
    assert_eq!(desk.json(&["operation", "show", operation])["state"], "SUCCEEDED");
    assert_eq!(desk.json(&["operation", "wait", operation])["id"], operation);
    assert_eq!(desk.json(&["operation", "wake", operation])["id"], operation);

    assert_eq!(desk.json(&["key", "deactivate", "orders"])["state"], "INACTIVE");
    assert_eq!(desk.json(&["key", "deactivate", "orders"])["no_op"], true);
    assert_eq!(desk.json(&["key", "activate", id])["state"], "ACTIVE");
    assert_eq!(desk.json(&["key", "upload", "orders"])["state"], "ACTIVE");
    let new = desk.json(&["key", "renew", "orders"]);
    assert_eq!((&new["state"], &new["predecessor"], &new["is_current"]), (&json!("ACTIVE"), &json!(id), &json!(true)));
    assert_eq!(desk.json(&["key", "show", "orders"])["id"], new["id"], "a name means the current key of its lineage");
    assert_eq!(desk.json(&["key", "show", id])["state"], "REPLACED", "an id means that key");
    assert_eq!(desk.json(&["key", "revert", "orders"])["id"], id, "the undo of a renewal shows the predecessor");
    assert_eq!(desk.json(&["key", "show", "orders"])["id"], id);

    let change = [
        "key",
        "update",
        "orders",
        "--name",
        "bills",
        "--alias",
        "bills",
        "--no-tags",
        "--description",
        "Bills",
        "--expires",
        "180d",
        "--expiry-policy",
        "extend",
    ];
    let changed = desk.json(&change);
    for (member, value) in
        [("name", json!("bills")), ("aliases", json!(["bills"])), ("tags", json!({})), ("description", json!("Bills")), ("expiry_policy", json!("extend"))]
    {
        assert_eq!(changed[member], value, "{changed}");
    }
    assert_eq!(desk.json(&["key", "update", "bills", "--no-alias", "--no-expiry"])["aliases"], json!([]));
    assert_eq!(slug(&desk.fails(3, &["key", "show", "orders"])), "not-found");

    let scheduled = desk.json(&["key", "schedule-deletion", "bills", "--days", "7"]);
    assert_eq!(scheduled["state"], "PENDING_DELETION");
    assert!(scheduled["deletion_date"].is_string());
    assert_eq!(desk.json(&["key", "cancel-deletion", "bills"])["state"], "INACTIVE");

    let names = |keys: Value| keys.as_array().expect("a list").iter().map(|key| key["name"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(desk.json(&["key", "list", "--name", "bills"])), ["bills", "bills"], "the one that was reverted, too");
    assert_eq!(names(desk.json(&["key", "list", "--state", "PENDING_DELETION", "--keystore", "demo-eu"])), ["old-crm"]);
    assert_eq!(desk.json(&["key", "list", "--limit", "2"]).as_array().map(Vec::len), Some(2));
    let history = desk.json(&["key", "history", "bills"]);
    assert_eq!(history[0]["entry"]["action"], "key.cancel-deletion", "{history}");
    assert!(desk.json(&["operation", "list", "--key", "bills"]).as_array().is_some_and(|list| list.len() >= 8));

    desk.table(&["key", "list"], &["NAME", "STATE", "bills", "INACTIVE", "demo-eu", "eu-west-1"]);
    desk.table(&["key", "show", "bills"], &["bills", "INACTIVE", "Versions"]);
    desk.table(&["key", "history", "bills"], &["key.renew", "ann"]);
    desk.table(&["key", "activate", "bills"], &["ACTIVE"]);
    desk.table(&["operation", "list"], &["activate", "SUCCEEDED"]);
    desk.table(&["operation", "show", operation], &["SUCCEEDED", "create-cloud-key"]);
    assert_eq!(terminal.interrupt(), Some(0));
    assert!(!desk.path("keystead-profile.toml").exists(), "its tokens are worth nothing any more");
}

/// FT-046 to FT-049, FT-060.
#[test]
fn a_family_of_regions_from_the_command_line() {
    let (desk, _terminal) = demo();
    let made = desk.json(&["key", "create", "orders", "--keystore", "demo-eu", "--alias", "orders", "--multi-region"]);
    assert_eq!((&made["region_role"], &made["state"]), (&json!("primary"), &json!("ACTIVE")), "{made}");
    let added = desk.json(&["key", "replica", "add", "orders", "--to", "demo-us"]);
    for (member, value) in [("name", "orders_us-east-1"), ("region_role", "replica"), ("state", "ACTIVE"), ("region", "us-east-1")] {
        assert_eq!(added[member], value, "{added}");
    }
    let arn = added["cloud_arn"].as_str().expect("an ARN");
    desk.table(&["key", "show", "orders"], &["Family", "replica", arn]);
    desk.table(&["key", "family", "orders_us-east-1"], &["ROLE", "primary", "orders_us-east-1", arn]);
    assert_eq!(slug(&desk.fails(2, &["key", "deactivate", "orders_us-east-1"])), "invalid-input");
    assert_eq!(desk.json(&["key", "replica", "promote", "orders_us-east-1"])["region_role"], "primary");
    assert_eq!(desk.json(&["key", "family", "orders"])["primary"]["name"], "orders_us-east-1");
    assert_eq!(desk.json(&["key", "deactivate", "orders_us-east-1"])["state"], "INACTIVE");
    assert_eq!(desk.json(&["key", "show", "orders"])["state"], "INACTIVE", "the replica goes along");
    assert_eq!(desk.json(&["key", "replica", "remove", "orders", "--days", "7"])["state"], "PENDING_DELETION");
}

#[test]
fn a_keystore_is_kept_warm_and_restored_from_the_command_line_cm_037_fx_029() {
    let (desk, _terminal) = demo();
    desk.table(&["keystore", "restore", "demo-eu", "--dry-run"], &["kept warm", "no", "if all is lost", "cold", "Order", "IMPORTANCE"]);
    assert_eq!(desk.json(&["keystore", "warm", "demo-eu", "on"])["keeps_warm"], true);
    desk.table(&["keystore", "warm", "demo-eu", "off"], &["kept warm", "no"]);
    let restored = desk.json(&["keystore", "restore", "demo-eu"]);
    assert_eq!(
        (&restored["kind"], &restored["state"], &restored["restore"]["lost"]),
        (&json!("restore-keystore"), &json!("SUCCEEDED"), &json!(0)),
        "{restored}"
    );
    desk.table(&["keystore", "restore", "demo-eu"], &["keys looked at: 0 had lost their material", "find-lost", "give-back"]);
    assert_eq!(slug(&desk.fails(3, &["keystore", "restore", "nowhere"])), "not-found");
}

#[test]
fn health_is_shown_and_filtered_from_the_command_line_fx_042() {
    let (desk, _terminal) = demo();
    desk.json(&["key", "create", "well", "--keystore", "demo-eu"]);
    desk.json(&["keystore", "check", "demo-eu"]);
    desk.table(&["keystore", "show", "demo-eu"], &["health", "reachable", "permitted", "checked"]);
    desk.table(&["keystore", "list"], &["HEALTH", "demo-eu"]);
    desk.table(&["key", "list", "--health", "ok"], &["HEALTH", "well"]);
    let shown = desk.json(&["key", "show", "well"]);
    assert_eq!((&shown["health"]["status"], &shown["health"]["reasons"]), (&json!("ok"), &json!([])), "{shown}");
    let refused = desk.run(&["key", "list", "--health", "fine"]);
    assert!(refused.code == 2 && refused.err.contains("degraded"), "{}", refused.err);
}

#[test]
fn what_making_a_key_anew_comes_to_is_told_on_the_command_line_and_one_that_is_there_is_not_fx_003() {
    let (desk, _terminal) = demo();
    desk.json(&["key", "create", "seal", "--keystore", "demo-eu", "--spec", "HMAC_256"]);
    desk.table(&["key", "recreate", "seal", "--dry-run"], &["gone since", "not known", "Comes back", "authentication codes", "Cannot come back", "Its grants"]);
    let refused = desk.run(&["key", "recreate", "seal", "--yes"]);
    let told = ["warning: The old ARN", "keystead keystore sync demo-eu"].iter().all(|words| format!("{}{}", refused.out, refused.err).contains(words));
    assert!(refused.code != 0 && told, "{} {}", refused.code, refused.err);
    assert_eq!(desk.json(&["key", "show", "seal"])["state"], "ACTIVE");
    desk.json(&["sandbox", "seed", "legacy", "--count", "1", "--account", "123456789012", "--region", "eu-west-1"]);
    desk.json(&["keystore", "sync", "demo-eu"]);
    let refused = desk.fails(2, &["key", "recreate", "legacy-000000", "--dry-run"]);
    assert!(refused.to_string().contains("the vault has none"), "{refused}");
}

#[test]
fn keys_of_the_clouds_own_from_the_command_line_ft_051_ft_079() {
    let (desk, _terminal) = demo();
    desk.json(&["sandbox", "seed", "legacy", "--count", "3", "--account", "123456789012", "--region", "eu-west-1"]);
    let synced = desk.json(&["keystore", "sync", "demo-eu"]);
    assert_eq!((&synced["kind"], &synced["sync"]["new"]), (&json!("sync-keystore"), &json!(3)), "{synced}");
    desk.table(&["keystore", "sync", "demo-eu"], &["keys found", "0 new"]);
    desk.table(&["key", "list", "--custody", "native"], &["CUSTODY", "native", "legacy-000002"]);
    desk.table(&["key", "show", "legacy-000000"], &["native", "AWS_KMS", "seen by a sync", "arn:aws:kms"]);
    let policy = desk.run(&["key", "show", "legacy-000000", "--policy"]);
    assert!(policy.code == 0 && policy.out.contains("key-default-1"), "{}{}", policy.out, policy.err);
    let refused = desk.fails(2, &["key", "renew", "legacy-000000"]);
    assert!(refused.to_string().contains("key adopt"), "{refused}");
    assert_eq!(desk.json(&["key", "deactivate", "legacy-000001"])["cloud_state"], "Disabled");
    assert_eq!(desk.json(&["key", "activate", "legacy-000001"])["state"], "ACTIVE");
    let adopted = desk.json(&["key", "adopt", "legacy-000000", "--expires", "180d"]);
    assert_eq!((&adopted["custody"], &adopted["origin"], &adopted["aliases"]), (&json!("own"), &json!("adopted"), &json!(["legacy-000000"])), "{adopted}");
    desk.table(&["key", "show", "legacy-000000"], &["adopted from", "arn:aws:kms"]);
    assert_eq!(desk.json(&["key", "revert", "legacy-000000"])["custody"], "native");
    assert!(desk.run(&["keystore", "policy", "demo-eu", "--native"]).out.contains("ManageNativeKeys"));
    assert_eq!(slug(&desk.fails(6, &["key", "forget", "legacy-000002"])), "cloud-key-still-there");
}

#[test]
fn keystores_users_vault_and_status_from_the_command_line() {
    let (desk, _terminal) = demo();
    let create = [
        "keystore",
        "create",
        "payments-eu",
        "--cloud",
        "aws",
        "--region",
        "eu-central-1",
        "--account",
        "123456789012",
        "--role-arn",
        "arn:aws:iam::123456789012:role/keystead",
    ];
    let made = desk.json(&[&create[..], &["--external-id", "keystead-demo"]].concat());
    for (member, value) in [("name", "payments-eu"), ("state", "ACTIVE"), ("region", "eu-central-1"), ("external_id", "keystead-demo"), ("partition", "aws")] {
        assert_eq!(made[member], value, "{made}");
    }
    let policy = desk.json(&["keystore", "policy", "payments-eu"]);
    assert!(
        policy["trust_policy"].to_string().contains("keystead-demo") && policy["permission_policy"].to_string().contains("kms:ImportKeyMaterial"),
        "CM-069 to CM-073"
    );
    for only in ["trust", "permission"] {
        assert_eq!(desk.json(&["keystore", "policy", "payments-eu", "--only", only]), policy[format!("{only}_policy")]);
    }
    let check = desk.json(&["keystore", "check", "payments-eu"]);
    assert_eq!((&check["sufficient"], &check["account"]), (&json!(true), &json!("123456789012")), "{check}");
    assert_eq!(slug(&desk.fails(4, &["keystore", "delete", "demo-eu"])), "keystore-not-empty", "CM-038");
    let id = made["id"].as_str().expect("an id");
    assert_eq!(desk.json(&["keystore", "delete", "payments-eu"])["state"], "SUCCEEDED");
    assert_eq!(desk.json(&["keystore", "delete", id])["no_op"], true, "it is so already");
    assert_eq!(desk.run(&["keystore", "delete", id]).code, 0);
    assert_eq!(desk.json(&["keystore", "show", id])["state"], "DELETED");
    assert_eq!(desk.json(&["keystore", "list"]).as_array().map(Vec::len), Some(2));
    desk.table(&["keystore", "list", "--all"], &["demo-eu", "payments-eu", "DELETED"]);
    desk.table(&["keystore", "show", "demo-eu"], &["demo-eu", "123456789012"]);
    desk.table(&["keystore", "policy", "demo-eu"], &["sts:AssumeRole", "kms:CreateKey"]);
    desk.table(&["keystore", "check", "demo-eu"], &["kms:"]);

    assert_eq!((&desk.json(&["user", "me"])["name"], &desk.json(&["user", "me", "--as", "bob"])["name"]), (&json!("ann"), &json!("bob")));
    let token = desk.json(&["user", "create", "carol"])["token"].as_str().expect("a token").to_owned();
    assert_eq!(desk.json(&["user", "me", "--token", &token])["name"], "carol");
    desk.write("token", token.as_bytes());
    assert_eq!(desk.json(&["user", "me", "--token-file", "token"])["name"], "carol");
    let by_environment = ran(desk.command(&["user", "me", "--output", "json"]).env("KEYSTEAD_TOKEN", &token));
    assert!(by_environment.out.contains("carol"), "{}", by_environment.out);
    let fresh = desk.json(&["user", "token", "carol"])["token"].as_str().expect("a token").to_owned();
    assert_eq!(slug(&desk.fails(5, &["user", "me", "--token", &token])), "unauthenticated", "the old token is useless");
    assert_eq!(desk.json(&["user", "disable", "carol"])["state"], "DISABLED");
    assert_eq!(slug(&desk.fails(5, &["user", "me", "--token", &fresh])), "unauthenticated");
    let log = desk.json(&["audit", "list", "--limit", "20"]);
    let told = log.as_array().expect("a list").iter().map(|item| &item["entry"]).find(|entry| entry["action"] == "user.authenticate").expect("an entry");
    assert_eq!((&told["outcome"], &told["subject"][0]["name"]), (&json!("refused"), &json!("carol")), "{told}");
    assert_eq!(told["detail"]["from"], "127.0.0.1", "the listener tells the address");
    desk.table(&["user", "list"], &["ann", "bob", "carol", "DISABLED"]);

    assert_eq!(desk.json(&["vault", "status"])["sealed"], false);
    let rotated = desk.json(&["vault", "rotate", "account-key"]);
    assert_eq!((&rotated["sealed"], rotated["rewrapped"].as_u64() >= Some(5)), (&json!(false), true), "{rotated}");
    let shares = desk.json(&["vault", "rotate", "root", "--to", "shares", "--shares", "3", "--threshold", "2"]);
    let shares = &shares["prepared"];
    assert_eq!((&desk.json(&["vault", "status"])["root_generation"], shares["new_shares"].as_array().map(Vec::len)), (&json!(1), Some(3)));
    let rotation = shares["rotation"].as_str().expect("a rotation");
    for number in 0..3 {
        desk.write(&format!("share-{number}"), shares["new_shares"][number].as_str().expect("a share").as_bytes());
    }
    let one = desk.fails(2, &["vault", "confirm-rotation", "--rotation", rotation, "--share-file", "share-1"]);
    assert_eq!((slug(&one), &one["field"]), ("invalid-input", &json!("shares")), "one of two");
    let confirmed = desk.json(&["vault", "confirm-rotation", "--rotation", rotation, "--share-file", "share-1", "--share-file", "share-2"]);
    assert_eq!((&confirmed["root_generation"], &confirmed["kind"], &confirmed["rotation"]), (&json!(2), &json!("shares"), &Value::Null), "it was waited for");
    assert_eq!(desk.json(&["key", "upload", "invoices"])["state"], "ACTIVE", "the material opens under the new keys");
    assert_eq!(desk.json(&["vault", "seal"])["sealed"], true);
    let status = desk.json(&["status"]);
    assert_eq!((&status["sealed"], &status["database"]), (&json!(true), &json!("sqlite")));
    assert_eq!(status["cloud_identity"], "arn:aws:iam::111122223333:user/keystead", "{status}");
    for (number, sealed) in [(0, true), (2, false)] {
        assert_eq!(desk.json(&["vault", "unseal", "--share-file", &format!("share-{number}")])["sealed"], sealed);
    }
    desk.table(&["vault", "status"], &["shares"]);
    desk.table(&["status"], &["sqlite", "open"]);
}

/// 32 bytes that everybody knows.
fn known() -> Vec<u8> {
    (0u8..32).map(|at| at.wrapping_mul(89).wrapping_add(3)).collect()
}

/// Two people hand a key out; what comes out of openssl.
fn exported(desk: &Desk, key: &str) -> Vec<u8> {
    let wrapped = format!("{key}.wrapped");
    let prepared = desk.json(&["key", "export", "prepare", key, "--public-key", "me.pem"]);
    let fingerprint =
        openssl_text(&["dgst", "-sha256", "-r"], &openssl(&["pkey", "-pubin", "-outform", "DER"], &fs::read(desk.path("me.pem")).expect("a key")));
    assert!(prepared["public_key_fingerprint"].as_str().is_some_and(|told| fingerprint.starts_with(told)), "{prepared} {fingerprint}");
    assert_eq!(slug(&desk.fails(5, &["key", "export", "download", key, "--out", &wrapped])), "same-person", "CM-065");
    let downloaded = desk.json(&["key", "export", "download", key, "--out", &wrapped, "--as", "bob"]);
    assert_eq!((&downloaded["algorithm"], &downloaded["wrapped"]), (&json!("RSAES_OAEP_SHA_256"), &Value::Null), "{downloaded}");
    assert_eq!(slug(&desk.fails(4, &["key", "export", "download", key, "--out", "again", "--as", "bob"])), "export-not-prepared", "CM-066");
    assert!(!desk.path("again").exists());
    let (private, sealed) = (desk.path("me.key"), fs::read(desk.path(&wrapped)).expect("the file"));
    let private = private.to_str().expect("a path");
    openssl(&["pkeyutl", "-decrypt", "-inkey", private, "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"], &sealed)
}

#[test]
fn material_comes_in_by_four_formats_and_goes_out_under_a_persons_key() {
    let (desk, _terminal) = demo();
    desk.write("me.key", &openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"], &[]));
    desk.write("me.pem", &openssl(&["pkey", "-pubout"], &fs::read(desk.path("me.key")).expect("a key")));
    let base64 = openssl(&["base64"], &known());
    let transport: Vec<u8> = known().iter().map(|byte| byte ^ 0x5a).collect();
    let wrap = |cipher: &str, iv: &str| openssl(&["enc", cipher, "-iv", iv, "-K", &hex::encode(&transport)], &known());
    let files = [
        ("raw", known()),
        ("base64", base64),
        ("hex", format!("{}\n", hex::encode_upper(known())).into_bytes()),
        ("kwp", wrap("-id-aes256-wrap-pad", "A65959A6")),
        ("kw", wrap("-id-aes256-wrap", "A6A6A6A6A6A6A6A6")),
    ];
    desk.write("transport", &transport);
    assert_eq!(desk.json(&["key", "import", "transport", "--keystore", "demo-eu", "--file", "transport", "--format", "raw"])["origin"], "imported");
    for (name, bytes) in files {
        desk.write(name, &bytes);
        let wrapped = name.starts_with("kw");
        let mut line = vec!["key", "import", name, "--keystore", "demo-eu", "--file", name, "--format", if wrapped { "wrapped" } else { name }];
        line.extend(if wrapped { &["--unwrap-with", "transport"][..] } else { &[] });
        let made = desk.json(&line);
        assert_eq!((&made["state"], &made["origin"]), (&json!("ACTIVE"), &json!("imported")), "{made}");
        assert_eq!(exported(&desk, name), known(), "{name}: what came in goes out");
    }
    let generated = desk.json(&["key", "create", "fresh", "--keystore", "demo-eu"]);
    let (one, other) = (exported(&desk, "fresh"), exported(&desk, "invoices"));
    assert!(one.len() == 32 && other.len() == 32 && one != other, "{generated}");
    desk.write("short", &known()[1..]);
    let refused = desk.fails(2, &["key", "import", "short", "--keystore", "demo-eu", "--file", "short", "--format", "raw"]);
    assert_eq!((slug(&refused), &refused["field"]), ("invalid-input", &json!("material")));
    assert_eq!(slug(&desk.fails(2, &["key", "export", "prepare", "fresh", "--public-key", "me.key"])), "invalid-input", "a private key");
}

#[test]
fn the_time_machine_ends_a_countdown_and_the_log_of_it_can_be_verified_by_anybody() {
    let (desk, _terminal) = demo();
    let clock = desk.json(&["sandbox", "advance", "8d"]);
    assert!(clock["offset_micros"].as_i64() >= Some(8 * 86_400_000_000), "{clock}");
    until("the schedule", || desk.json(&["key", "show", "old-crm"])["state"] == "DELETED");
    assert!(desk.json(&["key", "list", "--name", "old-crm"]).as_array().is_some_and(Vec::is_empty), "what is deleted is listed with --all");
    assert_eq!(desk.json(&["key", "list", "--name", "old-crm", "--all"])[0]["state"], "DELETED");
    let gone = desk.json(&["key", "show", "old-crm"]);
    assert!(gone["versions"][0]["destroyed_at"].is_string(), "CM-061: the material is destroyed: {gone}");
    assert_eq!(desk.json(&["key", "history", "old-crm"])[0]["entry"]["action"], "key.clean-up", "CM-061: its history stays readable");
    assert!(desk.json(&["sandbox", "events"])["events"].as_array().is_some_and(|events| events.len() > 10));
    assert!(desk.json(&["sandbox", "state"])["keys"].as_array().is_some_and(|keys| keys.len() >= 5));

    desk.table(&["audit", "list", "--limit", "3"], &["key.clean-up"]);
    assert!(desk.json(&["audit", "list", "--key", "old-crm"]).as_array().is_some_and(|entries| entries.len() >= 3));
    desk.run(&["audit", "checkpoint", "--out", "kept.note"]);
    desk.json(&["key", "upload", "invoices"]);
    let exported = desk.json(&["audit", "export", "--out", "audit.log"]);
    assert_eq!(exported["bytes"].as_u64(), fs::metadata(desk.path("audit.log")).ok().map(|file| file.len()));
    let vkey = desk.json(&["audit", "key"])["vkey"].as_str().expect("a key").to_owned();

    // Somebody else, who has the file, the key and an old head, and no server.
    let auditor = Desk::new();
    for name in ["audit.log", "kept.note"] {
        auditor.write(name, &fs::read(desk.path(name)).expect("a file"));
    }
    let report = auditor.json(&["audit", "verify", "audit.log", "--vkey", &vkey, "--checkpoint", "kept.note"]);
    assert_eq!((&report["verified"], &report["vkey"], report["trusted"].is_u64()), (&json!(true), &json!(vkey), true), "{report}");
    auditor.table(&["audit", "verify", "audit.log"], &["yes"]);
    let log = fs::read_to_string(auditor.path("audit.log")).expect("text");
    // Behind the first few, one that a person made: the schedule's checks of the demo's keystores lie between.
    let index = |line: &str| line.strip_prefix("{\"index\":").and_then(|rest| rest.split(',').next()?.parse::<u64>().ok());
    let persons = |line: &str| index(line).is_some_and(|index| index >= 7) && line.contains("\"ann\"");
    let (at, line) = log.lines().enumerate().find(|(_, line)| persons(line)).expect("an entry of ann's");
    let number = index(line).expect("an index");
    let forged: Vec<String> = log.lines().enumerate().map(|(n, was)| if n == at { line.replace("\"ann\"", "\"eve\"") } else { was.to_owned() }).collect();
    auditor.write("forged.log", format!("{}\n", forged.join("\n")).as_bytes());
    let problem = auditor.fails(1, &["audit", "verify", "forged.log", "--vkey", &vkey]);
    assert!(slug(&problem) == "audit-edited" && problem["detail"].as_str().is_some_and(|text| text.contains(&format!("ntry {number} "))), "{problem}");
    let cut: Vec<&str> = log.lines().filter(|other| *other != line).collect();
    auditor.write("cut.log", format!("{}\n", cut.join("\n")).as_bytes());
    assert!(auditor.fails(1, &["audit", "verify", "cut.log"])["detail"].as_str().is_some_and(|text| text.contains(&number.to_string())));
    assert_eq!(slug(&auditor.fails(2, &["audit", "verify", "audit.log", "--vkey", "nobody"])), "invalid-input");
}

#[test]
fn every_exit_code_has_its_meaning() {
    let (desk, _terminal) = demo();
    assert_eq!(desk.run(&["key", "list"]).code, 0);
    assert_eq!(desk.run(&["key", "create", "x", "--keystore", "demo-eu", "--expires", "soon"]).code, 2, "refused before anything is sent");
    let account = ["keystore", "create", "x", "--cloud", "aws", "--account", "123456789012", "--region"];
    assert_eq!(desk.fails(2, &[&account[..], &["eu-nowhere"]].concat())["field"], "region", "refused by the server");
    assert_eq!(desk.run(&["key", "lst"]).code, 2);
    assert_eq!(slug(&desk.fails(3, &["key", "show", "nobody"])), "not-found");
    assert_eq!(slug(&desk.fails(3, &["key", "create", "x", "--keystore", "nobody"])), "not-found");
    assert_eq!(slug(&desk.fails(4, &["key", "renew", "archive"])), "wrong-state");
    assert_eq!(slug(&desk.fails(4, &["key", "create", "invoices", "--keystore", "demo-eu"])), "name-taken");
    assert_eq!(slug(&desk.fails(5, &["key", "list", "--token", "kst_nobody"])), "unauthenticated");
    assert_eq!(slug(&desk.fails(9, &["key", "list", "--url", "http://127.0.0.1:1"])), "server-unreachable");

    // The schedule checks the keystores at the start, and would take the fault that is meant for us.
    until("the first checks", || desk.json(&["keystore", "list"]).as_array().is_some_and(|all| all.iter().all(|one| one["health"]["status"] == "ok")));
    desk.json(&["sandbox", "faults", "add", "--operation", "CreateKey", "--fault", "error", "--code", "LimitExceededException"]);
    let limit = desk.fails(6, &["key", "create", "x", "--keystore", "demo-eu"]);
    assert_eq!((slug(&limit), &limit["cloud_code"]), ("cloud-limit", &json!("LimitExceededException")));
    assert!(limit["operation"].is_string() && limit["mend"].is_string(), "{limit}");

    desk.json(&["sandbox", "faults", "add", "--operation", "ImportKeyMaterial", "--fault", "delay", "--millis", "4000"]);
    assert_eq!(desk.json(&["sandbox", "faults", "list"])["faults"].as_array().map(Vec::len), Some(1));
    let late = desk.fails(8, &["key", "create", "slow", "--keystore", "demo-eu", "--timeout", "1s"]);
    let operation = late["operation"].as_str().unwrap_or_else(|| panic!("no operation: {late}"));
    assert_eq!(desk.json(&["operation", "wait", operation])["state"], "SUCCEEDED", "it went on");
    let begun = desk.json(&["key", "renew", "slow", "--no-wait"]);
    assert_eq!(desk.json(&["operation", "wait", begun["operation"].as_str().expect("an operation")])["state"], "SUCCEEDED");
    desk.json(&["sandbox", "faults", "clear"]);

    let nowhere = Desk::new();
    assert_eq!(slug(&nowhere.fails(2, &["key", "list"])), "no-server");
    assert!(nowhere.fails(1, &["audit", "verify", "nothing.log"])["type"].is_string());
    assert_eq!(nowhere.run(&["doctor", "--output", "json"]).code, 1);
    let table = desk.run(&["key", "show", "nobody"]);
    assert!(table.out.is_empty() && table.err.contains("nobody") && table.err.contains("req_"), "{}", table.err);
}

#[test]
fn a_key_of_the_vault_is_copied_from_the_command_line_ft_036() {
    let (desk, terminal) = demo();
    assert_eq!(desk.json(&["keystore", "create", "main", "--cloud", "vault"])["cloud"], "vault");
    assert_eq!(desk.fails(2, &["keystore", "create", "x", "--cloud", "vault", "--region", "eu-west-1"])["field"], "region");
    assert_eq!(desk.run(&["keystore", "create", "x", "--cloud", "aws"]).code, 2, "a Region is required there");
    let source = desk.json(&["key", "create", "source", "--keystore", "main"]);
    assert_eq!((&source["cloud"], &source["state"]), (&json!("vault"), &json!("ACTIVE")));
    let copies = desk.json(&["key", "copy", "source", "--to", "demo-eu", "--alias", "source", "--expires", "90d", "--expiry-policy", "extend"]);
    let copy = &copies[0];
    assert_eq!((&copy["name"], &copy["custody"], &copy["source_key"]), (&json!("source_copy1"), &json!("linked"), &source["id"]), "{copies}");
    assert!(copy["operation"].is_string());
    desk.table(&["key", "links", "source"], &["source_copy1", "demo-eu", "main", "ann"]);
    desk.table(&["key", "show", "source_copy1"], &["linked", "Links", "source"]);
    assert_eq!(desk.fails(2, &["key", "copy", "source", "--to", "main"])["field"], "to");
    assert_eq!(desk.fails(2, &["key", "renew", "source_copy1"])["field"], "key");
    let rotated = desk.json(&["key", "rotate", "source", "--copies", "all", "--wave", "2"]);
    assert_eq!(rotated["predecessor"], source["id"]);
    until("the copy follows", || desk.json(&["key", "waves", "source"])[0]["state"] == "DONE");
    assert_eq!(desk.json(&["key", "show", "source_copy1"])["source_key"], rotated["id"]);
    desk.table(&["key", "waves", "source"], &["1", "source_copy1", "demo-eu", "DONE"]);
    desk.write("theirs.bin", &rand::random::<[u8; 32]>());
    let theirs = desk.json(&["key", "import", "theirs", "--keystore", "demo-eu", "--file", "theirs.bin", "--format", "raw", "--no-copy"]);
    assert_eq!((&theirs["custody"], &theirs["state"]), (&json!("native"), &json!("ACTIVE")), "FT-037");
    assert_eq!(desk.fails(2, &["key", "upload", "theirs"])["field"], "key");
    let kept = desk.json(&["key", "create", "kept", "--keystore", "main", "--not-exportable"]);
    assert_eq!(kept["exportable"], false);
    assert_eq!(desk.fails(2, &["key", "copy", "kept", "--to", "demo-eu"])["field"], "key");
    drop(terminal);
}

/// CM-054, CM-055, CM-057, CM-067, of many keys at once.
#[test]
fn many_keys_are_acted_on_from_the_command_line_behind_a_dry_run() {
    let (desk, terminal) = demo();
    for (name, tag) in [("m1", "lot=yes"), ("m2", "lot=yes"), ("m3", "lot=no")] {
        desk.json(&["key", "create", name, "--keystore", "demo-eu", "--tag", tag]);
    }
    let chosen = ["key", "deactivate", "--tag", "lot=yes"];
    let plan = desk.json(&[&chosen[..], &["--dry-run"]].concat());
    assert_eq!((&plan["keys"], &plan["changes"], &plan["refused"]), (&json!(2), &json!(2), &json!(0)), "{plan}");
    desk.table(&[&chosen[..], &["--dry-run"]].concat(), &["would change", "takes", "m1", "m2", "demo-eu"]);
    assert_eq!(desk.fails(2, &chosen)["field"], "yes", "nobody can be asked");
    assert_eq!(desk.json(&["key", "show", "m1"])["state"], "ACTIVE");
    let done = desk.json(&[&chosen[..], &["--yes"]].concat());
    assert_eq!((&done["state"], &done["counts"]["done"]), (&json!("DONE"), &json!(2)), "{done}");
    for (name, state) in [("m1", "INACTIVE"), ("m2", "INACTIVE"), ("m3", "ACTIVE")] {
        assert_eq!(desk.json(&["key", "show", name])["state"], state, "{name}");
    }
    assert_eq!(desk.json(&["key", "activate", "m1"])["state"], "ACTIVE", "one key is asked as ever");
    let failed = desk.fails(1, &["key", "renew", "m1", "m2", "--yes"]);
    assert_eq!(slug(&failed), "batch-failed");
    assert!(failed["mend"].as_str().is_some_and(|mend| mend.contains("batch items batch_")), "{failed}");
    let batches = desk.json(&["batch", "list"]);
    let id = batches[1]["id"].as_str().expect("an id");
    desk.table(&["batch", "items", id, "--only", "failed"], &["m2", "FAILED", "INACTIVE"]);
    desk.table(&["batch", "show", id], &["renew", "DONE", "failed"]);
    let updated = desk.json(&["batch", "update", "--tag", "lot=yes", "--set-tag", "team=pay", "--yes"]);
    assert_eq!(updated["counts"]["done"], 2, "{updated}");
    assert_eq!(desk.json(&["key", "show", "m2"])["tags"], json!({ "lot": "yes", "team": "pay" }));
    let lost = desk.json(&["key", "upload", "--keystore", "demo-eu", "--without-material", "--first", "lot=yes", "--dry-run"]);
    assert_eq!(lost["changes"], 0, "nothing is lost: {lost}");
    assert_eq!(desk.fails(2, &["batch", "stop", id])["field"], "batch");
    assert_eq!(desk.fails(2, &["key", "rotate", "--all", "--strategy", "in-place", "--dry-run"])["field"], "strategy");
    drop(terminal);
}
