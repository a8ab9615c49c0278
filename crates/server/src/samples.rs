//! The demo's sample keys, one for each thing there is to see. They are made through the application, like anybody's.

use std::{collections::BTreeMap, time::Duration};

use keystead_app::{
    Request, Started,
    keys::{
        create::{Material, NewKey},
        lifecycle::Ask,
    },
    keystores::NewKeystore,
};
use keystead_domain::{
    AlertChannels, Aliases, KeySpec, Name, Tags,
    key::{deletion::WaitingDays, expiry::ExpiryPolicy},
    keystore::AwsLocation,
};
use keystead_identity::Principal;
use keystead_vault::SecretBytes;

use crate::{House, ServerError, demo};

/// The sample keystore.
const KEYSTORE: &str = "demo-eu";
/// The sample keystores and their Regions; the second is empty, for copies and replicas.
const KEYSTORES: [(&str, &str); 2] = [(KEYSTORE, "eu-west-1"), ("demo-us", "us-east-1")];

/// Makes the samples.
pub(crate) async fn make(house: &House, users: &[(String, String)]) -> Result<(), ServerError> {
    let token = users.first().map(|(_, token)| token.as_str()).unwrap_or_default();
    let ann = house.app.authenticate(token).await?.ok_or_else(|| ServerError::App("the first user is not known".to_owned()))?;
    for (keystore, region) in KEYSTORES {
        make_keystore(house, &ann, keystore, region).await?;
        let queue = format!("arn:aws:sqs:{region}:{}:{}", demo::CUSTOMER, demo::QUEUE);
        house.app.set_event_queue(&ann, keystore, Some(queue)).await?;
    }
    let day = house.engine.now();
    let plain = |name: &str| sample(name, Material::Generate);
    let invoices = NewKey { aliases: aliases(&["invoices", "billing/invoices"])?, ..plain("invoices")? };
    create(house, &ann, invoices).await?;
    let ledger = NewKey { aliases: aliases(&["ledger"])?, expires: Some(day.plus_days(90)), expiry_policy: ExpiryPolicy::Extend, ..plain("ledger")? };
    create(house, &ann, ledger).await?;
    ask(house, &ann, "ledger", Ask::Renew).await?;
    create(house, &ann, plain("archive")?).await?;
    ask(house, &ann, "archive", Ask::Deactivate).await?;
    create(house, &ann, plain("old-crm")?).await?;
    ask(house, &ann, "old-crm", Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await?;
    // A key that somebody brought along; the sample's bytes are public, and the vault takes it as it would take theirs.
    let brought: Vec<u8> = (0u8..32).map(|byte| byte.wrapping_mul(89).wrapping_add(7)).collect();
    create(house, &ann, sample("brought-along", Material::Raw(SecretBytes::from(brought)))?).await
}

async fn make_keystore(house: &House, ann: &Principal, keystore: &str, region: &str) -> Result<(), ServerError> {
    let location = AwsLocation {
        region: region.to_owned(),
        account: demo::CUSTOMER.to_owned(),
        role_arn: Some(demo::ROLE.to_owned()),
        external_id: Some(demo::EXTERNAL_ID.to_owned()),
    };
    let new = NewKeystore { name: name(keystore)?, cloud: "aws".to_owned(), location, alert_channels: AlertChannels::All };
    Ok(house.app.create_keystore(ann, new).await.map(drop)?)
}

fn name(text: &str) -> Result<Name, ServerError> {
    Name::parse(text).map_err(|error| ServerError::App(error.to_string()))
}

fn aliases(texts: &[&str]) -> Result<Aliases, ServerError> {
    Aliases::parse(texts).map_err(|error| ServerError::App(error.to_string()))
}

fn sample(text: &str, material: Material) -> Result<NewKey, ServerError> {
    let tags = BTreeMap::from([("team".to_owned(), "demo".to_owned())]);
    Ok(NewKey {
        name: name(text)?,
        keystore: KEYSTORE.to_owned(),
        spec: KeySpec::Aes256,
        usage: None,
        aliases: Aliases::default(),
        description: "A sample key of the demo".to_owned(),
        tags: Tags::parse(tags).map_err(|error| ServerError::App(error.to_string()))?,
        expires: None,
        expiry_policy: ExpiryPolicy::Alert,
        material,
        expected: None,
        terms: Default::default(),
        multi_region: false,
    })
}

async fn create(house: &House, ann: &Principal, new: NewKey) -> Result<(), ServerError> {
    let started = house.app.create_key(ann, &Request::default(), new).await?;
    finish(house, started).await
}

async fn ask(house: &House, ann: &Principal, key: &str, ask: Ask) -> Result<(), ServerError> {
    let started = house.app.ask(ann, &Request::default(), key, ask).await?;
    finish(house, started).await
}

async fn finish(house: &House, started: Started) -> Result<(), ServerError> {
    let Some(operation) = started.operation else { return Ok(()) };
    let ended = house.engine.wait(&operation.id, Duration::from_secs(30)).await?;
    match ended {
        Some(ended) if ended.state == "SUCCEEDED" => Ok(()),
        other => Err(ServerError::App(format!("a sample key could not be made: {:?}", other.and_then(|operation| operation.problem)))),
    }
}
