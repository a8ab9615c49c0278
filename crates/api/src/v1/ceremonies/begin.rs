//! `POST /v1/ceremonies` (FX-015).

use axum::extract::State;
use keystead_app::ceremonies::NewCeremony;
use keystead_domain::{Invalid, Timestamp};
use keystead_vault::CheckValue;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::Made,
    api::Api,
    caller::Caller,
    change::{Change, IdempotencyHeader},
    extract::Input,
    problem::Refusal,
    secret::{SecretString, length_only_opt},
    v1::keys::create::CreateKey,
    wire::ceremony::Ceremony,
};

/// A ceremony as it is asked for.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "key": { "name": "card-root", "keystore": "frankfurt", "spec": "AES_256" }, "components": 3, "check_value": "0123456789" }))]
pub(crate) struct BeginCeremony {
    /// The key that is to be, as it is asked for in `POST /v1/keys`, without `material`. Its kind is `AES_256` or one of HMAC.
    key: CreateKey,
    /// How many components it comes in; each is entered by another person.
    #[schema(minimum = 2, maximum = 8)]
    components: u32,
    /// The check value that the whole key is expected to have, as in `POST /v1/keys`.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "length_only_opt")]
    #[schema(value_type = Option<String>, example = "0123456789")]
    check_value: Option<SecretString>,
}

impl Input for BeginCeremony {
    fn holds_secret(body: Option<&Self>) -> bool {
        CreateKey::holds_secret(body.map(|body| &body.key))
    }
}

impl BeginCeremony {
    fn read(self, now: Timestamp) -> Result<NewCeremony, Invalid> {
        if CreateKey::holds_secret(Some(&self.key)) {
            let mend = "Leave it out: each component is entered by another person, to POST /v1/ceremonies/{ceremony}/components.";
            return Err(Invalid::new("key.material", "is given, and the key shall come in components", mend));
        }
        let mut key = self.key.read(now)?;
        let expected = self.check_value.map(|text| CheckValue::parse("check_value", key.spec, &text.into_text()));
        key.expected = expected.transpose()?;
        Ok(NewCeremony { key, components: self.components })
    }
}

/// Begin a ceremony
///
/// A key shall come in components, each entered by another person (split knowledge: ANSI X9.24-1), and be their XOR. Nothing is made yet. What is entered waits, sealed, for
/// 72 hours from now at most; then it is wiped. The same request again with the same `Idempotency-Key` answers the same ceremony.
#[utoipa::path(post, path = "/v1/ceremonies", tag = "ceremonies", params(IdempotencyHeader), request_body = BeginCeremony,
    responses((status = 201, description = "It waits for its components.", body = Ceremony)))]
pub(crate) async fn begin_ceremony(State(api): State<Api>, Caller(caller): Caller, change: Change<BeginCeremony>) -> Result<Made<Ceremony>, Refusal> {
    let request = change.request(&caller);
    let new = change.body.read(api.app.engine().now())?;
    let body = Ceremony::of(api.app.begin_ceremony(&caller, &request, new).await?);
    let at = Some(format!("/v1/ceremonies/{}", body.id));
    Ok(Made { body, at })
}
