//! The live table in PostgreSQL. The only file that knows tokio-postgres.
//!
//! Names are schema-qualified (`assay.active_configs`). One transaction under an advisory lock
//! reads, plans, writes and notifies; waiting is bounded.

use super::halts::{Halt, Word};
use super::{COLUMNS, Cell, Change, DeployError, Known, LiveTable, Row, SCHEMA, Write, columns, writes};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, GenericClient, NoTls};

/// Advisory lock of all reconcilers of a database.
const LOCK: i64 = 0x6173_7361_7901;

/// A live table in PostgreSQL.
pub struct Postgres {
    runtime: Runtime,
    client: Client,
    place: String,
    /// Nothing was ever deployed here: there are no tables to ask.
    empty: bool,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Postgres({})", self.place)
    }
}

fn create() -> String {
    let columns: String = COLUMNS
        .iter()
        .map(|(name, int)| format!("{name} {} NOT NULL, ", if *int { "bigint" } else { "text" }))
        .collect();
    let body = format!(
        "strategy text NOT NULL, version bigint NOT NULL CHECK (version > 0), {columns}deployed_us bigint NOT NULL"
    );
    format!(
        "CREATE SCHEMA IF NOT EXISTS assay;
         CREATE TABLE IF NOT EXISTS assay.active_configs ({body}, PRIMARY KEY (strategy));
         CREATE TABLE IF NOT EXISTS assay.config_history ({body}, PRIMARY KEY (strategy, version));
         CREATE TABLE IF NOT EXISTS assay.identity (schema bigint NOT NULL, identity text NOT NULL);
         CREATE TABLE IF NOT EXISTS assay.halts (id bigserial PRIMARY KEY, strategy text NOT NULL, word text NOT NULL, at_us bigint NOT NULL, person text NOT NULL, statement text NOT NULL, signature text NOT NULL);
         CREATE OR REPLACE FUNCTION assay.keep() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$;
         CREATE OR REPLACE TRIGGER halts_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON assay.halts
           FOR EACH STATEMENT EXECUTE FUNCTION assay.keep();
         CREATE OR REPLACE TRIGGER config_history_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON assay.config_history
           FOR EACH STATEMENT EXECUTE FUNCTION assay.keep();
         CREATE OR REPLACE VIEW public.active_configs AS SELECT * FROM assay.active_configs;
         CREATE OR REPLACE VIEW public.config_history AS SELECT * FROM assay.config_history;
         CREATE OR REPLACE VIEW public.halts AS SELECT * FROM assay.halts;
         CREATE OR REPLACE VIEW public.halted AS SELECT strategy FROM assay.halts h WHERE word NOT IN ('vote', 'resume')
           AND id = (SELECT max(id) FROM assay.halts WHERE strategy = h.strategy AND word <> 'vote');"
    )
}

/// A PostgreSQL error with what the server said.
fn words(e: &tokio_postgres::Error) -> String {
    match e.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => match std::error::Error::source(e) {
            Some(source) => format!("{e}: {source}"),
            None => e.to_string(),
        },
    }
}

async fn read(client: &impl GenericClient, table: &str, order: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
    let rows = client.query(&format!("SELECT {} FROM assay.{table} ORDER BY {order}", columns()), &[]).await?;
    let mut out = Vec::with_capacity(rows.len());
    for r in rows {
        let mut cells = Vec::with_capacity(COLUMNS.len());
        for (i, (_, int)) in COLUMNS.iter().enumerate() {
            cells.push(if *int { Cell::Int(r.try_get(i + 2)?) } else { Cell::Text(r.try_get(i + 2)?) });
        }
        out.push(Row {
            strategy: r.try_get(0)?,
            version: r.try_get(1)?,
            cells,
            deployed_us: r.try_get(COLUMNS.len() + 2)?,
        });
    }
    Ok(out)
}

async fn put(client: &impl GenericClient, table: &str, conflict: &str, row: &Row) -> Result<(), tokio_postgres::Error> {
    let places: Vec<String> = (1..=COLUMNS.len() + 3).map(|i| format!("${i}")).collect();
    let mut values: Vec<&(dyn ToSql + Sync)> = vec![&row.strategy, &row.version];
    for cell in &row.cells {
        values.push(match cell {
            Cell::Text(t) => t,
            Cell::Int(i) => i,
        });
    }
    values.push(&row.deployed_us);
    let sql = format!("INSERT INTO assay.{table} ({}) VALUES ({}) {conflict}", columns(), places.join(", "));
    client.execute(&sql, &values).await.map(|_| ())
}

