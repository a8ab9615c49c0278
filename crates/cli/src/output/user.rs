//! Users: how they look.

use serde::Deserialize;

use super::{Row, Sheet, table::time};

/// A user, as far as one is shown. It has no `Debug`: right after its making it comes with a token.
#[derive(Deserialize)]
pub struct User {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    created_at: String,
    /// Shown this once, where it is made.
    #[serde(default)]
    token: Option<String>,
}

impl Row for User {
    const HEADER: &'static [&'static str] = &["name", "state", "created", "id"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.state.clone(), time(&self.created_at), self.id.clone()]
    }
}

impl Sheet for User {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("name", Some(self.name.clone())),
            ("id", Some(self.id.clone())),
            ("state", Some(self.state.clone())),
            ("created", Some(time(&self.created_at))),
            ("token", self.token.clone()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::{grid, sheet};

    #[test]
    fn a_token_is_shown_where_it_is_made_and_never_in_a_list() {
        let json = serde_json::json!({"id": "user_1", "name": "ann", "state": "ACTIVE", "created_at": "2026-11-21T23:44:55Z", "token": "kst_x"});
        let user: User = serde_json::from_value(json).expect("a user");
        assert_eq!(grid(User::HEADER, vec![user.cells()]), "NAME  STATE   CREATED            ID\nann   ACTIVE  2026-11-21 23:44Z  user_1\n");
        assert!(sheet(user.fields()).ends_with("token    kst_x\n"));
    }
}
