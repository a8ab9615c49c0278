//! Who depends on many keys together.

use serde::Deserialize;

/// Who depends on the keys that would be taken out of use.
#[derive(Debug, Clone, Deserialize)]
pub struct Dependants {
    looked_at: u64,
    never_seen: u64,
    aliases: u64,
    grants: u64,
    principals: u64,
    #[serde(default)]
    first_principals: Vec<String>,
}

impl Dependants {
    /// As fields of a sheet.
    pub fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let unseen = match self.never_seen {
            0 => String::new(),
            some => format!("; of {some} keys no sync has seen more than their own aliases"),
        };
        let told = format!("{} aliases, {} grants, {} principals of policies, of {} keys{unseen}", self.aliases, self.grants, self.principals, self.looked_at);
        let more = if self.principals > self.first_principals.len() as u64 { " …" } else { "" };
        vec![("depend on them", Some(told)), ("policies allow", Some(format!("{}{more}", self.first_principals.join(" "))))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_sync_has_seen_is_said_beside_the_sum_aw_045() {
        let known = serde_json::json!({"looked_at": 3, "never_seen": 1, "aliases": 4, "grants": 2, "principals": 2, "first_principals": ["a"]});
        let known: Dependants = serde_json::from_value(known).expect("dependants");
        let told: Vec<String> = known.fields().into_iter().filter_map(|(_, text)| text).collect();
        assert_eq!(told, ["4 aliases, 2 grants, 2 principals of policies, of 3 keys; of 1 keys no sync has seen more than their own aliases", "a …"]);
    }
}
