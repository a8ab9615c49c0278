//! `POST /v1/keys/{key}/rotate` (FT-016, FT-074, FT-077, FT-078).

use axum::extract::State;
use keystead_app::keys::waves::{Copies, RotateCopies};
use keystead_domain::{Invalid, rotation::Strategy, waves::SIZE_DEFAULT};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::WhichKey;
use crate::{
    answer::{Answered, OperationAnswer, answer},
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Input, Named},
    problem::Refusal,
};

/// How it shall be rotated.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "strategy": "in-place" }))]
pub(crate) struct RotateKey {
    /// `new-key`: a successor takes over the aliases. `in-place`: the same cloud key gets new material. Left out: as the policy that counts says, where the cloud can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strategy: Option<String>,
    /// Whether all its copies that are in use get successors behind it, in waves.
    #[serde(default, skip_serializing_if = "is_false")]
    all_copies: bool,
    /// The copies, by id or name, that get successors behind it; instead of `all_copies`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    copies: Vec<String>,
    /// How many copies a wave has behind the first one: 1 to 100, 10 when it is left out. Each wave begins when the one before has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    wave: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

impl RotateKey {
    fn read(&self) -> Result<RotateCopies, Invalid> {
        let copies = match (self.all_copies, self.copies.is_empty()) {
            (true, false) => return Err(Invalid::new("copies", "is given together with all_copies", "Give one of the two.")),
            (true, true) => Copies::All,
            (false, true) => Copies::None,
            (false, false) => Copies::Named(self.copies.clone()),
        };
        let strategy = self.strategy.as_deref().map(Strategy::parse).transpose()?;
        Ok(RotateCopies { strategy, copies, wave: self.wave.unwrap_or(SIZE_DEFAULT) })
    }
}

impl Input for RotateKey {
    const MAY_BE_ABSENT: bool = true;
}

/// Rotate a key now
///
/// From ACTIVE, whatever its policy's window says. By a successor, as a renewal; behind the grace of its rotation policy, if that has one, the predecessor is
/// deactivated. Or in place: the ARN stays, what was encrypted before opens, and it cannot be undone; AES keys without copies only, 25 times for life.
/// Its copies that are chosen follow, one operation each: first one alone, then the others in waves; `GET …/waves` tells how far that has come. A copy is rotated by
/// itself only to follow a source that was rotated without it. What an alias that moves does not help with stands in the answer's `warnings`, and before that in `GET /v1/rotation-policies/key:NAME`.
#[utoipa::path(post, path = "/v1/keys/{key}/rotate", tag = "keys", params(WhichKey, ChangeHeaders), request_body = RotateKey, responses(OperationAnswer))]
pub(crate) async fn rotate_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<RotateKey>) -> Result<Answered, Refusal> {
    let asked = change.body.read()?;
    let mut warnings = api.app.rotation_warnings(&caller, &key, asked.strategy).await?;
    warnings.extend(api.app.copies_left_behind(&caller, &key, &asked).await?);
    let started = api.app.rotate_key(&caller, &change.request(&caller), &key, &asked).await?;
    Ok(answer(&api, &caller, started, change.wait).await?.warning(warnings))
}
