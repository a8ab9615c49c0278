//! Lists: page after page, until there is enough.

use serde::Deserialize;
use serde_json::Value;

use super::Context;
use crate::{
    args::listing::Listing,
    client::{Client, read},
    error::CliError,
    output::Row,
    route::Route,
};

/// The longest page that the server gives.
const PAGE_MAX: usize = 1000;

#[derive(Deserialize)]
struct Page {
    items: Vec<Value>,
    #[serde(default)]
    next_cursor: Option<String>,
}

/// What was listed, and where it would go on.
pub struct Fetched {
    /// The items.
    pub items: Vec<Value>,
    /// The cursor of what was not fetched.
    pub next: Option<String>,
    /// How many were fetched and left out.
    pub hidden: usize,
}

/// Fetches as many as are wanted of those that are kept; `None` is all.
///
/// # Errors
/// [`CliError`].
pub async fn fetch(client: &Client, route: &Route, wanted: Option<usize>, cursor: Option<String>, keep: impl Fn(&Value) -> bool) -> Result<Fetched, CliError> {
    let mut fetched = Fetched { items: Vec::new(), next: cursor, hidden: 0 };
    loop {
        let left = wanted.map_or(PAGE_MAX, |wanted| wanted.saturating_sub(fetched.items.len()));
        let page = route.clone().with("limit", Some(left.min(PAGE_MAX))).with("cursor", fetched.next.as_ref());
        let Page { items, next_cursor } = read(&client.get(&page).await?)?;
        if next_cursor.is_some() && next_cursor == fetched.next {
            return Err(CliError::Foreign("A page names itself as the next one.".to_owned()));
        }
        let before = items.len();
        let kept: Vec<Value> = items.into_iter().filter(&keep).collect();
        fetched.hidden += before - kept.len();
        fetched.items.extend(kept);
        fetched.next = next_cursor;
        if fetched.next.is_none() || wanted.is_some_and(|wanted| fetched.items.len() >= wanted) {
            return Ok(fetched);
        }
    }
}

/// Fetches and prints; says so when there is more, or when something was left out.
///
/// # Errors
/// [`CliError`].
pub async fn list<T: Row>(context: &Context, route: Route, listing: &Listing, default: Option<u32>, keep: impl Fn(&Value) -> bool) -> Result<(), CliError> {
    let client = context.client()?;
    let fetched = fetch(&client, &route, listing.wanted(default), listing.cursor.clone(), |item| listing.all || keep(item)).await?;
    context.output.many::<T>(&fetched.items)?;
    if let Some(next) = &fetched.next {
        context.output.note(&format!("There is more: go on with --cursor {next}, or list everything with --all."));
    }
    if fetched.hidden > 0 && !context.output.is_json() {
        context.output.note(&format!("Deleted and not shown: {}. --all shows them too.", fetched.hidden));
    }
    Ok(())
}

/// Everything.
///
/// # Errors
/// [`CliError`].
pub async fn all(client: &Client, route: &Route) -> Result<Vec<Value>, CliError> {
    fetch(client, route, None, None, |_| true).await.map(|fetched| fetched.items)
}

/// Whether a thing still is.
pub fn is_not_deleted(item: &Value) -> bool {
    item["state"] != "DELETED"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Script, Server, connection};
    use std::time::Duration;

    fn page(names: &[&str], next: Option<&str>) -> Script {
        let items: Vec<Value> =
            names.iter().map(|name| serde_json::json!({"name": name, "state": if name.starts_with('x') { "DELETED" } else { "ACTIVE" }})).collect();
        Script::json(200, &serde_json::json!({"items": items, "next_cursor": next}))
    }

    async fn fetched(script: Vec<Script>, wanted: Option<usize>) -> (Result<Fetched, CliError>, Vec<String>) {
        let server = Server::start(script).await;
        let client = Client::new(connection(&server.url, Duration::from_secs(5))).expect("a client");
        let fetched = fetch(&client, &Route::new("v1/keys"), wanted, None, is_not_deleted).await;
        (fetched, server.heads())
    }

    #[tokio::test]
    async fn every_page_is_fetched_and_what_is_deleted_is_left_out() {
        let (fetched, heads) = fetched(vec![page(&["a", "x1"], Some("c1")), page(&["b"], None)], None).await;
        let fetched = fetched.expect("two pages");
        assert_eq!((fetched.items.len(), fetched.hidden, fetched.next), (2, 1, None));
        assert!(heads[0].starts_with("GET /v1/keys?limit=1000 ") && heads[1].starts_with("GET /v1/keys?limit=1000&cursor=c1 "), "{heads:?}");
    }

    #[tokio::test]
    async fn a_limit_ends_the_list_on_a_page_and_keeps_the_cursor() {
        let (fetched, heads) = fetched(vec![page(&["a", "x"], Some("c1")), page(&["b"], Some("c2"))], Some(2)).await;
        let fetched = fetched.expect("two pages");
        assert_eq!((fetched.items.len(), fetched.next.as_deref()), (2, Some("c2")));
        assert!(heads[0].contains("limit=2") && heads[1].contains("limit=1&"), "{heads:?}");
    }

    #[tokio::test]
    async fn a_page_that_names_itself_is_no_endless_loop() {
        let (fetched, _) = fetched(vec![page(&["a"], Some("c")), page(&["a"], Some("c"))], None).await;
        assert!(matches!(fetched, Err(CliError::Foreign(_))));
    }
}
