//! Regions, partitions and accounts.

use keystead_sandbox::UserSeed;
use serde_json::json;

use crate::client::{ACCOUNT, Client, start};

#[tokio::test]
async fn keys_live_in_one_region_and_new_regions_need_no_list() {
    let (_sandbox, client) = start().await;
    for region in ["eu-central-1", "ap-southeast-7", "mx-central-1"] {
        let there = client.in_region(region);
        let key = there.external_key().await;
        let seen = there.ok("DescribeKey", &json!({"KeyId": key})).await;
        assert_eq!(seen["KeyMetadata"]["Arn"], json!(format!("arn:aws:kms:{region}:{ACCOUNT}:key/{key}")), "CM-012, CM-014");
        client.refused("NotFoundException", "DescribeKey", &json!({"KeyId": key})).await;
    }
}

#[tokio::test]
async fn credentials_do_not_cross_partitions() {
    let (sandbox, client) = start().await;
    client.in_region("cn-north-1").refused("UnrecognizedClientException", "ListKeys", &json!({})).await;
    for (partition, region) in [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")] {
        let user = UserSeed { partition: partition.to_owned(), ..UserSeed::new("ann", ACCOUNT, partition, "s") };
        sandbox.put_user(user).expect("a valid user");
        let there = Client { access_key: partition.to_owned(), secret: "s".to_owned(), ..client.in_region(region) };
        let key = there.external_key().await;
        let seen = there.ok("DescribeKey", &json!({"KeyId": key})).await;
        assert_eq!(seen["KeyMetadata"]["Arn"], json!(format!("arn:{partition}:kms:{region}:{ACCOUNT}:key/{key}")));
        there.in_region("eu-west-1").refused("UnrecognizedClientException", "ListKeys", &json!({})).await;
    }
}

#[tokio::test]
async fn china_takes_sixteen_bytes_and_no_hybrid_wrapping() {
    let (sandbox, client) = start().await;
    sandbox.put_user(UserSeed { partition: "aws-cn".to_owned(), ..UserSeed::new("li", ACCOUNT, "AKIACN", "s") }).expect("a valid user");
    let there = Client { access_key: "AKIACN".to_owned(), secret: "s".to_owned(), ..client.in_region("cn-northwest-1") };
    let key = there.external_key().await;
    let long = there.import_request(&key, &[1; 32]).await;
    there.refused("IncorrectKeyMaterialException", "ImportKeyMaterial", &long).await;
    there.import(&key, &[1; 16]).await;
    let sealed = there.ok("Encrypt", &json!({"KeyId": key, "Plaintext": "eA=="})).await;
    assert_eq!(there.ok("Decrypt", &json!({"CiphertextBlob": sealed["CiphertextBlob"]})).await["Plaintext"], json!("eA=="));
    let rsa = there.ok("CreateKey", &json!({"Origin": "EXTERNAL", "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"})).await;
    let wanted = json!({"KeyId": rsa["KeyMetadata"]["KeyId"], "WrappingAlgorithm": "RSA_AES_KEY_WRAP_SHA_256", "WrappingKeySpec": "RSA_2048"});
    there.refused("UnsupportedOperationException", "GetParametersForImport", &wanted).await;
}
