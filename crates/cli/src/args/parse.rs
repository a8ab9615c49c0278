//! Values as people type them. The rules are the domain's, so that the command line refuses with the same words as the server.

use std::{convert::Infallible, time::Duration};

use keystead_domain::{
    Alias, Custody, Invalid, KeySpec, KeyState, KeyUsage, Name, WrapMethod, batch::ItemState, duration, health::Health, key::deletion::WaitingDays, keystore,
};

use crate::secret::Token;

/// `team=pay`: a tag. The first `=` divides; the value may have more of them, and may be empty.
pub fn tag(text: &str) -> Result<(String, String), Invalid> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Invalid::new("tag", "is not a tag", "Write KEY=VALUE, for example team=pay.")),
    }
}

/// `90d`, or a time in RFC 3339: when material expires. What was typed goes to the server unchanged; its clock counts.
pub fn expires(text: &str) -> Result<String, Invalid> {
    if text.parse::<jiff::Timestamp>().is_ok() {
        return Ok(text.to_owned());
    }
    duration::parse("expires", text)
        .map(|_| text.to_owned())
        .map_err(|invalid| Invalid { mend: "Write a span such as 90d, or a time such as 2027-01-31T12:00:00Z.".into(), ..invalid })
}

/// `300s`: how long to wait.
pub fn timeout(text: &str) -> Result<Duration, Invalid> {
    duration::parse("timeout", text).map(|micros| Duration::from_micros(micros.unsigned_abs()))
}

/// `8d`: how far the simulated clock moves, in microseconds.
pub fn span(text: &str) -> Result<i64, Invalid> {
    duration::parse("span", text)
}

/// `90d`: a span that goes to the server as it was typed.
pub fn span_text(text: &str) -> Result<String, Invalid> {
    duration::parse("span", text).map(|_| text.to_owned())
}

/// `14d` or `keep`: what becomes of a predecessor.
pub fn grace(text: &str) -> Result<String, Invalid> {
    if text == "keep" {
        Ok(text.to_owned())
    } else {
        span_text(text).map_err(|invalid| Invalid { mend: "Write a span such as 14d, or keep.".into(), ..invalid })
    }
}

/// `7` to `30`: days until a key is really deleted.
pub fn days(text: &str) -> Result<u8, Invalid> {
    let number = text.parse().map_err(|_| Invalid::new("days", "is not a number", "Give 7 to 30."))?;
    WaitingDays::parse(number).map(WaitingDays::get)
}

/// A name for something new.
pub fn name(text: &str) -> Result<String, Invalid> {
    Name::parse(text).map(|name| name.to_string())
}

/// An alias, with or without `alias/` before it.
pub fn alias(text: &str) -> Result<String, Invalid> {
    // Here it is one of them that is wrong.
    Alias::parse(text).map(|alias| alias.to_string()).map_err(|invalid| Invalid { field: "alias".to_owned(), ..invalid })
}

/// A kind of key, in capitals or not: `rsa-4096` is RSA_4096.
pub fn spec(text: &str) -> Result<KeySpec, Invalid> {
    KeySpec::parse(&text.to_uppercase().replace('-', "_"))
}

/// A way of wrapping, as clouds name it.
pub fn method(text: &str) -> Result<WrapMethod, Invalid> {
    let mend = || format!("Give one of {}.", WrapMethod::ALL.map(WrapMethod::as_str).join(", "));
    WrapMethod::parse(&text.to_uppercase().replace('-', "_")).ok_or_else(|| Invalid::new("method", "is not a method", mend()))
}

/// A use of a key.
pub fn usage(text: &str) -> Result<KeyUsage, Invalid> {
    KeyUsage::parse(&text.to_lowercase())
}

/// A state, in capitals or not.
pub fn state(text: &str) -> Result<String, Invalid> {
    let word = text.to_uppercase().replace('-', "_");
    KeyState::parse(&word).map(|state| state.as_str().to_owned())
}

/// Where a key of a batch stands, in capitals or not.
pub fn item_state(text: &str) -> Result<String, Invalid> {
    ItemState::parse(&text.to_uppercase()).map(|state| state.as_str().to_owned())
}

/// Whose material a key has.
pub fn custody(text: &str) -> Result<String, Invalid> {
    Custody::parse(&text.to_lowercase()).map(|custody| custody.as_str().to_owned())
}

