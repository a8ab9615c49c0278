//! Estates on the wire and in files: the same shape both ways. The JSON schema of files is derived from it.

use std::collections::BTreeMap;

use keystead_domain::{
    Alias, Aliases, Invalid, KeySpec, KeyUsage, Name, Tags,
    drift::AutoRepair,
    duration,
    estate::{self, DriftWish, Origin, Place, RotationWish, WantedEnd, WantedKey, WantedKeystore, WantedReplica, WantedState},
    key::{deletion::WaitingDays, expiry::ExpiryPolicy},
    keystore::AwsLocation,
    rotation::{Strategy, Wish},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    estate_reading::Mistakes,
    tags::{self, GivenTags},
    time::{rfc3339, span},
};
use crate::extract::{given, objects};

/// Keystores, keys and policies as they shall be. What is left out is left alone: a field as well as a whole key. Nothing is deleted unless `deleted` says so.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = crate::wire::estate::example)]
pub(crate) struct Estate {
    /// The form of the file; 1.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 1)]
    pub version: Option<u32>,
    /// How keys are rotated for which nothing nearer is said.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rotation: Option<EstateRotation>,
    /// Keystores, each by its name.
    #[serde(default, deserialize_with = "objects", skip_serializing_if = "Vec::is_empty")]
    pub keystores: Vec<EstateKeystore>,
    /// Keys, each by its name.
    #[serde(default, deserialize_with = "objects", skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<EstateKey>,
}

/// A keystore as it shall be.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EstateKeystore {
    /// Its name. A file cannot rename it.
    pub name: String,
    /// `aws`, or `vault` for no cloud. Needed of one that is to be made; it cannot change.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cloud: Option<String>,
    /// Its Region.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub region: Option<String>,
    /// The twelve digits of its AWS account.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub account: Option<String>,
    /// The role that Keystead assumes there.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub role_arn: Option<String>,
    /// The external id of that role; of a new keystore one is made when it is left out.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub external_id: Option<String>,
    /// Whether import parameters are fetched ahead.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub warm: Option<bool>,
    /// How often it is looked through, and what is mended alone.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub drift: Option<EstateDrift>,
    /// How its keys are rotated.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rotation: Option<EstateRotation>,
}

/// How a keystore is looked through.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EstateDrift {
    /// How often: a span such as `6h`, 15 minutes at least, or `never`.
    pub every: String,
    /// `none` (when left out) or `safe`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub auto_repair: Option<String>,
}

/// How keys are rotated.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EstateRotation {
    /// `new-key` (when left out), `in-place`, `none`: no rotation, or `inherit`: no policy of its own, the next nearest counts.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub strategy: Option<String>,
    /// So long behind the last rotation: a span such as `90d`. This or `cron`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub every: Option<String>,
    /// By a calendar: minute, hour, day, month, weekday, or `@monthly`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cron: Option<String>,
    /// The time zone of calendar and window by its IANA name; UTC when left out.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub zone: Option<String>,
    /// Not before this time.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub start: Option<String>,
    /// Begin only inside, for example `sat,sun@02:00-04:00`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub window: Option<String>,
    /// How long before a rotation it is told: a span.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub notice: Option<String>,
    /// How long behind a rotation the predecessor is deactivated: a span; `keep` (when left out): it stays enabled.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub grace: Option<String>,
}

/// A key as it shall be.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EstateKey {
    /// Its name; it means the current key of that name. A file cannot rename it.
    pub name: String,
    /// Its keystore, by name. Needed of one that is to be made; it cannot change.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub keystore: Option<String>,
    /// Its kind; of a new key AES_256 when left out. It cannot change.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub spec: Option<String>,
    /// `encrypt`, `sign`, `mac` or `key-agreement`; of a new key the usual use of its kind when left out. It cannot change.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub usage: Option<String>,
    /// Where its material comes from: `generated`, `imported` or `copy`. Only what the vault generates can be made from a file.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub origin: Option<String>,
    /// Whether it can have replicas in other Regions; of a new key true where replicas are given. It cannot change.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub multi_region: Option<bool>,
    /// Whether its material may leave the vault. It cannot become true.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub exportable: Option<bool>,
    /// At most 8192 characters.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// All aliases that it shall have, with or without `alias/`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 50)]
    pub aliases: Option<Vec<String>>,
    /// All tags that it shall have.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<std::collections::HashMap<String, String>>)]
    pub tags: Option<GivenTags>,
    /// `ACTIVE` or `INACTIVE`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub state: Option<String>,
    /// When its material in the cloud expires: a time, a span such as `90d` that it lives from whenever it is imported, or `never`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires: Option<String>,
    /// What happens before: `alert`, `extend` or `renew`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expiry_policy: Option<String>,
    /// How it is rotated.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rotation: Option<EstateRotation>,
    /// Its replicas, each by its keystore.
    #[serde(default, deserialize_with = "objects", skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<EstateReplica>,
    /// True: it shall go. The only way to say so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Of a key that shall go: days until the cloud deletes it, 7 to 30; 30 when left out.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 7, maximum = 30)]
    pub waiting_days: Option<u32>,
}

