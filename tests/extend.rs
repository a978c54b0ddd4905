//! Studies that go on after their end, and points of one's own.

use crate::desk::Desk;
use serde_json::{Value, json};

fn events(desk: &Desk, kind: &str) -> Vec<Value> {
    let said = desk.assay(&["log", "--json", "--kind", kind, "--limit", "100"]).ok().out;
    said.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn trial(desk: &Desk, study: &str, number: u64) -> Value {
    desk.assay(&["trial", "show", &number.to_string(), "--study", study, "--json"]).ok().json()["trial"].clone()
}

/// A lab with a complete study of 32 trials, and who may review what it proposes.
fn studied() -> Desk {
    let desk = Desk::new();
    desk.assay(&["key", "new", "--out", "ben"]).ok();
    desk.assay(&["init", "lab", "--person", "ana", "--reviewer", "ben=ben.pub", "--allow-generated"]).ok();
    let market = assay_research::data::generate::market(&crate::desk::SYMBOLS.map(String::from), 24 * 420, 3);
    crate::desk::write_market(&desk.path("market"), &market);
    desk.assay(&["data", "import", "market", "--assume-brackets-from", "2020-01-01"]).ok();
    desk.strategy_and_study(32);
    desk.assay(&["study", "run", "trend.toml", "study.toml"]).ok();
    desk
}

/// Further trials count, the study is closed again, and what it proposes then is computed whole by the gate and by a
/// reviewer; the mirror and Optuna's tables follow.
#[test]
fn a_study_goes_on() {
    let desk = studied();
    let before = desk.assay(&["study", "show", "--json"]).ok().json()[0].clone();
    let said = desk.assay(&["study", "extend", "--trials", "16", "--try", "fast=20,slow=96", "--try", "fast=9"]).ok();
    assert!(said.out.contains("48 trials"), "{}", said.out);
    let after = desk.assay(&["study", "show", "--json"]).ok().json()[0].clone();
    assert_eq!((&before["trials"], &after["trials"], &after["closed"]), (&json!(32), &json!(48), &json!(true)));
    assert!(after["best_score"].as_f64() >= before["best_score"].as_f64());
    assert_eq!(after["statistics"]["trials_lineage"], 48.0);
    let name = after["name"].as_str().unwrap();
    let points = [trial(&desk, name, 32)["params"].clone(), trial(&desk, name, 33)["params"].clone()];
    assert_eq!((&points[0]["fast"], &points[0]["slow"], &points[1]["fast"]), (&json!(20), &json!(96), &json!(9)));
    assert_eq!(points[0]["leverage"], points[1]["leverage"], "the others at their defaults");
    let kinds = ["StudyExtended", "StudyClosed", "TrialCompleted"].map(|k| events(&desk, k).len());
    assert_eq!((kinds[0], kinds[1]), (1, 2));
    desk.assay(&["verify", "--deep"]).ok();
    // One thread and a kill in between give what two threads give: resumed, it is complete.
    desk.assay(&["study", "resume", "--jobs", "1"]).ok();
    desk.assay(&["parity"]).ok();
    let branch = desk.assay(&["promote"]).ok().out.lines().find(|l| l.starts_with("promote/")).unwrap().to_string();
    let said = desk.assay(&["reproduce", &branch, "--key", "ben", "--json"]).ok().json();
    assert_eq!((&said["ran"], &said["counts"]), (&json!(48), &json!(true)));
    let sha256 = desk.assay(&["review", &branch, "--json"]).ok().json()["config_sha256"].as_str().unwrap().to_string();
    desk.assay(&["approve", &branch, "--key", "ben", "--config", &sha256]).ok();
    assert!(desk.assay(&["deploy", &branch]).ok().out.contains("is live"));

    // What is live is a point as well.
    desk.assay(&[
        "study",
        "run",
        "trend.toml",
        "study.toml",
        "--name",
        "second",
        "--trials",
        "4",
        "--try",
        "live",
        "--try",
        "best:trend-walkforward",
    ])
    .ok();
    let live = desk.assay(&["active", "--json"]).ok().json();
    let first = trial(&desk, "second", 0)["params"].clone();
    assert_eq!(
        first,
        trial(&desk, name, live[0]["trial"].as_u64().unwrap_or(u64::from(after["best"].as_u64().unwrap() as u32)))["params"]
    );
    assert_eq!(first, trial(&desk, "second", 1)["params"], "the best was what was promoted");
    // Run again, it is the study that is there; without its points, or with others, it is not.
    desk.assay(&["study", "run", "trend.toml", "study.toml", "--name", "second", "--trials", "4"]).ok();
    desk.assay(&["study", "run", "trend.toml", "study.toml", "--name", "second", "--trials", "4", "--try", "fast=10"])
        .fails(2, "opened before, without these points");
    desk.assay(&["audit"]).ok();
}

/// Each mistake says what is wrong, and records nothing.
#[test]
fn what_cannot_be_extended() {
    let desk = studied();
    let entries = desk.assay(&["verify", "--json"]).ok().json()["entries"].clone();
    for (args, words) in [
        (vec!["study", "extend"], "--trials"),
        (vec!["study", "extend", "--trials", "0"], "1 to 1,000,000"),
        (vec!["study", "extend", "--trials", "999999"], "1 to 1,000,000"),
        (vec!["study", "extend", "--trials", "1", "--try", "fast=9", "--try", "fast=10"], "2 points for 1 trials"),
        (vec!["study", "extend", "--try", "fast=1"], "not in the range"),
        (vec!["study", "extend", "--try", "quick=9"], "no parameter 'quick'"),
        (vec!["study", "extend", "--try", "fast"], "sets nothing"),
        (vec!["study", "extend", "--try", "fast=90,slow=96"], "breaks a constraint"),
        (vec!["study", "extend", "--try", "live"], "nothing is live"),
        (vec!["study", "extend", "--try", "best:nobody"], "nobody"),
        (vec!["study", "extend", "nobody", "--trials", "2"], "nobody"),
        (
            vec![
                "study",
                "run",
                "trend.toml",
                "study.toml",
                "--name",
                "n",
                "--trials",
                "1",
                "--try",
                "fast=9",
                "--try",
                "fast=10",
            ],
            "2 points for 1 trials",
        ),
    ] {
        desk.assay(&args).fails(2, words);
    }
    assert_eq!(desk.assay(&["verify", "--json"]).ok().json()["entries"], entries);
}

/// Killed while it goes on, and resumed, an extended study ends with the very same trials.
#[test]
fn a_killed_extension_resumes() {
    let (desk, whole) = (studied(), studied());
    let extend = ["study", "extend", "--trials", "40", "--try", "fast=20,slow=96", "--jobs", "1"];
    whole.assay(&extend).ok();
    let mut child = desk.command(&extend).spawn().unwrap();
    crate::desk::wait_for("a further trial", || {
        let shown = desk.assay(&["study", "show", "--json"]).json();
        shown[0]["trials"].as_u64() > Some(32)
    });
    let _ = child.kill();
    let _ = child.wait();
    // Given again, it is not the same extension twice: it is complete, or says how to go on.
    let said = desk.assay(&extend);
    if said.code == 2 {
        assert!(said.err.contains("assay study resume"), "{}", said.err);
        desk.assay(&["study", "resume"]).ok();
        let of = |desk: &Desk| -> Vec<Value> {
            let all = desk.assay(&["trials", "--all", "--limit", "1000", "--json"]).ok().json();
            let trial = |t: &Value| json!([t["number"], t["params"], t["score"], t["stream_hash"]]);
            all.as_array().unwrap().iter().map(trial).collect()
        };
        assert_eq!(of(&desk), of(&whole));
    }
    desk.assay(&["verify", "--deep"]).ok();
}

/// No study tries more points than there are, whatever the sampler: each trial counts for good.
#[test]
fn no_point_is_tried_twice() {
    let desk = Desk::new();
    desk.lab_with_market();
    let strategy = |name: &str, parameters: &str, n: &str| {
        let text = format!(
            "name = \"{name}\"\ninterval = \"1h\"\nsymbols = [\"BTCUSDT\"]\n{parameters}\n[signals]\nlong_entry = \
             \"crosses_above(close, SMA(close, {n}))\"\nlong_exit = \"crosses_below(close, SMA(close, {n}))\"\n\
             [sizing]\nmargin_fraction = \"0.1\"\nleverage = \"1\"\n"
        );
        std::fs::write(desk.path(&format!("{name}.toml")), text).unwrap();
    };
    let ran = |strategy: &str, name: &str, sampler: &str| {
        let settings = format!(
            "name = \"{name}\"\ntrials = 20\n[splits]\nmode = \"tile\"\nin_sample_days = 60\n[sampler]\n{sampler}\n"
        );
        std::fs::write(desk.path("s.toml"), settings).unwrap();
        let said = desk.assay(&["study", "run", &format!("{strategy}.toml"), "s.toml"]).ok();
        let sql = format!(
            "SELECT count(*), count(DISTINCT params) FROM (SELECT t.number, group_concat(p.param_name || '=' || p.param_value) AS params \
             FROM trials t JOIN studies s USING (study_id) LEFT JOIN trial_params p USING (trial_id) \
             WHERE s.study_name = '{name}' GROUP BY t.trial_id)"
        );
        let rows = desk.assay(&["query", &sql, "--csv"]).ok().out;
        (said.err, rows.lines().nth(1).unwrap_or_default().to_string())
    };
    strategy("plain", "", "20");
    let (said, rows) = ran("plain", "plain", "name = \"tpe\"");
    assert!(said.contains("there is one point to try") && rows.starts_with("1,"), "{said} {rows}");
    let range = "constraints = [\"n > 11\"]\n[parameters]\nn = { type = \"int\", low = 10, high = 16, default = 12 }";
    strategy("narrow", range, "n");
    for sampler in ["grid", "random", "sobol", "tpe", "cma-es"] {
        let (said, rows) = ran("narrow", sampler, &format!("name = \"{sampler}\""));
        assert!(said.contains("there are 5 points to try"), "{sampler}: {said}");
        assert_eq!(rows, "5,5", "{sampler}");
        desk.assay(&["study", "extend", sampler, "--trials", "3"]).fails(2, "0 points that were not asked yet");
    }
    let wide = "[parameters]\nn = { type = \"float\", low = 10.0, high = 160.0, default = 12.0 }";
    strategy("wide", wide, "floor(n)");
    let (said, rows) = ran("wide", "wide", "name = \"grid\"\npoints = 50");
    assert!(said.contains("the grid has 50 points: these are 20 of them") && rows == "20,20", "{said} {rows}");
}

const FORKED: &str = r#"
name = "forked"
interval = "1h"
symbols = ["BTCUSDT", "ETHUSDT"]
[parameters]
slow = { type = "int", low = 40, high = 120, step = 8, default = 80 }
careful = { type = "bool", default = true }
stop = { type = "float", low = 0.02, high = 0.1, step = 0.01, default = 0.05, when = "careful" }
[signals]
long_entry = "crosses_above(EMA(close, 12), EMA(close, slow))"
long_exit = "crosses_below(EMA(close, 12), EMA(close, slow))"
[stops]
stop_loss = "if(careful, stop, 0.5)"
[sizing]
margin_fraction = 0.2
leverage = 2
"#;

/// A parameter that counts only where another one says so: a search never varies it elsewhere, a point of one's own is
/// the same without it, and the gate and a reviewer find the very trials.
#[test]
fn a_parameter_that_counts_sometimes() {
    let desk = studied();
    std::fs::write(desk.path("forked.toml"), FORKED).unwrap();
    assert!(desk.assay(&["strategy", "explain", "forked.toml"]).ok().out.contains("it counts where careful"));
    let wrong = FORKED.replace("when = \"careful\"", "when = \"stop > 0.03\"");
    std::fs::write(desk.path("wrong.toml"), wrong).unwrap();
    desk.assay(&["strategy", "check", "wrong.toml"]).fails(2, "whether 'stop' counts depends on itself");
    let study = std::fs::read_to_string(desk.path("study.toml")).unwrap();
    let name = study.lines().find(|l| l.starts_with("name")).unwrap();
    std::fs::write(desk.path("fork.toml"), study.replace(name, "name = \"fork\"")).unwrap();
    desk.assay(&["study", "run", "forked.toml", "fork.toml", "--try", "careful=false,stop=0.09"]).ok();
    let trials = desk.assay(&["trials", "fork", "--json", "--limit", "100"]).ok().json()["trials"].clone();
    let params: Vec<&Value> = trials.as_array().unwrap().iter().map(|t| &t["params"]).collect();
    let silent: Vec<&&Value> = params.iter().filter(|p| p["careful"] == false).collect();
    assert!(params.len() == 32 && silent.len() > 3, "{} of {}", silent.len(), params.len());
    assert!(silent.iter().all(|p| p["stop"] == 0.05), "{silent:?}");
    assert!(params.iter().any(|p| p["careful"] == true && p["stop"] != 0.05));
    // Eleven values of one, nine of the other or none: no point twice.
    let distinct: std::collections::BTreeSet<String> = params.iter().map(ToString::to_string).collect();
    assert_eq!(distinct.len(), 32);
    desk.assay(&["verify", "--deep"]).ok();
    desk.assay(&["parity", "fork"]).ok();
    let branch =
        desk.assay(&["promote", "fork"]).ok().out.lines().find(|l| l.starts_with("promote/")).unwrap().to_string();
    let said = desk.assay(&["reproduce", &branch, "--key", "ben", "--json"]).ok().json();
    assert_eq!((&said["ran"], &said["counts"]), (&json!(32), &json!(true)));
    // The grid walks each point once, and says how many there are.
    let grid = study.replace(name, "name = \"grid\"").replace("trials = 32", "trials = 500");
    let at = grid.find("[sampler]").unwrap();
    let end = grid[at + 1..].find("\n[").map_or(grid.len(), |e| at + 1 + e);
    let grid = format!("{}[sampler]\nname = \"grid\"{}", &grid[..at], &grid[end..]);
    std::fs::write(desk.path("grid.toml"), grid).unwrap();
    let said = desk.assay(&["study", "run", "forked.toml", "grid.toml"]).ok();
    assert!(said.err.contains("110"), "11 x 9 with a stop, 11 without: {}", said.err);
    let trials = desk.assay(&["trials", "grid", "--json", "--limit", "500"]).ok().json()["trials"].clone();
    assert_eq!(trials.as_array().unwrap().len(), 110);
}
