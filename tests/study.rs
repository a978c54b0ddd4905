//! Studies: the same result for any number of threads, and after any number of kills.

use crate::desk::{Desk, journal_bytes, wait_for};
use serde_json::Value;
use std::process::Stdio;

/// The study's events without times and positions.
fn events(desk: &Desk, lab: &str) -> Vec<Value> {
    let said = desk.assay(&["--lab", lab, "log", "--json", "--limit", "100000"]).ok();
    let rows = said.out.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    let kept = rows.filter(|r| {
        r["kind"]
            .as_str()
            .is_some_and(|k| k.starts_with("Trial") || k.starts_with("Study") || k == "WalkForwardCompleted")
    });
    kept.map(|r| serde_json::json!([r["id"], r["kind"], r["event"]])).collect()
}

#[track_caller]
fn same(a: &[Value], b: &[Value]) {
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        assert!(x == y, "event {i} differs:\n{:.600}\n{:.600}", x.to_string(), y.to_string());
    }
    assert_eq!(a.len(), b.len(), "as many events");
}

fn second_lab(desk: &Desk) {
    desk.assay(&["init", "other", "--person", "ana"]).ok();
    desk.assay(&["--lab", "other", "data", "import", "market", "--assume-brackets-from", "2020-01-01"]).ok();
}

/// One thread and two threads give the same events, bit for bit.
#[test]
fn threads_never_change_a_result() {
    let desk = Desk::new();
    desk.lab_with_market();
    second_lab(&desk);
    desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "study.toml", "--jobs", "1"]).ok();
    desk.assay(&["--lab", "other", "study", "run", "trend.toml", "study.toml", "--jobs", "2"]).ok();
    let (one, two) = (events(&desk, "lab"), events(&desk, "other"));
    assert_eq!(one.len(), 51, "48 trials, opened, closed, walk-forward");
    same(&one, &two);
}

