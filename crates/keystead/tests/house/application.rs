//! A customer's application: it uses keys in the simulated cloud by the official SDK, and knows nothing of Keystead.

use aws_sdk_kms::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    primitives::Blob,
    types::{EncryptionAlgorithmSpec, KeyAgreementAlgorithmSpec, MacAlgorithmSpec, SigningAlgorithmSpec},
};
use keystead_sandbox::UserSeed;

use crate::world::{CUSTOMER, World};

/// An application with credentials of its own.
pub struct Application(Client);

/// What an encryption answers.
pub struct Encrypted {
    pub blob: Vec<u8>,
    pub key_arn: String,
}

impl Application {
    pub async fn new(world: &World) -> Self {
        Self::in_region(world, "eu-west-1").await
    }

    /// The same application, at work in this Region.
    pub async fn in_region(world: &World, region: &'static str) -> Self {
        world.sandbox.put_user(UserSeed::new("application", CUSTOMER, "AKIAAPPLICATION00001", "app-secret")).expect("a user");
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .endpoint_url(world.sandbox.endpoint())
            .credentials_provider(Credentials::new("AKIAAPPLICATION00001", "app-secret", None, None, "tests"))
            .build();
        Self(Client::from_conf(config))
    }

    pub async fn encrypt(&self, key: &str, plaintext: &[u8]) -> Encrypted {
        let answer = self.0.encrypt().key_id(key).plaintext(Blob::new(plaintext)).send().await.expect("encrypts");
        Encrypted { blob: answer.ciphertext_blob.expect("a blob").into_inner(), key_arn: answer.key_id.expect("an ARN") }
    }

    /// Makes a replica by hand, as somebody would in the cloud's console.
    pub async fn replicate(&self, key: &str, region: &str) {
        self.0.replicate_key().key_id(key).replica_region(region).send().await.expect("replicates");
    }

    /// Gives a key an alias, as somebody would in the cloud's console.
    pub async fn point(&self, alias: &str, key: &str) {
        self.0.create_alias().alias_name(alias).target_key_id(key).send().await.expect("points");
    }

    /// Takes an alias away, as somebody would in the cloud's console.
    pub async fn unpoint(&self, alias: &str) {
        self.0.delete_alias().alias_name(alias).send().await.expect("is deleted");
    }

    /// Rotates on demand, as somebody would in the cloud's console.
    pub async fn rotate(&self, key: &str) {
        self.0.rotate_key_on_demand().key_id(key).send().await.expect("rotates");
    }

    /// The code with which the cloud refuses to encrypt; `None` when it does it.
    pub async fn refused(&self, key: &str) -> Option<String> {
        let answer = self.0.encrypt().key_id(key).plaintext(Blob::new(b"x")).send().await;
        answer.err().map(|error| aws_sdk_kms::error::ProvideErrorMetadata::code(&error).unwrap_or_default().to_owned())
    }

    pub async fn decrypt(&self, blob: &[u8]) -> Vec<u8> {
        let answer = self.0.decrypt().ciphertext_blob(Blob::new(blob)).send().await.expect("decrypts");
        answer.plaintext.expect("a plaintext").into_inner()
    }

    pub async fn decrypt_by(&self, key: &str, blob: &[u8], algorithm: EncryptionAlgorithmSpec) -> Vec<u8> {
        let answer = self.0.decrypt().key_id(key).ciphertext_blob(Blob::new(blob)).encryption_algorithm(algorithm).send().await.expect("decrypts");
        answer.plaintext.expect("a plaintext").into_inner()
    }

    pub async fn sign(&self, key: &str, message: &[u8], algorithm: SigningAlgorithmSpec) -> Vec<u8> {
        let answer = self.0.sign().key_id(key).message(Blob::new(message)).signing_algorithm(algorithm).send().await.expect("signs");
        answer.signature.expect("a signature").into_inner()
    }

    pub async fn mac(&self, key: &str, message: &[u8], algorithm: MacAlgorithmSpec) -> Vec<u8> {
        let answer = self.0.generate_mac().key_id(key).message(Blob::new(message)).mac_algorithm(algorithm).send().await.expect("authenticates");
        answer.mac.expect("a code").into_inner()
    }

    /// ECDH with somebody's public key, a SubjectPublicKeyInfo in DER.
    pub async fn agree(&self, key: &str, theirs: &[u8]) -> Vec<u8> {
        let request = self.0.derive_shared_secret().key_id(key).key_agreement_algorithm(KeyAgreementAlgorithmSpec::Ecdh).public_key(Blob::new(theirs));
        request.send().await.expect("agrees").shared_secret.expect("a secret").into_inner()
    }
}
