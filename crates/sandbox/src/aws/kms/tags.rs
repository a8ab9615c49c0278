//! Tags: at most 50 on a key; a tag is replaced by one with the same name.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::call::{Scene, Stage};
use super::super::errors::{AwsError, Code};
use super::super::request::Request;
use super::realm::Naming;

/// Tags of a key (AWS General Reference, tagging; not adjustable).
const TAGS_MAX: usize = 50;

fn invalid(message: &str) -> AwsError {
    AwsError::new(Code::Tag, message)
}

/// Reads the member `Tags` on top of the tags that are there.
pub(crate) fn read_tags(request: &Request, present: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, AwsError> {
    let mut tags = present.clone();
    let mut named = Vec::new();
    for tag in request.structures("Tags")?.unwrap_or_default() {
        let (name, value) = (tag.required_text("TagKey", 1, 128)?.to_owned(), tag.required_text("TagValue", 0, 256)?.to_owned());
        check_name(&name)?;
        if !(name.chars().all(is_tag_character) && value.chars().all(is_tag_character)) {
            return Err(invalid("Tags may contain letters, digits, spaces and _.:/=+-@ only."));
        }
        if named.contains(&name) {
            return Err(invalid("Duplicate tag keys"));
        }
        named.push(name.clone());
        tags.insert(name, value);
    }
    if tags.len() > TAGS_MAX {
        return Err(AwsError::new(Code::LimitExceeded, "Too many tags"));
    }
    Ok(tags)
}

fn check_name(name: &str) -> Result<(), AwsError> {
    if name.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
        return Err(invalid("Tags beginning with aws: are reserved"));
    }
    Ok(())
}

fn is_tag_character(c: char) -> bool {
    c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c)
}

/// Tags as answers list them.
pub(crate) fn as_list(tags: &BTreeMap<String, String>) -> Vec<Value> {
    tags.iter().map(|(name, value)| json!({"TagKey": name, "TagValue": value})).collect()
}

pub(crate) fn tag(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let request = scene.request();
    let key = scene.open(Naming::KeyOnly)?;
    if request.structures("Tags")?.is_none() {
        return Err(AwsError::constraint("Tags", Some("null"), "Member must not be null"));
    }
    key.tags = read_tags(request, &key.tags)?;
    Ok(Stage::Done(None))
}

pub(crate) fn untag(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let names = scene.request().text_list("TagKeys")?;
    let names = names.ok_or_else(|| AwsError::constraint("TagKeys", Some("null"), "Member must not be null"))?;
    names.iter().try_for_each(|name| check_name(name))?;
    scene.open(Naming::KeyOnly)?.tags.retain(|name, _| !names.contains(&name.as_str()));
    Ok(Stage::Done(None))
}
