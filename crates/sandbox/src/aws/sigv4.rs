//! Signature Version 4, the verifying side: parse the Authorization header, rebuild canonical request and string to sign, compute the signature. Pure: it
//! knows no users and no clock. Source: IAM User Guide, "Create a signed AWS API request"; the unit tests are vectors of AWS's published test suite.
//!
//! KMS and STS have one path, `/`, so paths are taken as they are. Signatures in the query string (presigned URLs) are not simulated.

use aws_lc_rs::{digest, hmac};
use http::HeaderMap;

use super::errors::{AwsError, Code};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The parts of an Authorization header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Authorization<'a> {
    pub(crate) access_key: &'a str,
    /// `20150830`.
    pub(crate) date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) signed_headers: Vec<&'a str>,
    pub(crate) signature: &'a str,
}

/// What was signed.
pub(crate) struct SignedRequest<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// The host, for requests of HTTP/2, which have no Host header.
    pub(crate) authority: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

impl<'a> Authorization<'a> {
    /// Parses `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
    pub(crate) fn parse(header: &'a str) -> Result<Self, AwsError> {
        let fields = header.strip_prefix(ALGORITHM).and_then(|rest| rest.strip_prefix(' '));
        let fields = fields.ok_or_else(|| incomplete(&format!("Authorization header must begin with '{ALGORITHM}'.")))?;
        let named = |name: &str| {
            let value = fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
            value.filter(|value| !value.is_empty()).ok_or_else(|| incomplete(&format!("Authorization header requires '{name}' parameter.")))
        };
        let credential = named("Credential")?;
        let mut scope = credential.split('/');
        let (Some(access_key), Some(date), Some(region), Some(service), Some("aws4_request"), None) =
            (scope.next(), scope.next(), scope.next(), scope.next(), scope.next(), scope.next())
        else {
            return Err(incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term."));
        };
        Ok(Self { access_key, date, region, service, signed_headers: named("SignedHeaders")?.split(';').collect(), signature: named("Signature")? })
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }

    /// The signature that the holder of this secret would have made, in hexadecimal.
    pub(crate) fn expected_signature(&self, request: &SignedRequest<'_>, timestamp: &str, secret: &str) -> String {
        let canonical = request.canonical(&self.signed_headers);
        let string_to_sign = format!("{ALGORITHM}\n{timestamp}\n{}\n{}", self.scope(), sha256_hex(canonical.as_bytes()));
        let date_key = hmac_sha256(format!("AWS4{secret}").as_bytes(), self.date.as_bytes());
        let region_key = hmac_sha256(date_key.as_ref(), self.region.as_bytes());
        let service_key = hmac_sha256(region_key.as_ref(), self.service.as_bytes());
        let signing_key = hmac_sha256(service_key.as_ref(), b"aws4_request");
        hex::encode(hmac_sha256(signing_key.as_ref(), string_to_sign.as_bytes()))
    }
}

impl SignedRequest<'_> {
    fn canonical(&self, signed_headers: &[&str]) -> String {
        let headers: String = signed_headers.iter().map(|name| format!("{name}:{}\n", self.canonical_value(name))).collect();
        let (method, path, query) = (self.method, self.path, canonical_query(self.query));
        format!("{method}\n{path}\n{query}\n{headers}\n{}\n{}", signed_headers.join(";"), sha256_hex(self.body))
    }

    fn canonical_value(&self, name: &str) -> String {
        let values: Vec<String> = self.headers.get_all(name).iter().map(|value| collapse(&String::from_utf8_lossy(value.as_bytes()))).collect();
        match self.authority {
            Some(authority) if name == "host" && values.is_empty() => authority.to_owned(),
            _ => values.join(","),
        }
    }
}

fn incomplete(message: &str) -> AwsError {
    AwsError::new(Code::IncompleteSignature, message)
}

fn collapse(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// Pairs sorted by name, then value; they arrive encoded already.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(&str, &str)> = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn hmac_sha256(key: &[u8], data: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data)
}

