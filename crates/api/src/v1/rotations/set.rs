//! `PUT /v1/rotation-policies/{target}` (FT-076, FX-027).

use axum::{Json, extract::State};
use keystead_app::keys::rotation::Target;
use keystead_domain::{
    Invalid, Timestamp, duration,
    rotation::{Strategy, Wish},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::WhichPolicy;
use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Input, Named},
    problem::Refusal,
    wire::{rotation::Rotation, time::when},
};

/// A rotation policy as it is asked for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "every": "90d", "window": "sat,sun@02:00-04:00", "zone": "Europe/Berlin", "notice": "7d", "grace": "30d" }))]
pub(crate) struct SetRotationPolicy {
    /// `new-key` (when left out): a successor with new material takes over the aliases. `in-place`: the same cloud key gets new material, where the cloud can; else
    /// as new-key. `none`: no rotation, whatever a policy further away says.
    #[serde(default)]
    strategy: Option<String>,
    /// So long behind the last rotation: a span such as `90d`, a day at least. This or `cron`.
    #[serde(default)]
    every: Option<String>,
    /// By a calendar: minute, hour, day, month, weekday, or `@monthly`; once a day at most.
    #[serde(default)]
    cron: Option<String>,
    /// The time zone of calendar and window by its IANA name; UTC when left out.
    #[serde(default)]
    zone: Option<String>,
    /// Not before: a span from now, or a time.
    #[serde(default)]
    start: Option<String>,
    /// Begin only inside: `sat,sun@02:00-04:00`, or `02:00-04:00` for every day; an hour at least.
    #[serde(default)]
    window: Option<String>,
    /// How long before a rotation it is told, in the key's history and the log: a span.
    #[serde(default)]
    notice: Option<String>,
    /// How long behind a rotation the predecessor is deactivated: a span; `keep` (when left out): it stays enabled.
    #[serde(default)]
    grace: Option<String>,
}

impl Input for SetRotationPolicy {}

impl SetRotationPolicy {
    fn read(self, now: Timestamp) -> Result<Wish, Invalid> {
        let span = |field: &str, text: Option<String>| text.map(|text| duration::parse(field, &text)).transpose();
        Ok(Wish {
            off: self.strategy.as_deref() == Some("none"),
            strategy: strategy(self.strategy.as_deref())?,
            every: span("every", self.every)?,
            cron: self.cron,
            zone: self.zone,
            start: self.start.map(|text| when("start", &text, now)).transpose()?,
            window: self.window,
            notice: span("notice", self.notice)?,
            grace: span("grace", self.grace.filter(|grace| grace != "keep"))?,
        })
    }
}

fn strategy(text: Option<&str>) -> Result<Strategy, Invalid> {
    match text {
        None | Some("none") => Ok(Strategy::NewKey),
        Some(text) => Strategy::parse(text).map_err(|invalid| Invalid { mend: "Give new-key, in-place or none.".to_owned(), ..invalid }),
    }
}

/// Set a rotation policy
///
/// In the place of the one that was there. The nearest counts: the key's own, its keystore's, the default. The same again changes nothing.
#[utoipa::path(put, path = "/v1/rotation-policies/{target}", tag = "rotation", params(WhichPolicy), request_body = SetRotationPolicy,
    responses((status = 200, description = "How it is rotated now.", body = Rotation)))]
pub(crate) async fn set_rotation_policy(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(target): Named,
    Body(asked): Body<SetRotationPolicy>,
) -> Result<Json<Rotation>, Refusal> {
    let wish = asked.read(api.app.engine().now())?;
    let rotation = api.app.set_rotation(&caller, &Target::parse(&target)?, wish).await?;
    Ok(Json(Rotation::of(rotation)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use keystead_domain::time::DAY;

    fn read(body: serde_json::Value) -> Result<Wish, Invalid> {
        serde_json::from_value::<SetRotationPolicy>(body).expect("a request").read(Timestamp::from_secs(1_790_000_000))
    }

    #[test]
    fn a_wish_is_read_and_what_it_cannot_be_is_refused_by_name() {
        let wish = read(json!({ "every": "90d", "grace": "keep", "notice": "7d" })).expect("a wish");
        assert_eq!(wish, Wish { every: Some(90 * DAY), notice: Some(7 * DAY), ..Wish::default() });
        assert!(read(json!({ "strategy": "none" })).expect("a wish").off);
        assert_eq!(read(json!({ "every": "9d", "strategy": "in-place" })).expect("a wish").strategy, Strategy::InPlace);
        for (body, field) in [
            (json!({ "every": "often" }), "every"),
            (json!({ "every": "90d", "grace": "long" }), "grace"),
            (json!({ "every": "90d", "start": "soon" }), "start"),
            (json!({ "every": "90d", "strategy": "hope" }), "strategy"),
        ] {
            assert_eq!(read(body).expect_err("refused").field, field);
        }
    }
}
