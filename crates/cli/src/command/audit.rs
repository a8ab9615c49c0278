//! `keystead audit …`

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keystead_audit::{Finding, Note, NoteError, Report, VerifierKey, verify_export};
use keystead_domain::Invalid;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Context, pages};
use crate::{
    args::audit::{AuditVerb, Verify, VerifyNote},
    error::CliError,
    output::{self, Sheet, audit::AuditEntry, table},
    problem::Problem,
    profile::{create_private, write_private},
    route::Route,
};

/// Entries of a list when nobody says how many.
const LIST_DEFAULT: u32 = 100;

/// Does what was typed.
///
/// # Errors
/// [`CliError`].
pub async fn run(context: &Context, verb: AuditVerb) -> Result<(), CliError> {
    match verb {
        AuditVerb::List(args) => {
            let route = Route::new("v1/audit").with("key", args.key.as_ref());
            pages::list::<AuditEntry>(context, route, &args.listing, Some(LIST_DEFAULT), |_| true).await
        }
        AuditVerb::Export(args) => export(context, &args.out).await,
        AuditVerb::Verify(args) => verify(context, &args),
        AuditVerb::Checkpoint(args) => checkpoint(context, args.out.as_deref()).await,
        AuditVerb::Key => {
            let key = context.client()?.get(&Route::new("v1/audit/key")).await?;
            context.output.one::<LogKey>(&key)
        }
        AuditVerb::VerifyNote(args) => verify_note(context, &args),
    }
}

#[derive(Deserialize)]
struct LogKey {
    #[serde(default)]
    origin: String,
    vkey: String,
}

impl Sheet for LogKey {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        vec![("origin", Some(self.origin.clone())), ("vkey", Some(self.vkey.clone()))]
    }
}

/// The file takes its name only when it is whole.
async fn export(context: &Context, out: &Path) -> Result<(), CliError> {
    let (client, route) = (context.client()?, Route::new("v1/audit/export"));
    if out == Path::new("-") {
        return client.download(&route, |piece| output::write(io::stdout().lock(), piece)).await;
    }
    let partial = out.with_added_extension("partial");
    let failed = |reason| CliError::writing(out, reason);
    let _left_by_an_earlier_try = std::fs::remove_file(&partial);
    let mut file = create_private(&partial).map_err(failed)?;
    let mut bytes = 0_u64;
    let downloaded = client.download(&route, |piece| {
        bytes += piece.len() as u64;
        file.write_all(piece).map_err(failed)
    });
    let done = downloaded.await.and_then(|()| file.sync_all().and_then(|()| std::fs::rename(&partial, out)).map_err(failed));
    done.inspect_err(|_| drop(std::fs::remove_file(&partial)))?;
    let path = out.display();
    context
        .output
        .text(&format!("{path}: {bytes} bytes. Verify it anywhere: keystead audit verify {path}\n"), &json!({"out": path.to_string(), "bytes": bytes}))
}

async fn checkpoint(context: &Context, out: Option<&Path>) -> Result<(), CliError> {
    let note = context.client()?.get_text(&Route::new("v1/audit/checkpoint")).await?;
    match out {
        Some(path) => write_private(path, note.as_bytes()).map_err(|reason| CliError::writing(path, reason)),
        None => context.output.text(&note, &json!({"checkpoint": note})),
    }
}

fn verify(context: &Context, args: &Verify) -> Result<(), CliError> {
    let checkpoint = match &args.checkpoint {
        Some(path) => Some(std::fs::read_to_string(path).map_err(|reason| CliError::reading(path, reason))?),
        None => None,
    };
    let vkey = args.vkey.as_deref().map(str::trim);
    let file = File::open(&args.file).map_err(|reason| CliError::reading(&args.file, reason))?;
    let report = verify_export(file, vkey, checkpoint.as_deref()).map_err(|finding| told(&finding, &args.file))?;
    context.output.one::<Verified>(&verified(&report))?;
    if vkey.is_none() && !context.output.is_json() {
        context.output.note("The key came with the file. Compare it with the one that you trust: give that with --vkey.");
    }
    Ok(())
}

fn verify_note(context: &Context, args: &VerifyNote) -> Result<(), CliError> {
    let invalid = |error: NoteError| Invalid::new("vkey", format!("cannot be used: {error}"), "Give it as `keystead audit key` printed it.");
    let key = VerifierKey::parse(args.vkey.trim()).map_err(invalid)?;
    let note = std::fs::read_to_string(&args.file).map_err(|reason| CliError::reading(&args.file, reason))?;
    let text = Note::open(&note, &key).map_err(|error| {
        let title = format!("{} is not signed by this key", args.file.display());
        CliError::NotVerified(Box::new(Problem::own(
            "note-not-verified",
            title,
            error.to_string(),
            "Keep this file as evidence, and ask whoever gave it to you.",
        )))
    })?;
    context.output.text(&format!("verified\n\n{text}"), &json!({"verified": true, "text": text}))
}

