//! The live table in a real PostgreSQL.

use crate::desk::{Desk, Postgres};

/// The demo with PostgreSQL; then drift, a crash of the server, and another deployment's identity.
#[test]
fn postgres_holds_what_git_says() {
    let mut pg = Postgres::start();
    let desk = Desk::new();
    desk.demo(16, &["--live", &pg.url()]).ok();
    let rows = pg.psql("SELECT strategy, version, approvers, engine_version FROM active_configs").1;
    assert_eq!(rows.trim(), concat!("trend|3|[\"ben\"]|", env!("CARGO_PKG_VERSION")));
    assert_eq!(pg.psql("SELECT count(*) FROM config_history").1.trim(), "3");
    let (deleted, words) = pg.psql("DELETE FROM assay.config_history");
    assert!(!deleted && words.contains("append-only"), "{words}");
    d06_drift_is_found_and_healed(&desk, &pg);
    d01_d02_the_server_is_down(&desk, &mut pg);
    // D-11: the database belongs to one deployment.
    let other = Desk::new();
    other.demo(16, &["--live", &pg.url()]).fails(3, "belongs to another deployment");
}

/// D-06: updates, inserts and deletes by hand are reported and healed, and both are recorded.
fn d06_drift_is_found_and_healed(desk: &Desk, pg: &Postgres) {
    let config = |pg: &Postgres| pg.psql("SELECT version, md5(config_toml) FROM assay.active_configs").1;
    let before = config(pg);
    for sql in [
        "UPDATE assay.active_configs SET config_toml = replace(config_toml, '1', '2')",
        "UPDATE assay.active_configs SET version = 99",
        "DELETE FROM assay.active_configs",
        // An older version that was live once is no deployment that waits.
        "DELETE FROM assay.active_configs; INSERT INTO assay.active_configs SELECT * FROM assay.config_history WHERE version = 1;
         UPDATE assay.active_configs SET author = 'mallory'",
        "INSERT INTO assay.active_configs SELECT 'stray', version, config_sha256, config_toml, replaces_sha256, study_id, trial_id, data_hash,
         strategy_hash, rulebook_hash, stream_hash, engine_version, talib_version, environment, promotion_timestamp, author, approvers,
         ledger_origin, ledger_size, ledger_root, event_hashes, policy_sha256, commit_oid, generated_data, deployed_us FROM assay.active_configs",
    ] {
        let (worked, words) = pg.psql(sql);
        assert!(worked, "{words}");
        desk.assay(&["reconcile", "--check"]).fails(1, "behind git's back");
        desk.assay(&["audit"]).fails(1, "behind git's back");
        desk.assay(&["reconcile"]).ok();
        assert_eq!(config(pg), before, "after {sql}");
        assert_eq!(desk.assay(&["reconcile", "--check", "--json"]).ok().json()["changes"], serde_json::json!([]));
    }
    let log = desk.assay(&["verify", "--ledger", "lab/deploy.git/assay/ledger"]).ok();
    assert!(log.out.contains("entries verified"));
}

/// D-01, D-02: with the server gone a push still lands and is pending; reconciling later is enough.
fn d01_d02_the_server_is_down(desk: &Desk, pg: &mut Postgres) {
    pg.kill();
    desk.assay(&["active"]).fails(3, "live table");
    let said = desk.assay(&["rollback", "trend", "--to", "2", "--reason", "test"]).ok();
    let branch = said.out.trim().to_string();
    desk.approve(&branch, "lab/people/ben").ok();
    let pushed = desk.assay(&["deploy", &branch]).ok();
    assert!(pushed.out.contains("pending"), "{}", pushed.out);
    pg.resume();
    assert_eq!(pg.psql("SELECT version FROM active_configs").1.trim(), "3");
    desk.assay(&["reconcile"]).ok();
    assert_eq!(pg.psql("SELECT version FROM active_configs").1.trim(), "4");
    let again = desk.assay(&["reconcile", "--json"]).ok().json();
    assert_eq!(again["changes"], serde_json::json!([]), "running it twice changes nothing");
}

