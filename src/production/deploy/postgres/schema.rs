//! The tables, made by whoever owns the database; nobody else runs any of this.

use super::reach::Postgres;
use crate::deploy::{COLUMNS, DeployError, Roles, SCHEMA};
use tokio_postgres::{Client, Error};

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
         ALTER TABLE assay.halts ENABLE ROW LEVEL SECURITY;
         DROP POLICY IF EXISTS read ON assay.halts;
         CREATE POLICY read ON assay.halts FOR SELECT USING (true);
         CREATE OR REPLACE VIEW public.active_configs AS SELECT * FROM assay.active_configs;
         CREATE OR REPLACE VIEW public.config_history AS SELECT * FROM assay.config_history;
         CREATE OR REPLACE VIEW public.halts AS SELECT * FROM assay.halts;
         CREATE OR REPLACE VIEW public.halted AS SELECT strategy FROM assay.halts h WHERE word NOT IN ('vote', 'resume')
           AND id = (SELECT max(id) FROM assay.halts WHERE strategy = h.strategy AND word <> 'vote');"
    )
}

/// The statements that make a role where there is none, and give it its rights.
fn grants(role: &str, rights: &str) -> String {
    format!(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{role}') THEN
           CREATE ROLE {role} LOGIN; END IF; END $$;
         GRANT SELECT ON public.active_configs, public.config_history, public.halts, public.halted TO {role};
         GRANT USAGE ON SCHEMA assay TO {role};
         GRANT SELECT ON assay.active_configs, assay.config_history, assay.identity, assay.halts TO {role};
         {rights}"
    )
}

/// Whoever is on call says what is to stop, and votes; that a strategy goes on the writer alone says, and nobody chooses
/// the place of a row.
const STOPS: &str = "GRANT INSERT (strategy, word, at_us, person, statement, signature) ON assay.halts TO ROLE; \
    GRANT USAGE ON SEQUENCE assay.halts_id_seq TO ROLE; \
    DROP POLICY IF EXISTS \"put_ROLE\" ON assay.halts; \
    CREATE POLICY \"put_ROLE\" ON assay.halts FOR INSERT TO ROLE WITH CHECK (word <> 'resume');";
const GOES_ON: &str = "DROP POLICY IF EXISTS \"go_ROLE\" ON assay.halts; \
    CREATE POLICY \"go_ROLE\" ON assay.halts FOR INSERT TO ROLE WITH CHECK (true);";
const WRITES: &str =
    "GRANT INSERT, DELETE ON assay.active_configs TO ROLE; GRANT INSERT ON assay.config_history TO ROLE;";

/// The statements that give roles their rights.
fn granted(to: &Roles) -> Result<String, String> {
    let mut out = String::new();
    let roles =
        [(&to.writer, [WRITES, STOPS, GOES_ON].concat()), (&to.reader, String::new()), (&to.stopper, STOPS.into())];
    for (role, rights) in roles {
        let Some(role) = role else { continue };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if role.is_empty()
            || role.len() > 63
            || !role.chars().all(plain)
            || role.starts_with(|c: char| !c.is_ascii_lowercase())
        {
            return Err(format!("'{role}' is no plain name of a role: lower-case letters, digits and _"));
        }
        out += &grants(role, &rights.replace("ROLE", role));
    }
    Ok(out)
}

/// What is known of the tables without our rights to them: schema and whose they are, where they are whole.
async fn found(client: &Client) -> Result<Option<(i64, String)>, Error> {
    let sql = "SELECT to_regclass('assay.identity') IS NOT NULL AND to_regclass('assay.halts') IS NOT NULL";
    if !client.query_one(sql, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let row = client.query_opt("SELECT schema, identity FROM assay.identity", &[]).await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

impl Postgres {
    /// Makes the tables where they are missing, and gives roles their rights. Run as the owner; once, and again for
    /// another role or a newer release.
    ///
    /// # Errors
    /// [`DeployError`]: also when the tables belong to another deployment, or an owner's rights are missing.
    pub fn init(url: &str, identity: &str, roles: &Roles) -> Result<String, DeployError> {
        let mut out = Postgres::reach(url, false)?;
        let place = out.place.clone();
        let grants = granted(roles).map_err(|what| DeployError::Database { place: place.clone(), what })?;
        let whose = out.run(async |client| {
            let tx = client.transaction().await?;
            tx.batch_execute(&create()).await?;
            let ours = "INSERT INTO assay.identity SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM assay.identity)";
            tx.execute(ours, &[&SCHEMA, &identity]).await?;
            let row = tx.query_one("SELECT schema, identity FROM assay.identity", &[]).await?;
            let whose: (i64, String) = (row.try_get(0)?, row.try_get(1)?);
            if whose == (SCHEMA, identity.to_string()) {
                tx.batch_execute(&grants).await?;
                tx.commit().await?;
            }
            Ok(whose)
        })?;
        out.belongs(whose, identity)?;
        Ok(place)
    }
}

impl Postgres {
    /// Connects to tables that their owner has made ([`init`](Postgres::init)).
    ///
    /// # Errors
    /// [`DeployError`].
    pub fn connect(url: &str, identity: &str) -> Result<Postgres, DeployError> {
        let mut out = Postgres::reach(url, false)?;
        match out.run(async |client| found(client).await)? {
            Some(found) => out.belongs(found, identity)?,
            None => return Err(DeployError::NoTables { place: out.place }),
        }
        Ok(out)
    }

    /// Connects for questions: the session is read-only, and a database without our tables is empty.
    ///
    /// # Errors
    /// [`DeployError`].
    pub fn look(url: &str, identity: &str) -> Result<Postgres, DeployError> {
        let mut out = Postgres::reach(url, true)?;
        match out.run(async |client| found(client).await)? {
            Some(found) => out.belongs(found, identity)?,
            None => out.empty = true,
        }
        Ok(out)
    }
}
