//! Connecting, within a bounded time.

use super::address::{Address, SslMode};
use super::{password, tls};
use crate::deploy::{DeployError, SCHEMA};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_postgres::config::{Host, SslMode as Mode};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a server may take to let us in,
const CONNECTING: Duration = Duration::from_secs(10);
/// and to answer what is asked of it: longer than it lets a statement run.
const ANSWERING: Duration = Duration::from_secs(20);

/// What every session begins with.
const SETTINGS: &str = "SET lock_timeout = '5s'; SET statement_timeout = '15s'; SET search_path = pg_catalog; \
                        SET default_transaction_read_only = ";

/// A live table in PostgreSQL.
pub struct Postgres {
    runtime: Runtime,
    client: Client,
    pub(super) place: String,
    /// Nothing was ever deployed here: there are no tables to ask.
    pub(super) empty: bool,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Postgres({})", self.place)
    }
}

/// A PostgreSQL error with what the server said.
fn words(e: &tokio_postgres::Error) -> String {
    match e.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None if e.to_string().contains("password missing") => "it wants a password, and none is known: \
            `ALTER ROLE … PASSWORD` gives the role one, which PGPASSWORD, ~/.pgpass or the address says here"
            .into(),
        None => match std::error::Error::source(e) {
            Some(source) => format!("{e}: {source}"),
            None => e.to_string(),
        },
    }
}

/// Encryption is tried in this order; what the driver calls it.
fn attempts(mode: SslMode) -> &'static [Mode] {
    match mode {
        SslMode::Disable => &[Mode::Disable],
        SslMode::Allow => &[Mode::Disable, Mode::Require],
        SslMode::Prefer => &[Mode::Prefer, Mode::Disable],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Mode::Require],
    }
}

async fn enter(config: &Config, tls: MakeRustlsConnect, settings: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(tls).await?;
    tokio::spawn(connection);
    client.batch_execute(settings).await?;
    Ok(client)
}

fn parse(url: &str) -> Result<(Address, Config), DeployError> {
    let malformed = |what: String| DeployError::Address { what };
    let address = Address::parse(url).map_err(malformed)?;
    let config = address.rest.parse().map_err(|e: tokio_postgres::Error| malformed(words(&e)))?;
    Ok((address, config))
}

/// Checks an address, without reaching for it.
///
/// # Errors
/// One that cannot be read.
pub fn check(url: &str) -> Result<(), DeployError> {
    parse(url).map(|_| ())
}

impl Postgres {
    pub(super) fn reach(url: &str, read_only: bool) -> Result<Postgres, DeployError> {
        let (address, mut config) = parse(url)?;
        let place = format!(
            "postgres database '{}' as '{}'",
            config.get_dbname().unwrap_or("?"),
            config.get_user().unwrap_or("?")
        );
        let fail = |what: String| DeployError::Database { place: place.clone(), what };
        if let Some(secret) = if config.get_password().is_none() { password::find(&config) } else { None } {
            config.password(secret);
        }
        config.connect_timeout(Duration::from_secs(5)).application_name("assay");
        // A socket has no eavesdropper and no name: libpq does not encrypt it either.
        let local = config.get_hosts().iter().all(|h| matches!(h, Host::Unix(_)));
        let mode = if local { SslMode::Disable } else { address.mode };
        let tls = tls::connector(&Address { mode, ..address }).map_err(fail)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| fail(e.to_string()))?;
        let settings = format!("{SETTINGS}{}", if read_only { "on" } else { "off" });
        let enter_somehow = async {
            let mut first = None;
            for attempt in attempts(mode) {
                match enter(config.clone().ssl_mode(*attempt), tls.clone(), &settings).await {
                    Ok(client) => return Ok(client),
                    // What came of the way that is wanted says more than the other way's refusal.
                    Err(e) => first = first.or(Some(e)),
                }
            }
            Err(first.as_ref().map(words).unwrap_or_default())
        };
        // The timer begins inside the runtime.
        let client = runtime.block_on(async { tokio::time::timeout(CONNECTING, enter_somehow).await });
        let silent = || fail(format!("the server did not let us in within {} s", CONNECTING.as_secs()));
        let client = client.map_err(|_| silent())?.map_err(fail)?;
        Ok(Postgres { runtime, client, place, empty: false })
    }

    pub(super) fn belongs(&self, (schema, found): (i64, String), identity: &str) -> Result<(), DeployError> {
        let place = self.place.clone();
        match (schema == SCHEMA, found == identity) {
            (true, true) => Ok(()),
            (false, _) => Err(DeployError::Schema { place, found: schema }),
            (true, false) => Err(DeployError::Identity { place, found, wanted: identity.into() }),
        }
    }

    /// Asks the server something; it must answer within a bounded time.
    pub(super) fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, DeployError> {
        bounded(&self.runtime, work(&mut self.client))
            .map_err(|what| DeployError::Database { place: self.place.clone(), what })
    }
}

fn bounded<T>(runtime: &Runtime, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, String> {
    let done = runtime.block_on(async { tokio::time::timeout(ANSWERING, work).await });
    let silent = |_| format!("the server did not answer within {} s", ANSWERING.as_secs());
    done.map_err(silent)?.map_err(|e| words(&e))
}
