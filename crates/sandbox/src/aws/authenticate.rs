//! From a signed request to the caller who signed it. Messages are AWS's (IAM User Guide, "Troubleshoot signed requests for AWS APIs").

use aws_lc_rs::constant_time;
use http::HeaderMap;

use super::errors::{AwsError, Code};
use super::iam::{Caller, Credentials, Iam};
use super::regions::Partition;
use super::sigv4::{Authorization, SignedRequest};
use crate::calendar::{amz_date, parse_amz_date};
use crate::clock::{Micros, SECOND};

/// How far a signature's time may be off.
const SKEW_MAX: Micros = 300 * SECOND;

/// The two clocks by which a signature may be timely: clients sign by the real one, even when the sandbox's has been moved.
#[derive(Clone, Copy)]
pub(crate) struct Clocks {
    pub(crate) real: Micros,
    pub(crate) virtual_: Micros,
}

/// A caller, and the Region that the signature is scoped to.
pub(crate) struct Signed {
    pub(crate) caller: Caller,
    pub(crate) region: String,
}

/// Checks the signature of a request to this service (`kms` or `sts`).
pub(crate) fn authenticate(request: &SignedRequest<'_>, service: &str, iam: &Iam, clocks: Clocks) -> Result<Signed, AwsError> {
    let header = text_header(request.headers, "authorization");
    let header = header.ok_or_else(|| AwsError::new(Code::MissingAuthenticationToken, "Request is missing Authentication Token"))?;
    let authorization = Authorization::parse(header)?;
    let (timestamp, signed_at) = timestamp(request.headers)?;
    let partition = check_scope(&authorization, service, timestamp)?;
    check_signed_headers(&authorization, request.headers)?;
    let credentials = iam.credentials(authorization.access_key).filter(|found| found.caller.partition == partition).ok_or_else(unrecognized)?;
    check_token(&credentials, request.headers)?;
    check_skew(timestamp, signed_at, clocks)?;
    let expected = authorization.expected_signature(request, timestamp, &credentials.secret);
    constant_time::verify_slices_are_equal(expected.as_bytes(), authorization.signature.as_bytes()).map_err(|_| mismatch(MISMATCH))?;
    match &credentials.session {
        Some((_, expires)) if *expires <= clocks.virtual_ => Err(AwsError::new(Code::ExpiredToken, "The security token included in the request is expired")),
        _ => Ok(Signed { caller: credentials.caller, region: authorization.region.to_owned() }),
    }
}

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. \
                        Consult the service documentation for details.";

fn mismatch(message: impl Into<String>) -> AwsError {
    AwsError::new(Code::SignatureDoesNotMatch, message)
}

fn unrecognized() -> AwsError {
    AwsError::new(Code::UnrecognizedClient, "The security token included in the request is invalid.")
}

