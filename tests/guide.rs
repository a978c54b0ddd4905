//! The guide is true: every command block of it runs, word by word, and every file in it reads.

use crate::desk::{Desk, Postgres};
use std::path::Path;

const TOPICS: [&str; 13] = [
    "start",
    "strategy",
    "language",
    "data",
    "studies",
    "promote",
    "host",
    "audit",
    "recovery",
    "files",
    "account",
    "formulas",
    "reference",
];

fn page(topic: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(format!("src/guide/{topic}.md"))).unwrap()
}

/// The blocks of a page in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).map(String::from).collect()
}

/// What a note for this test says, such as `after: start`.
fn note(page: &str, name: &str) -> Option<String> {
    let note = page.split(&format!("<!-- {name}")).nth(1)?.split("-->").next()?;
    Some(note.trim_start_matches(':').trim().into())
}

/// Runs the blocks of a page in order, each in a shell of its own from the same folder, as one would copy them; what the
/// page builds on first. A file that a page says to save is saved.
fn follow(desk: &Desk, topic: &str, exchanged: &dyn Fn(&str) -> String) -> usize {
    let page = page(topic);
    let before = note(&page, "after").map_or(0, |first| follow(desk, &first, exchanged));
    if let Some(prelude) = note(&page, "before") {
        shell(desk, &prelude);
    }
    let mut ran = 0;
    for part in page.split("\n```").filter(|p| p.starts_with("sh\n") || p.starts_with("toml\n")) {
        match part.split_once('\n').unwrap() {
            ("toml", text) if text.starts_with("name = \"dip\"") => {
                std::fs::write(desk.path("dip.toml"), text).unwrap();
            }
            ("sh", script) => {
                shell(desk, &exchanged(script));
                ran += 1;
            }
            _ => {}
        }
    }
    assert!(ran > 0, "{topic} has no commands");
    before + ran
}