/// How a key is.
pub fn health(text: &str) -> Result<String, Invalid> {
    Health::parse(&text.to_lowercase()).map(|health| health.as_str().to_owned())
}

/// Twelve digits.
pub fn account(text: &str) -> Result<String, Invalid> {
    keystore::check_account(text).map(|()| text.to_owned())
}

/// A token as it was typed, or why it is none.
pub type TypedToken = Result<Token, Invalid>;

/// A token. Clap would repeat a bad value in its message, so it is told that every value is good; whoever uses the token looks.
pub fn token(text: &str) -> Result<TypedToken, Infallible> {
    Ok(Token::parse(text))
}

/// An IAM user of the simulated cloud. Its secret protects nothing, but has no `Debug` all the same.
#[derive(Clone)]
pub struct SandboxUser {
    /// Twelve digits.
    pub account: String,
    /// The access key id.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
}

/// `ACCOUNT:ACCESS_KEY:SECRET_KEY`; the secret may have colons.
pub fn sandbox_user(text: &str) -> Result<SandboxUser, Invalid> {
    let refuse = || Invalid::new("user", "is not an IAM user", "Write ACCOUNT:ACCESS_KEY:SECRET_KEY, for example 111122223333:AKIAIOSFODNN7EXAMPLE:secret.");
    match text.splitn(3, ':').collect::<Vec<_>>()[..] {
        [account, access_key, secret_key] if !access_key.is_empty() && !secret_key.is_empty() => {
            keystore::check_account(account)?;
            Ok(SandboxUser { account: account.to_owned(), access_key: access_key.to_owned(), secret_key: secret_key.to_owned() })
        }
        _ => Err(refuse()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_are_divided_at_the_first_equals_sign() {
        assert_eq!(tag("team=pay"), Ok(("team".into(), "pay".into())));
        assert_eq!(tag("note=a=b"), Ok(("note".into(), "a=b".into())));
        assert_eq!(tag("empty="), Ok(("empty".into(), String::new())));
        for bad in ["", "team", "=pay", "="] {
            assert!(tag(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn material_expires_after_a_span_or_at_a_time() {
        for good in ["90d", "12h", "2027-01-31T12:00:00Z", "2027-01-31T12:00:00+02:00"] {
            assert_eq!(expires(good), Ok(good.to_owned()));
        }
        for bad in ["", "90", "0d", "never", "2027-01-31", "2027-01-31T12:00:00", "2027-13-31T12:00:00Z"] {
            assert_eq!(expires(bad).map_err(|invalid| invalid.field), Err("expires".to_owned()), "{bad}");
        }
    }

    #[test]
    fn keys_wait_7_to_30_days_for_their_deletion() {
        for text in ["7", "30"] {
            assert!(days(text).is_ok());
        }
        for bad in ["6", "31", "263", "-7", "7.5", "", "7d"] {
            assert!(days(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn states_may_be_typed_in_small_letters() {
        assert_eq!(state("pending-deletion"), Ok("PENDING_DELETION".to_owned()));
        assert_eq!(state("ACTIVE"), Ok("ACTIVE".to_owned()));
        assert!(state("gone").is_err());
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_makes_a_parser_panic(text in any::<String>()) {
            let _ = (tag(&text), expires(&text), timeout(&text), span(&text), days(&text));
            let _ = (name(&text), alias(&text), state(&text), account(&text), token(&text).is_ok(), sandbox_user(&text).is_ok());
        }

        #[test]
        fn a_tag_is_what_was_typed(key in "[^=]{1,40}", value in any::<String>()) {
            prop_assert_eq!(tag(&format!("{key}={value}")), Ok((key, value)));
        }

        #[test]
        fn a_timeout_is_its_number_of_seconds(seconds in 1_u32..1_000_000) {
            prop_assert_eq!(timeout(&format!("{seconds}s")), Ok(Duration::from_secs(seconds.into())));
        }

        #[test]
        fn only_7_to_30_days_are_taken(number in any::<i32>()) {
            prop_assert_eq!(days(&number.to_string()).is_ok(), (7..=30).contains(&number));
        }

        #[test]
        fn an_alias_is_the_same_with_and_without_its_prefix(text in "[a-z][a-z0-9/_-]{0,40}") {
            prop_assert_eq!(alias(&text), alias(&format!("alias/{text}")));
        }
    }
}
