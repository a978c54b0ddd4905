//! The mirror over small logs: the same content however it was applied, and answers without writing.

use super::look::{Seen, is_mirror};
use super::query::Order;
use super::{Mirror, MirrorError};
use assay_ledger::{Draft, EventId, Log, Signer};
use assay_shared::event::codec::Real;
use assay_shared::event::{
    BlockV2, EnvironmentV2, Event, FoldV2, MetricCode, ParamV2, SeedGrade, SnapshotRegistered, StrategyRegistered,
    StudyClosed, StudyClosedV2, StudyExtended, StudyOpenedV2, TrialCompletedV2, TrialFailedV2, TrialPrunedV2,
    VaultOpened,
};
use assay_shared::metric::Metric;
use assay_shared::strategy::{Strategy, Value};
use tempfile::TempDir;

fn signer() -> Signer {
    Signer::from_seed([3; 32])
}

fn opened(id: u8, name: &str, strategy: &Strategy) -> Event {
    let text = || "t".to_string();
    StudyOpenedV2 {
        study_id: [id; 16],
        name: name.into(),
        strategy: strategy.file.name.clone(),
        strategy_hash: strategy.hash().0,
        data_hash: [4; 32],
        rulebook_hash: [5; 32],
        text: "format = 2\n".into(),
        environment: EnvironmentV2 {
            engine_version: "9".into(),
            source_commit: text(),
            lock_hash: text(),
            rustc: text(),
            target: text(),
            talib_version: text(),
            results: 2,
        },
        generated: true,
        seed: SeedGrade::Named,
    }
    .into()
}

fn completed(number: u32, score: f64, constraint: f64) -> Event {
    let fold = FoldV2 { in_sample: vec![Some(Real(1.0))], out_of_sample: vec![None], is_trades: 3, oos_trades: 0 };
    let block = BlockV2 { bars: 1, active: 1, powers: [Real(0.1); 4], lagged: Real(0.0) };
    TrialCompletedV2 {
        study_id: [1; 16],
        number,
        params: vec![
            ("fast".into(), ParamV2::Int(5)),
            ("kind".into(), ParamV2::Float(Real(3.0))),
            ("stop".into(), ParamV2::Float(Real(0.107_181_327_234_214_71))),
        ],
        identity: [6; 32],
        scores: vec![Real(score)],
        constraints: vec![Real(constraint)],
        folds: vec![fold],
        metrics: vec![(MetricCode(Metric::Sharpe.code()), Real(score)), (MetricCode(999), Real(1.0))],
        blocks: vec![block],
        stream_hash: [8; 32],
    }
    .into()
}

fn strategy() -> Strategy {
    Strategy::parse(
        "name = \"m\"\ndescription = \"\"\ninterval = \"1h\"\nsymbols = [\"BTCUSDT\"]\n[parameters]\n\
         fast = { type = \"int\", low = 2, high = 9, default = 5 }\n\
         kind = { type = \"choice\", choices = [1.0, 3.0], default = 1.0 }\n[signals]\nlong_entry = \"close > fast * kind\"\n\
         [sizing]\nmargin_fraction = 0.1\nleverage = 1\n[risk]\nmargin_mode = \"cross\"\nmax_concurrent_positions = 1\n",
    )
    .unwrap()
}