/// SIGKILL at any moment, again and again; `study resume` ends with the very same events.
#[test]
fn a_killed_study_resumes_to_the_same_trials() {
    let desk = Desk::new();
    desk.lab_with_market();
    second_lab(&desk);
    desk.assay(&["--lab", "other", "study", "run", "trend.toml", "study.toml"]).ok();
    let mut kills = 0;
    for round in 0..60u64 {
        let first =
            round == 0 || desk.assay(&["--lab", "lab", "study", "show", "--json"]).ok().json() == serde_json::json!([]);
        let run = ["--lab", "lab", "study", "run", "trend.toml", "study.toml"];
        let resume = ["--lab", "lab", "study", "resume"];
        let before = journal_bytes(&desk.path("lab"));
        let mut child = desk
            .command(if first { &run } else { &resume })
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Killed once it has recorded something, more of it in each round.
        let mut ended = None;
        wait_for("a record or the end", || {
            ended = child.try_wait().unwrap();
            ended.is_some() || journal_bytes(&desk.path("lab")) > before + round * 300
        });
        if ended.is_some_and(|s| s.success()) {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    desk.assay(&["--lab", "lab", "study", "resume"]).ok();
    assert!(kills >= 2, "only {kills} kills: make the study longer");
    same(&events(&desk, "lab"), &events(&desk, "other"));
    desk.assay(&["--lab", "lab", "verify", "--deep"]).ok();
}

/// Ctrl-C ends a study cleanly: what was done is recorded, and the message says how to go on.
#[test]
fn ctrl_c_stops_between_batches() {
    let desk = Desk::new();
    desk.lab_with_market();
    desk.strategy_and_study(4000);
    let child = desk
        .command(&["--lab", "lab", "study", "run", "trend.toml", "study.toml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let before = journal_bytes(&desk.path("lab"));
    wait_for("trials are recorded", || journal_bytes(&desk.path("lab")) > before + 20_000);
    assert!(desk.run("kill", &["-INT", &child.id().to_string()]).code == 0);
    let out = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(130), "{words}");
    assert!(words.contains("trials are recorded; go on with `assay study resume"), "{words}");
    assert!(!words.contains('\x1b'), "plain when not a terminal");
    desk.assay(&["--lab", "lab", "verify"]).ok();
    // A second terminal reads while nothing is held, and the ledger can be written.
    desk.assay(&["--lab", "lab", "trials"]).ok();
}

/// One thread, and groups of hundreds of trials: nothing that computes waits for itself.
#[test]
fn one_thread_ends() {
    let desk = Desk::new();
    desk.lab_with_market();
    desk.strategy_and_study(700);
    let mut command = desk.command(&["--lab", "lab", "study", "run", "trend.toml", "study.toml", "--jobs", "1"]);
    // The pool that signs has one thread too.
    let mut child = command.env("RAYON_NUM_THREADS", "1").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the end of the study", || child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
}

/// Two processes open studies of one name with different seeds: one is told that the name is taken,
/// whoever was first, and the lab works on.
#[test]
fn one_name_is_one_study() {
    let desk = Desk::new();
    desk.lab_with_market();
    let run = |seed: &str| {
        let args = ["--lab", "lab", "study", "run", "trend.toml", "study.toml", "--trials", "8", "--seed", seed];
        desk.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let (a, b) = (run("1"), run("2"));
    let ended = [a.wait_with_output().unwrap(), b.wait_with_output().unwrap()];
    let codes: Vec<_> = ended.iter().map(|o| o.status.code()).collect();
    let refused = ended.iter().find(|o| !o.status.success()).unwrap_or_else(|| panic!("both were opened"));
    assert!(codes.contains(&Some(0)) && codes.contains(&Some(2)), "{codes:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is a study named"));
    assert_eq!(desk.assay(&["--lab", "lab", "study", "show", "--json"]).ok().json().as_array().unwrap().len(), 1);
    let again = ["--lab", "lab", "study", "run", "trend.toml", "study.toml", "--seed", "3"];
    desk.assay(&again).fails(2, "as another study with --name");
    for bad in [["--trials", "0"], ["--name", ""], ["--seed", "18446744073709551615"]] {
        desk.assay(&[&["--lab", "lab", "study", "run", "trend.toml", "study.toml"][..], &bad].concat()).fails(2, "");
    }
}

/// Finer bars go the whole way: generated, imported, kept, run, the same bar by bar in production; they change what
/// came first inside bars, and so the stream.
#[test]
fn finer_bars_go_the_whole_way() {
    let desk = Desk::new();
    let days = ["--from", "2024-01-01", "--to", "2024-11-01", "--interval", "1h"];
    desk.assay(&[&["data", "generate", "made", "--symbols", "BTCUSDT,ETHUSDT", "--detail", "15m"][..], &days].concat())
        .ok();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    desk.strategy_and_study(6);
    let text = std::fs::read_to_string(desk.path("trend.toml")).unwrap();
    std::fs::write(desk.path("trend.toml"), text.replace(", \"XRPUSDT\", \"SOLUSDT\"", "")).unwrap();
    let study = std::fs::read_to_string(desk.path("study.toml")).unwrap();
    let mut streams = Vec::new();
    for (name, more) in [("bars", &[][..]), ("finer", &["--detail", "15m"])] {
        let import = ["--lab", "lab", "data", "import", "made", "--interval", "1h"];
        desk.assay(&[&import[..], more].concat()).ok();
        let named = study.replacen("trend-walkforward", name, 1).replace("in_sample_days = 120", "in_sample_days = 30");
        std::fs::write(desk.path("named.toml"), named.replace("out_of_sample_days = 90", "out_of_sample_days = 15"))
            .unwrap();
        desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "named.toml"]).ok();
        let parity = desk.assay(&["--lab", "lab", "parity", "2", "--study", name, "--json"]).ok().json();
        assert!(parity["trades"].as_u64().unwrap() > 5, "{parity}");
        streams.push(parity["stream_hash"].clone());
        // The same prices under another hash: what was tried on them counts.
        let said = desk.assay(&["--lab", "lab", "trials", name, "--json"]).ok().json();
        let tried = if name == "bars" { 6 } else { 12 };
        let best = &said["best"]["statistics"];
        assert_eq!((best["trials"].as_u64(), best["studies"].as_u64()), (Some(tried), Some(tried / 6)), "{said}");
    }
    assert_ne!(streams[0], streams[1]);
    desk.assay(&["--lab", "lab", "report", "2", "--study", "finer", "--out", "report"]).ok();
    let page = std::fs::read_to_string(desk.path("report/2.html")).unwrap();
    for words in ["<td>treatment</td><td>detail=15m</td>", "<td>assumption</td><td>fees: seen on"] {
        assert!(page.contains(words), "{words}");
    }
    let shown = desk.assay(&["--lab", "lab", "data", "show", "--json"]).ok().json();
    assert!(shown.as_array().unwrap().iter().any(|s| s["treatments"] == "detail=15m"), "{shown}");
}

/// A symbol that is read and not traded needs no rules, and may be older; research and production read it alike.
#[test]
fn a_symbol_that_is_only_read() {
    let desk = Desk::new();
    for (folder, from, symbols) in [("a", "2024-03-01", "BTCUSDT,ETHUSDT"), ("b", "2023-11-01", "NOSUCHUSDT")] {
        desk.assay(&["data", "generate", folder, "--symbols", symbols, "--from", from, "--to", "2024-09-01"]).ok();
    }
    std::fs::create_dir(desk.path("all")).unwrap();
    for folder in ["a", "b"] {
        std::fs::rename(desk.path(folder), desk.path("all").join(folder)).unwrap();
    }
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    let said = desk.assay(&["--lab", "lab", "data", "import", "all"]).ok();
    assert!(said.err.contains("no-rules"), "{}", said.err);
    desk.strategy_and_study(6);
    let study = std::fs::read_to_string(desk.path("study.toml")).unwrap();
    let study = study.replace("in_sample_days = 120", "in_sample_days = 60");
    std::fs::write(desk.path("study.toml"), study.replace("out_of_sample_days = 90", "out_of_sample_days = 30"))
        .unwrap();
    let text = std::fs::read_to_string(desk.path("trend.toml")).unwrap().replace(", \"XRPUSDT\", \"SOLUSDT\"", "");
    let entry = text.lines().find(|l| l.starts_with("long_entry")).unwrap();
    let other = entry.replacen("= \"", "= \"NOSUCHUSDT.close > SMA(NOSUCHUSDT.close, 50) and ", 1);
    let unnamed = text.replace(entry, &other);
    std::fs::write(desk.path("trend.toml"), &unnamed).unwrap();
    let run = ["--lab", "lab", "study", "run", "trend.toml", "study.toml"];
    desk.assay(&run).fails(2, "references = [\"NOSUCHUSDT\"]");
    let named = unnamed.replacen("symbols =", "references = [\"NOSUCHUSDT\"]\nsymbols =", 1);
    std::fs::write(desk.path("trend.toml"), named.replace("references", "references ")).unwrap();
    desk.assay(&run).ok();
    let parity = desk.assay(&["--lab", "lab", "parity", "2", "--json"]).ok().json();
    assert!(parity["trades"].as_u64().unwrap() > 5, "{parity}");
    desk.assay(&["--lab", "lab", "report", "2", "--out", "report"]).ok();
    let report = std::fs::read_to_string(desk.path("report/2.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(report["trades"].as_array().unwrap().iter().all(|t| t["symbol"] != "NOSUCHUSDT"));
    // The study is over the time of what is traded.
    assert!(report["times_ms"][0].as_i64().unwrap() >= 1_709_251_200_000);
    // What is traded needs rules.
    std::fs::write(desk.path("trend.toml"), unnamed.replacen("\"BTCUSDT\",", "\"BTCUSDT\", \"NOSUCHUSDT\",", 1))
        .unwrap();
    let study = std::fs::read_to_string(desk.path("study.toml")).unwrap();
    std::fs::write(desk.path("study.toml"), study.replacen("trend-walkforward", "other", 1)).unwrap();
    desk.assay(&run).fails(2, "NOSUCHUSDT");
}

/// Limits on losses and a rest after each position, from the file to research, production and the report.
#[test]
fn losses_stop_a_strategy() {
    let desk = Desk::new();
    desk.lab_with_market();
    desk.strategy_and_study(4);
    let text = std::fs::read_to_string(desk.path("trend.toml")).unwrap();
    let text =
        text.replacen("[risk]", "[risk]\ncooldown = 6", 1) + "\n[risk.loss_limits]\ndaily = 0.002\nconsecutive = 3\n";
    std::fs::write(desk.path("trend.toml"), text).unwrap();
    desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "study.toml"]).ok();
    desk.assay(&["--lab", "lab", "parity", "1"]).ok();
    desk.assay(&["--lab", "lab", "report", "1", "--out", "report"]).ok();
    let report: Value = serde_json::from_str(&std::fs::read_to_string(desk.path("report/1.json")).unwrap()).unwrap();
    assert!(report["books"]["by_rule"]["loss-limit"]["trades"].as_u64().unwrap() > 0, "{}", report["books"]);
    // Six bars of rest between two positions of a symbol.
    let trades = report["trades"].as_array().unwrap();
    let mut last: std::collections::BTreeMap<&str, i64> = std::collections::BTreeMap::new();
    for t in trades {
        let (symbol, entry) = (t["symbol"].as_str().unwrap(), t["entry_ms"].as_i64().unwrap());
        assert!(last.get(symbol).is_none_or(|exit| entry >= exit + 6 * 3_600_000), "{t}");
        last.insert(symbol, t["exit_ms"].as_i64().unwrap());
    }
}

/// A study in a narrow box around the winner of another one cannot raise its deflated Sharpe ratio: the trials that
/// found the box count, with the spread that all of them have; so does cutting the data by a bar.
#[test]
fn a_narrow_study_counts_what_found_its_box() {
    let desk = Desk::new();
    desk.lab_with_market();
    let first = ["--lab", "lab", "study", "run", "trend.toml", "study.toml", "--name", "wide"];
    desk.assay(&first).ok();
    let figures = |study: &str| {
        let said = desk.assay(&["--lab", "lab", "trials", study, "--json"]).ok().json();
        (said["trials"][0]["params"].clone(), said["best"]["statistics"].clone())
    };
    let (params, wide) = figures("wide");
    let text = std::fs::read_to_string(desk.path("trend.toml")).unwrap();
    let mut narrow = String::new();
    for line in text.lines() {
        let name = line.split(' ').next().unwrap_or_default();
        match params[name].as_f64() {
            Some(v) if line.contains("type = \"int\"") => {
                narrow += &format!("{name} = {{ type = \"int\", low = {v}, high = {}, default = {v} }}\n", v + 1.0);
            }
            Some(v) if line.contains("type = \"float\"") => {
                let (low, high) = (v * 0.999, v * 1.001);
                narrow += &format!("{name} = {{ type = \"float\", low = {low}, high = {high}, default = {v} }}\n");
            }
            _ => narrow += &format!("{line}\n"),
        }
    }
    assert_ne!(narrow.trim(), text.trim());
    std::fs::write(desk.path("narrow.toml"), narrow).unwrap();
    desk.assay(&["--lab", "lab", "study", "run", "narrow.toml", "study.toml", "--name", "narrow", "--trials", "12"])
        .ok();
    let (_, found) = figures("narrow");
    assert_eq!((wide["trials"].as_u64(), found["trials"].as_u64()), (Some(48), Some(60)), "{found}");
    let (before, now) = (wide["variance"].as_f64().unwrap(), found["variance"].as_f64().unwrap());
    assert!(now > before / 3.0, "the spread is that of all trials: {before} {now}");
    // The data cut by a day: another hash, the same prices.
    let import =
        ["--lab", "lab", "data", "import", "market", "--assume-brackets-from", "2020-01-01", "--from", "2010-01-02"];
    desk.assay(&import).ok();
    desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "study.toml", "--name", "cut", "--trials", "8"]).ok();
    assert_eq!(figures("cut").1["trials"].as_u64(), Some(68));
}

