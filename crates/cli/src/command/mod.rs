//! What each command does: one file a noun.

pub mod alert;
pub mod audit;
pub mod batch;
pub mod ceremony;
pub mod change;
mod consent;
pub mod drift;
mod drill;
pub mod estate;
pub mod key;
pub mod keystore;
mod keystore_kill;
pub mod local;
pub mod operation;
pub mod pages;
pub mod rehearsal;
mod root_rotation;
pub mod rotation;
pub mod sandbox;
pub mod setup;
pub mod user;
pub mod vault;

use crate::{
    args::{Cli, Noun, global::Global},
    client::Client,
    error::CliError,
    output::Output,
    settings::{Connection, Environment},
};

/// What every command is given.
pub struct Context {
    /// The options of every command.
    pub global: Global,
    /// What the environment says.
    pub environment: Environment,
    /// Where results go.
    pub output: Output,
}

impl Context {
    /// A client of the server that flags, environment or profile name.
    ///
    /// # Errors
    /// [`CliError`] when none is named, or a value cannot be.
    pub fn client(&self) -> Result<Client, CliError> {
        let client = Client::new(Connection::resolve(&self.global, &self.environment)?)?;
        if client.is_exposed() {
            self.output.note(&format!("warning: the token travels unencrypted to {}. Use https.", client.base()));
        }
        Ok(client)
    }
}

/// Does what was typed.
///
/// # Errors
/// [`CliError`], which knows the exit code.
pub async fn run(cli: Cli, environment: Environment) -> Result<(), CliError> {
    let context = Context { output: Output::new(cli.global.output), global: cli.global, environment };
    match cli.noun {
        Noun::Demo(args) => Box::pin(local::demo(&context, args)).await,
        Noun::Init(args) => Box::pin(local::init(&context, args)).await,
        Noun::Serve(args) => Box::pin(local::serve(args)).await,
        Noun::Doctor(args) => Box::pin(local::doctor(&context, args)).await,
        Noun::RestoreRoot(args) => Box::pin(local::restore_root(&context, args)).await,
        Noun::Key(verb) => Box::pin(key::run(&context, *verb)).await,
        Noun::Batch(verb) => Box::pin(batch::run(&context, verb)).await,
        Noun::Plan(args) => Box::pin(estate::plan(&context, args)).await,
        Noun::Apply(args) => Box::pin(estate::apply(&context, args)).await,
        Noun::Export(verb) => Box::pin(estate::export(&context, verb)).await,
        Noun::Estate(verb) => Box::pin(estate::run(&context, verb)).await,
        Noun::Ceremony(verb) => Box::pin(ceremony::run(&context, verb)).await,
        Noun::Keystore(verb) => Box::pin(keystore::run(&context, verb)).await,
        Noun::Rotation(verb) => Box::pin(rotation::run(&context, verb)).await,
        Noun::Drift(verb) => Box::pin(drift::run(&context, verb)).await,
        Noun::Operation(verb) => Box::pin(operation::run(&context, verb)).await,
        Noun::Alert(verb) => Box::pin(alert::run(&context, verb)).await,
        Noun::Schedule(args) => Box::pin(alert::schedule(&context, &args)).await,
        Noun::Audit(verb) => Box::pin(audit::run(&context, verb)).await,
        Noun::User(verb) => Box::pin(user::run(&context, verb)).await,
        Noun::Vault(verb) => Box::pin(vault::run(&context, verb)).await,
        Noun::Status => Box::pin(operation::status(&context)).await,
        Noun::Sandbox(args) => Box::pin(sandbox::run(&context, args)).await,
        Noun::Completions(args) => setup::completions(&args),
        Noun::Man(args) => setup::man(&args),
    }
}