/// A replica as it shall be. What is left out of a new one is as the primary has it.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EstateReplica {
    /// Its keystore, by name: of another Region of the same AWS account.
    pub keystore: String,
    /// Its name; of a new one the primary's with the Region behind it when left out.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// At most 8192 characters.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// All aliases that it shall have in its Region.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 50)]
    pub aliases: Option<Vec<String>>,
    /// All tags that it shall have.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<std::collections::HashMap<String, String>>)]
    pub tags: Option<GivenTags>,
    /// True: it shall go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Of a replica that shall go: days until the cloud deletes it, 7 to 30; 30 when left out.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 7, maximum = 30)]
    pub waiting_days: Option<u32>,
}

impl Estate {
    /// Checks every value of it.
    ///
    /// # Errors
    /// Every mistake, each with its path.
    pub fn read(self) -> Result<estate::Estate, Vec<Invalid>> {
        let mut mistakes = Mistakes::default();
        if let Some(version) = self.version.filter(|version| *version != estate::VERSION) {
            mistakes.note("version", format!("is {version}, which this Keystead does not read"), "Give 1, or leave it out.");
        }
        let estate = estate::Estate {
            rotation: self.rotation.and_then(|rotation| rotation.read("rotation", &mut mistakes)),
            keystores: self.keystores.into_iter().enumerate().filter_map(|(at, keystore)| keystore.read(&format!("keystores[{at}]"), &mut mistakes)).collect(),
            keys: self.keys.into_iter().enumerate().filter_map(|(at, key)| key.read(&format!("keys[{at}]"), &mut mistakes)).collect(),
        };
        mistakes.or(estate)
    }
}

impl EstateKeystore {
    fn read(self, path: &str, mistakes: &mut Mistakes) -> Option<WantedKeystore> {
        let location = AwsLocation {
            region: self.region.unwrap_or_default(),
            account: self.account.unwrap_or_default(),
            role_arn: self.role_arn,
            external_id: self.external_id,
        };
        let says_where = location != AwsLocation::nowhere();
        let place = match self.cloud {
            Some(cloud) => Some(Place { cloud, location }),
            None if says_where => Some(Place { cloud: "aws".to_owned(), location }),
            None => None,
        };
        Some(WantedKeystore {
            name: mistakes.take(path, Name::parse(&self.name))?,
            place,
            warm: self.warm,
            drift: self.drift.and_then(|drift| drift.read(&format!("{path}.drift"), mistakes)),
            rotation: self.rotation.and_then(|rotation| rotation.read(&format!("{path}.rotation"), mistakes)),
        })
    }
}

impl EstateDrift {
    fn read(self, path: &str, mistakes: &mut Mistakes) -> Option<DriftWish> {
        let every = if self.every == "never" { Some(None) } else { mistakes.take(path, duration::parse("every", &self.every)).map(Some) };
        let auto_repair = self.auto_repair.as_deref().map_or(Ok(AutoRepair::None), AutoRepair::parse);
        Some(DriftWish { auto_repair: mistakes.take(path, auto_repair)?, every: every? })
    }
}

