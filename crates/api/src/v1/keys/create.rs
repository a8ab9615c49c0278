//! `POST /v1/keys` (CM-040, CM-053, FT-041 to FT-043).

use axum::extract::State;
use keystead_app::keys::create::{Material, NewKey, Terms};
use keystead_domain::{Aliases, Invalid, KeySpec, KeyUsage, Name, Timestamp, WrapMethod, key::expiry::ExpiryPolicy};
use keystead_vault::CheckValue;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::{Answered, OperationAnswer, answer},
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::Input,
    problem::Refusal,
    secret::{SecretString, length_only, length_only_opt},
    wire::{tags::GivenTags, time::when},
};

/// A key as it is asked for.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "orders", "keystore": "frankfurt", "aliases": ["orders"], "tags": { "team": "pay" }, "expires": "90d", "expiry_policy": "renew" }))]
pub(crate) struct CreateKey {
    /// 1 to 64 letters, digits, `.`, `_` and `-`.
    name: String,
    /// The keystore's id or name.
    keystore: String,
    /// `AES_256` (also when it is left out), `HMAC_224`, `HMAC_256`, `HMAC_384`, `HMAC_512`, `RSA_2048`, `RSA_3072`, `RSA_4096`, `EC_P256`, `EC_P384`, `EC_P521` or
    /// `EC_SECP256K1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spec: Option<String>,
    /// `encrypt`, `sign`, `mac` or `key-agreement`, and it cannot be changed later. Left out, the usual use of the kind; an RSA pair must be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
    /// The aliases that shall point at it, with or without `alias/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    aliases: Vec<String>,
    /// At most 8192 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// At most 40.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    tags: GivenTags,
    /// When its material in the cloud shall expire: a span such as `90d`, or a time. Left out: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// What happens before: `alert` (also when it is left out), `extend` or `renew`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiry_policy: Option<String>,
    /// Whether its material may leave the vault: by an export, or as a copy in another keystore. Left out: true. It cannot become true later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exportable: Option<bool>,
    /// Whether the vault keeps the material that you bring. With `false` it destroys its copy as soon as the cloud has confirmed its own: the key is `native` then, and is
    /// neither uploaded, renewed, copied nor exported. Left out: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keep: Option<bool>,
    /// Whether replicas can be made of it in other Regions of its AWS account: a multi-Region primary key. It cannot be changed later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    multi_region: bool,
    /// Material that you bring; left out, the vault makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    material: Option<GivenMaterial>,
}

/// Material that somebody brings.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenMaterial {
    /// What the file held: `raw` bytes, `base64` or `hex` text, a private key in `pkcs8` (RFC 5958: PEM or DER, also encrypted), or bytes `wrapped` under a key
    /// that Keystead has.
    format: String,
    /// For `raw`, `pkcs8` and `wrapped` the file's bytes in base64, for `base64` and `hex` its text.
    #[serde(serialize_with = "length_only")]
    #[schema(value_type = String, format = Password, write_only)]
    data: SecretString,
    /// For `wrapped`: the key that opens it, by id or name: an `AES_256` key (AES-KWP, RFC 5649, or AES-KW, RFC 3394), or an `RSA_4096` pair of a keystore in the vault,
    /// whose use is `encrypt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unwrap_with: Option<String>,
    /// For what was wrapped under the public half of a pair, by which method: `RSAES_OAEP_SHA_256` or `RSAES_OAEP_SHA_1` (symmetric material), `RSA_AES_KEY_WRAP_SHA_256` or
    /// `RSA_AES_KEY_WRAP_SHA_1` (everything: an AES-256 key by OAEP, 512 bytes, and then the material under that key by AES-KWP; PKCS#11's CKM_RSA_AES_KEY_WRAP).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "RSA_AES_KEY_WRAP_SHA_256")]
    method: Option<String>,
    /// The check value that the material is expected to have; another one is refused. For AES keys hexadecimal digits of AES-CMAC over a block of zeros (6 to 16 of them,
    /// ANSI X9.24-1:2017), or `kcv-zero:` and 6 digits of the encrypted block of zeros, as older devices print it; for HMAC keys 6 to 16 digits of the HMAC over an empty
    /// text; for pairs the SHA-256 of the public half (SubjectPublicKeyInfo in DER).
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "length_only_opt")]
    #[schema(value_type = Option<String>, example = "0123456789")]
    check_value: Option<SecretString>,
    /// For `pkcs8`: the passphrase, if the file is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "length_only_opt")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    passphrase: Option<SecretString>,
}

impl Input for CreateKey {
    fn holds_secret(body: Option<&Self>) -> bool {
        body.is_none_or(|body| body.material.is_some())
    }
}

impl CreateKey {
    /// The key that is asked for, in the domain's words.
    pub(crate) fn read(mut self, now: Timestamp) -> Result<NewKey, Invalid> {
        let spec = self.spec.as_deref().map_or(Ok(KeySpec::Aes256), KeySpec::parse)?;
        let expected = self.material.as_mut().and_then(|material| material.check_value.take());
        let expected = expected.map(|text| CheckValue::parse("material.check_value", spec, &text.into_text())).transpose()?;
        Ok(NewKey {
            name: Name::parse(&self.name)?,
            keystore: self.keystore,
            spec,
            usage: self.usage.as_deref().map(KeyUsage::parse).transpose()?,
            aliases: Aliases::parse(self.aliases)?,
            description: self.description.unwrap_or_default(),
            tags: self.tags.read()?,
            expires: self.expires.as_deref().map(|text| when("expires", text, now)).transpose()?,
            expiry_policy: self.expiry_policy.as_deref().map_or(Ok(ExpiryPolicy::Alert), ExpiryPolicy::parse)?,
            material: self.material.map_or(Ok(Material::Generate), GivenMaterial::read)?,
            expected,
            terms: Terms { exportable: self.exportable.unwrap_or(true), kept: self.keep.unwrap_or(true) },
            multi_region: self.multi_region,
        })
    }
}

