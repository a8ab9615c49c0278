//! A server that listens until it is told to stop.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::Router;
use axum_server::{Handle, tls_rustls::RustlsConfig};
use keystead_cloud_aws::{AccessKey, BaseCredentials, Endpoints, Timeouts};
use keystead_domain::time::SECOND;
use keystead_operations::{NoHooks, engine::Settings};
use keystead_store::{Database, Store};
use keystead_vault::{Hsm, RootRecord, SecretBytes, UnlockSecret};
use tokio::net::TcpListener;

use crate::{
    AwsClouds, AwsSettings, House, ServerError, SystemClock, Wiring, assemble,
    config::{Config, read_line},
    harden, hsm, tasks, telemetry,
};

/// How long running requests may go on after the signal to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Serves an installation until SIGINT or SIGTERM.
///
/// # Errors
/// What keeps it from starting.
pub async fn serve(config_path: &Path) -> Result<(), ServerError> {
    let config = Config::read(config_path)?;
    telemetry::start(&config.log);
    harden::harden();
    let channels = config.alerts.channels()?;
    let house = build(&config).await?;
    let tasks = tasks::start(&house, channels);
    if house.app.is_sealed() {
        let mend = if is_in_module(&house) { "its hardware module opens it, at this start or when the server is restarted" } else { "`keystead vault unseal`" };
        tracing::warn!(mend, "the vault is sealed, and operations wait");
    }
    let router = keystead_api::router(house.app.clone(), face(&config)?);
    let listened = match (&config.http.tls_cert, &config.http.tls_key) {
        (Some(cert), Some(key)) => listen_tls(config.http.listen, cert, key, router).await,
        _ => listen_plain(bind(config.http.listen).await?, router).await,
    };
    drop(tasks);
    tasks::tell_knocks(&house.app, true).await;
    house.app.close();
    listened
}

/// A FIPS build in another mode does nothing at all.
fn demand_module() -> Result<(), ServerError> {
    let module = keystead_vault::Module::present();
    if module.is_meant_for_fips() && !module.fips {
        return Err(ServerError::Vault("this is a FIPS build, and its module is not in FIPS mode. Build it again: `make build-fips`.".to_owned()));
    }
    Ok(())
}

/// Opens everything that a configuration names.
pub(crate) async fn build(config: &Config) -> Result<House, ServerError> {
    demand_module()?;
    let store = Store::open(&config.database()?)?;
    let record = assemble::stored_root(&store).await?;
    let modules = hsm::modules(config).or_else(|error| if record.module_root().is_some() { Err(error) } else { Ok(Vec::new()) })?;
    assemble::assemble(Wiring {
        store,
        secret: secret(config, &record, &modules)?,
        modules,
        clouds: Arc::new(AwsClouds::new(aws(config)?)),
        clock: Arc::new(SystemClock),
        hooks: Arc::new(NoHooks),
        settings: Settings {
            patience_micros: i64::from(config.operations.patience_seconds) * SECOND,
            concurrency: config.operations.concurrency,
            quotas: config.clouds.aws.quotas,
            alerts: config.alerts.alerting(),
            check_micros: config.health.check_micros(),
            ..Settings::default()
        },
    })
    .await
}

/// What the API says of this server.
fn face(config: &Config) -> Result<keystead_api::Settings, ServerError> {
    let database = match config.database()? {
        Database::Sqlite(_) => "sqlite",
        Database::Postgres(_) => "postgres",
    };
    Ok(keystead_api::Settings { database, cloud_identity: config.clouds.aws.identity_arn.clone(), ..keystead_api::Settings::default() })
}

fn is_in_module(house: &House) -> bool {
    house.app.engine().parts().vault.record().module_root().is_some()
}