fn sha256_hex(data: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    const TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
    const BODY_HASH: &str = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// A vector of the suite: name, method, query, headers besides host and date, body, names of the signed headers, signature.
    type Vector = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)], &'static str, &'static str, &'static str);

    fn signature_of(vector: &Vector) -> String {
        let (_, method, query, extra, body, signed, _) = vector;
        let header = format!("{ALGORITHM} Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={signed}, Signature=unknown");
        let mut headers = HeaderMap::new();
        for (name, value) in [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")].iter().chain(*extra) {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let request = SignedRequest { method, path: "/", query, headers: &headers, authority: None, body: body.as_bytes() };
        Authorization::parse(&header).expect("a complete header").expected_signature(&request, "20150830T123600Z", SECRET)
    }

    #[test]
    fn vectors_of_the_published_test_suite() {
        let vectors: &[Vector] = &[
            ("get-vanilla", "GET", "", &[], "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                "get-vanilla-query-order-key-case",
                "GET",
                "Param2=value2&Param1=value1",
                &[],
                "",
                "host;x-amz-date",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "get-vanilla-query-order-encoded",
                "GET",
                "Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
                &[],
                "",
                "host;x-amz-date",
                "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
            ),
            (
                "get-header-key-duplicate",
                "GET",
                "",
                &[("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")],
                "",
                "host;my-header1;x-amz-date",
                "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            ),
            (
                "get-header-value-order",
                "GET",
                "",
                &[("my-header1", "value4"), ("my-header1", "value1"), ("my-header1", "value3"), ("my-header1", "value2")],
                "",
                "host;my-header1;x-amz-date",
                "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
            ),
            (
                "get-header-value-trim",
                "GET",
                "",
                &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
                "",
                "host;my-header1;my-header2;x-amz-date",
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            (
                "get-vanilla-with-session-token",
                "GET",
                "",
                &[("x-amz-security-token", TOKEN)],
                "",
                "host;x-amz-date;x-amz-security-token",
                "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            ),
            ("post-vanilla", "POST", "", &[], "", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            ("post-vanilla-query", "POST", "Param1=value1", &[], "", "host;x-amz-date", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
            (
                "post-header-key-sort",
                "POST",
                "",
                &[("my-header1", "value1")],
                "",
                "host;my-header1;x-amz-date",
                "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            ),
            (
                "post-header-value-case",
                "POST",
                "",
                &[("my-header1", "VALUE1")],
                "",
                "host;my-header1;x-amz-date",
                "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
            ),
            (
                "post-sts-header-after",
                "POST",
                "",
                &[("x-amz-security-token", TOKEN)],
                "",
                "host;x-amz-date",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-x-www-form-urlencoded",
                "POST",
                "",
                &[("content-type", "application/x-www-form-urlencoded"), ("content-length", "13"), ("x-amz-content-sha256", BODY_HASH)],
                "Param1=value1",
                "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
                "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            ),
            (
                "post-x-www-form-urlencoded-parameters",
                "POST",
                "",
                &[("content-type", "application/x-www-form-urlencoded; charset=utf-8"), ("content-length", "13"), ("x-amz-content-sha256", BODY_HASH)],
                "Param1=value1",
                "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
                "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
            ),
        ];
        for vector in vectors {
            assert_eq!(signature_of(vector), vector.6, "{}", vector.0);
        }
    }

    #[test]
    fn every_part_of_the_header_is_required() {
        let complete = "AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/kms/aws4_request, SignedHeaders=host;x-amz-date, Signature=ab";
        assert_eq!(Authorization::parse(complete).expect("complete").service, "kms");
        for part in
            ["Credential=AKID/20150830/us-east-1/kms/aws4_request", "SignedHeaders=host;x-amz-date", "Signature=ab", "/aws4_request", "AWS4-HMAC-SHA256 "]
        {
            let error = Authorization::parse(&complete.replace(part, "")).expect_err("one part is missing");
            assert_eq!(error.code, Code::IncompleteSignature, "{part}");
        }
    }

    #[test]
    fn one_changed_byte_changes_the_signature() {
        let original: Vector = ("", "POST", "", &[], "Param1=value1", "host;x-amz-date", "");
        let changed: Vector = ("", "POST", "", &[], "Param1=value2", "host;x-amz-date", "");
        assert_ne!(signature_of(&original), signature_of(&changed));
    }
}
