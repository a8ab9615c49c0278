//! `keystead key create` and `keystead key import`.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keystead_domain::{Invalid, KeyUsage, Tags, WrapMethod};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    args::key::{Import, MaterialFormat, NewKey},
    command::{
        Context,
        change::{Shown, settle},
    },
    error::CliError,
    route::Route,
    secret::read_file,
};

/// The request. It may carry material, so it has no `Debug`.
#[derive(Serialize)]
pub struct Body<'a> {
    name: &'a str,
    keystore: &'a str,
    spec: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'static str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    aliases: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exportable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    material: Option<Material<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    multi_region: bool,
}

/// Material that is sent along.
#[derive(Serialize)]
pub struct Material<'a> {
    format: &'static str,
    data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unwrap_with: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passphrase: Option<&'a str>,
}

/// Material is generated in the vault.
pub async fn create(context: &Context, new: &NewKey) -> Result<(), CliError> {
    send(context, body(new, None)?).await
}

/// Material comes from a file.
pub async fn import(context: &Context, args: &Import) -> Result<(), CliError> {
    let bytes = read_file("file", &args.file)?;
    let data = data(args.format, &bytes)?;
    let unwrap_with = args.unwrap_with.as_deref();
    if unwrap_with.is_some() && args.format != MaterialFormat::Wrapped {
        return Err(Invalid::new("unwrap_with", "is given, but the material is not wrapped", "Give --format wrapped, or leave --unwrap-with out.").into());
    }
    if args.method.is_some() && args.format != MaterialFormat::Wrapped {
        return Err(Invalid::new("method", "is given, but the material is not wrapped", "Give --format wrapped, or leave --method out.").into());
    }
    if args.passphrase_file.is_some() && args.format != MaterialFormat::Pkcs8 {
        return Err(Invalid::new("passphrase_file", "is given, but the file is not PKCS#8", "Give --format pkcs8, or leave --passphrase-file out.").into());
    }
    let passphrase = args.passphrase_file.as_deref().map(passphrase).transpose()?;
    let passphrase = passphrase.as_ref().map(|text| text.as_str());
    let (method, check_value) = (args.method.map(WrapMethod::as_str), args.check_value.as_deref());
    let material = Material { format: args.format.as_str(), data: &data, unwrap_with, method, check_value, passphrase };
    send(context, Body { keep: args.no_copy.then_some(false), ..body(&args.new, Some(material))? }).await
}

/// The first line of a file; what editors put behind it is no part of a passphrase.
fn passphrase(file: &std::path::Path) -> Result<Zeroizing<String>, CliError> {
    let bytes = read_file("passphrase_file", file)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Invalid::new("passphrase_file", "is not text", "Give a file with the passphrase in its first line."))?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

/// Bytes travel in base64; what is text already, without the line end that editors put behind it.
fn data(format: MaterialFormat, bytes: &[u8]) -> Result<Zeroizing<String>, CliError> {
    if matches!(format, MaterialFormat::Raw | MaterialFormat::Wrapped | MaterialFormat::Pkcs8) {
        return Ok(Zeroizing::new(STANDARD.encode(bytes)));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Invalid::new("file", "is not text", "For the bytes as they are, give --format raw."))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

async fn send(context: &Context, body: Body<'_>) -> Result<(), CliError> {
    let client = context.client()?;
    let answer = client.send(reqwest::Method::POST, &Route::new("v1/keys"), &body).await?;
    settle(context, &client, &answer, Shown::Same).await
}

/// What is sent of a new key.
///
/// # Errors
/// [`CliError::Invalid`] naming the tag.
pub fn body<'a>(new: &'a NewKey, material: Option<Material<'a>>) -> Result<Body<'a>, CliError> {
    Ok(Body {
        name: &new.name,
        keystore: &new.keystore,
        spec: new.spec.as_str(),
        usage: new.usage.map(KeyUsage::as_str),
        aliases: &new.aliases,
        description: new.description.as_deref(),
        tags: tags(&new.tags)?,
        expires: new.expires.as_deref(),
        expiry_policy: new.expiry_policy.map(|policy| policy.as_str()),
        exportable: new.not_exportable.then_some(false),
        keep: None,
        material,
        multi_region: new.multi_region,
    })
}

/// Checks the tags together: none twice, not too many, none that others own.
///
/// # Errors
/// [`CliError::Invalid`] naming the tag.
pub fn tags(pairs: &[(String, String)]) -> Result<BTreeMap<String, String>, CliError> {
    let tags = Tags::parse(pairs.iter().cloned())?;
    Ok(tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Noun, key::KeyVerb};
    use clap::Parser as _;

    fn parse(line: &str) -> KeyVerb {
        match Cli::try_parse_from(line.split(' ')).map(|cli| cli.noun) {
            Ok(Noun::Key(verb)) => *verb,
            Ok(_) => panic!("{line} is of another noun"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn what_is_not_said_is_not_sent() {
        let KeyVerb::Create(args) = parse("keystead key create orders --keystore payments-eu") else { panic!("create") };
        let sent = serde_json::to_value(body(&args.new, None).expect("a body")).expect("json");
        assert_eq!(sent, serde_json::json!({"name": "orders", "keystore": "payments-eu", "spec": "AES_256"}));
    }

    #[test]
    fn everything_that_is_said_is_sent() {
        let line = "keystead key import orders --keystore k --alias alias/o,p --alias q --description d --tag team=pay --tag x= --expires 90d --expiry-policy renew --spec ec-p256 --usage sign --file f --format wrapped --unwrap-with t --method rsa-aes-key-wrap-sha-256 --check-value sha256:ab";
        let KeyVerb::Import(args) = parse(line) else { panic!("import") };
        let (method, check_value) = (args.method.map(WrapMethod::as_str), args.check_value.as_deref());
        let material = Material { format: args.format.as_str(), data: "AA==", unwrap_with: args.unwrap_with.as_deref(), method, check_value, passphrase: None };
        let sent = serde_json::to_value(body(&args.new, Some(material)).expect("a body")).expect("json");
        let expected = serde_json::json!({"name": "orders", "keystore": "k", "spec": "EC_P256", "usage": "sign", "aliases": ["o", "p", "q"], "description": "d", "tags": {"team": "pay", "x": ""}, "expires": "90d",
            "expiry_policy": "renew", "material": {"format": "wrapped", "data": "AA==", "unwrap_with": "t",
                "method": "RSA_AES_KEY_WRAP_SHA_256", "check_value": "sha256:ab"}});
        assert_eq!(sent, expected);
    }

    #[test]
    fn bytes_travel_in_base64_and_text_without_its_line_end() {
        let sent = |format, bytes: &[u8]| data(format, bytes).expect("data").to_string();
        assert_eq!(sent(MaterialFormat::Raw, &[0, 255, 10]), "AP8K");
        assert_eq!(sent(MaterialFormat::Hex, b"00ff\r\n"), "00ff");
        assert_eq!(sent(MaterialFormat::Base64, b" AP8K\n"), "AP8K");
        assert!(data(MaterialFormat::Hex, &[0xff, 0xfe]).is_err());
    }

    #[test]
    fn a_tag_given_twice_or_owned_by_others_is_refused() {
        let pair = |key: &str| (key.to_owned(), "v".to_owned());
        for bad in [vec![pair("a"), pair("a")], vec![pair("aws:x")], vec![pair("keystead:key")]] {
            assert!(matches!(tags(&bad), Err(CliError::Invalid(_))), "{bad:?}");
        }
    }
}