fn events() -> Vec<Event> {
    let s = strategy();
    let snapshot = SnapshotRegistered {
        data_hash: [4; 32],
        file_sha256: [0; 32],
        symbols: vec!["BTCUSDT".into(), "ETHUSDT".into()],
        interval_ms: 3_600_000,
        first_ms: 0,
        last_ms: 7_200_000,
        bars: 3,
        generated: true,
        source: "s".into(),
        treatments: vec!["a".into()],
        findings: 2,
    };
    let (study_id, identity, params) = ([1; 16], [6; 32], vec![("fast".into(), ParamV2::Int(7))]);
    let pruned = TrialPrunedV2 {
        study_id,
        number: 2,
        params: params.clone(),
        identity,
        folds: vec![],
        blocks: vec![],
        reason: "low".into(),
    };
    let failed = TrialFailedV2 { study_id, number: 3, params, identity, folds: vec![], reason: "broke".into() };
    vec![
        snapshot.into(),
        StrategyRegistered { name: s.file.name.clone(), hash: s.hash().0, canonical: s.canonical().into() }.into(),
        opened(1, "first", &s),
        completed(0, 1.5, -1.0),
        completed(1, 9.0, 2.0),
        pruned.into(),
        failed.into(),
        completed(4, 1.5, 0.0),
        StudyClosed { study_id, trials: 5, best: Some(0), statistics: vec![("dsr".into(), Real(0.5))] }.into(),
    ]
}

struct Stage {
    dir: TempDir,
    log: Log,
}

impl Stage {
    fn new() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::create(&dir.path().join("l"), "t.example/m", &Signer::from_seed([9; 32])).unwrap();
        Stage { dir, log }
    }

    fn put(&mut self, events: &[Event]) {
        let drafts: Vec<Draft> = events.iter().map(|e| e.draft().unwrap()).collect();
        self.log.append(&drafts, &signer()).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }
}

fn full() -> Stage {
    let mut stage = Stage::new();
    stage.put(&events());
    stage
}

