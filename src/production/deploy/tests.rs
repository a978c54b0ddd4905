//! The embedded live table: brought in line, healed, append-only, and looked at without writing.

use super::embedded::Embedded;
use super::{
    Before, COLUMNS, Cell, Change, DeployError, Git, Known, LiveTable, Row, Want, check_setting, look, open,
    without_secrets,
};

fn row(strategy: &str, version: i64, sha: &str) -> Row {
    let cell = |(name, int): &(&str, bool)| match (*name, int) {
        ("config_sha256", _) => Cell::Text(sha.into()),
        (_, true) => Cell::Int(version),
        (name, false) => Cell::Text(format!("{name} of {strategy}")),
    };
    Row { strategy: strategy.into(), version, cells: COLUMNS.iter().map(cell).collect(), deployed_us: 0 }
}

/// What git wants so that a row is there.
fn wanted(row: &Row) -> Want {
    Want {
        strategy: row.strategy.clone(),
        version: row.version,
        config_sha256: row.text("config_sha256").into(),
        retired: false,
        row: row.hash(),
    }
}

fn made(rows: &[Row], of: &Want) -> Result<Row, DeployError> {
    Ok(rows.iter().find(|r| r.strategy == of.strategy).unwrap().clone())
}

fn sync(
    table: &mut dyn LiveTable,
    rows: &[Row],
    git: Git<'_>,
    now_us: i64,
    write: Option<Before<'_>>,
) -> Result<Vec<Change>, DeployError> {
    let wants: Vec<Want> = rows.iter().map(wanted).collect();
    table.sync((&wants, &|w| made(rows, w)), git, now_us, write)
}

fn plan(present: &[Row], rows: &[Row], known: Known<'_>, recorded: Known<'_>) -> Vec<Change> {
    let wants: Vec<Want> = rows.iter().map(wanted).collect();
    super::plan(present, (&wants, &|w| made(rows, w)), known, recorded).unwrap()
}

/// What was deployed, by its hash.
fn any(_: &str, version: i64, sha256: &str) -> bool {
    sha256 == format!("sha{version}") || sha256 == "s"
}

/// What the host's log says was deployed: nothing yet.
fn unsaid(_: &str, _: i64, _: &str) -> bool {
    false
}

/// Nothing has to come before.
fn fine(_: &[Change]) -> Result<(), String> {
    Ok(())
}

