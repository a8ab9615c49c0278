//! Waiting for an operation, with a progress bar for who watches. The operation is durable: neither the end of the wait nor a restart of the server ends it.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::{
    client::{Client, read},
    error::CliError,
    output::{
        Output,
        operation::{Operation, State, Sync, kind_words},
        restore::Restored,
        table::clean_line,
    },
    route::Route,
};

/// How long one question to the server may take while somebody watches: steps shall be seen as they come.
const LOOK_WATCHED: u64 = 1;
/// How long when nobody does; the contract allows 60 s.
const LOOK_UNWATCHED: u64 = 20;
/// The least time between two questions, whatever the server does.
const PAUSE: Duration = Duration::from_millis(150);
/// The time between two questions to a server that does not answer.
const PAUSE_UNREACHABLE: Duration = Duration::from_secs(1);

/// Waits until an operation has ended, and answers it if it succeeded.
///
/// # Errors
/// [`CliError::OperationFailed`], [`CliError::TimedOut`] with the operation as last seen, and those of the network when it stayed away to the end.
pub async fn follow(client: &Client, output: Output, timeout: Duration, mut operation: Operation) -> Result<Operation, CliError> {
    let deadline = Instant::now() + timeout;
    let bar = Bar::new(output.is_watched());
    let mut away = None;
    while operation.state == State::Running {
        bar.show(&operation, away.is_some());
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(away.unwrap_or(CliError::TimedOut { after: timeout, operation: Some(Box::new(operation)) }));
        }
        let asked = Instant::now();
        let seconds = left.as_secs().min(if output.is_watched() { LOOK_WATCHED } else { LOOK_UNWATCHED });
        let pause = match look(client, &operation.id, seconds).await {
            Ok(seen) => {
                (operation, away) = (seen, None);
                PAUSE
            }
            Err(error) if is_passing(&error) => {
                away = Some(error);
                PAUSE_UNREACHABLE
            }
            Err(CliError::TimedOut { .. }) => PAUSE,
            Err(error) => return Err(error),
        };
        if operation.state == State::Running {
            tokio::time::sleep_until((asked + pause).min(deadline)).await;
        }
    }
    drop(bar);
    if operation.state == State::Failed { Err(CliError::OperationFailed(Box::new(operation))) } else { Ok(operation) }
}

/// Whether a later question may be answered: the server is away, stops, or has too much to do.
pub fn is_passing(error: &CliError) -> bool {
    match error {
        CliError::Unreachable { .. } => true,
        CliError::Refused(problem) => matches!(problem.status, Some(429 | 503)),
        _ => false,
    }
}

/// An operation as it is, or as it is after so many seconds.
async fn look(client: &Client, id: &str, seconds: u64) -> Result<Operation, CliError> {
    let route = Route::new("v1/operations").of("operation", id)?.with("wait", Some(seconds));
    read(&client.get(&route).await?)
}

/// The bar; nothing when nobody watches. It vanishes when it is dropped.
pub struct Bar(Option<ProgressBar>);

impl Bar {
    /// A bar, if somebody watches.
    pub fn new(is_watched: bool) -> Self {
        Self(is_watched.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {bar:20} {pos}/{len} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        }))
    }

    /// How many of many are at their end.
    pub fn count(&self, what: &str, ended: u64, of: u64) {
        if let Some(bar) = &self.0 {
            bar.set_prefix(clean_line(what));
            bar.set_length(of);
            bar.set_position(ended);
        }
    }

    fn show(&self, operation: &Operation, is_away: bool) {
        if let Some(bar) = &self.0 {
            bar.set_prefix(clean_line(&kind_words(&operation.kind)));
            bar.set_length(operation.steps);
            bar.set_position(operation.step);
            bar.set_message(doing(operation, is_away));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.iter().for_each(ProgressBar::finish_and_clear);
    }
}

/// What is done now, and what it waits for.
fn doing(operation: &Operation, is_away: bool) -> String {
    let waits = match &operation.problem {
        _ if is_away => ": the server does not answer, trying again".to_owned(),
        Some(problem) => format!(", waiting: {} {}", problem.detail, problem.mend),
        None => String::new(),
    };
    let told = operation.sync.as_ref().map(Sync::told).or_else(|| operation.restore.as_ref().map(Restored::told));
    let counts = told.map(|told| format!(", {told}")).unwrap_or_default();
    clean_line(&format!("{}{counts}{}", operation.step_name, waits.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        args::global::Format,
        exit::Exit,
        testing::{Script, Server, connection},
    };

    fn operation(state: &str, step: u64) -> serde_json::Value {
        serde_json::json!({"id": "op_1", "kind": "create-key", "state": state, "key": "key_1", "step": step, "steps": 5, "step_name": "import material",
            "problem": if state == "FAILED" { serde_json::json!({"type": "alias-taken", "detail": "Taken.", "mend": "Choose another."}) } else { serde_json::Value::Null }})
    }

    async fn wait(script: Vec<Script>, timeout: Duration) -> (Result<Operation, CliError>, Vec<String>) {
        let server = Server::start(script).await;
        let client = Client::new(connection(&server.url, timeout)).expect("a client");
        let begun = serde_json::from_value(operation("RUNNING", 1)).expect("an operation");
        let ended = follow(&client, Output::new(Format::Json), timeout, begun).await;
        (ended, server.heads())
    }

    #[tokio::test]
    async fn it_asks_until_the_operation_has_ended() {
        let script = vec![Script::json(200, &operation("RUNNING", 2)), Script::json(200, &operation("SUCCEEDED", 5))];
        let (ended, heads) = wait(script, Duration::from_secs(10)).await;
        assert_eq!(ended.expect("it succeeded").step, 5);
        assert!(heads.iter().all(|head| head.starts_with("GET /v1/operations/op_1?wait=9 ")), "{heads:?}");
        assert_eq!(heads.len(), 2);
    }

    #[tokio::test]
    async fn a_failed_operation_is_an_error_with_its_cause() {
        let (ended, _) = wait(vec![Script::json(200, &operation("FAILED", 3))], Duration::from_secs(10)).await;
        let error = ended.expect_err("it failed");
        assert_eq!(error.exit(), Exit::Failed);
        assert_eq!(error.problem().detail, "Taken.");
    }

    #[tokio::test]
    async fn a_server_that_comes_back_is_waited_for() {
        let script = vec![Script::Cut, Script::Cut, Script::problem(503, "stopping"), Script::json(200, &operation("SUCCEEDED", 5))];
        let (ended, _) = wait(script, Duration::from_secs(20)).await;
        assert!(ended.is_ok(), "{ended:?}");
    }

    #[tokio::test]
    async fn the_wait_ends_and_says_that_the_operation_goes_on() {
        let script = (0..20).map(|_| Script::json(200, &operation("RUNNING", 2))).collect();
        let (ended, _) = wait(script, Duration::from_millis(500)).await;
        let error = ended.expect_err("it runs");
        assert_eq!(error.exit(), Exit::Timeout);
        assert!(error.problem().mend.contains("keystead operation wait op_1"));
    }

    #[test]
    fn the_bar_says_what_it_waits_for_on_one_line() {
        let mut running: Operation = serde_json::from_value(operation("RUNNING", 2)).expect("an operation");
        assert_eq!(doing(&running, false), "import material");
        running.problem = Some(crate::problem::Problem::own("vault-sealed", "", "The vault\nis sealed.", "Unseal it."));
        assert_eq!(doing(&running, false), "import material, waiting: The vault?is sealed. Unseal it.");
        assert_eq!(doing(&running, true), "import material: the server does not answer, trying again");
    }
}
