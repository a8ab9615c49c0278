//! `PATCH /v1/keystores/{keystore}` (FX-043).

use axum::{Json, extract::State};
use keystead_app::keystores::update::KeystoreChange;
use keystead_domain::{AlertChannels, Invalid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{WhichKeystore, on_wire};
use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Input, Named, given},
    problem::Refusal,
    wire::keystore::Keystore,
};

/// What shall change; what is left out stays as it is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "alert_channels": ["mail:ops@example.com", "pager"] }))]
pub(crate) struct UpdateKeystore {
    /// The channels of the server's configuration that hear of it and of its keys, 1 to 10; null: every one, also those that come later.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 10)]
    alert_channels: Option<Option<Vec<String>>>,
}

impl Input for UpdateKeystore {}

impl UpdateKeystore {
    fn read(self) -> Result<KeystoreChange, Invalid> {
        Ok(KeystoreChange { alert_channels: self.alert_channels.map(alert_channels).transpose()? })
    }
}

/// Channels of a body; null: every one.
pub(super) fn alert_channels(names: Option<Vec<String>>) -> Result<AlertChannels, Invalid> {
    names.map_or(Ok(AlertChannels::All), |names| AlertChannels::parse("alert_channels", "null", names))
}

/// Change a keystore
///
/// Which channels hear of it and of its keys: names out of the server's configuration. If none of them is configured any more, every channel hears of it. The same again
/// changes nothing.
#[utoipa::path(patch, path = "/v1/keystores/{keystore}", tag = "keystores", params(WhichKeystore), request_body = UpdateKeystore,
    responses((status = 200, description = "The keystore.", body = Keystore)))]
pub(crate) async fn update_keystore(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(keystore): Named,
    Body(asked): Body<UpdateKeystore>,
) -> Result<Json<Keystore>, Refusal> {
    let row = api.app.update_keystore(&caller, &keystore, asked.read()?).await?;
    Ok(Json(on_wire(&api, row)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: serde_json::Value) -> Result<KeystoreChange, Invalid> {
        serde_json::from_value::<UpdateKeystore>(body).expect("a request").read()
    }

    #[test]
    fn null_means_every_channel_and_absence_leaves_fx_043() {
        assert_eq!(read(json!({})), Ok(KeystoreChange::default()));
        assert_eq!(read(json!({ "alert_channels": null })).map(|change| change.alert_channels), Ok(Some(AlertChannels::All)));
        let named = read(json!({ "alert_channels": ["pager"] })).expect("a change").alert_channels;
        assert_eq!(named.and_then(|channels| channels.to_list()), Some(vec!["pager".to_owned()]));
        let refused = read(json!({ "alert_channels": [] })).expect_err("nobody would hear of it");
        assert!(refused.field == "alert_channels" && refused.mend.contains("null means every channel"), "{refused}");
    }
}
