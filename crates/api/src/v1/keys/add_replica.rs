//! `POST /v1/keys/{key}/replicas` (FT-047; FT-048 lifted).

use axum::extract::State;
use keystead_app::keys::family::NewReplica;
use keystead_domain::{Aliases, Invalid, Name};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::WhichKey;
use crate::{
    answer::{Answered, OperationAnswer, answer},
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Input, Named, given},
    problem::Refusal,
    wire::tags::GivenTags,
};

/// A replica as it is asked for; what is left out is as the primary has it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "keystore": "payments-us", "name": "orders_us-east-1" }))]
pub(crate) struct AddReplica {
    /// The keystore in the other Region, by id or name: of the same AWS account and partition.
    keystore: String,
    /// Its name; left out, the primary's with the Region behind it: `orders_us-east-1`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    /// Its aliases in its own Region; left out, the primary's.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 50)]
    aliases: Option<Vec<String>>,
    /// At most 8192 characters.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<String>,
    /// At most 40.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<std::collections::HashMap<String, String>>)]
    tags: Option<GivenTags>,
}

impl Input for AddReplica {}

impl AddReplica {
    fn read(self) -> Result<NewReplica, Invalid> {
        Ok(NewReplica {
            keystore: self.keystore,
            name: self.name.as_deref().map(Name::parse).transpose()?,
            aliases: self.aliases.map(Aliases::parse).transpose()?,
            description: self.description,
            tags: self.tags.map(GivenTags::read).transpose()?,
        })
    }
}

/// Add a replica
///
/// Makes a replica of a multi-Region primary key in a keystore of another Region, and imports the same material into it: what one Region encrypts, the other
/// decrypts. State, expiry and rotation are from then on asked of the primary, and the replicas go along; name, aliases, tags and description are the replica's own.
/// To remove it, schedule its deletion. The key that is answered is the replica.
#[utoipa::path(post, path = "/v1/keys/{key}/replicas", tag = "keys", params(WhichKey, ChangeHeaders), request_body = AddReplica, responses(OperationAnswer))]
pub(crate) async fn add_replica(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<AddReplica>) -> Result<Answered, Refusal> {
    let (request, wait) = (change.request(&caller), change.wait);
    let new = change.body.read()?;
    let started = api.app.add_replica(&caller, &request, &key, new).await?;
    answer(&api, &caller, started, wait).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: serde_json::Value) -> Result<NewReplica, Invalid> {
        serde_json::from_value::<AddReplica>(body).expect("a request").read()
    }

    #[test]
    fn what_is_left_out_is_the_primarys_and_an_empty_list_is_none_ft_047() {
        let plain = read(json!({ "keystore": "us" })).expect("a replica");
        assert_eq!(plain, NewReplica { keystore: "us".into(), ..NewReplica::default() });
        assert_eq!(read(json!({ "keystore": "us", "aliases": [] })).expect("a replica").aliases, Some(Aliases::default()));
        assert_eq!(read(json!({ "keystore": "us", "name": "a b" })).expect_err("no name").field, "name");
    }
}
