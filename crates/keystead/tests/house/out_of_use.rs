//! Keys are taken out of use from the command line: by a kill, by hand behind a question, for a rehearsal, and in a drill.

use crate::desk::{demo, slug, until};

#[test]
fn keys_are_killed_and_restored_from_the_command_line_ft_019() {
    let (desk, _terminal) = demo();
    desk.json(&["key", "create", "doomed", "--keystore", "demo-eu", "--tag", "fate=dark"]);
    desk.json(&["key", "renew", "doomed"]);
    desk.table(&["keystore", "kill", "demo-eu", "--tag", "fate=dark", "--dry-run"], &["takes at least", "Reached", "REPLACED", "is removed"]);
    assert!(desk.fails(2, &["keystore", "kill", "demo-eu", "--all"]).to_string().contains("--yes"), "nobody can be asked");
    assert_eq!(desk.json(&["key", "show", "doomed"])["state"], "ACTIVE");
    desk.table(&["key", "blast-radius", "doomed"], &["POLICY ALLOWS", "itself", "predecessor", "not known"]);
    desk.table(&["key", "kill", "doomed"], &["DARK AFTER", "refused", "Encrypt: ", "REPLACED", "removed"]);
    assert_eq!(desk.json(&["key", "show", "doomed"])["state"], "INACTIVE");
    desk.table(&["key", "kills", "doomed"], &["SUCCEEDED", "LAST DARK AFTER"]);
    assert_eq!(desk.json(&["key", "restore", "doomed"])["state"], "ACTIVE");
    desk.table(&["keystore", "kill", "demo-eu", "--tag", "fate=dark", "--yes"], &["doomed", "refused"]);
    assert_eq!(desk.json(&["key", "restore", "doomed"])["state"], "ACTIVE");
}

#[test]
fn whoever_takes_a_key_out_of_use_by_hand_sees_who_depends_on_it_and_says_yes_aw_045() {
    let (desk, _terminal) = demo();
    desk.json(&["key", "create", "doomed", "--keystore", "demo-eu", "--tag", "fate=dark"]);
    for verb in ["deactivate", "kill", "schedule-deletion"] {
        let asked = desk.at_a_terminal(&["key", verb, "doomed"], "no");
        assert!(
            asked.code == 2 && asked.out.contains("LAST USE") && asked.out.contains("not seen since") && asked.out.contains("nothing was begun"),
            "{}",
            asked.out
        );
        assert_eq!(desk.json(&["key", "show", "doomed"])["state"], "ACTIVE", "{verb}");
    }
    let asked = desk.at_a_terminal(&["key", "deactivate", "doomed"], "yes");
    assert!(asked.code == 0 && asked.out.contains("itself"), "{}{}", asked.out, asked.err);
    assert_eq!(desk.json(&["key", "activate", "doomed"])["state"], "ACTIVE", "where nobody can be asked nobody is");
    let quick = desk.at_a_terminal(&["key", "kill", "doomed", "--yes"], "");
    assert!(quick.code == 0 && !quick.out.contains("LAST USE"), "{}", quick.out);
    desk.json(&["key", "restore", "doomed"]);
    desk.table(&["key", "deactivate", "--tag", "fate=dark", "--dry-run"], &["depend on them", "of 1 keys no sync has seen"]);
    desk.table(&["keystore", "kill", "demo-eu", "--tag", "fate=dark", "--dry-run"], &["depend on them", "aliases"]);
}

#[test]
fn a_deletion_is_rehearsed_from_the_command_line_aw_045() {
    let (desk, _terminal) = demo();
    desk.json(&["key", "create", "old-orders", "--keystore", "demo-eu"]);
    assert_eq!(desk.json(&["key", "rehearse-deletion", "old-orders", "--for", "15m"])["cloud_state"], "Disabled");
    desk.table(&["key", "rehearsals", "old-orders"], &["RUNNING", "DISABLED UNTIL", "not seen since"]);
    assert_eq!(slug(&desk.fails(2, &["key", "rehearse-deletion", "old-orders", "--for", "15m"])), "invalid-input");
    assert_eq!(desk.json(&["key", "end-rehearsal", "old-orders"])["cloud_state"], "Enabled");
    desk.table(&["key", "rehearsals", "old-orders"], &["WATCHING"]);
    desk.json(&["key", "renew", "old-orders"]);
    desk.table(&["key", "adoption", "old-orders"], &["SINCE THEN", "not seen", "REPLACED"]);
    desk.json(&["key", "create", "older-orders", "--keystore", "demo-eu"]);
    let asked = desk.at_a_terminal(&["key", "rehearse-deletion", "older-orders", "--for", "1m"], "no");
    assert!(asked.code == 2 && asked.out.contains("disabled for 1m"), "{}", asked.out);
}

#[test]
fn the_kill_switch_is_drilled_from_the_command_line_ft_019() {
    let (desk, _terminal) = demo();
    assert!(desk.fails(2, &["keystore", "drill", "set", "demo-eu", "--every", "7d"]).to_string().contains("keystead-canary"));
    desk.json(&["key", "create", "canary", "--keystore", "demo-eu", "--tag", "keystead-canary=yes"]);
    desk.table(&["keystore", "drill", "set", "demo-eu", "--every", "7d", "--within", "5m"], &["every 7d", "refused within", "canary", "never"]);
    until("a drill that succeeded", || desk.json(&["keystore", "drill", "list", "demo-eu"])[0]["state"] == "SUCCEEDED");
    desk.table(&["keystore", "drill", "list", "demo-eu"], &["DARK AFTER", "canary", "SUCCEEDED"]);
    assert!(desk.json(&["keystore", "drill", "show", "demo-eu"])["last_success"].is_string());
    assert_eq!(desk.json(&["key", "show", "canary"])["state"], "ACTIVE");
    desk.table(&["keystore", "drill", "stop", "demo-eu"], &["drilled", "no"]);
}