#[test]
fn brought_in_line_and_healed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("live.sqlite");
    let mut table = Embedded::open(&file, "me").unwrap();
    let want = [row("a", 1, "sha1"), row("b", 4, "sha4")];
    assert_eq!(sync(&mut table, &want, (&any, &unsaid), 100, None).unwrap().len(), 2);
    assert!(table.rows().unwrap().is_empty(), "comparing writes nothing");
    sync(&mut table, &want, (&any, &unsaid), 100, Some(&mut fine)).unwrap();
    assert_eq!(sync(&mut table, &want, (&any, &unsaid), 200, Some(&mut fine)).unwrap(), [], "twice is once");
    assert!(table.rows().unwrap().iter().all(|r| r.deployed_us == 100));
    let newer = [row("a", 2, "sha2"), row("b", 4, "sha4")];
    assert_eq!(
        sync(&mut table, &newer, (&any, &unsaid), 300, Some(&mut fine)).unwrap(),
        [Change::Deploy { strategy: "a".into(), version: 2 }]
    );
    assert_eq!(
        sync(&mut table, &want, (&any, &unsaid), 400, Some(&mut fine)).unwrap(),
        [Change::Late { strategy: "a".into(), version: 2 }]
    );
    assert_eq!(
        table.history().unwrap().iter().map(|r| (r.version, r.deployed_us)).collect::<Vec<_>>(),
        [(1, 100), (4, 100), (2, 300)]
    );
    // By hand, behind everybody's back.
    let hand = rusqlite::Connection::open(&file).unwrap();
    for (sql, heals) in [
        ("UPDATE active_configs SET config_toml = 'x' WHERE strategy = 'a'", "config_toml"),
        ("UPDATE active_configs SET version = 99 WHERE strategy = 'a'", "version"),
        ("DELETE FROM active_configs WHERE strategy = 'a'", "deleted"),
    ] {
        hand.execute_batch(sql).unwrap();
        let changes = sync(&mut table, &newer, (&any, &unsaid), 500, Some(&mut fine)).unwrap();
        assert!(matches!(&changes[..], [Change::Heal { detail, .. }] if detail.contains(heals)), "{changes:?}");
        assert_eq!(sync(&mut table, &newer, (&any, &unsaid), 600, Some(&mut fine)).unwrap(), []);
        let back = table.rows().unwrap().into_iter().find(|r| r.strategy == "a").unwrap();
        assert_eq!((back.version, back.deployed_us), (2, 300), "since it first went live");
    }
    // A forged version, in table and history: never taken for one of a later reconciler.
    hand.execute_batch(
        "CREATE TEMP TABLE f AS SELECT * FROM active_configs WHERE strategy = 'a';
         UPDATE f SET version = 9, config_sha256 = 'forged'; INSERT INTO config_history SELECT * FROM f;
         DELETE FROM active_configs WHERE strategy = 'a'; INSERT INTO active_configs SELECT * FROM f;",
    )
    .unwrap();
    let changes = sync(&mut table, &newer, (&any, &unsaid), 650, Some(&mut fine)).unwrap();
    assert!(
        matches!(&changes[..], [Change::Heal { version: 2, .. }, Change::Forged { version: 9, .. }]),
        "{changes:?}"
    );
    let left = sync(&mut table, &newer, (&any, &unsaid), 660, None).unwrap();
    assert!(matches!(&left[..], [Change::Forged { .. }]) && left[0].is_drift(), "said until it is removed");
    hand.execute_batch("DROP TRIGGER config_history_stay; DELETE FROM config_history WHERE version = 9").unwrap();
    table = Embedded::open(&file, "me").unwrap();
    for sql in ["DELETE FROM config_history", "UPDATE config_history SET author = 'eve'"] {
        assert!(hand.execute_batch(sql).unwrap_err().to_string().contains("append-only"));
    }
    assert!(matches!(
        &sync(&mut table, &newer[..1], (&any, &unsaid), 700, Some(&mut fine)).unwrap()[..],
        [Change::Remove { .. }]
    ));
}

#[test]
fn a_table_belongs_to_one_deployment() {
    let dir = tempfile::tempdir().unwrap();
    let setting = format!("sqlite:{}", dir.path().join("live.sqlite").display());
    // Looked at before there is one: empty, and there is still none.
    assert!(look(&setting, "me").unwrap().rows().unwrap().is_empty());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    sync(&mut *open(&setting, "me").unwrap(), &[row("a", 1, "s")], (&any, &unsaid), 1, Some(&mut fine)).unwrap();
    for attempt in [open(&setting, "other"), look(&setting, "other")] {
        assert!(matches!(attempt.err(), Some(DeployError::Identity { .. })));
    }
    let before = std::fs::metadata(dir.path().join("live.sqlite")).unwrap().modified().unwrap();
    let mut seen = look(&setting, "me").unwrap();
    assert_eq!((seen.rows().unwrap().len(), seen.history().unwrap().len()), (1, 1));
    assert!(sync(&mut *seen, &[], (&any, &unsaid), 2, Some(&mut fine)).is_err(), "a look does not write");
    assert_eq!(std::fs::metadata(dir.path().join("live.sqlite")).unwrap().modified().unwrap(), before);
    let hand = rusqlite::Connection::open(dir.path().join("live.sqlite")).unwrap();
    hand.execute_batch("UPDATE assay_identity SET schema = 7").unwrap();
    drop(hand);
    assert!(matches!(open(&setting, "me").err(), Some(DeployError::Schema { found: 7, .. })));
}

#[test]
fn secrets_are_not_shown() {
    for (setting, shown) in [
        ("postgres://u:geheim@h:1/d?sslmode=require&password=geheim", "postgres://u@h:1/d?sslmode=require"),
        ("postgres://h/d?password=geheim", "postgres://h/d"),
        ("postgres:///d?host=/tmp/x&port=5", "postgres:///d?host=/tmp/x&port=5"),
        ("sqlite:/a/b", "sqlite:/a/b"),
    ] {
        assert_eq!(without_secrets(setting), shown);
    }
}

