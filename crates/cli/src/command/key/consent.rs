//! Before a key is taken out of use by hand, somebody in front of a terminal sees who depends on it, and says yes. Scripts are not asked (AW-045).

use keystead_domain::Invalid;

use super::{kill::show_blast_radius, route};
use crate::{
    args::key::One,
    client::Client,
    command::{Context, consent::says_yes},
    error::CliError,
    output::blast::Reach,
};

/// Shows what depends on the keys that a command takes out of use, and asks.
///
/// # Errors
/// [`CliError`]; without a yes nothing is begun.
pub async fn ask(context: &Context, client: &Client, one: &One, reach: Reach, participle: &str, yes: bool) -> Result<(), CliError> {
    if yes || !context.output.is_dialogue() {
        return Ok(());
    }
    let shown = client.get(&route(one)?.then("blast-radius")).await?;
    show_blast_radius(context, &shown, reach)?;
    if says_yes(context, &format!("These would be {participle}."))? {
        return Ok(());
    }
    Err(Invalid::new("yes", "was not said; nothing was begun", "Repeat the command if it is still wanted; --yes leaves the question out.").into())
}