impl GivenMaterial {
    fn read(self) -> Result<Material, Invalid> {
        const DATA: &str = "material.data";
        if self.passphrase.is_some() && self.format != "pkcs8" {
            return Err(Invalid::new("material.passphrase", "is for pkcs8 only", "Leave it out, or give the format pkcs8."));
        }
        if self.method.is_some() && self.format != "wrapped" {
            return Err(Invalid::new("material.method", "is for wrapped material only", "Leave it out, or give the format wrapped."));
        }
        let method = self.method.as_deref().map(method).transpose()?;
        match (self.format.as_str(), self.unwrap_with) {
            ("raw" | "base64", None) => self.data.decode_base64(DATA).map(Material::Raw),
            ("hex", None) => self.data.decode_hex(DATA).map(Material::Raw),
            ("pkcs8", None) => Ok(Material::Pkcs8 { file: self.data.decode_base64(DATA)?, passphrase: self.passphrase.map(SecretString::into_bytes) }),
            // Wrapped bytes are no secret: who has them has nothing without the key.
            ("wrapped", Some(unwrap_with)) => Ok(Material::Wrapped { wrapped: self.data.decode_base64(DATA)?.expose().to_vec(), unwrap_with, method }),
            ("wrapped", None) => Err(Invalid::new("material.unwrap_with", "is missing", "Name the key that opens the material, by id or name.")),
            ("raw" | "base64" | "hex" | "pkcs8", Some(_)) => {
                Err(Invalid::new("material.unwrap_with", "is for wrapped material only", "Leave it out, or give the format wrapped."))
            }
            _ => Err(Invalid::new("material.format", "is not a format", "Give raw, base64, hex, pkcs8 or wrapped.")),
        }
    }
}

fn method(text: &str) -> Result<WrapMethod, Invalid> {
    let mend = || format!("Give one of {}.", WrapMethod::ALL.map(WrapMethod::as_str).join(", "));
    WrapMethod::parse(text).ok_or_else(|| Invalid::new("material.method", "is not a method", mend()))
}

/// Create a key
///
/// Makes a key in the cloud and brings it material: made in the vault, or brought by you. When the answer comes, the intent and the material are durable; the
/// operation then runs, whatever happens to this connection.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", params(ChangeHeaders), request_body = CreateKey, responses(OperationAnswer))]
pub(crate) async fn create_key(State(api): State<Api>, Caller(caller): Caller, change: Change<CreateKey>) -> Result<Answered, Refusal> {
    let (request, wait) = (change.request(&caller), change.wait);
    let new = change.body.read(api.app.engine().now())?;
    let started = api.app.create_key(&caller, &request, new).await?;
    answer(&api, &caller, started, wait).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(material: serde_json::Value) -> Result<Material, Invalid> {
        let body = json!({ "name": "orders", "keystore": "eu", "material": material });
        let asked: CreateKey = serde_json::from_value(body).expect("a request");
        asked.read(Timestamp::from_secs(1_790_000_000)).map(|new| new.material)
    }

    #[test]
    fn material_comes_in_four_formats_ft_041() {
        for given in [json!({"format":"raw","data":"AQID"}), json!({"format":"base64","data":"AQ ID\n"}), json!({"format":"hex","data":"010203"})] {
            assert!(matches!(read(given), Ok(Material::Raw(bytes)) if bytes.expose() == [1, 2, 3]));
        }
        let wrapped = read(json!({"format":"wrapped","data":"AQID","unwrap_with":"kek"}));
        assert!(matches!(wrapped, Ok(Material::Wrapped { wrapped, unwrap_with, method: None }) if wrapped == [1, 2, 3] && unwrap_with == "kek"));
        for named in WrapMethod::ALL {
            let wrapped = read(json!({"format":"wrapped","data":"AQID","unwrap_with":"kek","method":named.as_str()}));
            assert!(matches!(wrapped, Ok(Material::Wrapped { method: Some(method), .. }) if method == named));
        }
    }

    #[test]
    fn material_that_cannot_be_read_is_refused_by_field() {
        for (given, field) in [
            (json!({"format":"pem","data":"AQID"}), "material.format"),
            (json!({"format":"raw","data":"***"}), "material.data"),
            (json!({"format":"hex","data":"xyz"}), "material.data"),
            (json!({"format":"wrapped","data":"AQID"}), "material.unwrap_with"),
            (json!({"format":"raw","data":"AQID","unwrap_with":"kek"}), "material.unwrap_with"),
            (json!({"format":"raw","data":"AQID","method":"RSAES_OAEP_SHA_1"}), "material.method"),
            (json!({"format":"wrapped","data":"AQID","unwrap_with":"kek","method":"RSAES_PKCS1_V1_5"}), "material.method"),
            (json!({"format":"raw","data":"AQID","check_value":"abc"}), "material.check_value"),
            (json!({"format":"raw","data":"AQID","check_value":"hmac:aabbcc"}), "material.check_value"),
        ] {
            assert_eq!(read(given).err().map(|refusal| refusal.field).as_deref(), Some(field));
        }
    }

    #[test]
    fn what_is_remembered_of_a_request_holds_no_material() {
        let body = json!({ "name": "orders", "keystore": "eu", "material": { "format": "hex", "data": "c0ffee", "check_value": "0a0b0c" } });
        let asked: CreateKey = serde_json::from_value(body).expect("a request");
        assert_eq!(json!(asked)["material"], json!({ "format": "hex", "data": 6, "check_value": 6 }));
    }
}