/// A backup of the table that is older than the halts, or rows that somebody took away: what was stopped stays so.
fn what_is_lost_comes_back(desk: &Desk, live: Option<&str>, pg: &Postgres) {
    let listed = || desk.assay(&["halt", "--list", "--json"]).ok().json();
    let lose = |sql: &str| match &live {
        None => {
            let table = rusqlite::Connection::open(desk.path("lab/live.sqlite")).unwrap();
            table.execute_batch(&format!("DROP TRIGGER IF EXISTS halts_stay; {sql}")).unwrap();
        }
        Some(_) => {
            let sql = sql.replace("FROM halts", "FROM assay.halts");
            let all = format!(
                "ALTER TABLE assay.halts DISABLE TRIGGER USER; {sql}; ALTER TABLE assay.halts ENABLE TRIGGER USER"
            );
            assert!(pg.psql(&all).0);
        }
    };
    let before = listed();
    for sql in ["DELETE FROM halts", "DELETE FROM halts WHERE strategy = 'trend' AND person = 'ana'"] {
        lose(sql);
        let found = desk.assay(&["reconcile", "--check"]).fails(1, "behind git's back");
        assert!(
            found.err.contains("is put back") && found.err.contains("gone from the table of halts"),
            "{}",
            found.err
        );
        desk.assay(&["reconcile"]).ok();
        assert_eq!(listed(), before);
        desk.assay(&["reconcile", "--check"]).ok();
        assert_eq!(desk.assay(&["active", "--json"]).ok().json()[0]["halted"], true);
    }
}

/// Whatever whoever writes to the table writes, the host goes on, and records it.
fn texts_that_no_log_holds(desk: &Desk, live: Option<&str>, pg: &Postgres) {
    let long = "s".repeat(70_000);
    desk.assay(&["halt", "trend", "--reason", &long]).fails(2, "at most 2000 bytes");
    let write = |text: &str, live_table: &str, halts: &str| {
        format!(
            "INSERT INTO {halts} (strategy, word, at_us, person, statement, signature) VALUES ('zz' || {text}, 'halt', 1, 'x', {text}, '');
             UPDATE {live_table} SET strategy = {text};"
        )
    };
    match &live {
        None => {
            let table = rusqlite::Connection::open(desk.path("lab/live.sqlite")).unwrap();
            table.execute_batch(&write("hex(zeroblob(35000))", "active_configs", "halts")).unwrap();
        }
        Some(_) => {
            let (done, words) = pg.psql(&write("repeat('s', 70000)", "assay.active_configs", "assay.halts"));
            assert!(done, "{words}");
        }
    }
    for _ in 0..2 {
        desk.assay(&["reconcile"]).ok();
        desk.assay(&["reconcile", "--check"]).ok();
    }
    desk.assay(&["verify", "--ledger", "lab/deploy.git/assay/ledger"]).ok();
}

/// Whoever may write to the table may write that a strategy goes on; what was stopped is stopped again, until enough are
/// for it.
fn made_to_go_on(desk: &Desk) {
    desk.assay(&["reconcile", "--check"]).fails(1, "what nobody may");
    assert!(desk.assay(&["reconcile"]).ok().err.contains("without 2 people for it"));
    assert!(desk.assay(&["active"]).ok().out.contains("trend is HALTED since "));
    desk.assay(&["reconcile", "--check"]).ok();
    let root = desk.path("lab/deploy.git/assay/gate.toml");
    let root = std::fs::read_to_string(root).unwrap();
    let root = root.lines().find_map(|l| l.strip_prefix("genesis_policy_sha256 = ")).unwrap().trim_matches('"');
    let _ = std::fs::remove_dir_all(desk.path("c"));
    desk.git(&["clone", "-q", "lab/deploy.git", "c"]).ok();
    desk.assay(&["audit", "--repo", "c", "--genesis", root]).ok();
    for (key, done) in [("lab/keys/ana", false), ("lab/people/ben", true)] {
        let said = desk.assay(&["resume", "trend", "--key", key, "--json"]).ok().json();
        assert_eq!(said["done"], done);
    }
    desk.assay(&["reconcile", "--check"]).ok();
}

