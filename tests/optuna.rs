//! Optuna itself reads the mirror.

use crate::desk::Desk;

const SCRIPT: &str = r#"
import optuna, sys
optuna.logging.set_verbosity(optuna.logging.ERROR)
s = optuna.load_study(study_name="trend-walkforward", storage="sqlite:///" + sys.argv[1])
states = sorted({t.state.name for t in s.trials})
best = s.best_trial
print(len(s.trials), best.number, repr(best.value), best.params["slow"], type(best.params["slow"]).__name__)
print(",".join(states), s.direction.name, s.user_attrs["assay:strategy"], len(best.intermediate_values))
print(all(best.params[k] is not None for k in best.distributions), "constraints" in best.system_attrs)
t = s.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
s.tell(t, 0.5)
print(len(s.trials))
"#;

/// Values, parameters, states, distributions and attributes come back through Optuna's own API,
/// and its study goes on from them.
#[test]
fn optuna_loads_the_study() {
    let python = std::env::var("ASSAY_PYTHON").expect("ASSAY_PYTHON is not set: run tests/run, which installs Optuna");
    let desk = Desk::new();
    desk.lab_with_market();
    desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "study.toml"]).ok();
    desk.assay(&["--lab", "lab", "mirror", "copy", "copy.sqlite"]).ok();
    let copy = desk.path("copy.sqlite");
    let said = desk.run(&python, &["-c", SCRIPT, copy.to_str().unwrap()]).ok();
    let lines: Vec<Vec<&str>> = said.out.lines().map(|l| l.split(' ').collect()).collect();
    let row = desk.assay(&["--lab", "lab", "study", "show", "--json"]).ok().json()[0].clone();
    assert_eq!(lines[0][0], "48");
    let ours = row["best_score"].as_f64().unwrap();
    assert_eq!(lines[0][2].parse::<f64>().unwrap(), ours, "the best value, to the last bit");
    assert_eq!((lines[0][4], lines[1][1], lines[1][2]), ("int", "MAXIMIZE", "trend"));
    assert!(lines[1][0].contains("COMPLETE"));
    assert_eq!(lines[2], ["True", "True"]);
    assert_eq!(lines[3], ["49"]);
}

const CATEGORIES: &str = r#"
import optuna, sys
optuna.logging.set_verbosity(optuna.logging.ERROR)
s = optuna.load_study(study_name="trend-walkforward", storage="sqlite:///" + sys.argv[1])
for name in ("kind", "both"):
    seen = sorted({repr(t.params[name]) for t in s.trials})
    d = {repr(t.distributions[name]) for t in s.trials}
    print(name, ";".join(seen), ";".join(sorted(d)), sep="|")
print(s.best_params["kind"] in ("fast", "slow", "both"), s.best_params["both"] in (True, False))
"#;

/// Text and truth parameters are categories to Optuna, with their own values.
#[test]
fn categories_of_text_and_truth() {
    let python = std::env::var("ASSAY_PYTHON").expect("ASSAY_PYTHON is not set: run tests/run, which installs Optuna");
    let desk = Desk::new();
    desk.lab_with_market();
    let text = std::fs::read_to_string(desk.path("trend.toml")).unwrap();
    let entry = text.lines().find(|l| l.starts_with("long_entry")).unwrap();
    let condition = entry.split_once('"').unwrap().1.trim_end_matches('"').to_string();
    let other = format!("long_entry = \"({condition}) and (both or kind == 'slow')\"");
    let categories = "kind = { type = \"text\", choices = [\"fast\", \"slow\", \"both\"], default = \"slow\" }\n\
                      both = { type = \"bool\", default = true }\n";
    let text = text.replace(entry, &other).replacen("[parameters]\n", &format!("[parameters]\n{categories}"), 1);
    std::fs::write(desk.path("trend.toml"), text).unwrap();
    desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "study.toml"]).ok();
    desk.assay(&["--lab", "lab", "mirror", "copy", "copy.sqlite"]).ok();
    let copy = desk.path("copy.sqlite");
    let said = desk.run(&python, &["-c", CATEGORIES, copy.to_str().unwrap()]).ok();
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], "kind|'both';'fast';'slow'|CategoricalDistribution(choices=('fast', 'slow', 'both'))");
    assert_eq!(lines[1], "both|False;True|CategoricalDistribution(choices=(False, True))");
    assert_eq!(lines[2], "True True");
}

const SEVERAL: &str = r#"
import optuna, sys
optuna.logging.set_verbosity(optuna.logging.ERROR)
s = optuna.load_study(study_name="several", storage="sqlite:///" + sys.argv[1])
print(len(s.directions), all(len(t.values) == 2 for t in s.trials if t.state.name == "COMPLETE"), s.metric_names)
print(" ".join(str(t.number) for t in sorted(s.best_trials, key=lambda t: t.number)))
"#;

/// A study of several objectives is one to Optuna, which finds the same front.
#[test]
fn optuna_finds_the_same_front() {
    let python = std::env::var("ASSAY_PYTHON").expect("ASSAY_PYTHON is not set: run tests/run, which installs Optuna");
    let desk = Desk::new();
    desk.lab_with_market();
    let study = "name = \"several\"\ntrials = 40\n[sampler]\nname = \"nsga-ii\"\npopulation = 10\n[splits]\nin_sample_days = 40\n\
                 out_of_sample_days = 20\nwarmup_bars = 100\nvault_days = 0\n[objective]\nalso = [\"max_drawdown\"]\n[guardrails]\nmin_trades = 3\n";
    std::fs::write(desk.path("several.toml"), study).unwrap();
    desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "several.toml"]).ok();
    desk.assay(&["--lab", "lab", "mirror", "copy", "copy.sqlite"]).ok();
    let copy = desk.path("copy.sqlite");
    let said = desk.run(&python, &["-c", SEVERAL, copy.to_str().unwrap()]).ok();
    let front = desk.assay(&["--lab", "lab", "--json", "trials", "several", "--front", "--limit", "500"]).ok().json();
    let mut numbers: Vec<u64> =
        front["trials"].as_array().unwrap().iter().map(|t| t["number"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    let ours = numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(said.out.lines().collect::<Vec<_>>(), ["2 True ['score', 'max_drawdown']", &ours]);
}
