//! Who is told, and whether it arrives: a real SMTP server, a real receiver of webhooks that checks signatures, outages, a death between send and note, two nodes,
//! and sixty days on the virtual clock (FX-042, FX-043, CM-020).

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use keystead_app::{Request, keys::lifecycle::Ask, keys::update::KeyChange};
use keystead_domain::{
    AlertChannels,
    key::expiry::ExpiryPolicy,
    time::{DAY, SECOND},
};
use keystead_notify::{Channel, Mail, Secret, Security, Smtp, Webhook, sign};
use keystead_operations::{NoHooks, alerts::Alerting, engine::Settings};
use keystead_sandbox::{Effect, Fault};
use keystead_server::{Courier, House, SandboxClock, Sent, Wiring, assemble};
use keystead_store::{Store, channels, keystores};
use keystead_testkit::smtp::{LOGIN, SmtpServer};
use keystead_vault::{SecretBytes, UnlockSecret};
use serde_json::{Value, json};

use crate::world::{Engine, World, clouds};

const HOOK: &str = "webhook:here";
const PAGER: &str = "pager";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A message that the receiver has taken: its id and its body.
pub type Taken = (String, Value);

/// A receiver of webhooks. It checks every signature as a stranger would.
#[derive(Clone, Default)]
pub struct Receiver {
    taken: Arc<Mutex<Vec<Taken>>>,
    /// What it answers; 0 is 200.
    status: Arc<AtomicU16>,
}

