//! DeriveSharedSecret: ECDH (NIST SP 800-56A Rev. 3, section 5.7.1.2) under elliptic-curve keys made for key agreement.

use aws_lc_rs::agreement::{self, Algorithm, ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    super::{
        call::{Scene, Stage},
        errors::{AwsError, Code},
    },
    spec::{Curve, Material, Spec, Usage},
};
use crate::secret::Secret;

/// The longest public key in the API reference, in bytes.
const PUBLIC_KEY_MAX: usize = 8_192;

pub(crate) fn derive(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let request = scene.request();
    let theirs = request.required_blob("PublicKey", PUBLIC_KEY_MAX)?;
    let algorithm = request.required_choice("KeyAgreementAlgorithm", &["ECDH"])?;
    let key_id = scene.find_usable(request.required_text("KeyId", 1, 2_048)?, Usage::KeyAgreement, "kms:DeriveSharedSecret")?;
    let key = scene.key(&key_id)?;
    key.check_algorithm(algorithm)?;
    let (arn, origin) = (key.arn(), key.origin.name());
    let refused = || AwsError::new(Code::Validation, "The public key is not a point on the curve of the KMS key.");
    let secret = agree(key.spec, key.usable_bytes()?, &theirs).ok_or_else(refused)?;
    scene.end_dry_run()?;
    scene.note_use(&key_id)?;
    Ok(json!({"KeyId": arn, "SharedSecret": STANDARD.encode(&*secret), "KeyAgreementAlgorithm": algorithm, "KeyOrigin": origin}).into())
}

/// The secret; `None` for a key of another kind, and for bytes that are no point of the curve.
fn agree(spec: &Spec, material: &Secret, theirs: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let curve = curve(spec)?;
    let ours = PrivateKey::from_private_key_der(curve, material).ok()?;
    agreement::agree(&ours, UnparsedPublicKey::new(curve, theirs), (), |secret| Ok(Zeroizing::new(secret.to_vec()))).ok()
}

fn curve(spec: &Spec) -> Option<&'static Algorithm> {
    match spec.material {
        Material::Ecc(Curve::P256) => Some(&ECDH_P256),
        Material::Ecc(Curve::P384) => Some(&ECDH_P384),
        Material::Ecc(Curve::P521) => Some(&ECDH_P521),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{
        kms::{asymmetric::public_key, material::generate, spec::spec},
        regions::Partition,
    };

    #[test]
    fn both_sides_come_to_the_same_secret_and_a_point_of_another_curve_to_none() {
        let other = spec("ECC_NIST_P256").expect("known");
        let foreign = public_key(other, &generate(other, Partition::Standard).expect("made")).expect("a public half");
        for name in ["ECC_NIST_P384", "ECC_NIST_P521"] {
            let spec = spec(name).expect("known");
            let [one, two] = [(); 2].map(|()| generate(spec, Partition::Standard).expect("made"));
            let public = |material| public_key(spec, material).expect("a public half");
            let secret = agree(spec, &one, &public(&two)).expect("they agree");
            assert_eq!(agree(spec, &two, &public(&one)).expect("they agree"), secret);
            assert!(agree(spec, &one, &foreign).is_none() && agree(spec, &one, b"no point").is_none());
        }
    }
}