/// What a finding means for who ran the command.
fn told(finding: &Finding, path: &Path) -> CliError {
    match finding {
        Finding::ExpectedKey(error) => Invalid::new("vkey", format!("cannot be used: {error}"), "Give it as `keystead audit key` printed it.").into(),
        Finding::Unreadable(kind) => CliError::reading(path, (*kind).into()),
        _ => {
            let title = format!("{} is not a genuine, whole audit log", path.display());
            let mend = "Keep this file as evidence. Export the log again, and verify it against a checkpoint that you kept from before.";
            CliError::NotVerified(Box::new(Problem::own(slug(finding), title, finding.to_string(), mend)))
        }
    }
}

/// The stable type of a finding.
const fn slug(finding: &Finding) -> &'static str {
    match finding {
        Finding::Edited { .. } => "audit-edited",
        Finding::Missing { .. } => "audit-missing",
        Finding::Swapped { .. } => "audit-swapped",
        Finding::OutOfOrder { .. } => "audit-out-of-order",
        Finding::Inserted { .. } => "audit-inserted",
        Finding::Rewritten { .. } => "audit-rewritten",
        Finding::Misnumbered { .. } => "audit-misnumbered",
        Finding::HashesEdited { .. } => "audit-hashes-edited",
        Finding::NotAnEntry { .. } => "audit-not-an-entry",
        Finding::Truncated { .. } => "audit-truncated",
        Finding::Forked { .. } => "audit-forked",
        Finding::BadSignature { .. } => "audit-bad-signature",
        Finding::WrongKey { .. } => "audit-wrong-key",
        Finding::ExpectedKey(_) => "audit-expected-key",
        Finding::TrustedCheckpoint(_) => "audit-trusted-checkpoint",
        Finding::OutOfReach { .. } => "audit-out-of-reach",
        Finding::Malformed { .. } => "audit-malformed",
        Finding::Unreadable(_) => "audit-unreadable",
    }
}

fn verified(report: &Report) -> Value {
    let at = |micros: Option<i64>| micros.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok()).map(|at| at.to_string());
    json!({
        "verified": true, "origin": report.origin, "vkey": report.vkey, "from": report.from, "to": report.to, "entries": report.entries,
        "first": at(report.first_micros), "last": at(report.last_micros), "root": STANDARD.encode(report.root),
        "checkpoints": report.checkpoints, "trusted": report.trusted,
    })
}

#[derive(Deserialize)]
struct Verified {
    origin: String,
    vkey: String,
    from: u64,
    to: u64,
    entries: u64,
    first: Option<String>,
    last: Option<String>,
    root: String,
    checkpoints: u64,
    trusted: Option<u64>,
}

impl Sheet for Verified {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("verified", Some(format!("yes, {} entries, from {} to before {}", self.entries, self.from, self.to))),
            ("origin", Some(self.origin.clone())),
            ("vkey", Some(self.vkey.clone())),
            ("first entry", self.first.as_deref().map(table::time)),
            ("last entry", self.last.as_deref().map(table::time)),
            ("root", Some(self.root.clone())),
            ("checkpoints", Some(format!("{} verified", self.checkpoints))),
            ("your checkpoint", self.trusted.map(|size| format!("of size {size}: the log is its continuation"))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        args::global::{Format, Global},
        exit::Exit,
        output::Output,
        settings::Environment,
        testing::{Script, Server},
    };

    fn context(url: Option<String>) -> Context {
        Context { global: Global { url, ..Global::default() }, environment: Environment::default(), output: Output::new(Format::Json) }
    }

    #[tokio::test]
    async fn an_export_takes_its_name_only_when_it_is_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let out = dir.path().join("audit.log");
        let broken = Script::Answer("HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\nabc".into());
        let server = Server::start(vec![broken, Script::of(200, "text/plain", "whole")]).await;
        let context = context(Some(server.url.clone()));
        assert!(export(&context, &out).await.is_err());
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0, "nothing is left of the broken one");
        export(&context, &out).await.expect("the second is whole");
        assert_eq!(std::fs::read(&out).expect("is there"), b"whole");
    }

    #[test]
    fn a_file_that_is_no_export_does_not_verify() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("audit.log");
        std::fs::write(&file, "something else\n").expect("a file");
        let args = |vkey: Option<&str>| Verify { file: file.clone(), vkey: vkey.map(str::to_owned), checkpoint: None };
        let error = verify(&context(None), &args(None)).expect_err("is no export");
        assert_eq!((error.exit(), error.problem().slug()), (Exit::Failed, "audit-malformed"));
        assert!(matches!(verify(&context(None), &Verify { file: file.with_extension("none"), vkey: None, checkpoint: None }), Err(CliError::File { .. })));
    }

    #[test]
    fn a_finding_names_the_entry() {
        let error = told(&Finding::Edited { index: 41 }, Path::new("audit.log"));
        let problem = error.problem();
        assert_eq!(problem.slug(), "audit-edited");
        assert!(problem.detail.contains("Entry 41 was edited"), "{}", problem.detail);
    }
}