/// A time or a target ends a run between two batches, with the trials that it has; going on gives the same as one run.
#[test]
fn a_budget_ends_a_run_and_changes_nothing() {
    let desk = Desk::new();
    desk.lab_with_market();
    second_lab(&desk);
    desk.assay(&["--lab", "other", "study", "run", "trend.toml", "study.toml"]).ok();
    let said = desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "study.toml", "--until", "-1000"]).ok();
    assert!(said.err.contains("as far as was asked for; go on with `assay study resume"), "{}", said.err);
    let row = desk.assay(&["--lab", "lab", "study", "show", "--json"]).ok().json()[0].clone();
    let done = row["trials"].as_u64().unwrap();
    assert!(done > 0 && done < 48 && row["closed"] == false, "{row}");
    desk.assay(&["--lab", "lab", "promote"]).fails(2, "is not complete");
    desk.assay(&["--lab", "lab", "study", "resume", "--for", "1s"]).ok();
    desk.assay(&["--lab", "lab", "study", "resume"]).ok();
    same(&events(&desk, "lab"), &events(&desk, "other"));
    for wrong in ["abc", "nan", "inf"] {
        let resume = ["--lab", "lab", "study", "resume", &format!("--until={wrong}")];
        desk.assay(&resume).fails(2, "write a score as a number");
    }
    for wrong in ["1", "m", "-3m", "0s", "1e99h", "3 w"] {
        let resume = ["--lab", "lab", "study", "resume", &format!("--for={wrong}")];
        desk.assay(&resume).fails(2, "write a time as 90s, 30m, 8h or 2d");
    }
}

