//! One text out of many alerts: the most urgent first, a line each.

use keystead_domain::alert::{Alert, AlertKind};

/// How many alerts of a kind a mail lists; the rest is counted.
const LISTED: usize = 100;

/// A text for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// One message that tells all of these.
pub fn digest(alerts: &[Alert]) -> Message {
    let of = |kind: AlertKind| alerts.iter().filter(move |alert| alert.kind == kind);
    let sections: Vec<String> =
        AlertKind::ALL.into_iter().filter(|kind| of(*kind).next().is_some()).map(|kind| section(kind, &of(kind).collect::<Vec<_>>())).collect();
    let text = format!(
        "{}\n\nYou get this from Keystead, because its configuration names you under [alerts]. `keystead alert list` shows all of it.\n",
        sections.join("\n\n")
    );
    Message { subject: subject(alerts), text }
}

fn subject(alerts: &[Alert]) -> String {
    if let [only] = alerts {
        return format!("Keystead: {}", plain(&sentence(only)));
    }
    let counts = AlertKind::ALL.into_iter().filter_map(|kind| match alerts.iter().filter(|alert| alert.kind == kind).count() {
        0 => None,
        count => Some(format!("{count} {}", headline(kind).to_lowercase())),
    });
    format!("Keystead: {}", counts.collect::<Vec<_>>().join(", "))
}

const fn headline(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::KeyExpired => "Expired",
        AlertKind::DriftFound => "Changed in the cloud",
        AlertKind::RehearsalOverdue => "Disabled for too long",
        AlertKind::RehearsalEnded => "Rehearsed",
        AlertKind::DrillFailed => "Drill failed",
        AlertKind::OperationFailed => "Failed",
        AlertKind::KeystoreUnhealthy => "Keystore not well",
        AlertKind::KeyExpires => "Expiring soon",
        AlertKind::RotationMissed => "Rotation left out",
        AlertKind::KeyRotates => "Rotating soon",
        AlertKind::OperationRecovered => "Recovered",
        AlertKind::KeystoreRecovered => "Keystore well again",
        AlertKind::Test => "Test",
    }
}

fn section(kind: AlertKind, alerts: &[&Alert]) -> String {
    let mut lines = vec![headline(kind).to_owned()];
    for alert in alerts.iter().take(LISTED) {
        lines.push(format!("- {} ({})", sentence(alert), alert.at.rfc3339()));
        lines.extend(alert.facts.get("mend").map(|mend| format!("  {}", plain(mend))));
    }
    if alerts.len() > LISTED {
        lines.push(format!("- and {} more", alerts.len() - LISTED));
    }
    lines.join("\n")
}

/// What an alert says, in one sentence without a full stop.
pub fn sentence(alert: &Alert) -> String {
    let fact = |name: &str| alert.facts.get(name).map(|text| plain(text)).unwrap_or_default();
    let place = |text: String| if fact("keystore").is_empty() { text } else { format!("{text} in {}", fact("keystore")) };
    let what = if fact("key").is_empty() { String::new() } else { format!(" of {}", fact("key")) };
    match alert.kind {
        AlertKind::KeyExpires => {
            format!("{} expires on {} (in {} days; policy: {})", place(fact("key")), fact("expires_at"), fact("days_left"), fact("policy"))
        }
        AlertKind::KeyExpired => format!("{} has expired on {}", place(fact("key")), fact("expires_at")),
        AlertKind::RotationMissed => format!("{} was not rotated on {}: it is {}", place(fact("key")), fact("rotation_at"), fact("state")),
        AlertKind::KeyRotates => format!("{} will be rotated not before {}", place(fact("key")), fact("rotation_at")),
        AlertKind::DriftFound => format!("{} was changed in the cloud: {} ({})", place(fact("key")), fact("attribute"), fact("class")),
        AlertKind::RehearsalOverdue => format!("{} should be enabled again since {}", place(fact("key")), fact("ends_at")),
        AlertKind::RehearsalEnded => format!("the deletion of {} was rehearsed: {}", place(fact("key")), fact("why")),
        AlertKind::DrillFailed => format!("the drill of the kill switch{} did not go as it should: {}", place(what), fact("why")),
        AlertKind::OperationFailed => format!("{}{} failed: {}", fact("operation_kind"), place(what), fact("why")),
        AlertKind::OperationRecovered => format!("{}{} has succeeded again", fact("operation_kind"), place(what)),
        AlertKind::KeystoreUnhealthy => format!("{} is not well: {}", fact("keystore"), fact("why")),
        AlertKind::KeystoreRecovered => format!("{} is well again", fact("keystore")),
        AlertKind::Test => format!("{} tries whether alerts arrive", fact("by")),
    }
}

/// A fact as one line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystead_domain::{AlertId, Timestamp};

    fn alert(kind: AlertKind, facts: &[(&str, &str)]) -> Alert {
        let at = Timestamp::from_secs(1_790_000_000);
        Alert { id: AlertId::new(at, [1; 10]), kind, at, facts: facts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect() }
    }

    fn expires(key: &str) -> Alert {
        alert(
            AlertKind::KeyExpires,
            &[("key", key), ("keystore", "eu"), ("expires_at", "2026-10-01T00:00:00Z"), ("days_left", "7"), ("policy", "alert"), ("mend", "Renew it.")],
        )
    }

    #[test]
    fn one_alert_is_its_own_subject() {
        let message = digest(&[expires("orders")]);
        assert_eq!(message.subject, "Keystead: orders in eu expires on 2026-10-01T00:00:00Z (in 7 days; policy: alert)");
        assert!(message.text.contains("Expiring soon\n- orders in eu expires"), "{}", message.text);
        assert!(message.text.contains("\n  Renew it.\n"), "{}", message.text);
    }

    #[test]
    fn many_alerts_are_one_message_with_the_most_urgent_first() {
        let failed = alert(AlertKind::OperationFailed, &[("operation_kind", "renew-key"), ("key", "a\r\nBcc: b"), ("why", "no")]);
        let message = digest(&[expires("x"), failed, expires("y")]);
        assert_eq!(message.subject, "Keystead: 1 failed, 2 expiring soon");
        assert!(message.text.find("renew-key of a  Bcc: b failed: no") < message.text.find("- x in eu"), "{}", message.text);
    }

    #[test]
    fn a_flood_is_counted_and_not_listed() {
        let many: Vec<Alert> = (0..250).map(|n| expires(&format!("key-{n}"))).collect();
        let text = digest(&many).text;
        assert!(text.contains("key-99 in eu") && !text.contains("key-100 in eu") && text.contains("- and 150 more"), "{text}");
    }
}