/// A halt acts at once, without git and without a key; going on takes several people, and a row that says so by itself
/// is reported.
#[test]
fn a_strategy_is_halted_and_goes_on() {
    let pg = Postgres::start();
    for live in [None, Some(pg.url())] {
        let desk = Desk::new();
        let more = live.as_deref().map(|url| vec!["--live", url]).unwrap_or_default();
        desk.demo(16, &more).ok();
        let gate = desk.path("lab/deploy.git");
        let listed = |desk: &Desk| desk.assay(&["halt", "--list", "--json"]).ok().json();
        assert_eq!(listed(&desk), serde_json::json!([]));
        desk.assay(&["halt", "trnd", "--reason", "mistyped", "--key", "lab/keys/ana"])
            .fails(2, "no strategy 'trnd' is live");
        assert_eq!(listed(&desk)[0]["row"]["strategy"], "trnd", "it stands all the same");
        // Git is gone, and it halts all the same; the branch comes back for what needs the policy.
        std::fs::rename(gate.join("HEAD"), gate.join("gone")).unwrap();
        desk.assay(&["halt", "trend", "--reason", "a test"]).ok();
        std::fs::rename(gate.join("gone"), gate.join("HEAD")).unwrap();
        assert!(desk.assay(&["reconcile", "--check"]).ok().err.contains("who did not sign it"), "anybody may stop it");
        let signed = ["halt", "trend", "--reason", "signed", "--person", "ana", "--key", "lab/keys/ana"];
        desk.assay(&signed).ok();
        desk.assay(&["reconcile", "--check"]).ok();
        assert_eq!(listed(&desk)[2]["signed"], true);
        assert!(desk.assay(&["active"]).ok().out.contains("trend is HALTED since "));
        assert_eq!(desk.assay(&["active", "--json"]).ok().json()[0]["halted"], true);
        // The host records what was said, and says what is gone.
        desk.assay(&["reconcile"]).ok();
        let log = desk.assay(&["verify", "--ledger", "lab/deploy.git/assay/ledger", "--json"]).ok();
        assert!(log.code == 0);
        what_is_lost_comes_back(&desk, live.as_deref(), &pg);
        texts_that_no_log_holds(&desk, live.as_deref(), &pg);
        desk.assay(&["key", "new", "--out", "eve", "--comment", "eve"]).ok();
        desk.assay(&["resume", "trend", "--key", "eve"]).fails(4, "nobody of the policy");
        for _ in 0..2 {
            let one = desk.assay(&["resume", "trend", "--key", "lab/keys/ana", "--json"]).ok().json();
            assert_eq!((one["done"].as_bool(), one["need"].as_u64()), (Some(false), Some(2)), "one person is one vote");
        }
        assert!(desk.assay(&["resume", "trend", "--key", "lab/people/ben"]).ok().out.contains("trend goes on"));
        desk.assay(&["resume", "trend", "--key", "lab/people/ben"]).fails(2, "is not halted");
        desk.assay(&["reconcile", "--check"]).ok();
        let sql = "INSERT INTO halts (strategy, word, at_us, person, statement, signature) VALUES ('trend','resume',1,'x','y','')";
        match &live {
            None => {
                let table = rusqlite::Connection::open(desk.path("lab/live.sqlite")).unwrap();
                let halted = |table: &rusqlite::Connection| -> i64 {
                    table.query_row("SELECT count(*) FROM halted WHERE strategy = 'trend'", [], |r| r.get(0)).unwrap()
                };
                assert_eq!(halted(&table), 0);
                table.execute_batch(&sql.replace("'resume'", "'stop!'")).unwrap();
                assert_eq!(halted(&table), 1, "what is not understood stops");
                assert!(table.execute_batch("DELETE FROM halts").unwrap_err().to_string().contains("append-only"));
                desk.assay(&signed).ok();
                table.execute_batch(sql).unwrap();
                assert_eq!(halted(&table), 0);
            }
            Some(_) => {
                assert_eq!(pg.psql("SELECT count(*) FROM halted WHERE strategy = 'trend'").1.trim(), "0");
                let (deleted, words) = pg.psql("DELETE FROM assay.halts");
                assert!(!deleted && words.contains("halts is append-only"), "{words}");
                desk.assay(&signed).ok();
                pg.psql(&sql.replace("INTO halts", "INTO assay.halts"));
                assert_eq!(pg.psql("SELECT count(*) FROM halted WHERE strategy = 'trend'").1.trim(), "0");
            }
        }
        made_to_go_on(&desk);
    }
}

/// D-07: somebody moves the deploy branch back behind the hooks: the host's own log knows better, and nothing is
/// changed, nor another version taken in the place of the one that is gone.
#[test]
fn d07_a_branch_that_went_back_is_refused() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let before = desk.assay(&["active", "--json"]).ok().out;
    desk.git(&["--git-dir", "lab/deploy.git", "update-ref", "refs/heads/main", "main~1"]).ok();
    for command in [&["reconcile", "--check"][..], &["reconcile"], &["audit"]] {
        desk.assay(command).fails(4, "is not on the branch any more");
    }
    assert_eq!(desk.assay(&["active", "--json"]).ok().out, before);
}

