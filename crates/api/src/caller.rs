//! Who is calling: the bearer token of the Authorization header (RFC 6750, section 2.1), and every way to be refused, each with its name.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{Extensions, HeaderMap, header::AUTHORIZATION, request::Parts},
};
use keystead_identity::Principal;

use crate::{api::Api, problem::Refusal};

/// A person who has shown a valid token. Put it before every other extractor: nobody else learns what is wrong with a request.
pub(crate) struct Caller(pub Principal);

/// Why nobody is calling. All three are answered alike but for one sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unauthenticated {
    /// No Authorization header.
    NoHeader,
    /// Not `Bearer TOKEN`, or several of them.
    OtherScheme,
    /// No active user has this token.
    UnknownToken,
}

/// Longest token that is looked up; ours have 47 characters.
const TOKEN_LEN_MAX: usize = 128;

impl FromRequestParts<Api> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let shown = match bearer(&parts.headers) {
            Ok(token) => Some(token),
            Err(Unauthenticated::UnknownToken) => None,
            Err(why) => return Err(Refusal::Unauthenticated(why)),
        };
        let found = api.app.log_in(shown, peer(&parts.extensions)).await?;
        found.map(Self).ok_or(Refusal::Unauthenticated(Unauthenticated::UnknownToken))
    }
}

/// The address at the other end of the connection, when the listener tells it. Behind a proxy it is the proxy's: what a header says of it anybody could write.
pub(crate) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}

fn bearer(headers: &HeaderMap) -> Result<&str, Unauthenticated> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let header = given.next().ok_or(Unauthenticated::NoHeader)?;
    let text = header.to_str().map_err(|_| Unauthenticated::OtherScheme)?;
    let (scheme, token) = text.split_once(' ').ok_or(Unauthenticated::OtherScheme)?;
    if given.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Unauthenticated::OtherScheme);
    }
    let token = token.trim();
    if token.is_empty() || token.len() > TOKEN_LEN_MAX { Err(Unauthenticated::UnknownToken) } else { Ok(token) }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(values: &[&'static str]) -> Result<String, Unauthenticated> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        bearer(&headers).map(str::to_owned)
    }

    #[test]
    fn the_scheme_is_read_without_regard_to_case() {
        assert_eq!(of(&["Bearer kst_a"]), Ok("kst_a".to_owned()));
        assert_eq!(of(&["bearer  kst_a "]), Ok("kst_a".to_owned()));
    }

    #[test]
    fn every_other_way_to_call_has_its_own_refusal() {
        assert_eq!(of(&[]), Err(Unauthenticated::NoHeader));
        assert_eq!(of(&["Basic YTpi"]), Err(Unauthenticated::OtherScheme));
        assert_eq!(of(&["kst_a"]), Err(Unauthenticated::OtherScheme));
        assert_eq!(of(&["Bearer kst_a", "Bearer kst_b"]), Err(Unauthenticated::OtherScheme));
        assert_eq!(of(&["Bearer "]), Err(Unauthenticated::UnknownToken));
    }
}