impl Receiver {
    /// Starts it, and answers its URL.
    pub async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let router = axum::Router::new().route("/hook", axum::routing::post(take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        url
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.taken_since(0)
    }

    /// What was taken behind the first so many messages.
    pub fn taken_since(&self, count: usize) -> Vec<Taken> {
        self.taken.lock().expect("no panic inside")[count..].to_vec()
    }

    /// Every alert that was taken, in order.
    pub fn alerts(&self) -> Vec<Value> {
        self.taken().into_iter().flat_map(|(_, body)| body["data"]["alerts"].as_array().cloned().unwrap_or_default()).collect()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: String) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (id, at) = (header("webhook-id"), header("webhook-timestamp").parse().unwrap_or(0));
    let right = sign(&Secret::new(SECRET.to_owned()), &id, at, &body).expect("a secret");
    if header("webhook-signature") != right {
        return StatusCode::UNAUTHORIZED;
    }
    match receiver.status.load(Ordering::SeqCst) {
        0 | 200 => receiver.taken.lock().expect("no panic inside").push((id, serde_json::from_str(&body).expect("JSON"))),
        status => return StatusCode::from_u16(status).expect("a status"),
    }
    StatusCode::OK
}

fn hook(url: &str, secret: &str) -> Channel {
    Channel::Webhook(Webhook::new(url, Secret::new(secret.to_owned())).expect("a webhook"))
}

fn settings(channels: &[&str]) -> Settings {
    let alerts = Alerting { digest_micros: 300 * SECOND, channels: channels.iter().map(|name| (*name).to_owned()).collect(), ..Alerting::default() };
    Settings { quotas: false, patience_micros: SECOND, alerts, ..Settings::default() }
}

/// How the engine of a world with one webhook behaves.
pub fn settings_with_hook() -> Settings {
    settings(&[HOOK])
}

/// The courier of a world with one webhook, which is at this URL.
pub fn courier_to(engine: &keystead_operations::Engine, url: &str) -> Courier {
    Courier::new(engine.clone(), vec![(HOOK.to_owned(), hook(url, SECRET))])
}

/// A world with one webhook, its receiver, and its courier.
async fn with_hook(engine: Engine) -> (World, Receiver, Courier) {
    let world = World::with(engine, settings_with_hook()).await;
    let receiver = Receiver::default();
    let courier = courier_to(&world.house.engine, &receiver.start().await);
    (world, receiver, courier)
}

fn advance(world: &World, micros: i64) {
    world.sandbox.advance(u64::try_from(micros).expect("forward"));
}

async fn look(world: &World) {
    loop {
        let began = world.house.engine.look_at_expiry().await.expect("a store");
        while world.house.engine.in_hand() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if began == 0 {
            return;
        }
    }
}

async fn sends(courier: &Courier) -> Sent {
    courier.look().await.expect("a store")[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_digest_is_one_signed_call_and_is_tried_again_until_the_receiver_is_back_fx_043() {
    let (world, receiver, courier) = with_hook(Engine::Sqlite).await;
    for name in ["orders", "bills"] {
        world.create(name).await;
    }
    advance(&world, 61 * DAY);
    look(&world).await;
    assert_eq!(sends(&courier).await, Sent::Nothing, "alerts wait for each other");
    advance(&world, 300 * SECOND);
    receiver.answers(500);
    assert_eq!(sends(&courier).await, Sent::Failed);
    assert_eq!(sends(&courier).await, Sent::Nothing, "the channel rests");
    advance(&world, 59 * SECOND);
    assert_eq!(sends(&courier).await, Sent::Nothing);
    advance(&world, 2 * SECOND);
    assert_eq!(sends(&courier).await, Sent::Failed);
    advance(&world, 61 * SECOND);
    assert_eq!(sends(&courier).await, Sent::Nothing, "the second pause is longer");
    let (_, shown) = world.rest(0, "GET", "/v1/alerts", None).await;
    let delivery = &shown["items"][0]["deliveries"][0];
    assert_eq!((&delivery["state"], &delivery["attempts"]), (&json!("PENDING"), &json!(2)), "{shown}");
    assert!(delivery["last_error"].as_str().is_some_and(|why| why.contains("500")), "{shown}");
    receiver.answers(200);
    advance(&world, 60 * SECOND);
    assert_eq!(sends(&courier).await, Sent::Delivered(2));
    let taken = receiver.taken();
    assert_eq!(taken.len(), 1, "one call for both");
    let body = &taken[0].1;
    assert_eq!((&body["type"], body["data"]["alerts"].as_array().map(Vec::len)), (&json!("keystead.alerts"), Some(2)), "{body}");
    assert_eq!((&body["data"]["alerts"][0]["kind"], &body["data"]["alerts"][0]["facts"]["days_before"]), (&json!("key-expires"), &json!("30")));
    look(&world).await;
    advance(&world, 400 * SECOND);
    assert_eq!(sends(&courier).await, Sent::Nothing, "and never again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_takes_for_three_days_is_given_up_and_told_to_the_audit_log() {
    let (world, receiver, courier) = with_hook(Engine::Sqlite).await;
    world.create("orders").await;
    advance(&world, 61 * DAY);
    look(&world).await;
    receiver.answers(404);
    advance(&world, 300 * SECOND);
    let mut tries = 0;
    loop {
        tries += 1;
        match sends(&courier).await {
            Sent::GivenUp => break,
            sent => assert_eq!(sent, Sent::Failed),
        }
        advance(&world, 3600 * SECOND);
    }
    assert_eq!(tries, 73, "every hour for three days");
    let (_, shown) = world.rest(0, "GET", "/v1/alerts", None).await;
    assert_eq!(shown["items"][0]["deliveries"][0]["state"], "GIVEN_UP", "{shown}");
    let (_, log) = world.rest(0, "GET", "/v1/audit?limit=5", None).await;
    assert!(log["items"].as_array().is_some_and(|entries| entries.iter().any(|one| one["entry"]["action"] == "alert.give-up")), "{log}");
    let (_, metrics) = world.rest(0, "GET", "/metrics", None).await;
    assert!(metrics.as_str().is_some_and(|text| text.contains("keystead_alert_deliveries{state=\"GIVEN_UP\"} 1\n")), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_between_send_and_note_sends_the_same_message_once_more() {
    let (world, receiver, courier) = with_hook(Engine::Sqlite).await;
    let url = receiver.start().await;
    world.create("orders").await;
    advance(&world, 61 * DAY);
    look(&world).await;
    advance(&world, 300 * SECOND);
    let now = world.now();
    let leased = world.store().write("test", move |tx| channels::lease(tx, HOOK, now, now.plus_micros(60 * SECOND), "msg_first"));
    let batch = leased.await.expect("a store").expect("it is due");
    let alerts: Vec<_> = batch
        .alerts
        .iter()
        .map(|row| keystead_domain::alert::Alert {
            id: row.id.clone(),
            kind: row.kind,
            at: row.created_at,
            facts: serde_json::from_str(&row.facts).expect("facts"),
        })
        .collect();
    hook(&url, SECRET).send(&batch.name, &alerts, now).await.expect("it is taken, and then the process dies");
    assert_eq!(sends(&courier).await, Sent::Nothing, "nobody knows yet that it died");
    advance(&world, 61 * SECOND);
    assert_eq!(sends(&courier).await, Sent::Delivered(1));
    let taken = receiver.taken();
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[0], taken[1], "the same id and the same body: a receiver can tell");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_send_once_on_postgresql() {
    let (world, receiver, courier) = with_hook(Engine::Postgres).await;
    let url = receiver.start().await;
    let other = second_node(&world).await;
    let second = Courier::new(other.engine.clone(), vec![(HOOK.to_owned(), hook(&url, SECRET))]);
    for round in 0..6 {
        let (status, _) = world.rest(0, "POST", "/v1/alerts/test", Some(json!({}))).await;
        assert_eq!(status, 200);
        let (one, two) = tokio::join!(courier.look(), second.look());
        let both = [one.expect("a store")[0], two.expect("a store")[0]];
        assert_eq!(both.iter().filter(|sent| **sent == Sent::Delivered(1)).count(), 1, "round {round}: {both:?}");
    }
    assert_eq!(receiver.taken().len(), 6);
    let (a, b) = tokio::join!(world.house.engine.look_at_expiry(), other.engine.look_at_expiry());
    assert!(a.is_ok() && b.is_ok());
}

async fn second_node(world: &World) -> House {
    let store = Store::open(&world.database).expect("a second node");
    let secret = UnlockSecret::KeyFile(SecretBytes::from((1u8..=32).collect::<Vec<u8>>()));
    let (clock, clouds) = (Arc::new(SandboxClock(world.sandbox.clock())), Arc::new(clouds(&world.sandbox.endpoint())));
    assemble(Wiring { store, secret: Some(secret), modules: Vec::new(), clouds, clock, hooks: Arc::new(NoHooks), settings: settings(&[HOOK]) })
        .await
        .expect("a second house")
}

/// A key that lives so many days, under this policy.
async fn key(world: &World, name: &str, days: i64, policy: ExpiryPolicy) {
    let mut new = world.new_key("payments-eu", name);
    (new.expires, new.expiry_policy) = (Some(world.now().plus_days(days)), policy);
    let started = world.house.app.create_key(&world.ann, &Request::default(), new).await.expect("an intent");
    world.succeeds(started).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_sixty_days_each_alert_arrives_exactly_once_for_each_end_fx_042_fx_043() {
    let (world, receiver, courier) = with_hook(Engine::Sqlite).await;
    for (name, days, policy) in [
        ("long", 200, ExpiryPolicy::Alert),
        ("fifty", 50, ExpiryPolicy::Alert),
        ("ten", 10, ExpiryPolicy::Alert),
        ("moved", 40, ExpiryPolicy::Alert),
        ("extended", 35, ExpiryPolicy::Extend),
        ("renewed", 20, ExpiryPolicy::Renew),
    ] {
        key(&world, name, days, policy).await;
    }
    let span = 2 * 3600 * SECOND;
    for step in 0..(60 * DAY / span) {
        // An outage of the receiver for a day, and a downtime of Keystead for three.
        let day = step * span / DAY;
        receiver.answers(if day == 25 { 503 } else { 200 });
        if !(30..33).contains(&day) {
            look(&world).await;
            courier.look().await.expect("a store");
        }
        if step == 20 * DAY / span {
            let change = KeyChange { expires: Some(Some(world.now().plus_days(38))), ..KeyChange::default() };
            let moved = world.house.app.update_key(&world.ann, &Request::default(), "moved", change).await.expect("an intent");
            world.succeeds(moved).await;
        }
        advance(&world, span);
    }
    let mut told: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for alert in receiver.alerts() {
        let fact = |name: &str| alert["facts"][name].as_str().unwrap_or_default().to_owned();
        let what = if alert["kind"] == "key-expired" { "over".to_owned() } else { fact("days_before") };
        told.entry((fact("key"), fact("expires_at"))).or_default().push(what);
    }
    let of: Vec<(String, String)> = told.iter().map(|((key, _), days)| (key.clone(), days.join(" "))).collect();
    let expected = [("fifty", "30 14 7 1 over"), ("moved", "30"), ("moved", "30 14 7 1 over"), ("ten", "14 7 1 over")];
    assert_eq!(of, expected.map(|(key, days)| (key.to_owned(), days.to_owned())), "{told:?}");
    let ids: std::collections::BTreeSet<String> = receiver.alerts().iter().map(|alert| alert["id"].to_string()).collect();
    assert_eq!(ids.len(), receiver.alerts().len(), "none arrived twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_told_once_and_its_recovery_too() {
    let (world, receiver, courier) = with_hook(Engine::Sqlite).await;
    world.create("orders").await;
    let refused = Effect::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized".into() };
    world.sandbox.add_faults([Fault { operation: "CreateKey".into(), skip: 0, count: 99, effect: refused }]);
    for _ in 0..3 {
        let started = world.start("orders", Ask::Renew).await;
        assert_eq!(world.ended(&started).await.state, "FAILED");
    }
    world.sandbox.clear_faults();
    for _ in 0..2 {
        world.does("orders", Ask::Renew).await;
    }
    advance(&world, 301 * SECOND);
    assert_eq!(sends(&courier).await, Sent::Delivered(2));
    let told: Vec<String> =
        receiver.alerts().iter().map(|alert| format!("{} {} {}", alert["kind"], alert["facts"]["key"], alert["facts"]["operation_kind"])).collect();
    assert_eq!(told, [r#""operation-failed" "orders" "renew-key""#, r#""operation-recovered" "orders" "renew-key""#]);
    let text = receiver.alerts()[0]["text"].as_str().expect("a text").to_owned();
    assert!(text.contains("CreateKey was refused"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_goes_out_over_tls_with_a_login_and_nothing_goes_without_cm_020() {
    let Some(server) = SmtpServer::start() else { return };
    let smtp = |security, password: &str, roots: bool| Smtp {
        host: "localhost".into(),
        port: server.port,
        security,
        roots: roots.then(|| std::fs::read(server.certificate()).expect("a certificate")),
        login: Some((LOGIN.0.into(), Secret::new(password.into()))),
        from: "Keystead <keystead@example.com>".into(),
    };
    let channel = |smtp: &Smtp| Channel::Mail(Mail::new(smtp, "ops@example.com").expect("a mailbox"));
    let right = smtp(Security::StartTls, LOGIN.1, true);
    channel(&right).check().await.expect("doctor finds it well");
    let wrong = channel(&smtp(Security::StartTls, "wrong-secret", true)).check().await.expect_err("the login is refused").to_string();
    assert!(wrong.contains("535") && !wrong.contains("wrong-secret"), "{wrong}");
    for bad in [smtp(Security::StartTls, LOGIN.1, false), smtp(Security::Plain, LOGIN.1, true), smtp(Security::Tls, LOGIN.1, true)] {
        assert!(channel(&bad).check().await.is_err(), "an unknown certificate, no TLS, and TLS where there is none");
    }

    let world = World::with(Engine::Sqlite, settings(&["mail:ops"])).await;
    let courier = Courier::new(world.house.engine.clone(), vec![("mail:ops".to_owned(), channel(&right))]);
    for name in ["orders", "bills"] {
        world.create(name).await;
    }
    advance(&world, 76 * DAY);
    look(&world).await;
    advance(&world, 300 * SECOND);
    assert_eq!(sends(&courier).await, Sent::Delivered(2));
    let mails = server.mails();
    assert_eq!(mails.len(), 1, "one mail for both");
    let mail = &mails[0];
    for wanted in
        ["X-To: ops@example.com", "X-Tls: True", "X-Login: True", "Subject: Keystead: 2 expiring soon", "Message-ID: <msg_", "bills in payments-eu expires on"]
    {
        assert!(mail.contains(wanted), "no {wanted} in {mail}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_goes_out_at_once_and_is_shown_with_what_became_of_it() {
    let world = World::new(Engine::Sqlite).await;
    let (status, refused) = world.rest(0, "POST", "/v1/alerts/test", Some(json!({}))).await;
    assert!(status == 422 || status == 400, "{status} {refused}");
    assert!(refused["mend"].as_str().is_some_and(|mend| mend.contains("[[alerts.webhook]]")), "{refused}");

    let (world, receiver, courier) = with_hook(Engine::Sqlite).await;
    let (status, alert) = world.rest(0, "POST", "/v1/alerts/test", Some(json!({}))).await;
    assert_eq!((status, &alert["kind"], &alert["deliveries"][0]["state"]), (200, &json!("test"), &json!("PENDING")), "{alert}");
    assert_eq!(sends(&courier).await, Sent::Delivered(1));
    assert_eq!(receiver.alerts()[0]["id"], alert["id"]);
    let path = format!("/v1/alerts/{}", alert["id"].as_str().expect("an id"));
    let (_, shown) = world.rest(0, "GET", &path, None).await;
    assert_eq!((&shown["deliveries"][0]["state"], &shown["facts"]["by"]), (&json!("DELIVERED"), &json!("ann")), "{shown}");
    assert_eq!(world.rest(0, "GET", "/v1/alerts/alert_00000000000000000000000000000000", None).await.0, 404);
    let other = Courier::new(world.house.engine.clone(), vec![(HOOK.to_owned(), hook(&receiver.start().await, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))]);
    world.rest(0, "POST", "/v1/alerts/test", Some(json!({}))).await;
    assert_eq!(sends(&other).await, Sent::Failed, "another secret is refused by the receiver");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keystore_is_heard_of_on_its_own_channels_and_on_no_other_fx_043() {
    let world = World::with(Engine::Sqlite, settings(&[HOOK, PAGER])).await;
    let (everybody, pager) = (Receiver::default(), Receiver::default());
    let mut reached = Vec::new();
    for (name, receiver) in [(HOOK, &everybody), (PAGER, &pager)] {
        reached.push((name.to_owned(), hook(&receiver.start().await, SECRET)));
    }
    let courier = Courier::new(world.house.engine.clone(), reached);
    world.make_keystore_in("payments-us", "us-east-1").await;
    let named = world.rest(0, "PATCH", "/v1/keystores/payments-eu", Some(json!({ "alert_channels": [PAGER] }))).await;
    assert_eq!(named.0, 200, "{named:?}");
    world.create("orders").await;
    world.succeeds(world.start_create_in("payments-us", "bills").await).await;
    advance(&world, 61 * DAY);
    look(&world).await;
    advance(&world, 300 * SECOND);
    assert_eq!(courier.look().await.expect("a store"), [Sent::Delivered(1), Sent::Delivered(2)]);
    let told = |receiver: &Receiver| {
        let mut keys: Vec<String> = receiver.alerts().iter().map(|alert| alert["facts"]["key"].as_str().unwrap_or_default().to_owned()).collect();
        keys.sort();
        keys
    };
    assert_eq!((told(&everybody), told(&pager)), (vec!["bills".to_owned()], vec!["bills".to_owned(), "orders".to_owned()]));
    let (_, listed) = world.rest(0, "GET", "/v1/alerts", None).await;
    let orders = listed["items"].as_array().expect("alerts").iter().find(|alert| alert["facts"]["key"] == "orders").expect("is told");
    assert_eq!((&orders["deliveries"][0]["channel"], orders["deliveries"].as_array().map(Vec::len)), (&json!(PAGER), Some(1)), "{listed:#}");

    // What is about no keystore goes to every channel.
    world.rest(0, "POST", "/v1/alerts/test", Some(json!({}))).await;
    assert_eq!(courier.look().await.expect("a store"), [Sent::Delivered(1), Sent::Delivered(1)]);

    // The configuration loses the only channel that the keystore names: rather everybody hears of it than nobody.
    let named = AlertChannels::Only(["beeper".to_owned()].into());
    let id = world.key("orders").await.keystore_id;
    world.store().write("test", move |tx| keystores::set_alert_channels(tx, &id, &named)).await.expect("a store");
    advance(&world, 20 * DAY);
    look(&world).await;
    advance(&world, 300 * SECOND);
    assert_eq!(courier.look().await.expect("a store"), [Sent::Delivered(2), Sent::Delivered(2)]);
    assert_eq!((told(&everybody).len(), told(&pager).len()), (4, 5), "a test each, and of both keys what is told 14 days ahead");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schedule_tells_what_will_happen_in_order_and_page_by_page() {
    let world = World::new(Engine::Sqlite).await;
    for (name, days, policy) in [("alerted", 20, ExpiryPolicy::Alert), ("extended", 35, ExpiryPolicy::Extend), ("renewed", 100, ExpiryPolicy::Renew)] {
        key(&world, name, days, policy).await;
    }
    world.create("dropped").await;
    world.does("dropped", Ask::ScheduleDeletion(keystead_domain::key::deletion::WaitingDays::SHORTEST)).await;
    let told = |page: &Value| -> Vec<String> {
        page["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|one| format!("{} {}", one["what"].as_str().unwrap_or(""), one["name"].as_str().unwrap_or("")))
            .collect()
    };
    let (status, whole) = world.rest(0, "GET", "/v1/schedule?days=94", None).await;
    let expected = [
        "alert alerted",
        "delete dropped",
        "clean-up dropped",
        "alert alerted",
        "alert alerted",
        "expire alerted",
        "extend extended",
        "extend extended",
        "extend extended",
        "renew renewed",
    ];
    assert_eq!(status, 200);
    let mut sorted = (told(&whole), expected.map(str::to_owned).to_vec());
    assert_eq!(sorted.0.last().map(String::as_str), Some("renew renewed"), "{whole}");
    sorted.0.sort();
    sorted.1.sort();
    assert_eq!(sorted.0, sorted.1, "{whole}");
    let times: Vec<&str> = whole["items"].as_array().expect("items").iter().filter_map(|one| one["at"].as_str()).collect();
    assert!(times.is_sorted(), "{times:?}");

    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = world.rest(0, "GET", &format!("/v1/schedule?days=94&limit=3{cursor}"), None).await;
        paged.extend(told(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, told(&whole), "nothing is lost between pages");
    assert_eq!(told(&world.rest(0, "GET", "/v1/schedule?days=6", None).await.1), ["alert alerted"]);
    assert!(world.rest(0, "GET", "/v1/schedule?days=0", None).await.0 >= 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_tries_the_channels_and_tells_what_is_coming() {
    let (world, _receiver, courier) = with_hook(Engine::Sqlite).await;
    key(&world, "orders", 20, ExpiryPolicy::Alert).await;
    look(&world).await;
    let running = tokio::spawn(courier.run());
    let (url, token) = (world.url.clone(), world.tokens[0].clone());
    let typed = tokio::task::spawn_blocking(move || {
        let desk = crate::desk::Desk::new();
        let at = |line: &[&str]| [line, &["--url", &url, "--token", &token]].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        let json = |line: &[&str]| desk.json(&at(line).iter().map(String::as_str).collect::<Vec<_>>());
        let test = json(&["alert", "test"]);
        assert_eq!(test["deliveries"][0]["state"], "DELIVERED", "{test}");
        let listed = json(&["alert", "list"]);
        assert_eq!((&listed[0]["kind"], &listed[1]["facts"]["key"]), (&json!("test"), &json!("orders")), "{listed}");
        let id = listed[1]["id"].as_str().expect("an id").to_owned();
        assert_eq!(json(&["alert", "show", &id])["kind"], "key-expires");
        let named = json(&["keystore", "update", "payments-eu", "--alert-channels", HOOK]);
        assert_eq!(named["alert_channels"], json!([HOOK]), "{named}");
        let show = at(&["keystore", "show", "payments-eu"]);
        desk.table(&show.iter().map(String::as_str).collect::<Vec<_>>(), &["to webhook:here"]);
        let all = json(&["keystore", "update", "payments-eu", "--all-alert-channels"]);
        assert_eq!(all["alert_channels"], json!(null), "{all}");
        let schedule = json(&["schedule", "--days", "10"]);
        assert_eq!((&schedule[0]["what"], schedule.as_array().map(Vec::len)), (&json!("alert"), Some(1)), "{schedule}");
        let line = at(&["schedule"]);
        desk.table(&line.iter().map(String::as_str).collect::<Vec<_>>(), &["WHEN", "WHAT", "orders", "expire"]);
    });
    typed.await.expect("it can be typed");
    running.abort();
}
