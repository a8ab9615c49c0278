//! What follows a request for a change: wait for the operation, then show how the key stands.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Context;
use crate::{
    client::{Client, read},
    error::CliError,
    output::{
        key::Key,
        operation::{Answer, Operation},
    },
    route::Route,
    wait::follow,
};

/// Which key is shown in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The one that was asked for.
    Same,
    /// The one that took over from it.
    Successor,
    /// The one that it gave back to.
    Predecessor,
}

/// Waits for the operation of an answer, unless it shall not or there is none, and prints the resulting key with the operation's id in it.
///
/// # Errors
/// [`CliError`].
pub async fn settle(context: &Context, client: &Client, answer: &Value, shown: Shown) -> Result<(), CliError> {
    let Answer { operation, key, no_op } = read(answer)?;
    let Some(operation) = operation else { return already(context, key, no_op) };
    if context.global.no_wait {
        return begun(context, key, &operation, answer);
    }
    let ended = follow(client, context.output, context.global.timeout, operation).await?;
    let id = ended.key.clone().or_else(|| Some(key?["id"].as_str()?.to_owned()));
    match id {
        Some(id) => context.output.one::<Key>(&with_operation(resulting(client, &id, shown).await?, Some(&ended.id), false)),
        None => context.output.one::<Operation>(&show(client, &ended.id).await?),
    }
}

/// The same for a request that starts several operations: waits for each, and prints all resulting keys. One that failed is the error, once the others are printed.
///
/// # Errors
/// [`CliError`].
pub async fn settle_many(context: &Context, client: &Client, answer: &Value) -> Result<(), CliError> {
    #[derive(Deserialize)]
    struct Started {
        started: Vec<Answer>,
    }
    let (mut keys, mut failed) = (Vec::new(), None);
    for Answer { operation, key, .. } in read::<Started>(answer)?.started {
        let Some(operation) = operation else { continue };
        if context.global.no_wait {
            keys.extend(key.map(|key| with_operation(key, Some(&operation.id), false)));
            continue;
        }
        match follow(client, context.output, context.global.timeout, operation).await {
            Ok(ended) => {
                let Some(id) = &ended.key else { continue };
                keys.push(with_operation(resulting(client, id, Shown::Same).await?, Some(&ended.id), false));
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    context.output.many::<Key>(&keys)?;
    if context.global.no_wait && !context.output.is_json() {
        context.output.note("The operations have begun. See them: keystead operation list");
    }
    failed.map_or(Ok(()), Err)
}

/// Nothing had to be done. What is no key, a keystore, has nothing more to be shown.
fn already(context: &Context, key: Option<Value>, no_op: bool) -> Result<(), CliError> {
    match key {
        _ if !no_op => return Err(CliError::Foreign("It has neither an operation nor a key.".to_owned())),
        Some(key) => context.output.one::<Key>(&with_operation(key, None, true))?,
        None if context.output.is_json() => context.output.json(&with_operation(json!({}), None, true))?,
        None => {}
    }
    if !context.output.is_json() {
        context.output.note("Nothing had to be done: it was already so.");
    }
    Ok(())
}

/// It is safely begun, and nobody waits.
fn begun(context: &Context, key: Option<Value>, operation: &Operation, answer: &Value) -> Result<(), CliError> {
    match key {
        Some(key) => context.output.one::<Key>(&with_operation(key, Some(&operation.id), false))?,
        None => context.output.one::<Operation>(&answer["operation"])?,
    }
    if !context.output.is_json() {
        context.output.note(&format!("The operation has begun. Wait for it: keystead operation wait {}", operation.id));
    }
    Ok(())
}

/// The key as it stands now, or the one that bears its name now.
async fn resulting(client: &Client, id: &str, shown: Shown) -> Result<Value, CliError> {
    let key = client.get(&Route::new("v1/keys").of("key", id)?).await?;
    let read: Key = read(&key)?;
    let other = match shown {
        _ if read.is_current => None,
        Shown::Same => None,
        Shown::Successor => read.successor,
        Shown::Predecessor => read.predecessor,
    };
    match other {
        Some(other) => client.get(&Route::new("v1/keys").of("key", &other)?).await,
        None => Ok(key),
    }
}

/// One operation with its journal.
///
/// # Errors
/// [`CliError`].
pub async fn show(client: &Client, id: &str) -> Result<Value, CliError> {
    client.get(&Route::new("v1/operations").of("operation", id)?).await
}

fn with_operation(mut key: Value, operation: Option<&str>, no_op: bool) -> Value {
    if let Some(members) = key.as_object_mut() {
        members.insert("operation".to_owned(), operation.into());
        members.insert("no_op".to_owned(), no_op.into());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Script, Server, connection};
    use std::time::Duration;

    #[test]
    fn the_key_carries_the_operation_that_brought_it_here() {
        assert_eq!(with_operation(json!({"id": "key_1"}), Some("op_1"), false), json!({"id": "key_1", "operation": "op_1", "no_op": false}));
        assert_eq!(with_operation(json!({"id": "key_1"}), None, true), json!({"id": "key_1", "operation": null, "no_op": true}));
    }

    fn key(id: &str, is_current: bool) -> Value {
        json!({"id": id, "name": "orders", "state": "ACTIVE", "keystore": "k", "cloud": "aws", "is_current": is_current, "predecessor": "key_0", "successor": "key_2"})
    }

    async fn shown(keys: &[Value], shown: Shown) -> (Value, Vec<String>) {
        let server = Server::start(keys.iter().map(|key| Script::json(200, key)).collect()).await;
        let client = Client::new(connection(&server.url, Duration::from_secs(5))).expect("a client");
        (resulting(&client, "key_1", shown).await.expect("a key"), server.heads())
    }

    #[tokio::test]
    async fn a_renewal_shows_the_successor_and_a_reversion_the_predecessor() {
        let (result, heads) = shown(&[key("key_1", false), key("key_2", true)], Shown::Successor).await;
        assert_eq!((&result["id"], &heads[1][..23]), (&json!("key_2"), "GET /v1/keys/key_2 HTTP"));
        let (result, _) = shown(&[key("key_1", false), key("key_0", true)], Shown::Predecessor).await;
        assert_eq!(result["id"], "key_0");
        let (result, heads) = shown(&[key("key_1", true)], Shown::Successor).await;
        assert_eq!((&result["id"], heads.len()), (&json!("key_1"), 1), "the operation may name the successor itself");
    }
}
