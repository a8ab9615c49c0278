//! `keystead user …`

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Context,
    pages::{self, is_not_deleted},
};
use crate::{args::user::UserVerb, client::Client, error::CliError, output::user::User, problem::Problem, route::Route};

/// What ids of users begin with.
const ID_PREFIX: &str = keystead_domain::UserId::PREFIX;

/// Does what was typed.
///
/// # Errors
/// [`CliError`].
pub async fn run(context: &Context, verb: UserVerb) -> Result<(), CliError> {
    match verb {
        UserVerb::Create(args) => create(context, &args.name).await,
        UserVerb::List(listing) => pages::list::<User>(context, Route::new("v1/users"), &listing, None, is_not_deleted).await,
        UserVerb::Me => {
            let user = context.client()?.get(&Route::new("v1/me")).await?;
            context.output.one::<User>(&user)
        }
        UserVerb::Token(one) => token(context, &one.user).await,
        UserVerb::Disable(one) => disable(context, &one.user).await,
    }
}

async fn create(context: &Context, name: &str) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Body<'a> {
        name: &'a str,
    }
    let user = context.client()?.send(reqwest::Method::POST, &Route::new("v1/users"), &Body { name }).await?;
    context.output.one::<User>(&user)?;
    once(context);
    Ok(())
}

async fn token(context: &Context, user: &str) -> Result<(), CliError> {
    let client = context.client()?;
    let mut found = find(&client, user).await?;
    let answer = client.post(&Route::new("v1/users").of("user", id(&found)?)?.then("token")).await?;
    if let (Some(members), Some(token)) = (found.as_object_mut(), answer.get("token")) {
        members.insert("token".to_owned(), token.clone());
    }
    context.output.one::<User>(&found)?;
    once(context);
    Ok(())
}

async fn disable(context: &Context, user: &str) -> Result<(), CliError> {
    let client = context.client()?;
    let found = find(&client, user).await?;
    client.post(&Route::new("v1/users").of("user", id(&found)?)?.then("disable")).await?;
    context.output.one::<User>(&find(&client, id(&found)?).await?)
}

fn once(context: &Context) {
    if !context.output.is_json() {
        context.output.note("The token is shown this once. Keep it in a file that only its user can read, for --token-file.");
    }
}

fn id(user: &Value) -> Result<&str, CliError> {
    user["id"].as_str().ok_or_else(|| CliError::Foreign("A user has no id.".to_owned()))
}

/// The user of this id or name, to be shown beside what was done.
async fn find(client: &Client, user: &str) -> Result<Value, CliError> {
    let member = if user.starts_with(ID_PREFIX) { "id" } else { "name" };
    let users = pages::all(client, &Route::new("v1/users")).await?;
    users.into_iter().find(|found| found[member] == user).ok_or_else(|| {
        let problem = Problem::own("not-found", format!("There is no user {user}"), "", "See `keystead user list`.");
        CliError::Refused(Box::new(Problem { status: Some(404), more: [("user".to_owned(), json!(user))].into_iter().collect(), ..problem }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exit::Exit,
        testing::{Script, Server, connection},
    };
    use std::time::Duration;

    #[tokio::test]
    async fn a_user_is_found_by_name_and_by_id() {
        let page = json!({"items": [{"id": "user_1", "name": "ann"}, {"id": "user_2", "name": "bob"}], "next_cursor": null});
        let server = Server::start((0..3).map(|_| Script::json(200, &page)).collect()).await;
        let client = Client::new(connection(&server.url, Duration::from_secs(5))).expect("a client");
        assert_eq!(find(&client, "bob").await.expect("is there")["id"], "user_2");
        assert_eq!(find(&client, "user_1").await.expect("is there")["name"], "ann");
        assert_eq!(find(&client, "eve").await.expect_err("is not there").exit(), Exit::NotFound);
    }
}
