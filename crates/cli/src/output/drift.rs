//! Drift: how differences look.

use serde::Deserialize;

use super::{
    Row, Sheet,
    table::{clean_line, section, time},
};

/// How much of a value stands in a table, in characters.
const CELL_MAX: usize = 40;

/// A difference, as far as it is shown.
#[derive(Debug, Clone, Deserialize)]
pub struct Drift {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    keystore: String,
    #[serde(default)]
    cloud_key: String,
    attribute: String,
    #[serde(default)]
    item: String,
    class: String,
    #[serde(default)]
    wanted: String,
    #[serde(default)]
    last_seen: Option<String>,
    #[serde(default)]
    live: String,
    state: String,
    #[serde(default)]
    cause: Option<serde_json::Value>,
    #[serde(default)]
    repair: Vec<String>,
    #[serde(default)]
    instead_of_repairing: Option<String>,
    #[serde(default)]
    instead_of_accepting: Option<String>,
    #[serde(default)]
    found_at: String,
    #[serde(default)]
    seen_at: String,
    #[serde(default)]
    ended_at: Option<String>,
    #[serde(default)]
    ended_by: Option<String>,
}

impl Drift {
    fn what(&self) -> String {
        if self.item.is_empty() { self.attribute.clone() } else { format!("{} {}", self.attribute, self.item) }
    }

    fn whose(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.cloud_key.clone())
    }

    /// Who made it, when, by which event.
    fn cause(&self) -> Option<String> {
        let cause = self.cause.as_ref()?;
        let of = |name: &str| cause[name].as_str().unwrap_or_default().to_owned();
        let from = if of("from").is_empty() { String::new() } else { format!(" from {}", of("from")) };
        let own = if cause["is_own"] == true { "; in Keystead's own session and by no operation of it: its credentials may be in other hands" } else { "" };
        Some(clean_line(&format!("{} by {}{from} at {} (event {}){own}", of("event"), of("who"), time(&of("at")), of("event_id"))))
    }
}

fn shortened(text: &str) -> String {
    let text = clean_line(text);
    if text.chars().count() <= CELL_MAX { text } else { format!("{}…", text.chars().take(CELL_MAX - 1).collect::<String>()) }
}

impl Row for Drift {
    const HEADER: &'static [&'static str] = &["class", "key", "keystore", "what", "wanted", "is", "since", "id"];

    fn cells(&self) -> Vec<String> {
        let (wanted, live) = (shortened(&self.wanted), shortened(&self.live));
        vec![self.class.clone(), self.whose(), self.keystore.clone(), self.what(), wanted, live, time(&self.found_at), self.id.clone()]
    }
}

impl Sheet for Drift {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let ended = self.ended_at.as_deref().map(|at| format!("{} by {}", time(at), self.ended_by.clone().unwrap_or_default()));
        vec![
            ("id", Some(self.id.clone())),
            ("key", Some(self.whose())),
            ("keystore", Some(self.keystore.clone())),
            ("cloud key", Some(self.cloud_key.clone())),
            ("what", Some(self.what())),
            ("class", Some(self.class.clone())),
            ("state", Some(self.state.clone())),
            ("wanted", Some(self.wanted.clone())),
            ("last seen", self.last_seen.clone()),
            ("is", Some(self.live.clone())),
            ("cause", self.cause()),
            ("found", Some(time(&self.found_at))),
            ("seen", Some(time(&self.seen_at))),
            ("ended", ended),
            ("accept", self.instead_of_accepting.clone()),
        ]
    }

    fn below(&self) -> String {
        if let Some(instead) = &self.instead_of_repairing {
            return format!("\nKeystead cannot put this right\n- {}\n", clean_line(instead));
        }
        let lines: Vec<String> = self.repair.iter().map(|line| format!("- {}\n", clean_line(line))).collect();
        if lines.is_empty() { String::new() } else { format!("\nA repair does\n{}", lines.concat()) }
    }
}

/// A difference with what a repair does.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct PlannedDrift(Drift);

impl Row for PlannedDrift {
    const HEADER: &'static [&'static str] = &["class", "key", "what", "a repair does", "id"];

    fn cells(&self) -> Vec<String> {
        let drift = &self.0;
        let does = if drift.repair.is_empty() { drift.instead_of_repairing.clone().unwrap_or_default() } else { drift.repair.join("; ") };
        vec![drift.class.clone(), drift.whose(), drift.what(), clean_line(&does), drift.id.clone()]
    }
}

/// How a keystore is looked through.
#[derive(Debug, Clone, Deserialize)]
pub struct DriftPolicy {
    keystore: String,
    #[serde(default)]
    every: Option<String>,
    #[serde(default)]
    auto_repair: String,
    #[serde(default)]
    set_at: Option<String>,
    #[serde(default)]
    set_by: Option<String>,
}

impl Sheet for DriftPolicy {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("keystore", Some(self.keystore.clone())),
            ("looked through", Some(self.every.as_ref().map_or("when somebody asks".to_owned(), |every| format!("every {every}")))),
            ("mended alone", Some(self.auto_repair.clone())),
            ("set", self.set_at.as_deref().map(time)),
            ("by", self.set_by.clone()),
        ]
    }
}

/// The queue that tells what is done to the keys of a keystore.
#[derive(Debug, Clone, Deserialize)]
pub struct EventQueue {
    keystore: String,
    #[serde(default)]
    queue: Option<String>,
    #[serde(default)]
    heard_at: Option<String>,
    #[serde(default)]
    problem: Option<String>,
    #[serde(default)]
    failing_since: Option<String>,
    #[serde(default)]
    set_at: Option<String>,
    #[serde(default)]
    set_by: Option<String>,
    #[serde(default)]
    unexplained: Vec<Deed>,
}

#[derive(Debug, Clone, Deserialize)]
struct Deed {
    event: String,
    at: String,
    who: String,
    from: String,
    request: String,
    cloud_key: String,
}

impl Sheet for EventQueue {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("keystore", Some(self.keystore.clone())),
            ("queue", Some(self.queue.clone().unwrap_or_else(|| "none".to_owned()))),
            ("heard", self.heard_at.as_deref().map(time)),
            ("problem", self.problem.as_deref().map(clean_line)),
            ("fails since", self.failing_since.as_deref().map(time)),
            ("set", self.set_at.as_deref().map(time)),
            ("by", self.set_by.clone()),
        ]
    }

    fn below(&self) -> String {
        let rows =
            self.unexplained.iter().cloned().map(|Deed { event, at, who, from, request, cloud_key }| vec![event, time(&at), cloud_key, from, who, request]);
        section("unexplained: done in Keystead's own name, and by no operation of it", &["event", "at", "cloud key", "from", "who", "call"], rows.collect())
    }
}
