//! Members of a request, read one by one with the constraints of AWS's API model (botocore, service-2.json of 2014-11-01). A wrong type is a
//! SerializationException, a broken constraint a ValidationException in AWS's words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::errors::{AwsError, Code, lower_first};
use crate::clock::{Micros, SECOND};

/// The members of a request. Members that the sandbox does not know are ignored, as AWS does.
pub(crate) struct Request {
    members: Map<String, Value>,
}

impl Request {
    pub(crate) fn new(members: Map<String, Value>) -> Self {
        Self { members }
    }

    /// All members, for the event trail.
    pub(crate) fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    fn present(&self, member: &str) -> Option<&Value> {
        self.members.get(member).filter(|value| !value.is_null())
    }

    fn wrong_type(member: &str) -> AwsError {
        AwsError::new(Code::Serialization, format!("{member} has a type that the service cannot read."))
    }

    fn absent(member: &str) -> AwsError {
        let name = lower_first(member);
        AwsError::new(Code::Validation, format!("1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"))
    }

    /// A text of `min..=max` characters.
    pub(crate) fn text(&self, member: &str, min: usize, max: usize) -> Result<Option<&str>, AwsError> {
        let Some(value) = self.present(member) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| Self::wrong_type(member))?;
        let len = text.chars().count();
        if len < min {
            return Err(AwsError::constraint(member, Some(text), &format!("Member must have length greater than or equal to {min}")));
        }
        if len > max {
            return Err(AwsError::constraint(member, Some(text), &format!("Member must have length less than or equal to {max}")));
        }
        Ok(Some(text))
    }

    pub(crate) fn required_text(&self, member: &str, min: usize, max: usize) -> Result<&str, AwsError> {
        self.text(member, min, max)?.ok_or_else(|| Self::absent(member))
    }

    /// One of the values of an enumeration.
    pub(crate) fn choice(&self, member: &str, values: &[&'static str]) -> Result<Option<&'static str>, AwsError> {
        let Some(text) = self.text(member, 0, usize::MAX)? else { return Ok(None) };
        let found = values.iter().find(|value| **value == text).copied();
        let rule = || format!("Member must satisfy enum value set: [{}]", values.join(", "));
        found.map(Some).ok_or_else(|| AwsError::constraint(member, Some(text), &rule()))
    }

    pub(crate) fn required_choice(&self, member: &str, values: &[&'static str]) -> Result<&'static str, AwsError> {
        self.choice(member, values)?.ok_or_else(|| Self::absent(member))
    }

    /// A blob of `1..=max` bytes, in base64.
    pub(crate) fn blob(&self, member: &str, max: usize) -> Result<Option<Vec<u8>>, AwsError> {
        let Some(text) = self.text(member, 0, usize::MAX)? else { return Ok(None) };
        let bytes = STANDARD.decode(text).map_err(|_| Self::wrong_type(member))?;
        match bytes.len() {
            0 => Err(AwsError::constraint(member, None, "Member must have length greater than or equal to 1")),
            len if len > max => Err(AwsError::constraint(member, None, &format!("Member must have length less than or equal to {max}"))),
            _ => Ok(Some(bytes)),
        }
    }

    pub(crate) fn required_blob(&self, member: &str, max: usize) -> Result<Vec<u8>, AwsError> {
        self.blob(member, max)?.ok_or_else(|| Self::absent(member))
    }

    /// A whole number within `min..=max`.
    pub(crate) fn integer(&self, member: &str, min: i64, max: i64) -> Result<Option<i64>, AwsError> {
        let Some(value) = self.present(member) else { return Ok(None) };
        let number = value.as_i64().ok_or_else(|| Self::wrong_type(member))?;
        let shown = number.to_string();
        if number < min {
            return Err(AwsError::constraint(member, Some(&shown), &format!("Member must have value greater than or equal to {min}")));
        }
        if number > max {
            return Err(AwsError::constraint(member, Some(&shown), &format!("Member must have value less than or equal to {max}")));
        }
        Ok(Some(number))
    }

    /// A boolean; absent is false.
    pub(crate) fn flag(&self, member: &str) -> Result<bool, AwsError> {
        self.present(member).map_or(Ok(false), |value| value.as_bool().ok_or_else(|| Self::wrong_type(member)))
    }

    /// A point in time: seconds since the epoch, fractions allowed.
    pub(crate) fn time(&self, member: &str) -> Result<Option<Micros>, AwsError> {
        let Some(value) = self.present(member) else { return Ok(None) };
        let seconds = value.as_f64().filter(|seconds| seconds.abs() < 1e11).ok_or_else(|| Self::wrong_type(member))?;
        Ok(Some((seconds * SECOND as f64).round() as Micros))
    }

    /// A map of text to text; absent is empty. Sorted by name, which is its canonical order.
    pub(crate) fn text_map(&self, member: &str) -> Result<Vec<(&str, &str)>, AwsError> {
        let Some(value) = self.present(member) else { return Ok(Vec::new()) };
        let map = value.as_object().ok_or_else(|| Self::wrong_type(member))?;
        let pairs: Option<Vec<(&str, &str)>> = map.iter().map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
        let mut pairs = pairs.ok_or_else(|| Self::wrong_type(member))?;
        pairs.sort_unstable();
        Ok(pairs)
    }

    /// A list of texts.
    pub(crate) fn text_list(&self, member: &str) -> Result<Option<Vec<&str>>, AwsError> {
        let Some(value) = self.present(member) else { return Ok(None) };
        let items = value.as_array().ok_or_else(|| Self::wrong_type(member))?;
        items.iter().map(|item| item.as_str().ok_or_else(|| Self::wrong_type(member))).collect::<Result<_, _>>().map(Some)
    }

    /// A list of structures.
    pub(crate) fn structures(&self, member: &str) -> Result<Option<Vec<Request>>, AwsError> {
        let Some(value) = self.present(member) else { return Ok(None) };
        let items = value.as_array().ok_or_else(|| Self::wrong_type(member))?;
        items.iter().map(|item| item.as_object().cloned().map(Request::new).ok_or_else(|| Self::wrong_type(member))).collect::<Result<_, _>>().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Request {
        Request::new(serde_json::from_str(json).expect("an object"))
    }

    #[test]
    fn types_and_constraints_are_told_apart() {
        let request = request(r#"{"KeyId": 7, "Limit": 0, "Plaintext": "", "Spec": "RSA_1", "Window": 31, "Text": "abc", "Null": null}"#);
        assert_eq!(request.required_text("KeyId", 1, 9).expect_err("a number").code, Code::Serialization);
        assert!(request.integer("Limit", 1, 1000).expect_err("too small").message.contains("'0' at 'limit'"));
        assert!(request.integer("Window", 7, 30).expect_err("too big").message.ends_with("less than or equal to 30"));
        assert_eq!(request.blob("Plaintext", 4096).expect_err("empty").code, Code::Validation);
        assert!(request.choice("Spec", &["RSA_2048"]).expect_err("not in it").message.ends_with("enum value set: [RSA_2048]"));
        assert!(request.required_text("Null", 1, 9).expect_err("absent").message.starts_with("1 validation error detected: Value null at 'null'"));
        assert_eq!(request.text("Text", 1, 3), Ok(Some("abc")));
    }

    #[test]
    fn times_keep_their_fraction() {
        assert_eq!(request(r#"{"ValidTo": 1795190400.25}"#).time("ValidTo"), Ok(Some(1_795_190_400_250_000)));
        assert_eq!(request(r#"{"ValidTo": "2026-11-21"}"#).time("ValidTo").expect_err("text").code, Code::Serialization);
    }
}