impl EstateRotation {
    fn read(self, path: &str, mistakes: &mut Mistakes) -> Option<RotationWish> {
        if self.strategy.as_deref() == Some("inherit") {
            let nothing_else = [&self.every, &self.cron, &self.zone, &self.start, &self.window, &self.notice, &self.grace].into_iter().all(Option::is_none);
            if !nothing_else {
                mistakes.note(format!("{path}.strategy"), "is inherit, and something else is said as well", "Say nothing else: inherit takes the policy away.");
            }
            return Some(RotationWish::Inherit);
        }
        let strategy = match self.strategy.as_deref() {
            None | Some("none") => Ok(Strategy::NewKey),
            Some(text) => Strategy::parse(text).map_err(|invalid| Invalid { mend: "Give new-key, in-place, none or inherit.".to_owned(), ..invalid }),
        };
        let mut spans = |field: &str, text: Option<String>| match text {
            Some(text) => mistakes.take(path, duration::parse(field, &text)).map(Some),
            None => Some(None),
        };
        let (every, notice, grace) = (spans("every", self.every), spans("notice", self.notice), spans("grace", self.grace.filter(|grace| grace != "keep")));
        let start = self.start.map(|text| super::estate_reading::time("start", &text)).transpose();
        let wish = Wish {
            off: self.strategy.as_deref() == Some("none"),
            strategy: mistakes.take(path, strategy)?,
            every: every?,
            cron: self.cron,
            zone: self.zone,
            start: mistakes.take(path, start)?,
            window: self.window,
            notice: notice?,
            grace: grace?,
        };
        Some(RotationWish::Policy(Box::new(wish)))
    }
}

impl EstateKey {
    fn read(self, path: &str, mistakes: &mut Mistakes) -> Option<WantedKey> {
        let name = mistakes.take(path, Name::parse(&self.name));
        let wanted = WantedKey {
            name: Name::parse("unread").ok()?,
            keystore: self.keystore,
            spec: mistakes.each(path, self.spec, |text| KeySpec::parse(&text)),
            usage: mistakes.each(path, self.usage, |text| KeyUsage::parse(&text)),
            origin: mistakes.each(path, self.origin, |text| Origin::parse(&text)),
            multi_region: self.multi_region,
            exportable: self.exportable,
            description: mistakes.each(path, self.description, described),
            aliases: self.aliases.and_then(|aliases| aliases_of(path, aliases, mistakes)),
            tags: mistakes.each(path, self.tags, GivenTags::read),
            state: mistakes.each(path, self.state, |text| WantedState::parse(&text)),
            expires: mistakes.each(path, self.expires, |text| super::estate_reading::end("expires", &text)),
            expiry_policy: mistakes.each(path, self.expiry_policy, |text| ExpiryPolicy::parse(&text)),
            rotation: self.rotation.and_then(|rotation| rotation.read(&format!("{path}.rotation"), mistakes)),
            replicas: self.replicas.into_iter().enumerate().filter_map(|(at, replica)| replica.read(&format!("{path}.replicas[{at}]"), mistakes)).collect(),
            deleted: deletion(path, self.deleted, self.waiting_days, mistakes),
        };
        Some(WantedKey { name: name?, ..wanted })
    }
}

impl EstateReplica {
    fn read(self, path: &str, mistakes: &mut Mistakes) -> Option<WantedReplica> {
        Some(WantedReplica {
            keystore: self.keystore,
            name: mistakes.each(path, self.name, |text| Name::parse(&text)),
            description: mistakes.each(path, self.description, described),
            aliases: self.aliases.and_then(|aliases| aliases_of(path, aliases, mistakes)),
            tags: mistakes.each(path, self.tags, GivenTags::read),
            deleted: deletion(path, self.deleted, self.waiting_days, mistakes),
        })
    }
}

fn described(text: String) -> Result<String, Invalid> {
    keystead_app::keys::create::check_description(&text).map(|()| text)
}

/// Each alias is a value of its own, with a place of its own.
fn aliases_of(path: &str, texts: Vec<String>, mistakes: &mut Mistakes) -> Option<Aliases> {
    let mut aliases = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let parsed = Alias::parse(text).map_err(|invalid| Invalid { field: format!("aliases[{at}]"), ..invalid });
        if let Some(alias) = mistakes.take(path, parsed) {
            if aliases.contains(&alias) {
                mistakes.note(format!("{path}.aliases[{at}]"), format!("is {alias}, as is one before it"), "Give each alias once.");
            }
            aliases.push(alias);
        }
    }
    mistakes.take(path, Aliases::default().with(aliases))
}