fn text_header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn timestamp(headers: &HeaderMap) -> Result<(&str, Micros), AwsError> {
    let missing = || AwsError::new(Code::IncompleteSignature, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
    let text = text_header(headers, "x-amz-date").ok_or_else(missing)?;
    let malformed = || AwsError::new(Code::IncompleteSignature, format!("Date must be in ISO-8601 'basic format'. Got '{text}'."));
    Ok((text, parse_amz_date(text).ok_or_else(malformed)?))
}

fn check_scope(authorization: &Authorization<'_>, service: &str, timestamp: &str) -> Result<Partition, AwsError> {
    if authorization.service != service {
        return Err(mismatch(format!("Credential should be scoped to correct service: '{service}'.")));
    }
    let day = timestamp.get(..8).unwrap_or_default();
    if authorization.date != day {
        let date = authorization.date;
        return Err(mismatch(format!("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{date}' != '{day}'.")));
    }
    Partition::of_region(authorization.region).ok_or_else(|| mismatch("Credential should be scoped to a valid region."))
}

/// The host must be under the signature, and so must those headers of AWS that change what the request means. (AWS asks it of every `x-amz-*` header;
/// clients differ in `x-amz-user-agent`, which means nothing.)
fn check_signed_headers(authorization: &Authorization<'_>, headers: &HeaderMap) -> Result<(), AwsError> {
    let signed = |name: &str| authorization.signed_headers.contains(&name);
    if !signed("host") && !signed(":authority") {
        return Err(mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."));
    }
    match ["x-amz-date", "x-amz-target", "x-amz-security-token"].into_iter().find(|name| headers.contains_key(*name) && !signed(name)) {
        Some(name) => Err(mismatch(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."))),
        None => Ok(()),
    }
}

fn check_token(credentials: &Credentials, headers: &HeaderMap) -> Result<(), AwsError> {
    match (&credentials.session, text_header(headers, "x-amz-security-token")) {
        (None, None) => Ok(()),
        (Some((token, _)), Some(given)) => constant_time::verify_slices_are_equal(token.as_bytes(), given.as_bytes()).map_err(|_| unrecognized()),
        _ => Err(unrecognized()),
    }
}

fn check_skew(timestamp: &str, signed_at: Micros, clocks: Clocks) -> Result<(), AwsError> {
    let timely = |clock: Micros| (signed_at - clock).abs() <= SKEW_MAX;
    if timely(clocks.real) || timely(clocks.virtual_) {
        return Ok(());
    }
    let now = amz_date(clocks.real);
    Err(mismatch(if signed_at < clocks.real {
        format!("Signature expired: {timestamp} is now earlier than {} ({now} - 5 min.)", amz_date(clocks.real - SKEW_MAX))
    } else {
        format!("Signature not yet current: {timestamp} is still later than {} ({now} + 5 min.)", amz_date(clocks.real + SKEW_MAX))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UserSeed;
    use http::{HeaderName, HeaderValue};

    const NOW: Micros = 1_440_938_160 * SECOND;
    const CLOCKS: Clocks = Clocks { real: NOW, virtual_: NOW };

    fn iam() -> Iam {
        let mut iam = Iam::default();
        iam.put_user(UserSeed::new("ann", "111122223333", "AKIDEXAMPLE", "secret")).expect("a valid user");
        iam
    }

    /// Signs as a client would, then lets `spoil` change the headers.
    fn signed(region: &str, service: &str, at: Micros, secret: &str, spoil: impl Fn(&mut HeaderMap)) -> HeaderMap {
        let (date, mut headers) = (amz_date(at), HeaderMap::new());
        headers.insert("host", HeaderValue::from_static("127.0.0.1"));
        headers.insert("x-amz-date", date.parse().expect("ASCII"));
        let scope = format!("AKIDEXAMPLE/{}/{region}/{service}/aws4_request", &date[..8]);
        let unsigned = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature=0");
        let authorization = Authorization::parse(&unsigned).expect("complete");
        let signature = authorization.expected_signature(&request(&headers), &date, secret);
        headers.insert("authorization", unsigned.replace("Signature=0", &format!("Signature={signature}")).parse().expect("ASCII"));
        spoil(&mut headers);
        headers
    }

    fn request(headers: &HeaderMap) -> SignedRequest<'_> {
        SignedRequest { method: "POST", path: "/", query: "", headers, authority: None, body: b"{}" }
    }

    fn refused(headers: &HeaderMap) -> AwsError {
        authenticate(&request(headers), "kms", &iam(), CLOCKS).map(|signed| signed.region).expect_err("refused")
    }

    #[test]
    fn a_right_signature_names_caller_and_region() {
        let headers = signed("eu-west-1", "kms", NOW, "secret", |_| {});
        let signed = authenticate(&request(&headers), "kms", &iam(), CLOCKS).map_err(|error| error.message).expect("a right signature");
        assert_eq!((signed.caller.arn.as_str(), signed.region.as_str()), ("arn:aws:iam::111122223333:user/ann", "eu-west-1"));
    }

    #[test]
    fn each_way_to_be_wrong_has_its_error() {
        let header = |name: &'static str, value: &'static str| {
            move |headers: &mut HeaderMap| drop(headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value)))
        };
        let cases: [(HeaderMap, Code); 9] = [
            (HeaderMap::new(), Code::MissingAuthenticationToken),
            (signed("eu-west-1", "kms", NOW, "secret", header("authorization", "AWS4-HMAC-SHA256 Credential=a/b")), Code::IncompleteSignature),
            (signed("eu-west-1", "kms", NOW, "guessed", |_| {}), Code::SignatureDoesNotMatch),
            (signed("eu-west-1", "sts", NOW, "secret", |_| {}), Code::SignatureDoesNotMatch),
            (signed("moon-1", "kms", NOW, "secret", |_| {}), Code::SignatureDoesNotMatch),
            (signed("eu-west-1", "kms", NOW - 301 * SECOND, "secret", |_| {}), Code::SignatureDoesNotMatch),
            (signed("eu-west-1", "kms", NOW + 301 * SECOND, "secret", |_| {}), Code::SignatureDoesNotMatch),
            (signed("eu-west-1", "kms", NOW, "secret", header("x-amz-target", "TrentService.ListKeys")), Code::SignatureDoesNotMatch),
            (signed("us-gov-west-1", "kms", NOW, "secret", |_| {}), Code::UnrecognizedClient),
        ];
        for (index, (headers, code)) in cases.iter().enumerate() {
            assert_eq!(refused(headers).code, *code, "case {index}");
        }
        assert!(refused(&cases[5].0).message.starts_with("Signature expired: 20150830T123059Z is now earlier than 20150830T123100Z"));
    }

    #[test]
    fn a_moved_clock_does_not_shut_out_clients_of_either_time() {
        let far = Clocks { real: NOW, virtual_: NOW + 400 * crate::clock::DAY };
        for at in [far.real, far.virtual_] {
            let headers = signed("eu-west-1", "kms", at, "secret", |_| {});
            assert!(authenticate(&request(&headers), "kms", &iam(), far).is_ok());
        }
    }
}
