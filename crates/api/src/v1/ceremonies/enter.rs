//! `POST /v1/ceremonies/{ceremony}/components` (FX-015).

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{WhichCeremony, answer};
use crate::{
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Input, Named},
    problem::Refusal,
    secret::{SecretString, length_only, length_only_opt},
    wire::ceremony::Ceremony,
};

/// A component as it is entered. Whose it is, the token says and nothing here.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "component": "8a3f60d1c24e7b95f0186d2cb47ea9035e91d7c86f20ab143d75e8029bc6f41d", "check_value": "0123456789" }))]
pub(crate) struct EnterComponent {
    /// As many bytes as the key has, in hexadecimal.
    #[serde(serialize_with = "length_only")]
    #[schema(value_type = String, format = Password, write_only)]
    component: SecretString,
    /// The check value of this component alone, as if it were a key.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "length_only_opt")]
    #[schema(value_type = Option<String>, example = "0123456789")]
    check_value: Option<SecretString>,
}

impl Input for EnterComponent {
    fn holds_secret(_: Option<&Self>) -> bool {
        true
    }
}

/// Enter a component
///
/// The caller's own; who entered one already is refused (`same-person`), also who began the ceremony. With the last one the key is made: `state` is MAKING and
/// `operation` names the operation. The last one is refused, and can be entered again, where all do not make the key whose check value was told.
#[utoipa::path(post, path = "/v1/ceremonies/{ceremony}/components", tag = "ceremonies", params(WhichCeremony, ChangeHeaders), request_body = EnterComponent,
    responses((status = 200, description = "It is kept.", body = Ceremony)))]
pub(crate) async fn enter_component(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(id): Named,
    change: Change<EnterComponent>,
) -> Result<Json<Ceremony>, Refusal> {
    let (request, wait) = (change.request(&caller), change.wait);
    let component = change.body.component.decode_hex("component")?;
    let check_value = change.body.check_value.map(SecretString::into_text);
    let entered = api.app.enter_component(&caller, &request, &id, component, check_value.as_ref().map(|text| text.as_str())).await?;
    answer(&api, &caller, entered, wait).await
}
