//! The tables: Optuna's (schema 12, `v3.2.0.a`, as Optuna 3.2 to 5.0 open it) and ours.

pub(super) const PRAGMAS: &str =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY; PRAGMA busy_timeout=5000;";

/// Version of our tables.
pub(super) const VERSION: i64 = 6;

/// Our tables and views, each with a word about it.
pub const WORDS: [(&str, &str); 11] = [
    (
        "assay_overview",
        "a row for each study: how many trials became what, the best score, and the statistics at its close: what was tried since is not in them, `assay trials` says what they are now",
    ),
    ("assay_best", "the best feasible trial of each study, with its figures"),
    ("assay_params", "a row for each parameter of each trial"),
    ("assay_metrics", "a row for each figure of each trial, out of sample; trial_id as in trials and assay_trials"),
    ("assay_studies", "studies as they were opened"),
    ("assay_trials", "trials as they were recorded; params and folds are JSON"),
    ("assay_strategies", "the canonical texts of strategies"),
    ("assay_snapshots", "data that was registered"),
    ("assay_events", "every entry of the ledger"),
    ("assay_ignored", "entries that say again what another said before"),
    ("assay_meta", "how far the mirror is"),
];

pub(super) const TABLES: &str = r#"
CREATE TABLE studies (study_id INTEGER NOT NULL, study_name VARCHAR(512) NOT NULL, PRIMARY KEY (study_id));
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE TABLE version_info (version_info_id INTEGER NOT NULL, schema_version INTEGER, library_version VARCHAR(256), PRIMARY KEY (version_info_id), CHECK (version_info_id=1));
CREATE TABLE study_directions (study_direction_id INTEGER NOT NULL, direction VARCHAR(8) NOT NULL, study_id INTEGER NOT NULL, objective INTEGER NOT NULL, PRIMARY KEY (study_direction_id), UNIQUE (study_id, objective), FOREIGN KEY(study_id) REFERENCES studies (study_id));
CREATE TABLE study_user_attributes (study_user_attribute_id INTEGER NOT NULL, study_id INTEGER, "key" VARCHAR(512), value_json TEXT, PRIMARY KEY (study_user_attribute_id), UNIQUE (study_id, "key"), FOREIGN KEY(study_id) REFERENCES studies (study_id));
CREATE TABLE study_system_attributes (study_system_attribute_id INTEGER NOT NULL, study_id INTEGER, "key" VARCHAR(512), value_json TEXT, PRIMARY KEY (study_system_attribute_id), UNIQUE (study_id, "key"), FOREIGN KEY(study_id) REFERENCES studies (study_id));
CREATE TABLE trials (trial_id INTEGER NOT NULL, number INTEGER, study_id INTEGER, state VARCHAR(8) NOT NULL, datetime_start DATETIME, datetime_complete DATETIME, PRIMARY KEY (trial_id), FOREIGN KEY(study_id) REFERENCES studies (study_id));
CREATE INDEX ix_trials_study_id ON trials (study_id);
CREATE TABLE trial_user_attributes (trial_user_attribute_id INTEGER NOT NULL, trial_id INTEGER, "key" VARCHAR(512), value_json TEXT, PRIMARY KEY (trial_user_attribute_id), UNIQUE (trial_id, "key"), FOREIGN KEY(trial_id) REFERENCES trials (trial_id));
CREATE TABLE trial_system_attributes (trial_system_attribute_id INTEGER NOT NULL, trial_id INTEGER, "key" VARCHAR(512), value_json TEXT, PRIMARY KEY (trial_system_attribute_id), UNIQUE (trial_id, "key"), FOREIGN KEY(trial_id) REFERENCES trials (trial_id));
CREATE TABLE trial_params (param_id INTEGER NOT NULL, trial_id INTEGER, param_name VARCHAR(512), param_value FLOAT, distribution_json TEXT, PRIMARY KEY (param_id), UNIQUE (trial_id, param_name), FOREIGN KEY(trial_id) REFERENCES trials (trial_id));
CREATE TABLE trial_values (trial_value_id INTEGER NOT NULL, trial_id INTEGER NOT NULL, objective INTEGER NOT NULL, value FLOAT, value_type VARCHAR(7) NOT NULL, PRIMARY KEY (trial_value_id), UNIQUE (trial_id, objective), FOREIGN KEY(trial_id) REFERENCES trials (trial_id));
CREATE TABLE trial_intermediate_values (trial_intermediate_value_id INTEGER NOT NULL, trial_id INTEGER NOT NULL, step INTEGER NOT NULL, intermediate_value FLOAT, intermediate_value_type VARCHAR(7) NOT NULL, PRIMARY KEY (trial_intermediate_value_id), UNIQUE (trial_id, step), FOREIGN KEY(trial_id) REFERENCES trials (trial_id));
CREATE TABLE trial_heartbeats (trial_heartbeat_id INTEGER NOT NULL, trial_id INTEGER NOT NULL, heartbeat DATETIME NOT NULL, PRIMARY KEY (trial_heartbeat_id), UNIQUE (trial_id), FOREIGN KEY(trial_id) REFERENCES trials (trial_id));
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO version_info VALUES (1, 12, '4.9.0');
INSERT INTO alembic_version VALUES ('v3.2.0.a');
CREATE TABLE assay_meta (schema INTEGER NOT NULL, cursor INTEGER NOT NULL, leaf TEXT NOT NULL);
INSERT INTO assay_meta VALUES (6, 0, '');
CREATE TABLE assay_events (seq INTEGER PRIMARY KEY, event_id TEXT NOT NULL, kind TEXT NOT NULL, version INTEGER NOT NULL, time_us INTEGER NOT NULL, author TEXT NOT NULL, leaf TEXT NOT NULL);
CREATE INDEX assay_events_kind ON assay_events (kind, seq);
CREATE TABLE assay_strategies (hash TEXT PRIMARY KEY, name TEXT NOT NULL, canonical TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE assay_ignored (seq INTEGER PRIMARY KEY, why TEXT NOT NULL);
CREATE TABLE assay_studies (study_id TEXT PRIMARY KEY, optuna_id INTEGER NOT NULL, seq INTEGER NOT NULL, name TEXT NOT NULL, strategy TEXT NOT NULL, strategy_hash TEXT NOT NULL, data_hash TEXT NOT NULL, rulebook_hash TEXT NOT NULL, text TEXT NOT NULL, environment TEXT NOT NULL, generated INTEGER NOT NULL, closed_seq INTEGER, best INTEGER, statistics TEXT) WITHOUT ROWID;
CREATE TABLE assay_trials (study_id TEXT NOT NULL, number INTEGER NOT NULL, trial_id INTEGER NOT NULL, seq INTEGER NOT NULL, state TEXT NOT NULL, score REAL, violation REAL, reason TEXT, params TEXT NOT NULL, folds TEXT, identity TEXT NOT NULL, stream_hash TEXT, PRIMARY KEY (study_id, number)) WITHOUT ROWID;
CREATE INDEX assay_trials_score ON assay_trials (study_id, state, violation, score);
CREATE VIEW assay_metrics AS SELECT trial_id, j.key AS name, j.value AS value FROM trial_user_attributes AS a, json_each(a.value_json) AS j WHERE a."key" = 'assay:metrics';
CREATE TABLE assay_snapshots (data_hash TEXT PRIMARY KEY, seq INTEGER NOT NULL, symbols TEXT NOT NULL, interval_ms INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, bars INTEGER NOT NULL, generated INTEGER NOT NULL, source TEXT NOT NULL, treatments TEXT NOT NULL, findings INTEGER NOT NULL, rulebook_hash TEXT, assumptions TEXT NOT NULL, files INTEGER, vendor_checked INTEGER) WITHOUT ROWID;
CREATE VIEW assay_params AS SELECT t.study_id, t.number, t.trial_id, j.key AS name, j.value AS value FROM assay_trials AS t, json_each(t.params) AS j;
CREATE VIEW assay_overview AS SELECT s.study_id, s.name, s.strategy, s.generated, count(t.number) AS trials, coalesce(sum(t.state = 'COMPLETE'), 0) AS completed, coalesce(sum(t.state = 'PRUNED'), 0) AS pruned, coalesce(sum(t.state = 'FAIL'), 0) AS failed, max(CASE WHEN t.violation <= 0 THEN t.score END) AS best_score, s.closed_seq IS NOT NULL AS closed, s.statistics AS statistics_at_close FROM assay_studies AS s LEFT JOIN assay_trials AS t USING (study_id) GROUP BY s.study_id ORDER BY s.seq;
CREATE VIEW assay_best AS SELECT s.name AS study, b.study_id, b.number, b.trial_id, b.score, json_extract(m.value, '$.sharpe') AS sharpe, json_extract(m.value, '$.cagr') AS cagr, json_extract(m.value, '$.max_drawdown') AS max_drawdown, json_extract(m.value, '$.trades') AS trades, b.params FROM (SELECT *, row_number() OVER (PARTITION BY study_id ORDER BY score DESC, number) AS place FROM assay_trials WHERE violation <= 0) AS b JOIN assay_studies AS s USING (study_id) JOIN (SELECT trial_id, value_json AS value FROM trial_user_attributes WHERE "key" = 'assay:metrics') AS m USING (trial_id) WHERE b.place = 1;
"#;
