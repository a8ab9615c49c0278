//! The official Python client against the sandbox: `tests/boto3_flow.py`.

use std::process::Stdio;

use keystead_sandbox::{Config, Sandbox, UserSeed};

const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boto3_walks_through_import_errors_paging_expiry_deletion_and_sts() {
    let users = vec![UserSeed::new("flow", "111122223333", ACCESS_KEY, SECRET_KEY)];
    let sandbox = Sandbox::start(Config { users, ..Config::default() }).await.expect("a free port");
    let python = std::env::var("KEYSTEAD_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let run = tokio::process::Command::new(&python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/boto3_flow.py"))
        .env("AWS_ENDPOINT_URL", sandbox.endpoint())
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_REGION", "eu-west-1")
        .stdin(Stdio::null())
        .output()
        .await;
    let run = run.unwrap_or_else(|error| panic!("{python} does not start ({error}); install Python 3 with boto3 and cryptography, or set KEYSTEAD_PYTHON"));
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{python} boto3_flow.py failed\n{out}\n{err}");
}