fn deletion(path: &str, deleted: bool, days: Option<u32>, mistakes: &mut Mistakes) -> Option<WaitingDays> {
    let days = match days {
        Some(days) => mistakes.take(path, WaitingDays::parse(i64::from(days)).map_err(|invalid| Invalid { field: "waiting_days".to_owned(), ..invalid }))?,
        None => return deleted.then_some(WaitingDays::LONGEST),
    };
    if !deleted {
        mistakes.note(format!("{path}.waiting_days"), "is given, and deleted is not true", "Leave it out, or write deleted = true.");
    }
    deleted.then_some(days)
}

impl From<estate::Estate> for Estate {
    fn from(estate: estate::Estate) -> Self {
        Self {
            version: Some(estate::VERSION),
            rotation: estate.rotation.map(Into::into),
            keystores: estate.keystores.into_iter().map(Into::into).collect(),
            keys: estate.keys.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<WantedKeystore> for EstateKeystore {
    fn from(keystore: WantedKeystore) -> Self {
        let place: BTreeMap<&str, String> = keystore.place.iter().flat_map(Place::told).collect();
        let said = |field: &str| place.get(field).cloned();
        Self {
            name: keystore.name.to_string(),
            cloud: said("cloud"),
            region: said("region"),
            account: said("account"),
            role_arn: said("role_arn"),
            external_id: said("external_id"),
            warm: keystore.warm,
            drift: keystore
                .drift
                .map(|drift| EstateDrift { every: drift.every.map_or("never".to_owned(), span), auto_repair: Some(drift.auto_repair.as_str().to_owned()) }),
            rotation: keystore.rotation.map(Into::into),
        }
    }
}

impl From<RotationWish> for EstateRotation {
    fn from(wish: RotationWish) -> Self {
        let wish = match wish {
            RotationWish::Inherit => return Self { strategy: Some("inherit".to_owned()), ..Self::default() },
            RotationWish::Policy(wish) => *wish,
        };
        Self {
            strategy: Some(if wish.off { "none" } else { wish.strategy.as_str() }.to_owned()),
            every: wish.every.map(span),
            cron: wish.cron,
            zone: wish.zone,
            start: wish.start.map(rfc3339),
            window: wish.window,
            notice: wish.notice.map(span),
            grace: wish.grace.map(span),
        }
    }
}

impl From<WantedKey> for EstateKey {
    fn from(key: WantedKey) -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            name: key.name.to_string(),
            keystore: key.keystore,
            spec: key.spec.map(KeySpec::as_str).map(text),
            usage: key.usage.map(KeyUsage::as_str).map(text),
            origin: key.origin.map(Origin::as_str).map(text),
            multi_region: key.multi_region,
            exportable: key.exportable,
            description: key.description,
            aliases: key.aliases.map(|aliases| aliases.to_strings()),
            tags: key.tags.as_ref().map(given_tags),
            state: key.state.map(WantedState::as_str).map(text),
            expires: key.expires.map(|end| match end {
                WantedEnd::Never => "never".to_owned(),
                WantedEnd::At(time) => rfc3339(time),
                WantedEnd::Lives(micros) => span(micros),
            }),
            expiry_policy: key.expiry_policy.map(ExpiryPolicy::as_str).map(text),
            rotation: key.rotation.map(Into::into),
            replicas: key.replicas.into_iter().map(Into::into).collect(),
            deleted: key.deleted.is_some(),
            waiting_days: key.deleted.map(|days| u32::from(days.get())),
        }
    }
}

impl From<WantedReplica> for EstateReplica {
    fn from(replica: WantedReplica) -> Self {
        Self {
            keystore: replica.keystore,
            name: replica.name.map(|name| name.to_string()),
            description: replica.description,
            aliases: replica.aliases.map(|aliases| aliases.to_strings()),
            tags: replica.tags.as_ref().map(given_tags),
            deleted: replica.deleted.is_some(),
            waiting_days: replica.deleted.map(|days| u32::from(days.get())),
        }
    }
}

fn given_tags(tags: &Tags) -> GivenTags {
    GivenTags::of(tags::of(tags))
}

/// An estate as the manual shows it.
pub(crate) fn example() -> serde_json::Value {
    serde_json::json!({
        "version": 1,
        "keystores": [{ "name": "frankfurt", "cloud": "aws", "region": "eu-central-1", "account": "123456789012", "rotation": { "every": "90d", "grace": "30d" } }],
        "keys": [{ "name": "orders", "keystore": "frankfurt", "aliases": ["orders"], "tags": { "team": "pay" }, "expires": "180d", "expiry_policy": "extend" }]
    })
}
