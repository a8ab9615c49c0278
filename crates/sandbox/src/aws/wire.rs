//! The protocols on the wire: JSON 1.1 for KMS, JSON 1.0 for SQS, Query with XML answers for STS.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::call::{Reply, Service};
use super::errors::AwsError;

const XML_NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// A good answer.
pub(crate) fn answer(service: Service, operation: &str, reply: Reply, request_id: &str) -> Response {
    match service {
        Service::Kms | Service::Sqs => json_response(service, 200, reply.map(|body| body.to_string()).unwrap_or_default(), request_id),
        Service::Sts => {
            let result = reply.as_ref().map(xml_members).unwrap_or_default();
            let body = format!(
                "<{operation}Response xmlns=\"{XML_NAMESPACE}\"><{operation}Result>{result}</{operation}Result>\
                 <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
            );
            response(200, "text/xml", body, request_id)
        }
    }
}

/// An error of AWS.
pub(crate) fn refusal(service: Service, error: &AwsError, request_id: &str) -> Response {
    let (name, status) = match service {
        Service::Kms | Service::Sqs => (error.code.json_name(), error.code.json_status()),
        Service::Sts => (error.code.query_name(), error.code.query_status()),
    };
    raw_error(service, name, status, &error.message, request_id)
}

/// An error with any code, as a script may want it.
pub(crate) fn raw_error(service: Service, code: &str, status: u16, message: &str, request_id: &str) -> Response {
    match service {
        Service::Kms | Service::Sqs => json_response(service, status, json!({"__type": code, "message": message}).to_string(), request_id),
        Service::Sts => {
            let party = if status < 500 { "Sender" } else { "Receiver" };
            let body = format!(
                "<ErrorResponse xmlns=\"{XML_NAMESPACE}\"><Error><Type>{party}</Type><Code>{}</Code><Message>{}</Message></Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>",
                escape(code),
                escape(message)
            );
            response(status, "text/xml", body, request_id)
        }
    }
}

/// An answer in which nothing is AWS's, as a broken proxy sends it.
pub(crate) fn bare_500() -> Response {
    let mut bare = Response::new(Body::from("Internal Server Error"));
    *bare.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    bare
}

/// The fields of a form (`application/x-www-form-urlencoded`), as members of a request.
pub(crate) fn parse_form(body: &[u8]) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(body).ok()?;
    text.split('&').filter(|pair| !pair.is_empty()).map(form_pair).collect()
}

fn form_pair(pair: &str) -> Option<(String, Value)> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    Some((percent_decode(name)?, Value::String(percent_decode(value)?)))
}

fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

fn xml_members(value: &Value) -> String {
    match value {
        Value::Object(members) => members.iter().map(|(name, value)| format!("<{name}>{}</{name}>", xml_members(value))).collect(),
        Value::String(text) => escape(text),
        other => other.to_string(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn json_response(service: Service, status: u16, body: String, request_id: &str) -> Response {
    let content_type = if service == Service::Sqs { "application/x-amz-json-1.0" } else { "application/x-amz-json-1.1" };
    response(status, content_type, body, request_id)
}

fn response(status: u16, content_type: &'static str, body: String, request_id: &str) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let form = parse_form(b"Action=AssumeRole&ExternalId=a%2Bb+c%3A%2F&Empty=").expect("a form");
        assert_eq!((form["Action"].as_str(), form["ExternalId"].as_str(), form["Empty"].as_str()), (Some("AssumeRole"), Some("a+b c:/"), Some("")));
        for broken in [&b"a=%"[..], b"a=%2", b"a=%zz", b"a=%ff"] {
            assert_eq!(parse_form(broken), None);
        }
    }

    #[test]
    fn members_become_elements_and_are_escaped() {
        assert_eq!(xml_members(&json!({"A": {"B": "<&>\""}, "N": 6})), "<A><B>&lt;&amp;&gt;&quot;</B></A><N>6</N>");
    }
}
