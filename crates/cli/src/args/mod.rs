//! What can be typed. The doc comments here are the help, the completions and the man pages.

pub mod alert;
pub mod audit;
pub mod batch;
pub mod ceremony;
pub mod chosen;
pub mod drift;
pub mod estate;
pub mod global;
pub mod key;
pub mod keystore;
pub mod listing;
pub mod local;
pub mod operation;
pub mod parse;
pub mod rotation;
pub mod sandbox;
pub mod user;
pub mod vault;

use clap::{Parser, Subcommand};

use crate::exit::EXIT_CODES;

/// Own your cloud keys: generate them in your vault, bring them into the cloud, look after them for life
///
/// Keystead generates keys in a vault that you control, brings them into AWS KMS, and looks after them: state, expiry, renewal, deletion, evidence.
/// This command is server and client in one. Begin with `keystead demo`: it runs a server, a simulated AWS and sample keys in one process, and every
/// other command works against it from another terminal in the same directory.
#[derive(Parser)]
#[command(name = "keystead", version, propagate_version = true, arg_required_else_help = true, max_term_width = 120)]
#[command(after_help = EXIT_CODES, after_long_help = AFTER)]
pub struct Cli {
    #[command(flatten)]
    pub global: global::Global,
    #[command(subcommand)]
    pub noun: Noun,
}

/// The end of the long help.
const AFTER: &str = "\
A first look:
  keystead demo                                        (leave it running; then, in another terminal)
  keystead key list
  keystead key create orders --keystore demo-eu --alias orders --expires 90d
  keystead key renew orders
  keystead sandbox advance 8d

Exit codes:
  0  done, or already so
  1  an operation failed, or anything else without a number of its own
  2  usage: the command or a value in it cannot be
  3  not found
  4  refused by the state of things: wrong state, name taken, busy
  5  forbidden, or not authenticated
  6  the cloud refused or failed
  7  the vault is sealed
  8  still running after --timeout; the operation goes on
  9  the server cannot be reached

Every error is one block on standard error: what happened, which field, what to do, and the id of
the request. With --output json it is the problem as JSON (RFC 9457).";

/// What a command is about.
#[derive(Subcommand)]
pub enum Noun {
    /// Run everything in one process: server, simulated AWS, sample keys
    Demo(local::Demo),
    /// Make a new installation: configuration, database, vault, first user
    Init(local::Init),
    /// Run the server
    Serve(local::Serve),
    /// Look for what keeps the server from working, and say how to mend it
    Doctor(local::Doctor),
    /// Restore the root in a hardware module's token, from the shares of its copy. The server must not run on the same SQLite file
    RestoreRoot(local::RestoreRoot),
    /// Keys: make, import, list, renew, deactivate, export, delete
    #[command(subcommand)]
    Key(Box<key::KeyVerb>),
    /// Batches: actions on many keys, and how far they are
    #[command(subcommand)]
    Batch(batch::BatchVerb),
    /// Say exactly what would change to come from what is to what files say
    Plan(estate::Plan),
    /// Do a plan that was kept, and nothing else
    Apply(estate::Apply),
    /// Write what exists into a file
    #[command(subcommand)]
    Export(estate::ExportVerb),
    /// Estates in files: their schema, and the plans that were begun
    #[command(subcommand)]
    Estate(estate::EstateVerb),
    /// Ceremonies: keys that come in components, each entered by another person
    #[command(subcommand)]
    Ceremony(ceremony::CeremonyVerb),
    /// Keystores: the places in the cloud where keys live
    #[command(subcommand)]
    Keystore(keystore::KeystoreVerb),
    /// Rotation: how often keys get a successor, and when
    #[command(subcommand)]
    Rotation(rotation::RotationVerb),
    /// Drift: in what the clouds' keys differ from what is wanted, and what to do about it
    #[command(subcommand)]
    Drift(drift::DriftVerb),
    /// Operations: the durable changes behind every command
    #[command(subcommand)]
    Operation(operation::OperationVerb),
    /// Alerts: what somebody is told, and whether it arrived
    #[command(subcommand)]
    Alert(alert::AlertVerb),
    /// What will happen by itself: alerts, extensions, renewals, expiries, deletions
    Schedule(alert::Schedule),
    /// The audit log: read, export and verify it
    #[command(subcommand)]
    Audit(audit::AuditVerb),
    /// Users and their tokens
    #[command(subcommand)]
    User(user::UserVerb),
    /// The vault: seal, unseal, rotate
    #[command(subcommand)]
    Vault(vault::VaultVerb),
    /// How the server stands
    Status,
    /// A simulated AWS to try things on, and its time machine
    Sandbox(sandbox::Sandbox),
    /// Print the completions of a shell
    Completions(local::Completions),
    /// Write the man pages
    Man(local::Man),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_long_help_ends_with_the_same_exit_codes_as_the_short_one() {
        assert!(AFTER.contains(EXIT_CODES));
    }

    /// Every command that does something explains itself, and shows an example where it takes a value.
    #[test]
    fn every_command_has_help_and_every_verb_an_example() {
        fn look(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path} has no help");
            let verbs: Vec<_> = command.get_subcommands().filter(|verb| verb.get_name() != "help").collect();
            if verbs.is_empty() && command.get_arguments().any(|arg| arg.is_required_set()) {
                let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(example.contains("keystead "), "{path} has no example");
            }
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{path}: {} has no help", arg.get_id());
            }
            verbs.into_iter().for_each(|verb| look(verb, &path));
        }
        look(&Cli::command(), "");
    }

    /// Examples in the help are commands that can be typed.
    #[test]
    fn every_example_in_the_help_can_be_parsed() {
        fn collect(command: &clap::Command, examples: &mut Vec<String>) {
            let help = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string).unwrap_or_default();
            let lines = help.lines().filter_map(|line| line.strip_prefix("  keystead ")).map(|line| line.split("  ").next().unwrap_or(line).to_owned());
            examples.extend(lines.map(|line| line.split(" > ").next().unwrap_or("").split(" | ").next().unwrap_or("").to_owned()));
            command.get_subcommands().for_each(|verb| collect(verb, examples));
        }
        let mut examples = Vec::new();
        collect(&Cli::command(), &mut examples);
        assert!(examples.len() > 40, "{}", examples.len());
        for example in examples {
            let words = std::iter::once("keystead").chain(example.split_whitespace());
            let parsed = Cli::try_parse_from(words);
            assert!(parsed.is_ok(), "{example}: {}", parsed.err().map(|error| error.to_string()).unwrap_or_default());
        }
    }
}
