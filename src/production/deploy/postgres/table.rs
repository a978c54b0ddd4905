//! The table, read and brought in line.

use super::reach::Postgres;
use crate::deploy::halts::{Halt, Word};
use crate::deploy::plan::{Write, writes};
use crate::deploy::row::{Past, columns};
use crate::deploy::{Before, COLUMNS, Cell, Change, DeployError, Git, LiveTable, Row, Wanted};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, GenericClient};

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

/// The table and its history of one moment. To write, a transaction begins that nobody else writes beside, until it is
/// committed, rolled back, or the connection ends: a lock that readers can neither take nor hold up.
async fn seen(client: &mut Client, write: bool) -> Result<(Vec<Row>, Vec<Past>), tokio_postgres::Error> {
    client
        .batch_execute(match write {
            true => "BEGIN; LOCK TABLE assay.active_configs IN SHARE ROW EXCLUSIVE MODE",
            false => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        })
        .await?;
    let present = read(client, "active_configs", "strategy").await?;
    let history = past(client).await?;
    if !write {
        client.batch_execute("COMMIT").await?;
    }
    Ok((present, history))
}

async fn past(client: &impl GenericClient) -> Result<Vec<Past>, tokio_postgres::Error> {
    let sql = "SELECT strategy, version, config_sha256, deployed_us FROM assay.config_history";
    let of = |r: tokio_postgres::Row| {
        Ok(Past {
            strategy: r.try_get(0)?,
            version: r.try_get(1)?,
            config_sha256: r.try_get(2)?,
            deployed_us: r.try_get(3)?,
        })
    };
    client.query(sql, &[]).await?.into_iter().map(of).collect()
}

async fn apply(client: &impl GenericClient, step: &Write) -> Result<(), tokio_postgres::Error> {
    let (strategy, live, past) = match step {
        Write::Put(row) => (&row.strategy, Some(row), Some(row)),
        Write::Retire(row) => (&row.strategy, None, Some(row)),
        Write::Remove(strategy) => (strategy, None, None),
    };
    client.execute("DELETE FROM assay.active_configs WHERE strategy = $1", &[strategy]).await?;
    if let Some(row) = live {
        put(client, "active_configs", "", row).await?;
    }
    if let Some(row) = past {
        put(client, "config_history", "ON CONFLICT DO NOTHING", row).await?;
    }
    client.execute("SELECT pg_notify('active_configs', left($1, 1000))", &[strategy]).await.map(|_| ())
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

    fn versions(&mut self) -> Result<u64, DeployError> {
        if self.empty {
            return Ok(0);
        }
        self.run(async |c| {
            let row = c.query_one("SELECT count(*) FROM assay.config_history", &[]).await?;
            row.try_get::<_, i64>(0).map(|n| n as u64)
        })
    }

    fn put_past(&mut self, rows: &[Row]) -> Result<(), DeployError> {
        self.run(async |c| {
            let tx = c.transaction().await?;
            for row in rows {
                put(&tx, "config_history", "ON CONFLICT DO NOTHING", row).await?;
            }
            tx.commit().await
        })
    }

    fn excess(&mut self) -> Result<Option<String>, DeployError> {
        self.run(async |c| {
            let sql = "SELECT current_user::text, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), \
                       EXISTS (SELECT FROM pg_tables WHERE schemaname = 'assay' AND tableowner = current_user)";
            let row = c.query_one(sql, &[]).await?;
            let (role, is_super, owns): (String, bool, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            Ok(match (is_super, owns) {
                (true, _) => Some(format!("the role {role} is a superuser")),
                (false, true) => Some(format!("the role {role} owns the tables, and could drop them")),
                (false, false) => None,
            })
        })
    }

    fn halts(&mut self) -> Result<Vec<Halt>, DeployError> {
        if self.empty {
            return Ok(Vec::new());
        }
        self.run(async |c| {
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
            tx.execute("SELECT pg_notify('halts', left($1, 1000))", &[&h.strategy]).await?;
            tx.commit().await
        })
    }

    fn sync(
        &mut self,
        want: Wanted<'_>,
        known: Git<'_>,
        now_us: i64,
        write: Option<Before<'_>>,
    ) -> Result<Vec<Change>, DeployError> {
        if self.empty {
            return Ok(writes(&[], &[], want, known, now_us)?.0);
        }
        let (present, history) = self.run(async |c| seen(c, write.is_some()).await)?;
        let (changes, writes) = writes(&present, &history, want, known, now_us)?;
        let Some(before) = write else { return Ok(changes) };
        // What comes before takes its own time, and none of the server's.
        if let Err(what) = before(&changes) {
            self.run(async |c| c.batch_execute("ROLLBACK").await)?;
            return Err(DeployError::Before { what });
        }
        self.run(async |c| {
            for step in &writes {
                apply(c, step).await?;
            }
            c.batch_execute("COMMIT").await
        })?;
        Ok(changes)
    }
}
