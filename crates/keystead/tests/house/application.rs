//! A customer's application: it uses keys in the simulated cloud by the official SDK, and knows nothing of Keystead.

use aws_sdk_kms::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    primitives::Blob,
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
        world.sandbox.put_user(UserSeed::new("application", CUSTOMER, "AKIAAPPLICATION00001", "app-secret")).expect("a user");
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(world.sandbox.endpoint())
            .credentials_provider(Credentials::new("AKIAAPPLICATION00001", "app-secret", None, None, "tests"))
            .build();
        Self(Client::from_conf(config))
    }

    pub async fn encrypt(&self, key: &str, plaintext: &[u8]) -> Encrypted {
        let answer = self.0.encrypt().key_id(key).plaintext(Blob::new(plaintext)).send().await.expect("encrypts");
        Encrypted { blob: answer.ciphertext_blob.expect("a blob").into_inner(), key_arn: answer.key_id.expect("an ARN") }
    }

    pub async fn decrypt(&self, blob: &[u8]) -> Vec<u8> {
        let answer = self.0.decrypt().ciphertext_blob(Blob::new(blob)).send().await.expect("decrypts");
        answer.plaintext.expect("a plaintext").into_inner()
    }
}