/// Several objectives: a front that nobody of it beats, their values beside the trials, words where there is none.
#[test]
fn several_objectives() {
    let desk = Desk::new();
    desk.lab_with_market();
    let plain = std::fs::read_to_string(desk.path("study.toml")).unwrap();
    let sampler = plain.find("[sampler]").map_or(String::new(), |at| {
        let rest = &plain[at + 9..];
        rest[..rest.find("\n[").map_or(rest.len(), |end| end + 1)].to_string()
    });
    let text = plain.replace(&sampler, "\nname = \"nsga-ii\"\npopulation = 12\n");
    let text = text.replace("[objective]", "[objective]\nalso = [\"max_drawdown\", \"-volatility\"]");
    std::fs::write(
        desk.path("several.toml"),
        text.replace("[guardrails]", "[guardrails]\nrequire = [\"max_drawdown >= -0.9\"]"),
    )
    .unwrap();
    desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "several.toml", "--name", "several"]).ok();
    let front = desk.assay(&["--lab", "lab", "--json", "trials", "several", "--front", "--limit", "500"]).ok().json();
    let value = |t: &Value| -> Vec<f64> {
        let also = t["also"].as_array().unwrap().iter();
        std::iter::once(&t["score"]).chain(also).map(|v| v.as_f64().unwrap()).collect()
    };
    let on: Vec<Vec<f64>> = front["trials"].as_array().unwrap().iter().map(value).collect();
    assert!(on.len() > 1 && front["front"] == on.len(), "{front}");
    let all = desk.assay(&["--lab", "lab", "--json", "trials", "several", "--all", "--limit", "500"]).ok().json();
    let complete = all.as_array().unwrap().iter().filter(|t| t["score"].is_f64() && t["violation"] == 0.0);
    for t in complete.map(value) {
        let beats = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a >= b) && a != b;
        assert!(!on.iter().any(|f| beats(&t, f)), "{t:?} beats one of the front");
        assert!(on.contains(&t) || on.iter().any(|f| beats(f, &t)), "{t:?} is beaten by nobody, and not there");
    }
    let shown = desk.assay(&["--lab", "lab", "trials", "several", "--front"]).ok();
    assert!(shown.out.contains("-volatility") && shown.out.contains("on the front: no other"), "{}", shown.out);
    desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "study.toml"]).ok();
    desk.assay(&["--lab", "lab", "trials", "--front"]).fails(2, "has one objective");
    for (change, why) in [
        ("also = [\"max_drawdwn\"]", "did you mean 'max_drawdown'"),
        ("also = [\"max_drawdown\"]", "nsga-ii"),
        ("figure = \"sharpe > 1\"", "numbers, not of truths"),
    ] {
        let plain = plain
            .lines()
            .filter(|l| !(change.starts_with("figure") && l.starts_with("figure")))
            .collect::<Vec<_>>()
            .join("\n");
        std::fs::write(desk.path("bad.toml"), plain.replace("[objective]", &format!("[objective]\n{change}"))).unwrap();
        desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "bad.toml"]).fails(2, why);
    }
}
