//! `assay query`

use super::Context;
use super::output::{print, print_json, say, table};
use assay_lab::LabError;
use assay_research::mirror::ask::{Answer, Table};
use serde_json::{Map, Value};

/// Ask the mirror in SQL: studies, trials, parameters, figures
///
/// Nothing is written, whatever is asked. Without a question, what can be asked about is listed. The tables of Optuna
/// are there too.
///
/// Example: assay query "SELECT study, number, sharpe, cagr FROM assay_best ORDER BY sharpe DESC"
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One SELECT
    sql: Option<String>,
    /// Rows at most
    #[arg(long, default_value_t = 1000)]
    limit: usize,
    /// As CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let mirror = cx.lab()?.mirror()?;
    let Some(sql) = args.sql else {
        tables(cx, &mirror.tables()?);
        return Ok(());
    };
    let answer = mirror.ask(&sql, args.limit)?;
    if cx.json {
        let named = |row: Vec<Value>| answer.columns.iter().cloned().zip(row).collect::<Map<_, _>>();
        print_json(
            &serde_json::json!({"rows": answer.rows.into_iter().map(named).collect::<Vec<_>>(), "more": answer.more}),
        );
        return Ok(());
    }
    show(&answer, args.csv);
    if answer.more {
        say(&format!("there are more rows than these {}: take more with --limit", answer.rows.len()));
    }
    Ok(())
}

fn tables(cx: &Context, tables: &[Table]) {
    if cx.json {
        print_json(&tables);
        return;
    }
    for t in tables {
        let about = if t.about.is_empty() { "one of Optuna's" } else { t.about };
        print(&format!("{}: {about}\n    {}", t.name, t.columns.join(", ")));
    }
}

fn show(answer: &Answer, csv: bool) {
    let text = |v: &Value| match v {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rows: Vec<Vec<String>> = answer.rows.iter().map(|r| r.iter().map(text).collect()).collect();
    let head: Vec<&str> = answer.columns.iter().map(String::as_str).collect();
    if !csv {
        print(&table(&head, &rows));
        return;
    }
    let quoted = |c: &str| match c.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", c.replace('"', "\"\"")),
        false => c.to_string(),
    };
    print(&head.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(","));
    rows.iter().for_each(|r| print(&r.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(",")));
}