/// Makes the tables if there are none, and gives whose they are.
async fn own_identity(client: &mut Client, identity: &str) -> Result<(i64, String), tokio_postgres::Error> {
    let tx = client.transaction().await?;
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    tx.batch_execute(&create()).await?;
    tx.execute(
        "INSERT INTO assay.identity SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM assay.identity)",
        &[&SCHEMA, &identity],
    )
    .await?;
    let row = tx.query_one("SELECT schema, identity FROM assay.identity", &[]).await?;
    tx.commit().await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

impl Postgres {
    /// Connects, and creates the tables when they are missing.
    ///
    /// # Errors
    /// [`DeployError`].
    pub fn connect(url: &str, identity: &str) -> Result<Postgres, DeployError> {
        let mut out = Postgres::reach(url, "off")?;
        let found = out.run(async |client| own_identity(client, identity).await)?;
        out.belongs(found, identity)?;
        Ok(out)
    }

    /// Connects for questions: the session is read-only, and a database without our tables is empty.
    ///
    /// # Errors
    /// [`DeployError`].
    pub fn look(url: &str, identity: &str) -> Result<Postgres, DeployError> {
        let mut out = Postgres::reach(url, "on")?;
        let found = out.run(async |client| {
            let there = client.query_one("SELECT to_regclass('assay.identity') IS NOT NULL", &[]).await?;
            if !there.try_get::<_, bool>(0)? {
                return Ok(None);
            }
            let row = client.query_opt("SELECT schema, identity FROM assay.identity", &[]).await?;
            row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
        })?;
        match found {
            Some(found) => out.belongs(found, identity)?,
            None => out.empty = true,
        }
        Ok(out)
    }

    fn reach(url: &str, read_only: &str) -> Result<Postgres, DeployError> {
        let config: Result<Config, _> = url.parse();
        let place = config.as_ref().map_or_else(
            |_| "postgres".into(),
            |c| format!("postgres database '{}' as '{}'", c.get_dbname().unwrap_or("?"), c.get_user().unwrap_or("?")),
        );
        let fail = |what: String| DeployError::Database { place: place.clone(), what };
        let mut config = config.map_err(|e| fail(format!("the address is malformed: {e}")))?;
        config.connect_timeout(Duration::from_secs(5)).application_name("assay");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| fail(e.to_string()))?;
        let client = runtime.block_on(async {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(connection);
            let settings = format!(
                "SET lock_timeout = '5s'; SET statement_timeout = '15s'; SET search_path = pg_catalog; \
                 SET default_transaction_read_only = {read_only}"
            );
            client.batch_execute(&settings).await?;
            Ok::<_, tokio_postgres::Error>(client)
        });
        let client = client.map_err(|e| fail(words(&e)))?;
        Ok(Postgres { runtime, client, place: place.clone(), empty: false })
    }

    fn belongs(&self, (schema, found): (i64, String), identity: &str) -> Result<(), DeployError> {
        let place = self.place.clone();
        match (schema == SCHEMA, found == identity) {
            (true, true) => Ok(()),
            (false, _) => Err(DeployError::Schema { place, found: schema }),
            (true, false) => Err(DeployError::Identity { place, found, wanted: identity.into() }),
        }
    }

    fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, DeployError> {
        let place = self.place.clone();
        self.runtime.block_on(work(&mut self.client)).map_err(|e| DeployError::Database { place, what: words(&e) })
    }
}

impl LiveTable for Postgres {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn rows(&mut self) -> Result<Vec<Row>, DeployError> {
        if self.empty {
            return Ok(Vec::new());
        }
        self.run(async |c| read(c, "active_configs", "strategy").await)
    }

    fn history(&mut self) -> Result<Vec<Row>, DeployError> {
        if self.empty {
            return Ok(Vec::new());
        }
        self.run(async |c| read(c, "config_history", "deployed_us, strategy, version").await)
    }

    fn halts(&mut self) -> Result<Vec<Halt>, DeployError> {
        self.run(async |c| {
            let there = c.query_one("SELECT to_regclass('assay.halts') IS NOT NULL", &[]).await?;
            if !there.try_get::<_, bool>(0)? {
                return Ok(Vec::new());
            }
            let sql = "SELECT strategy, word, at_us, person, statement, signature FROM assay.halts ORDER BY id";
            let mut out = Vec::new();
            for r in c.query(sql, &[]).await? {
                out.push(Halt {
                    strategy: r.try_get(0)?,
                    word: Word::parse(r.try_get(1)?),
                    at_us: r.try_get(2)?,
                    person: r.try_get(3)?,
                    statement: r.try_get(4)?,
                    signature: r.try_get(5)?,
                });
            }
            Ok(out)
        })
    }

    fn put_halt(&mut self, h: &Halt) -> Result<(), DeployError> {
        self.run(async |c| {
            let sql = "INSERT INTO assay.halts (strategy, word, at_us, person, statement, signature) \
                       VALUES ($1,$2,$3,$4,$5,$6)";
            let word = h.word.name();
            let tx = c.transaction().await?;
            tx.execute(sql, &[&h.strategy, &word, &h.at_us, &h.person, &h.statement, &h.signature]).await?;
            tx.execute("SELECT pg_notify('halts', $1)", &[&h.strategy]).await?;
            tx.commit().await
        })
    }

    fn sync(&mut self, want: &[Row], known: Known<'_>, now_us: i64, write: bool) -> Result<Vec<Change>, DeployError> {
        if self.empty {
            return Ok(writes(&[], &[], want, known, now_us).0);
        }
        self.run(async |client| {
            let tx = client.transaction().await?;
            if write {
                tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
            }
            let history = read(&tx, "config_history", "strategy, version").await?;
            let (changes, writes) =
                writes(&read(&tx, "active_configs", "strategy").await?, &history, want, known, now_us);
            for step in writes.iter().filter(|_| write) {
                let (strategy, row) = match step {
                    Write::Put(row) => (&row.strategy, Some(row)),
                    Write::Remove(strategy) => (strategy, None),
                };
                tx.execute("DELETE FROM assay.active_configs WHERE strategy = $1", &[strategy]).await?;
                if let Some(row) = row {
                    put(&tx, "active_configs", "", row).await?;
                    put(&tx, "config_history", "ON CONFLICT DO NOTHING", row).await?;
                }
                tx.execute("SELECT pg_notify('active_configs', $1)", &[strategy]).await?;
            }
            if write {
                tx.commit().await?;
            }
            Ok(changes)
        })
    }
}
