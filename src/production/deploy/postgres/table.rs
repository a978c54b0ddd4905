//! The table, read and brought in line.

use super::reach::Postgres;
use crate::deploy::halts::{Halt, Word};
use crate::deploy::plan::{Write, writes};
use crate::deploy::row::columns;
use crate::deploy::{COLUMNS, Cell, Change, DeployError, Git, LiveTable, Row};
use tokio_postgres::GenericClient;
use tokio_postgres::types::ToSql;

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
            retired: false,
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
            tx.execute("SELECT pg_notify('halts', $1)", &[&h.strategy]).await?;
            tx.commit().await
        })
    }

    fn sync(&mut self, want: &[Row], known: Git<'_>, now_us: i64, write: bool) -> Result<Vec<Change>, DeployError> {
        if self.empty {
            return Ok(writes(&[], &[], want, known, now_us).0);
        }
        self.run(async |client| {
            let tx = client.transaction().await?;
            if write {
                // A lock that readers can neither take nor hold up.
                tx.batch_execute("LOCK TABLE assay.active_configs IN SHARE ROW EXCLUSIVE MODE").await?;
            }
            let history = read(&tx, "config_history", "strategy, version").await?;
            let (changes, writes) =
                writes(&read(&tx, "active_configs", "strategy").await?, &history, want, known, now_us);
            for step in writes.iter().filter(|_| write) {
                let (strategy, live, past) = match step {
                    Write::Put(row) => (&row.strategy, Some(row), Some(row)),
                    Write::Retire(row) => (&row.strategy, None, Some(row)),
                    Write::Remove(strategy) => (strategy, None, None),
                };
                tx.execute("DELETE FROM assay.active_configs WHERE strategy = $1", &[strategy]).await?;
                if let Some(row) = live {
                    put(&tx, "active_configs", "", row).await?;
                }
                if let Some(row) = past {
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