/// A forged version in table and history is no version of a later reconciler: it is healed, said, and stays said
/// until whoever owns the table removes it from the history.
#[test]
fn a_forged_version_is_drift() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let before = desk.assay(&["active", "--json"]).ok().out;
    let table = rusqlite::Connection::open(desk.path("lab/live.sqlite")).unwrap();
    table
        .execute_batch(
            "CREATE TEMP TABLE f AS SELECT * FROM active_configs;
             UPDATE f SET version = 9, config_toml = replace(config_toml, 'leverage = ', 'leverage = 12'), config_sha256 = 'aa';
             INSERT INTO config_history SELECT * FROM f; DELETE FROM active_configs;
             INSERT INTO active_configs SELECT * FROM f;",
        )
        .unwrap();
    drop(table);
    desk.assay(&["reconcile", "--check"]).fails(1, "behind git's back");
    desk.assay(&["audit"]).fails(1, "behind git's back");
    desk.assay(&["reconcile"]).ok();
    assert_eq!(desk.assay(&["active", "--json"]).ok().out, before);
    let said = desk.assay(&["reconcile", "--check", "--json"]).fails(1, "behind git's back");
    assert!(said.out.contains("forged"), "{}", said.out);
}

/// What the host verified once it does not judge again: the branch's first commit may even be unreadable. With `--full`
/// everything is, and a memory that is lost or damaged costs time only.
#[test]
fn the_branch_is_not_walked_twice() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let repo = desk.path("lab/deploy.git");
    let git = |args: &[&str]| desk.run("git", &[&["-C", repo.to_str().unwrap()], args].concat()).ok().out;
    let root = git(&["rev-list", "--max-parents=0", "main"]).trim().to_string();
    let object = repo.join("objects").join(&root[..2]).join(&root[2..]);
    let away = desk.path("away");
    desk.assay(&["reconcile"]).ok();
    std::fs::rename(&object, &away).unwrap();
    assert_eq!(desk.assay(&["reconcile", "--json"]).ok().json()["changes"], serde_json::json!([]));
    desk.assay(&["reconcile", "--full"]).fails(3, "");
    let memory = std::fs::read_dir(repo.join("assay/walked")).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&memory).unwrap();
    let kept: serde_json::Value = serde_json::from_str(text.split_once('\n').unwrap().1).unwrap();
    let row = kept["live"][0]["row"].as_str().unwrap();
    for damaged in [text[..text.len() / 2].to_string(), text.replace(row, &"0".repeat(64))] {
        std::fs::write(&memory, damaged).unwrap();
        desk.assay(&["reconcile"]).fails(3, "");
        std::fs::rename(&away, &object).unwrap();
        desk.assay(&["reconcile"]).ok();
        assert_eq!(std::fs::read_to_string(&memory).unwrap(), text);
        std::fs::rename(&object, &away).unwrap();
    }
    std::fs::rename(&away, &object).unwrap();
    desk.assay(&["reconcile", "--full"]).ok();
}

