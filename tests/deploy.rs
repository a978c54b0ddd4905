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
