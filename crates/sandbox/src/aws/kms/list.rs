//! Lists, page by page. A page ends at its limit; the marker to the next one is sealed and good only for the list that gave it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::call::{Scene, Stage};
use super::super::errors::{AwsError, Code};
use super::key::epoch;
use super::realm::{Alias, Naming};
use super::token::Purpose;

/// Which part of a list is asked for.
pub(crate) struct Page {
    list: String,
    limit: usize,
    /// The last item of the page before.
    pub(crate) after: Option<String>,
}

impl Page {
    /// Reads Limit and Marker. `list` names the list and everything that selects its items.
    pub(crate) fn read(scene: &Scene<'_>, list: &str, limit_default: usize, limit_max: i64) -> Result<Self, AwsError> {
        let request = scene.request();
        let place = &scene.call.place;
        let list = format!("{} {} {list}", place.account, place.region);
        let limit = request.integer("Limit", 1, limit_max)?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(limit_default);
        let after = match request.text("Marker", 1, 1_024)? {
            Some(marker) => Some(open_marker(scene, &list, marker)?),
            None => None,
        };
        Ok(Self { list, limit, after })
    }

    /// Takes one page of (name, item); the name of the last item comes along when more follow.
    pub(crate) fn cut(&self, items: impl Iterator<Item = (String, Value)>) -> (Vec<Value>, Option<String>) {
        let mut items = items.peekable();
        let (mut page, mut last) = (Vec::new(), None);
        while page.len() < self.limit
            && let Some((name, item)) = items.next()
        {
            page.push(item);
            last = Some(name);
        }
        let more = items.peek().is_some();
        (page, last.filter(|_| more))
    }

    /// The answer: items, Truncated, and NextMarker when there is more.
    pub(crate) fn reply(&self, scene: &Scene<'_>, member: &str, items: Vec<Value>, last: Option<String>) -> Result<Stage, AwsError> {
        let mut reply = json!({member: items, "Truncated": last.is_some()});
        if let Some(last) = last {
            let sealed = scene.world.seal.close(Purpose::Marker, format!("{}\n{last}", self.list).as_bytes())?;
            reply["NextMarker"] = json!(STANDARD.encode(sealed));
        }
        Ok(reply.into())
    }
}

fn open_marker(scene: &Scene<'_>, list: &str, marker: &str) -> Result<String, AwsError> {
    let sealed = STANDARD.decode(marker).ok();
    let content = sealed.and_then(|sealed| scene.world.seal.open(Purpose::Marker, &sealed)).and_then(|content| String::from_utf8(content).ok());
    let after = content.as_deref().and_then(|content| content.strip_prefix(list)?.strip_prefix('\n'));
    after.map(str::to_owned).ok_or_else(|| AwsError::new(Code::InvalidMarker, "The marker is not valid."))
}

pub(crate) fn keys(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    scene.authorize("*")?;
    let page = Page::read(scene, "ListKeys", 100, 1_000)?;
    let now = scene.now;
    let from = page.after.clone().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
    let keys = scene.realm().keys.range((from, std::ops::Bound::Unbounded)).map(|(_, key)| key).filter(|key| now >= key.visible_at);
    let (items, last) = page.cut(keys.map(|key| (key.id.clone(), json!({"KeyId": key.id, "KeyArn": key.arn()}))));
    page.reply(scene, "Keys", items, last)
}

/// ListAliases: all of the Region, or those of one key.
pub(crate) fn aliases(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    scene.authorize("*")?;
    let filter = match scene.request().text("KeyId", 1, 2_048)? {
        Some(_) => Some(scene.find("KeyId", Naming::KeyOnly)?),
        None => None,
    };
    let page = Page::read(scene, &format!("ListAliases {}", filter.as_deref().unwrap_or_default()), 50, 100)?;
    let (now, place) = (scene.now, &scene.call.place);
    let after = page.after.clone().unwrap_or_default();
    let shown = |(name, alias): (&String, &Alias)| {
        let target = alias.target_at(now)?;
        let entry = json!({
            "AliasName": name, "AliasArn": place.alias_arn(name), "TargetKeyId": target,
            "CreationDate": epoch(alias.created), "LastUpdatedDate": epoch(alias.updated)
        });
        (filter.is_none() || filter.as_deref() == Some(target)).then(|| (name.clone(), entry))
    };
    let realm = scene.realm();
    let (items, last) = match &filter {
        Some(key_id) => page.cut(realm.candidates(key_id).filter(|(name, _)| **name > after).filter_map(shown)),
        None => page.cut(realm.aliases_after(&after).filter_map(shown)),
    };
    page.reply(scene, "Aliases", items, last)
}

pub(crate) fn tags(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let key_id = scene.find("KeyId", Naming::KeyOnly)?;
    let page = Page::read(scene, &format!("ListResourceTags {key_id}"), 50, 50)?;
    let after = page.after.clone();
    let tags = scene.key(&key_id)?.tags.iter().filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after));
    let (items, last) = page.cut(tags.map(|(name, value)| (name.clone(), json!({"TagKey": name, "TagValue": value}))));
    page.reply(scene, "Tags", items, last)
}