/// What opens the vault at a start, when the configuration names it. A root in software may stand beside modules: it shall move to one.
pub(crate) fn secret(config: &Config, record: &RootRecord, modules: &[Arc<dyn Hsm>]) -> Result<Option<UnlockSecret>, ServerError> {
    if record.module_root().is_some() {
        let none = "its root lies in a hardware module, and the configuration has no section [hsm]. Name the module and the file of its PIN there.";
        return if modules.is_empty() { Err(ServerError::Vault(none.to_owned())) } else { Ok(Some(UnlockSecret::Modules(modules.to_vec()))) };
    }
    if let Some(path) = &config.vault.passphrase_file {
        return Ok(Some(UnlockSecret::Passphrase(SecretBytes::from(read_line(path)?))));
    }
    let Some(path) = &config.vault.key_file else { return Ok(None) };
    let bytes = std::fs::read(path).map_err(|error| ServerError::file(path, error))?;
    Ok(Some(UnlockSecret::KeyFile(SecretBytes::from(bytes))))
}

/// What the configuration says of AWS.
pub(crate) fn aws(config: &Config) -> Result<AwsSettings, ServerError> {
    let aws = &config.clouds.aws;
    let base = match (&aws.access_key_id, &aws.secret_access_key_file) {
        (Some(id), Some(path)) => BaseCredentials::Static(AccessKey::new(id, read_line(path)?)),
        _ => BaseCredentials::DefaultChain,
    };
    Ok(AwsSettings {
        endpoints: Endpoints { kms: aws.kms_endpoint.clone(), sts: aws.sts_endpoint.clone(), sqs: aws.sqs_endpoint.clone() },
        base,
        session_name: aws.session_name.clone(),
        identity_arn: aws.identity_arn.clone(),
        timeouts: Timeouts::default(),
    })
}

/// Takes the address.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address).await.map_err(|error| ServerError::Listen { address: address.to_string(), reason: error.to_string() })
}

/// Serves plain HTTP until a signal.
pub(crate) async fn listen_plain(listener: TcpListener, router: Router) -> Result<(), ServerError> {
    let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    let refuse = |error: std::io::Error| ServerError::Listen { address: address.clone(), reason: error.to_string() };
    tracing::info!(address, "keystead listens (plain HTTP)");
    let server = axum_server::from_tcp(listener.into_std().map_err(refuse)?).map_err(refuse)?;
    server.http1_only().handle(stop_at_signal()).serve(router.into_make_service_with_connect_info::<SocketAddr>()).await.map_err(refuse)
}

/// A handle that ends the listener at a signal, with time for what runs.
fn stop_at_signal() -> Handle<SocketAddr> {
    let handle = Handle::new();
    let stopper = handle.clone();
    tokio::spawn(async move {
        signal().await;
        stopper.graceful_shutdown(Some(GRACE));
    });
    handle
}

async fn listen_tls(address: SocketAddr, cert: &Path, key: &Path, router: Router) -> Result<(), ServerError> {
    // The one provider of cryptography for TLS, too; a second start in one process finds it installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let tls = RustlsConfig::from_pem_file(cert, key).await.map_err(|error| ServerError::file(cert, format!("certificate or key cannot be used: {error}")))?;
    // HTTP/1.1 only, here and without TLS: behind a body with a secret the connection is ended, and its buffers with it. HTTP/2 has no such end, and its buffers
    // would keep the secret for as long as somebody holds the connection.
    let mut config = rustls::ServerConfig::clone(&tls.get_inner());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tls = RustlsConfig::from_config(Arc::new(config));
    tracing::info!(%address, "keystead listens (TLS)");
    let served =
        axum_server::bind_rustls(address, tls).http1_only().handle(stop_at_signal()).serve(router.into_make_service_with_connect_info::<SocketAddr>()).await;
    served.map_err(|error| ServerError::Listen { address: address.to_string(), reason: error.to_string() })
}

/// Waits for SIGINT or SIGTERM.
pub(crate) async fn signal() {
    let interrupt = tokio::signal::ctrl_c();
    let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
        let _ = interrupt.await;
        return;
    };
    tokio::select! {
        _ = interrupt => {}
        _ = terminate.recv() => {}
    }
}
