//! What a command answers with `--json`, held against the schema that `assay schema` prints for it.
//!
//! `ASSAY_BLESS=1` widens a schema by what was seen; words in it, and nodes without a type, are kept as they are.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Objects whose names somebody chose.
const MAPS: [&str; 6] = ["params", "metrics", "parameters", "attributes", "figures_before", "reproduced"];

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/schemas/output")
}

/// The name of the command in a line: `data-show` of `--lab lab data show --json`.
pub fn command(args: &[&str]) -> String {
    const GROUPS: [&str; 14] = [
        "data", "key", "rules", "strategy", "study", "trial", "policy", "deploy", "hook", "ledger", "witness",
        "mirror", "bench", "report",
    ];
    let mut words = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match *arg {
            "--lab" => drop(rest.next()),
            "--json" => {}
            word if word.starts_with('-') => break,
            word if words.is_empty() => words.push(word),
            word => {
                let group = words[0] != "report" && words[0] != "deploy" && GROUPS.contains(&words[0]);
                if group && word.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
                    words.push(word);
                }
                break;
            }
        }
    }
    if words.is_empty() { "here".into() } else { words.join("-") }
}

/// Holds what a command printed against its schema.
#[track_caller]
pub fn hold(name: &str, out: &str) {
    static ONE: Mutex<()> = Mutex::new(());
    let path = dir().join(format!("{name}.json"));
    let values = serde_json::Deserializer::from_str(out).into_iter::<Value>();
    let values: Vec<Value> = values.collect::<Result<_, _>>().unwrap_or_else(|e| panic!("{name}: {e}:\n{out}"));
    if std::env::var_os("ASSAY_BLESS").is_some() {
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let title = format!("assay {} --json, version 1", name.replace('-', " "));
        let fresh = json!({"$schema": "http://json-schema.org/draft-07/schema#", "title": title});
        let known = std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
        let (mut schema, begun) = (known.clone().unwrap_or(fresh), known.is_none());
        for (i, value) in values.iter().enumerate() {
            widen(&mut schema, value, name, begun && i == 0);
        }
        std::fs::create_dir_all(dir()).unwrap();
        std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&schema).unwrap())).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("`{name}` has no schema: bless one"));
    let schema: Value = serde_json::from_str(&text).unwrap();
    for value in &values {
        let mut wrong = Vec::new();
        check(&schema, value, "", &mut wrong);
        assert!(wrong.is_empty(), "`{name} --json` is not what its schema says: {wrong:?}\n{value:#}");
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn kinds(schema: &Value) -> BTreeSet<String> {
    match &schema["type"] {
        Value::String(one) => BTreeSet::from([one.clone()]),
        Value::Array(all) => all.iter().filter_map(|t| t.as_str().map(String::from)).collect(),
        _ => BTreeSet::new(),
    }
}

/// What of a value is not as a schema says.
fn check(schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    let kinds = kinds(schema);
    if kinds.is_empty() {
        return;
    }
    let fits = kinds.contains(kind(value)) || kind(value) == "integer" && kinds.contains("number");
    if !fits {
        return wrong.push(format!("{at} is {value}, not {kinds:?}"));
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| check(&schema["items"], item, &format!("{at}[]"), wrong)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]) {
                    Value::Bool(false) => wrong.push(format!("{at}.{name} is not in it")),
                    known => check(known, field, &format!("{at}.{name}"), wrong),
                }
            }
            let needed = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            wrong.extend(
                needed.filter(|name| !fields.contains_key(*name)).map(|name| format!("{at}.{name} is missing")),
            );
        }
        _ => {}
    }
}

/// Widens a schema until a value fits; `fresh` when nothing was seen at this place before.
fn widen(schema: &mut Value, value: &Value, name: &str, fresh: bool) {
    let mut kinds = kinds(schema);
    if kinds.is_empty() && !fresh {
        return;
    }
    let met = kinds.contains(kind(value));
    kinds.insert(kind(value).into());
    if kinds.contains("number") {
        kinds.remove("integer");
    }
    let list: Vec<&String> = kinds.iter().collect();
    schema["type"] = if let [one] = list[..] { json!(one) } else { json!(list) };
    match value {
        Value::Array(items) => {
            let begun = schema.get("items").is_some();
            for (i, item) in items.iter().enumerate() {
                if schema.get("items").is_none() {
                    schema["items"] = json!({});
                }
                widen(&mut schema["items"], item, "", !begun && i == 0);
            }
        }
        Value::Object(fields) if MAPS.contains(&name) => {
            for (i, field) in fields.values().enumerate() {
                let begun = schema["additionalProperties"].is_object();
                if !begun {
                    schema["additionalProperties"] = json!({});
                }
                widen(&mut schema["additionalProperties"], field, "", !begun && i == 0);
            }
        }
        Value::Object(fields) => object(schema, fields, met),
        _ => {}
    }
}

fn object(schema: &mut Value, fields: &Map<String, Value>, met: bool) {
    if schema["additionalProperties"].is_object() {
        for field in fields.values() {
            widen(&mut schema["additionalProperties"], field, "", false);
        }
        return;
    }
    schema["additionalProperties"] = json!(false);
    for (name, field) in fields {
        let known = schema["properties"].get(name).is_some();
        if !known {
            schema["properties"][name] = json!({});
        }
        widen(&mut schema["properties"][name], field, name, !known);
    }
    let before: BTreeSet<String> =
        schema["required"].as_array().into_iter().flatten().filter_map(|n| n.as_str().map(String::from)).collect();
    let needed: Vec<&String> = fields.keys().filter(|name| !met || before.contains(*name)).collect();
    schema["required"] = json!(needed);
}

#[test]
fn a_schema_is_held_to() {
    let schema = json!({"type": "object", "required": ["a"], "additionalProperties": false, "properties": {
        "a": {"type": ["number", "null"]}, "b": {"type": "array", "items": {"type": "string"}}, "c": {"description": "any"}}});
    let wrong = |value: Value| {
        let mut out = Vec::new();
        check(&schema, &value, "", &mut out);
        out.len()
    };
    assert_eq!(wrong(json!({"a": 1, "b": ["x"], "c": {"d": 1}})), 0);
    assert_eq!(wrong(json!({"a": null})), 0);
    for bad in [json!({"b": []}), json!({"a": "x"}), json!({"a": 1, "b": [1]}), json!({"a": 1, "d": 1}), json!([])] {
        assert_eq!(wrong(bad.clone()), 1, "{bad}");
    }
    let mut seen = json!({});
    for (i, value) in [json!({"a": 1, "params": {"x": 1}}), json!({"a": 1.5, "params": {"y": "t"}, "b": [null, "x"]})]
        .iter()
        .enumerate()
    {
        widen(&mut seen, value, "", i == 0);
        let mut out = Vec::new();
        check(&seen, value, "", &mut out);
        assert!(out.is_empty(), "{out:?} {seen}");
    }
    assert_eq!(seen["required"], json!(["a", "params"]));
    assert_eq!(seen["properties"]["params"]["additionalProperties"]["type"], json!(["integer", "string"]));
    assert_eq!(command(&["--lab", "x", "--json", "data", "show", "abc1"]), "data-show");
    assert_eq!(command(&["trials", "name", "--json"]), "trials");
    assert_eq!(command(&["--json"]), "here");
}