/// A database that is lost is made again from git and the host's log: versions, their times, who approved them. What
/// somebody wrote there is marked where it is shown.
#[test]
fn a_lost_database_is_made_again() {
    let pg = Postgres::start();
    let desk = Desk::new();
    desk.demo(16, &["--live", &pg.url()]).ok();
    // The host records a deployment when it is done: a moment after the table has it.
    let shown = |args: &[&str]| {
        let mut rows = desk.assay(&[&["active", "--json"], args].concat()).ok().json();
        let time = |row: &mut serde_json::Value| {
            let at = assay_shared::time::parse_us(row["deployed_at"].take().as_str().unwrap()).unwrap();
            (at, row.clone())
        };
        let rows: Vec<_> = rows.as_array_mut().unwrap().iter_mut().map(time).collect();
        rows.into_iter().unzip::<_, _, Vec<_>, Vec<_>>()
    };
    let (now, ever) = (shown(&[]), shown(&["--history"]));
    assert!(ever.1.len() == 3 && ever.1.iter().all(|r| r["doubt"].is_null()));
    assert!(pg.psql("DROP SCHEMA assay CASCADE").0);
    desk.assay(&["reconcile"]).fails(3, "no tables of this release yet");
    desk.assay(&["deploy", "init"]).ok();
    desk.assay(&["reconcile", "--check"]).fails(1, "behind git's back");
    desk.assay(&["reconcile"]).ok();
    desk.assay(&["reconcile", "--check"]).ok();
    let (again, all) = (shown(&[]), shown(&["--history"]));
    assert_eq!((&again.1, &all.1), (&now.1, &ever.1));
    assert!(all.0.iter().zip(&ever.0).all(|(a, b)| (a - b).abs() < 10_000_000), "{:?} {:?}", all.0, ever.0);
    assert_eq!(again.0[0], all.0[2], "live since it first was");
    // The writer's role may write what it likes; nobody takes it for true.
    let columns = "INSERT INTO assay.active_configs SELECT (json_populate_record(a, '{\"strategy\":\"evil\"}')).* FROM assay.active_configs a";
    let (done, words) = pg.psql(columns);
    assert!(done, "{words}");
    assert!(desk.assay(&["active"]).ok().out.contains("evil v3: NEVER DEPLOYED HERE"));
    assert!(
        pg.psql("UPDATE assay.active_configs SET config_toml = config_toml || '# more' WHERE strategy = 'trend'").0
    );
    assert!(desk.assay(&["active"]).ok().out.contains("trend v3: CHANGED BY HAND"));
    desk.assay(&["reconcile"]).ok();
    assert_eq!(shown(&[]), again);
}

/// A host that is gone is made again from somebody's clone and its saved keys: its log goes on, and everybody follows it.
#[test]
fn a_lost_host_is_made_again() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let went = desk.assay(&["active", "--history"]).ok().out;
    desk.git(&["clone", "-q", "lab/deploy.git", "clone"]).ok();
    desk.run("cp", &["-r", "lab/deploy.git/assay/keys", "saved"]).ok();
    let first = desk.git(&["-C", "clone", "rev-list", "--max-parents=0", "origin/main"]).ok().out;
    let policy = desk.git(&["-C", "clone", "show", &format!("{}:configs/policy.toml", first.trim())]).ok().out;
    std::fs::write(desk.path("policy.toml"), policy).unwrap();
    desk.run("rm", &["-rf", "lab/deploy.git", "lab/live.sqlite"]).ok();
    desk.git(&["init", "-q", "--bare", "lab/deploy.git"]).ok();
    let all = ["main:refs/heads/main", "ledger/*:refs/heads/ledger/*", "promote/*:refs/heads/promote/*"];
    let all: Vec<String> = all.iter().map(|r| format!("refs/remotes/origin/{r}")).collect();
    let push: Vec<&str> =
        ["-C", "clone", "push", "-q", "../lab/deploy.git"].into_iter().chain(all.iter().map(String::as_str)).collect();
    desk.git(&push).ok();
    desk.run("mkdir", &["-p", "lab/deploy.git/assay"]).ok();
    desk.run("cp", &["-r", "saved", "lab/deploy.git/assay/keys"]).ok();
    let live = format!("sqlite:{}", desk.path("lab/live.sqlite").display());
    let install = ["hook", "install", "--repo", "lab/deploy.git", "--policy", "policy.toml", "--live", &live];
    desk.assay(&install).ok();
    desk.assay(&["reconcile"]).ok();
    desk.assay(&["reconcile", "--check"]).ok();
    let minutes = |text: &str| text.lines().map(|l| l.chars().take(34).collect::<String>()).collect::<Vec<_>>();
    assert_eq!(minutes(&desk.assay(&["active", "--history"]).ok().out), minutes(&went));
    // What comes next is recorded in the same log, and the lab goes on.
    let branch =
        desk.assay(&["rollback", "trend", "--to", "1", "--reason", "on the new host"]).ok().out.trim().to_string();
    desk.approve(&branch, "lab/people/ben").ok();
    assert!(desk.assay(&["deploy", &branch]).ok().out.contains("is live"));
    desk.assay(&["sync"]).ok();
    desk.assay(&["audit"]).ok();
    // Without its keys it is said, and nothing of it is taken over.
    desk.git(&["clone", "-q", "--bare", "lab/deploy.git", "other.git"]).ok();
    let said = desk
        .assay(&["hook", "install", "--repo", "other.git", "--policy", "policy.toml", "--live", "sqlite:o.sqlite"])
        .ok();
    assert!(said.err.contains("whose keys are not here"), "{}", said.err);
}
