//! The schemas of files, by an outside validator: what the program reads is valid, what it refuses for a field or a range
//! is not.

use crate::desk::Desk;
use crate::workflow::linter;
use std::path::{Path, PathBuf};

const SCRIPT: &str = r#"
import json, sys, tomllib
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
for path in sys.argv[2:]:
    found = list(jsonschema.Draft7Validator(schema).iter_errors(tomllib.load(open(path, "rb"))))
    print("valid" if not found else "wrong " + found[0].message[:100].replace("\n", " "))
"#;

fn judged(desk: &Desk, of: &str, files: &[PathBuf]) -> Vec<String> {
    let python =
        std::env::var("ASSAY_PYTHON").expect("ASSAY_PYTHON is not set: run tests/run, which installs jsonschema");
    let schema = desk.assay(&["schema", of]).ok().out;
    std::fs::write(desk.path("schema.json"), schema).unwrap();
    let schema = desk.path("schema.json");
    let args: Vec<&str> =
        ["-c", SCRIPT, schema.to_str().unwrap()].into_iter().chain(files.iter().map(|f| f.to_str().unwrap())).collect();
    let said = desk.run(&python, &args).ok();
    let out: Vec<String> = said.out.lines().map(String::from).collect();
    for (file, said) in files.iter().zip(&out) {
        assert_eq!(editor_takes(desk, file), said == "valid", "{}: {said}", file.display());
    }
    out
}

/// Whether an editor's linter takes a file by the schema that was written last.
fn editor_takes(desk: &Desk, file: &Path) -> bool {
    let (program, schema) = (linter("taplo"), format!("file://{}", desk.path("schema.json").display()));
    let said = desk.run(program.to_str().unwrap(), &["lint", "--schema", &schema, file.to_str().unwrap()]);
    assert!(said.code == 0 || said.err.contains("┌─"), "{said:?}");
    said.code == 0
}

fn files(dir: &str) -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(dir);
    let all = std::fs::read_dir(&dir).unwrap().flatten().map(|i| i.path());
    let found: Vec<PathBuf> = all.filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    assert!(!found.is_empty(), "{}", dir.display());
    found
}

#[test]
fn what_is_read_is_valid() {
    let desk = Desk::new();
    desk.lab_with_market();
    desk.assay(&["study", "new", "first", "--out", "first.toml"]).ok();
    desk.assay(&["strategy", "new", "mine", "--out", "mine.toml"]).ok();
    let studies = [files("configs/studies"), vec![desk.path("first.toml"), desk.path("study.toml")]].concat();
    let strategies =
        [files("configs/strategies"), files("tests/golden/strategies"), vec![desk.path("mine.toml")]].concat();
    for (of, all) in [("study", studies), ("strategy", strategies), ("lab", vec![desk.path("lab/assay.toml")])] {
        for (file, said) in all.iter().zip(judged(&desk, of, &all)) {
            assert_eq!(said, "valid", "{}", file.display());
        }
    }
}

/// Neither the program nor the schema takes these.
#[test]
fn what_is_refused_is_not_valid() {
    let desk = Desk::new();
    let studies = [
        "trials = 0",
        "batch = 5000",
        "trails = 3",
        "[sampler]\nname = \"bayes\"",
        "[sampler]\nname = \"grid\"\npoints = 0",
        "[sampler]\nname = \"tpe\"\npoints = 3",
        "[objective]\nstability_weight = \"half\"",
        "[guardrails]\nmin_trades = -1",
        "[guardrails.pruning]\nrule = \"halving\"\nfactor = 1",
        "[guardrails.pruning]\nrule = \"percentile\"\nkeep = 1.0",
        "[assumptions]\nmax_volume_share = 2.0",
        "[declared]\nhypothesis = \"h\"",
    ];
    let head = "name = \"x\"\ninterval = \"1h\"\nsymbols = [\"BTCUSDT\"]\n";
    let strategies = [
        "[signal]\nlong_entry = \"close > open\"",
        "[signals]\nlong = \"close > open\"",
        "[risk]\nmargin_mode = \"both\"",
        "[risk.loss_limits]\nweekly = 0.1",
        "[[entries]]\nside = \"long\"\nwhen = \"close > open\"",
        "[parameters]\na = { type = \"integer\", low = 1, high = 2, default = 1 }",
    ];
    let write = |name: String, text: String| {
        std::fs::write(desk.path(&name), text).unwrap();
        desk.path(&name)
    };
    let study = |(i, text): (usize, &&str)| write(format!("s{i}.toml"), format!("name = \"x\"\n{text}\n"));
    let bad: Vec<PathBuf> = studies.iter().enumerate().map(study).collect();
    for ((file, said), text) in bad.iter().zip(judged(&desk, "study", &bad)).zip(studies) {
        assert!(said.starts_with("wrong"), "{text}: {said}");
        let read = std::fs::read_to_string(file).unwrap();
        assert!(assay_shared::study::Study::parse(&read).is_err(), "{text}");
    }
    let strategy = |(i, text): (usize, &&str)| write(format!("t{i}.toml"), format!("{head}{text}\n"));
    let bad: Vec<PathBuf> = strategies.iter().enumerate().map(strategy).collect();
    for (said, text) in judged(&desk, "strategy", &bad).into_iter().zip(strategies) {
        assert!(said.starts_with("wrong"), "{text}: {said}");
        assert!(assay_shared::strategy::Strategy::parse(&format!("{head}{text}\n")).is_err(), "{text}");
    }
}