#[test]
fn settings() {
    for good in ["sqlite:x", "postgres://u@h/d", "postgresql://h"] {
        assert!(check_setting(good).is_ok(), "{good}");
    }
    for bad in ["", "sqlite:", "mysql://h", "live.sqlite", "postgres:h"] {
        let e = check_setting(bad).unwrap_err();
        assert!(matches!(e, DeployError::Setting { .. }) && e.hint().contains("--live"), "{bad}");
        assert!(open(bad, "me").is_err() && look(bad, "me").is_err());
    }
}

/// What the host's log says was deployed is not deployed once more: an older row, or none, was put there by hand; and so
/// was one of a strategy that was retired.
#[test]
fn the_hosts_log_decides() {
    let known = |_: &str, v: i64, sha: &str| sha == format!("sha{v}");
    let want = [row("a", 2, "sha2")];
    for present in [vec![], vec![row("a", 1, "sha1")]] {
        assert!(matches!(&plan(&present, &want, &known, &known)[..], [Change::Heal { version: 2, .. }]));
        assert!(matches!(&plan(&present, &want, &known, &unsaid)[..], [Change::Deploy { version: 2, .. }]));
    }
    let retired = [Want { retired: true, ..wanted(&row("a", 3, "sha3")) }];
    let plan = |present: &[Row], recorded: Known<'_>| {
        super::plan(present, (&retired, &|_| panic!("no row is made of it")), &known, recorded).unwrap()
    };
    let there = [row("a", 2, "sha2")];
    assert!(matches!(&plan(&there, &unsaid)[..], [Change::Retire { version: 3, .. }]));
    assert!(matches!(&plan(&there, &known)[..], [Change::Remove { .. }]));
    assert_eq!(plan(&[], &known), []);
}

/// Whatever differs in a row, its hash does, and when it went live is none of it.
#[test]
fn the_hash_of_a_row_is_of_all_that_is_compared() {
    let whole = row("a", 2, "sha2");
    let mut seen = vec![whole.hash()];
    let mut moved = whole.clone();
    for at in 0..COLUMNS.len() {
        let mut other = whole.clone();
        other.cells[at] = match &whole.cells[at] {
            Cell::Text(text) => Cell::Text(format!("{text} ")),
            Cell::Int(n) => Cell::Int(n + 1),
        };
        seen.push(other.hash());
        // A letter that moves from one column into the next one.
        if let [Cell::Text(a), Cell::Text(b)] = &whole.cells[at..(at + 2).min(COLUMNS.len())] {
            let (rest, last) = a.split_at(a.len() - 1);
            (moved.cells[at], moved.cells[at + 1]) = (Cell::Text(rest.into()), Cell::Text(format!("{last}{b}")));
            seen.push(moved.hash());
            moved = whole.clone();
        }
    }
    seen.push(Row { version: 3, ..whole.clone() }.hash());
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all);
    assert_eq!(Row { deployed_us: 7, ..whole.clone() }.hash(), whole.hash());
}

/// D-06, D-11, and the monotone guard.
#[test]
fn plans() {
    let known = |_: &str, v: i64, sha: &str| sha == format!("sha{v}");
    let want = [row("a", 2, "sha2")];
    assert_eq!(plan(&[], &[row("n", 1, "new")], &known, &known), [Change::Deploy { strategy: "n".into(), version: 1 }]);
    assert_eq!(
        plan(&[row("a", 1, "sha1")], &want, &known, &unsaid),
        [Change::Deploy { strategy: "a".into(), version: 2 }]
    );
    assert_eq!(plan(&[row("a", 2, "sha2")], &want, &known, &known), []);
    assert_eq!(
        plan(&[row("a", 3, "sha3")], &want, &known, &known),
        [Change::Late { strategy: "a".into(), version: 3 }]
    );
    assert!(matches!(&plan(&[row("a", 9, "forged")], &want, &known, &known)[..], [Change::Heal { version: 2, .. }]));
    assert!(
        matches!(&plan(&[row("a", 2, "forged")], &want, &known, &known)[..], [Change::Heal { detail, .. }] if detail.contains("config_sha256"))
    );
    assert!(
        matches!(&plan(&[], &want, &known, &known)[..], [Change::Heal { detail, .. }] if detail.contains("deleted"))
    );
    assert!(matches!(
        &plan(&[row("a", 2, "sha2"), row("x", 1, "q")], &want, &known, &known)[..],
        [Change::Remove { .. }]
    ));
}
