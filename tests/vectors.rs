//! Vectors of other projects: RFC 6962 trees, Go's signed notes, the exchange's liquidation prices.

use crate::desk::fixtures;
use assay_ledger::Hash;
use assay_ledger::keys::note::{Note, Verifier};
use assay_ledger::tree::merkle::{Nodes as _, Tree, leaf_hash, verify_consistency, verify_inclusion};
use base64::Engine as _;
use serde_json::Value;

fn load(name: &str) -> Option<Value> {
    let found = fixtures(name);
    if found.is_none() {
        eprintln!("NOTE: ASSAY_FIXTURES is not set: the vectors of {name} were not checked");
    }
    found
}

fn hash(v: &Value) -> Option<Hash> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(v.as_str()?).ok()?;
    Hash::from_slice(&bytes)
}

fn proof(v: &Value) -> Option<Vec<Hash>> {
    v.as_array().map_or(Some(Vec::new()), |a| a.iter().map(hash).collect())
}

/// P-01: every vector, the negative ones too.
#[test]
fn p01_merkle_vectors() {
    for (file, consistency) in [("merkle_inclusion.json", false), ("merkle_consistency.json", true)] {
        let Some(v) = load(file) else { return };
        let cases = v["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 98);
        for case in cases {
            let c = case.get("case").unwrap_or(case);
            let number = |k: &str| c[k].as_u64().unwrap_or_default();
            let good = || -> Option<()> {
                let p = proof(&c["proof"])?;
                if consistency {
                    // Some vectors have roots that are no hashes at all: any two stand-ins will do.
                    let root = |v: &Value| hash(v).unwrap_or_else(|| Hash::of(v.to_string().as_bytes()));
                    let (a, b) = (root(&c["root1"]), root(&c["root2"]));
                    verify_consistency((number("size1"), &a), (number("size2"), &b), &p).ok()
                } else {
                    verify_inclusion(
                        &hash(&c["leafHash"])?,
                        number("leafIdx"),
                        number("treeSize"),
                        &p,
                        &hash(&c["root"])?,
                    )
                    .ok()
                }
            };
            assert_eq!(good().is_none(), c["wantErr"].as_bool().unwrap_or(false), "{case}");
        }
    }
}

/// P-04: the roots of the RFC 6962 reference tree, size by size.
#[test]
fn p04_rfc6962_roots() {
    let Some(v) = load("rfc6962_roots.json") else { return };
    let unhex = |s: &str| assay_ledger::format::hash::unhex(s).unwrap();
    let leaves: Vec<Hash> =
        v["leaf_inputs_hex"].as_array().unwrap().iter().map(|l| leaf_hash(&unhex(l.as_str().unwrap()))).collect();
    let tree = Tree::from_leaves(leaves);
    let roots = v["root_hash_hex_by_size"].as_array().unwrap();
    for (size, root) in (0..).zip(roots) {
        assert_eq!(tree.root_at(size).unwrap().to_string(), root.as_str().unwrap(), "size {size}");
    }
    assert!(roots.len() >= 8);
}

/// P-08: Go's own cases of signed notes.
#[test]
fn p08_note_vectors() {
    let Some(v) = load("note_vectors.json") else { return };
    let peter: Verifier = v["vkeys"]["peter"].as_str().unwrap().parse().unwrap();
    let c2sp: Verifier = v["vkeys"]["c2sp"].as_str().unwrap().parse().unwrap();
    for bad in v["bad_vkeys"].as_array().unwrap() {
        assert!(bad.as_str().unwrap().parse::<Verifier>().is_err(), "{bad}");
    }
    let example = v["c2sp_example_note"].as_str().unwrap();
    Note::parse(example.as_bytes()).unwrap().verify(&[c2sp]).unwrap();
    let text = v["text"].as_str().unwrap();
    let note = format!("{text}\n{}{}", v["peter_sig_line"].as_str().unwrap(), v["enoch_sig_line"].as_str().unwrap());
    let parsed = Note::parse(note.as_bytes()).unwrap();
    assert_eq!(parsed.verify(std::slice::from_ref(&peter)).unwrap(), ["PeterNeumann"]);
    assert!(Note::parse(note.replace("cryptography", "Cryptography").as_bytes()).unwrap().verify(&[peter]).is_err());
}

/// P-08: Go's cases of whole notes: those to accept with how many lines verify, and those to refuse.
#[test]
fn p08_note_cases() {
    let Some(v) = load("note_vectors.json") else { return };
    let cases = v["cases"].as_array().unwrap();
    for (i, case) in cases.iter().enumerate() {
        let names = case["known"].as_array().unwrap().iter().map(|n| v["vkeys"][n.as_str().unwrap()].as_str().unwrap());
        let known: Vec<Verifier> = names.map(|k| k.parse().unwrap()).collect();
        let prefix =
            case["msg_latin1_prefix_hex"].as_str().map_or(vec![], |hex| vec![u8::from_str_radix(hex, 16).unwrap()]);
        let note = Note::parse(&[&prefix, case["msg"].as_str().unwrap().as_bytes()].concat());
        let verified = note.and_then(|note| note.verify(&known)).map(|names| names.len() as u64);
        match case["expect"].as_str().unwrap() {
            "ok" => assert_eq!(verified.unwrap(), case["verified"].as_u64().unwrap(), "case {i}"),
            why => assert!(verified.is_err(), "case {i}: {why}"),
        }
    }
    assert_eq!(cases.len(), 13);
}

/// Binance's published examples and the positions solved at their liquidation price.
#[test]
fn liquidation_prices() {
    use assay_shared::rulebook::bracket::{Bracket, Brackets};
    use assay_shared::rulebook::liquidation::{Exposure, price, price_in};
    let (Some(v), Some(tables)) = (load("liquidation.json"), load("binance_brackets.json")) else { return };
    let f = |c: &Value, k: &str| c[k].as_f64().unwrap_or_default();
    for c in v["given_bracket"].as_array().unwrap() {
        let bracket = Bracket { floor: 0.0, cap: 1e15, max_leverage: 1.0, mmr: f(c, "mmr"), cum: f(c, "cum") };
        let e = Exposure {
            side: f(c, "side"),
            qty: f(c, "q"),
            entry: f(c, "EP"),
            wallet: f(c, "WB"),
            other_maintenance: f(c, "TMM"),
            other_pnl: f(c, "UPNL"),
        };
        assert!((price_in(&bracket, &e) / f(c, "liq") - 1.0).abs() < 1e-12, "{c}");
    }
    let newest = find_tables(&tables);
    let mut seen = 0;
    for c in v["bracket_at_liquidation_price(2026-09 tiers)"].as_array().unwrap() {
        let rows = newest[c["symbol"].as_str().unwrap()].as_array().unwrap();
        let b = Brackets::new(rows.iter().map(bracket_of).collect()).unwrap();
        let e = Exposure {
            side: f(c, "side"),
            qty: f(c, "q"),
            entry: f(c, "EP"),
            wallet: f(c, "WB"),
            other_maintenance: 0.0,
            other_pnl: 0.0,
        };
        let (p, at) = price(&b, &e).unwrap();
        assert!((p / f(c, "liq") - 1.0).abs() < 1e-12, "{c}");
        let n = b.table().iter().position(|x| x == at).unwrap() + 1;
        assert_eq!(n as f64, f(c, "bracket_at_liq"), "{c}");
        seen += 1;
    }
    assert_eq!(seen, 11);
}

/// The newest set of tables: the one whose first BTC bracket ends at 300,000.
fn find_tables(v: &Value) -> &Value {
    fn walk(v: &Value) -> Option<&Value> {
        if v.get("BTCUSDT").is_some_and(|t| bracket_of(&t[0]).cap == 300_000.0) {
            return Some(v);
        }
        v.as_object().and_then(|o| o.values().find_map(walk))
    }
    walk(v).expect("a table of 2026-09")
}

fn bracket_of(r: &Value) -> assay_shared::rulebook::bracket::Bracket {
    let get = |names: &[&str]| names.iter().find_map(|n| r.get(*n).and_then(Value::as_f64)).unwrap_or_default();
    assay_shared::rulebook::bracket::Bracket {
        floor: get(&["floor", "notional_floor", "minNotional"]),
        cap: get(&["cap", "notional_cap", "maxNotional"]),
        max_leverage: get(&["max_leverage", "maxLeverage"]),
        mmr: get(&["mmr", "maint_margin_ratio", "maintenanceMarginRate"]),
        cum: get(&["cum", "maint_amount"]),
    }
}