fn shell(desk: &Desk, script: &str) {
    let program = Path::new(env!("CARGO_BIN_EXE_assay")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let said = desk.hermetic("bash").args(["-euo", "pipefail", "-c", script]).env("PATH", path).output().unwrap();
    let said = crate::desk::Said::of(said);
    assert_eq!(said.code, 0, "{script}\nstdout:\n{}\nstderr:\n{}", said.out, said.err);
}

fn followed(topic: &str) {
    let desk = Desk::new();
    follow(&desk, topic, &|script| script.into());
}

#[test]
fn first_steps_strategies_data_and_studies() {
    for topic in ["strategy", "data", "studies"] {
        followed(topic);
    }
    let desk = Desk::new();
    follow(&desk, "start", &|script| script.into());
    assert!(desk.path("lab/reports").is_dir());
}

/// From a promotion to an audit of a clone.
#[test]
fn promotion_and_audit() {
    followed("audit");
}

#[test]
fn recovery() {
    followed("recovery");
}

/// The host's page with a database of its own; with two blocks that end as they say.
#[test]
fn the_deploy_host() {
    let pg = Postgres::start();
    for role in ["assay_writer", "engine"] {
        let (made, said) = pg.psql(&format!("CREATE ROLE {role} LOGIN"));
        assert!(made, "{said}");
    }
    let owner = pg.url();
    let writer = owner.replace("//assay@", "//assay_writer@");
    let desk = Desk::new();
    let exchanged = |script: &str| {
        let script = script.replace("postgres://owner@db/trading", &owner);
        script.replace("postgres://assay_writer@db/trading", &writer)
    };
    follow(&desk, "host", &exchanged);
    let halts = desk.assay(&["--lab", "alone", "halt", "--list", "--json"]).ok().json();
    assert_eq!(halts.as_array().map(Vec::len), Some(2), "{halts}");
    assert_eq!(pg.psql("SELECT count(*) FROM active_configs"), (true, "0\n".into()), "the host's table is there");
}

/// Every topic is shown, in a terminal, as JSON and as a page that loads nothing; nothing is left to be filled in.
#[test]
fn every_page_is_shown() {
    let desk = Desk::new();
    let listed = desk.assay(&["guide", "--json"]).ok().json();
    let listed: Vec<&str> = listed.as_array().unwrap().iter().map(|t| t["topic"].as_str().unwrap()).collect();
    assert_eq!(listed, TOPICS);
    desk.assay(&["guide", "--html", "site"]).ok();
    for topic in TOPICS {
        let text = desk.assay(&["guide", topic]).ok().out;
        let page = std::fs::read_to_string(desk.path(&format!("site/{topic}.html"))).unwrap();
        for shown in [&text, &page] {
            for left in ["{{", "after: ", "TODO"] {
                assert!(!shown.contains(left), "{topic} has {left}");
            }
        }
        assert!(!text.contains("<!--") && !text.contains("```") && !text.contains("**"), "{topic}");
        assert!(text.lines().all(|l| l.chars().count() <= 140), "{topic} is too wide");
        assert!(
            !page.contains("http-equiv=\"refresh\"")
                && !page.contains("<script")
                && page.contains("default-src 'none'")
        );
        // Every page that is named is there.
        for named in text.split("assay guide ").skip(1) {
            let name: String = named.chars().take_while(char::is_ascii_lowercase).collect();
            assert!(TOPICS.contains(&name.as_str()), "{topic} names '{name}'");
        }
    }
    assert!(desk.assay(&["guide", "reference"]).ok().out.contains("max_drawdown"));
    assert!(desk.assay(&["guide", "files"]).ok().out.contains("vault_days = 90"));
    desk.assay(&["guide", "unknown"]).fails(2, "no page 'unknown'");
    std::fs::write(desk.path("site/data.html"), "mine").unwrap();
    desk.assay(&["guide", "--html", "site"]).fails(2, "is no page");
}

/// Every file that the guide prints is one.
#[test]
fn its_files_read() {
    let desk = Desk::new();
    let mut read = 0;
    for topic in TOPICS {
        for block in blocks(&page(topic), "toml").iter().filter(|b| b.contains("symbols = ")) {
            std::fs::write(desk.path("file.toml"), block).unwrap();
            desk.assay(&["strategy", "check", "file.toml"]).ok();
            read += 1;
        }
    }
    assert!(read > 4, "{read}");
    let study = desk.assay(&["guide", "files"]).ok().out;
    let study: String = study
        .lines()
        .skip_while(|l| !l.starts_with("    # A study"))
        .take_while(|l| l.starts_with("    ") || l.is_empty())
        .map(|l| format!("{}\n", l.trim()))
        .collect();
    let more = blocks(&page("files"), "toml").into_iter().find(|b| b.starts_with("impact")).unwrap();
    // The assumptions come last.
    std::fs::write(desk.path("study.toml"), format!("{study}{more}")).unwrap();
    desk.assay(&["init", "lab"]).ok();
    // It is read before it is found that there are no data.
    desk.assay(&["strategy", "new", "mine"]).ok();
    desk.assay(&["study", "run", "mine.toml", "study.toml"]).fails(2, "there is no snapshot");
}

/// What the policy's page says is what a policy can have, and nothing is left out.
#[test]
fn every_field_of_a_policy_is_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(root.join("src/shared/policy/mod.rs")).unwrap();
    let told = page("files");
    let of = |name: &str| {
        let body = source.split(&format!("pub struct {name} {{")).nth(1).unwrap().split("\n}").next().unwrap();
        let fields = body.lines().filter_map(|l| l.trim().strip_prefix("pub ")).map(|l| l.split(':').next().unwrap());
        fields.map(String::from).collect::<Vec<_>>()
    };
    for (table, name) in [("thresholds.", "Thresholds"), ("gates.", "Gates"), ("", "Policy")] {
        for field in of(name).iter().filter(|f| !["format", "thresholds", "gates"].contains(&f.as_str())) {
            assert!(told.contains(&format!("| `{table}{field}` |")), "{table}{field} is not told");
        }
    }
}
