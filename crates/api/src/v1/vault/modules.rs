//! `GET /v1/vault/modules`.

use axum::{Json, extract::State};
use keystead_vault::{HsmError, Member};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{api::Api, caller::Caller};

/// The hardware modules.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "modules": [
    { "name": "hsm", "state": "up", "sessions": 4, "waiting": 0, "done": 1812, "trouble": null },
    { "name": "second", "state": "away", "sessions": 0, "waiting": 0, "done": 3, "trouble": "the hardware module is away (Login: DeviceRemoved)" }] }))]
pub(crate) struct Modules {
    /// Those that the configuration names.
    modules: Vec<Module>,
}

/// A hardware module, and how it is doing in this process.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Module {
    /// Its name in the configuration.
    name: String,
    /// `up`: it holds the root and did its last work. `failing`: it holds the root and did not; the others are asked first. `without-root`: it does not hold
    /// the root; one may move to it. `away`: it did not open, or can less than those that did. `closed`: the vault is sealed, or its root does not lie in a module.
    state: &'static str,
    /// Sessions that are open.
    sessions: usize,
    /// Uses of the vault that wait for it or run in it.
    waiting: usize,
    /// Uses of the vault that it has ended since the start.
    done: u64,
    /// Why it did not do its last work, or does not work with the others.
    #[schema(required)]
    trouble: Option<String>,
}

impl From<Member> for Module {
    fn from(member: Member) -> Self {
        let state = match (member.is_in, &member.condition.trouble) {
            (true, None) => "up",
            (true, Some(_)) => "failing",
            (false, Some(HsmError::NoRoot)) => "without-root",
            (false, Some(_)) => "away",
            (false, None) => "closed",
        };
        let condition = member.condition;
        let trouble = condition.trouble.map(|error| error.to_string());
        Self { name: member.name, state, sessions: condition.sessions, waiting: condition.waiting, done: condition.done, trouble }
    }
}

/// List the hardware modules, and how each is doing
///
/// Those that the configuration names, in this process; an empty list without any.
#[utoipa::path(get, path = "/v1/vault/modules", tag = "vault", responses((status = 200, description = "The modules.", body = Modules)))]
pub(crate) async fn vault_modules(State(api): State<Api>, _: Caller) -> Json<Modules> {
    Json(Modules { modules: api.app.modules().into_iter().map(Module::from).collect() })
}