#[test]
fn the_content_is_the_same_however_it_was_applied() {
    let stage = full();
    let mut digests = Vec::new();
    for chunk in [1, 2, 3, 100] {
        let mut mirror = Mirror::open(&stage.path(&format!("{chunk}.sqlite"))).unwrap();
        assert_eq!(mirror.catch_up_by(&stage.log, chunk).unwrap(), 9);
        assert_eq!(mirror.catch_up(&stage.log).unwrap(), 0);
        digests.push(mirror.digest().unwrap());
    }
    let rebuilt = Mirror::rebuild(&stage.path("1.sqlite"), &stage.log).unwrap();
    digests.push(rebuilt.digest().unwrap());
    let (looked, seen) = Mirror::look(&stage.path("none.sqlite"), &stage.log).unwrap();
    assert_eq!(seen, Seen::Behind(9));
    digests.push(looked.digest().unwrap());
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[test]
fn typed_rows() {
    let stage = full();
    let (mirror, _) = Mirror::look(&stage.path("none.sqlite"), &stage.log).unwrap();
    let study = &mirror.studies().unwrap()[0];
    assert_eq!((study.trials, study.completed, study.closed, study.best), (5, 3, true, Some(0)));
    assert_eq!((study.best_score, study.statistics.get("dsr"), study.generated), (Some(1.5), None, true));
    let best = mirror.trials(&study.study_id, Order::Best, 10).unwrap();
    assert_eq!(best.iter().map(|t| t.number).collect::<Vec<_>>(), [0, 4, 1, 2, 3], "feasible first, then by score");
    let first = &best[0];
    assert_eq!(first.params["fast"], Value::Int(5));
    assert_eq!((first.folds[0].in_sample, first.folds[0].out_of_sample), (Some(1.0), None));
    assert_eq!((first.metrics["sharpe"], first.metrics["metric-999"]), (1.5, 1.0), "figures of later releases too");
    let by_number = mirror.trials(&study.study_id, Order::Number, 2).unwrap();
    assert_eq!(by_number.iter().map(|t| t.number).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(first.params["stop"], Value::Float(0.107_181_327_234_214_71), "to the last bit");
    let failed = mirror.trial(&study.study_id, 3).unwrap().unwrap();
    assert_eq!((failed.state.as_str(), failed.reason.as_deref(), failed.score), ("FAIL", Some("broke"), None));
    assert!(mirror.trial(&study.study_id, 9).unwrap().is_none());
    let snapshot = &mirror.snapshots().unwrap()[0];
    assert_eq!((snapshot.symbols.as_str(), snapshot.bars, snapshot.findings), ("BTCUSDT,ETHUSDT", 3, 2));
}

/// Of two facts about one thing the first stands; the other is listed.
#[test]
fn what_comes_twice_is_listed() {
    let mut stage = full();
    let s = strategy();
    stage.put(&[opened(2, "first", &s)]);
    let again =
        |event: Event| Draft { id: EventId::derived(&[b"again", event.kind().as_bytes()]), ..event.draft().unwrap() };
    let closed = StudyClosed { study_id: [1; 16], trials: 0, best: None, statistics: vec![] };
    let stray = StudyClosed { study_id: [77; 16], trials: 0, best: None, statistics: vec![] };
    let drafts = [
        again(opened(1, "renamed", &s)),
        again(completed(0, 99.0, 0.0)),
        again(closed.into()),
        Event::from(stray).draft().unwrap(),
    ];
    stage.log.append(&drafts, &signer()).unwrap();
    let (mirror, _) = Mirror::look(&stage.path("none.sqlite"), &stage.log).unwrap();
    let names: Vec<String> = mirror.studies().unwrap().into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["first", "first"]);
    assert_eq!(mirror.trial(&"01".repeat(16), 0).unwrap().unwrap().score, Some(1.5));
    let ignored: i64 = mirror.conn.query_row("SELECT count(*) FROM assay_ignored", [], |r| r.get(0)).unwrap();
    assert_eq!(ignored, 4);
    let optuna: String =
        mirror.conn.query_row("SELECT study_name FROM studies WHERE study_id = 2", [], |r| r.get(0)).unwrap();
    assert_eq!(optuna, format!("first ({})", "02".repeat(6)));
}

#[test]
fn a_look_writes_nothing_and_tells_how_it_stood() {
    let mut stage = full();
    let path = stage.path("m.sqlite");
    drop(Mirror::rebuild(&path, &stage.log).unwrap());
    let before = std::fs::read(&path).unwrap();
    assert_eq!(Mirror::look(&path, &stage.log).unwrap().1, Seen::Current);
    stage.put(&[completed(5, 3.0, 0.0)]);
    let (mirror, seen) = Mirror::look(&path, &stage.log).unwrap();
    assert_eq!((seen, mirror.cursor().unwrap()), (Seen::Behind(1), 10));
    assert_eq!(mirror.studies().unwrap()[0].best, Some(5));
    assert!(is_mirror(&path) && !is_mirror(&stage.path("l/log.vkey")) && !is_mirror(&stage.path("none")));
    std::fs::write(&path, b"no database, and longer than its header would be, so that it is read").unwrap();
    let (mirror, seen) = Mirror::look(&path, &stage.log).unwrap();
    assert!(matches!(seen, Seen::Unreadable(_)) && mirror.cursor().unwrap() == 10);
    std::fs::write(&path, &before).unwrap();
    let names: Vec<_> = std::fs::read_dir(stage.dir.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    // A ledger that the mirror is ahead of, and another one.
    let mut short = Stage::new();
    short.put(&events()[..2]);
    assert!(matches!(Mirror::look(&path, &short.log), Err(MirrorError::Ahead { .. })));
    short.put(&events().split_off(2));
    short.put(&[opened(9, "other", &strategy())]);
    assert!(matches!(Mirror::look(&path, &short.log), Err(MirrorError::Ahead { .. }) | Ok(_)));
}

/// Tables of an older release are named, not misread.
#[test]
fn older_tables_are_told_apart() {
    let stage = full();
    let path = stage.path("m.sqlite");
    let mirror = Mirror::rebuild(&path, &stage.log).unwrap();
    mirror.conn.execute("UPDATE assay_meta SET schema = 1", []).unwrap();
    drop(mirror);
    let e = Mirror::open(&path).unwrap_err();
    assert!(matches!(e, MirrorError::Schema { found: 1, .. }) && e.hint().unwrap().contains("rebuild"));
    assert!(matches!(Mirror::look(&path, &stage.log).unwrap().1, Seen::Unreadable(_)));
    Mirror::rebuild(&path, &stage.log).unwrap();
    assert_eq!(Mirror::look(&path, &stage.log).unwrap().1, Seen::Current);
}

/// What was seen of a trial afterwards is an attribute of it, once; and that of no trial is listed.
#[test]
fn later_runs() {
    let mut stage = full();
    let vault = |study: u8, number: u32| VaultOpened {
        study_id: [study; 16],
        number,
        first_ms: 0,
        last_ms: 86_400_000,
        bars: 2,
        metrics: vec![(MetricCode(Metric::Sharpe.code()), Real(0.25))],
        blocks: vec![],
        stream_hash: [0; 32],
    };
    let first = stage.log.len();
    stage.put(&[vault(1, 0).into(), vault(1, 99).into(), vault(9, 0).into()]);
    let mut mirror = Mirror::open(&stage.path("m.sqlite")).unwrap();
    mirror.catch_up_by(&stage.log, 2).unwrap();
    let sql = "SELECT number, json_extract(value_json, '$.metrics.sharpe'), json_extract(value_json, '$.last') \
               FROM trial_user_attributes JOIN assay_trials USING (trial_id) WHERE \"key\" = 'assay:vault'";
    let answer = mirror.ask(sql, 10).unwrap();
    assert_eq!(serde_json::json!(answer.rows), serde_json::json!([[0, 0.25, "1970-01-02 00:00:00"]]));
    let ignored =
        mirror.ask("SELECT seq FROM assay_ignored WHERE why LIKE 'its trial is not%' ORDER BY seq", 10).unwrap();
    assert_eq!(serde_json::json!(ignored.rows), serde_json::json!([[first + 1], [first + 2]]));
    assert_eq!(
        mirror.digest().unwrap(),
        Mirror::rebuild(&stage.path("n.sqlite"), &stage.log).unwrap().digest().unwrap()
    );
}

/// An extended study is open again, and its second close takes the place of the first, attributes included.
#[test]
fn a_study_that_goes_on() {
    let mut stage = full();
    let close = |round: u32, trials: u32, dsr: f64| StudyClosedV2 {
        study_id: [1; 16],
        round,
        trials,
        best: Some(0),
        statistics: vec![("dsr".into(), Real(dsr))],
    };
    let extended = StudyExtended { study_id: [1; 16], round: 1, trials: 7, points: vec![] };
    stage.put(&[extended.into()]);
    let mut mirror = Mirror::open(&stage.path("m.sqlite")).unwrap();
    mirror.catch_up(&stage.log).unwrap();
    let study = || mirror.studies().unwrap().into_iter().find(|s| s.study_id == "01".repeat(16)).unwrap();
    assert_eq!((study().closed, study().statistics.len()), (false, 0));
    stage.put(&[close(1, 12, 0.75).into()]);
    let mut mirror = Mirror::open(&stage.path("m.sqlite")).unwrap();
    mirror.catch_up(&stage.log).unwrap();
    let row = mirror.ask("SELECT statistics_at_close, closed FROM assay_overview WHERE closed = 1", 9).unwrap().rows;
    assert_eq!(serde_json::json!(row), serde_json::json!([["{\"dsr\":0.75}", 1]]));
    let sql = "SELECT value_json FROM study_user_attributes WHERE \"key\" = 'assay:at_close:dsr'";
    assert_eq!(serde_json::json!(mirror.ask(sql, 9).unwrap().rows), serde_json::json!([["0.75"]]));
    // One that is closed is not closed once more.
    stage.put(&[close(2, 12, 0.5).into()]);
    mirror.catch_up(&stage.log).unwrap();
    assert_eq!(serde_json::json!(mirror.ask(sql, 9).unwrap().rows), serde_json::json!([["0.75"]]));
    assert_eq!(mirror.ask("SELECT seq FROM assay_ignored WHERE why LIKE '%closed already'", 9).unwrap().rows.len(), 1);
}
