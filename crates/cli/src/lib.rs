//! The command line of Keystead.
//!
//! *What must hold*:
//! - It is a client of the REST API like anyone else: no command reaches behind it, except those that need no server or are one (`local`).
//! - Results go to standard output, everything else to standard error. What came from outside cannot steer the terminal.
//! - A change carries an idempotency key, and a lost connection is answered with the same request under the same key.
//! - Tokens, passphrases, shares and material are printed nowhere but where they are made, have no `Debug`, and are wiped.
//! - Exit codes and problem types are stable; `exit` is the only file that maps one to the other.
//! - Only `main` reads the environment; everything behind it takes what it needs as an argument.

mod args;
mod client;
mod command;
mod error;
mod estate;
mod exit;
mod local;
mod output;
mod problem;
mod profile;
mod route;
mod secret;
mod settings;
#[cfg(test)]
mod testing;
mod wait;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser as _;

use crate::{
    args::{Cli, global::Format},
    error::CliError,
    exit::Exit,
    output::Output,
    problem::Problem,
    settings::Environment,
};

/// The whole program: reads the arguments and the environment, does what was typed, and answers with an exit code that scripts can use.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => return refused(&refusal, wants_json(std::env::args_os())),
    };
    let output = Output::new(cli.global.output);
    match run(cli, Environment::of_process()) {
        Ok(()) => Exit::Ok.into(),
        Err(error) => {
            output.problem(&error.problem());
            error.exit().into()
        }
    }
}

fn run(cli: Cli, environment: Environment) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| CliError::Local(format!("The async runtime does not start: {error}")))?.block_on(command::run(cli, environment))
}

/// Help and version are results; everything else that Clap says is a usage error, told in Clap's own form or as JSON.
fn refused(refusal: &clap::Error, is_json: bool) -> ExitCode {
    if is_json && refusal.use_stderr() {
        Output::new(Format::Json).problem(&usage(&refusal.to_string()));
        return Exit::Usage.into();
    }
    // When nobody can hear it, nobody can be told so.
    let _nobody_hears = refusal.print();
    if refusal.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() }
}

/// Clap's message as a problem: its first line is what happened, the rest says more.
fn usage(message: &str) -> Problem {
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    let rest = rest.split("\nFor more information").next().unwrap_or("").trim();
    Problem::own("usage", first.trim_start_matches("error: "), rest, "See --help.")
}

/// Whether JSON was asked for, in arguments that could not be parsed.
fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let words: Vec<OsString> = arguments.collect();
    words.iter().any(|word| word == "--output=json") || words.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clap_refuses_is_a_problem_for_scripts() {
        let refusal = Cli::try_parse_from(["keystead", "key", "schedule-deletion", "orders", "--days", "3"]).err().expect("is refused");
        let problem = usage(&refusal.to_string());
        assert_eq!((problem.slug(), problem.mend.as_str()), ("usage", "See --help."));
        assert!(problem.title.contains("days is 3") && !problem.title.starts_with("error") && !problem.detail.contains("--help"), "{problem:?}");
    }

    #[test]
    fn json_is_noticed_before_anything_is_parsed() {
        let wants = |line: &str| wants_json(line.split(' ').map(OsString::from));
        assert!(wants("keystead key --output json") && wants("keystead --output=json"));
        assert!(!wants("keystead key list --output table") && !wants("keystead json"));
    }
}
