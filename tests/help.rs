//! The whole help is one snapshot, and every command shows an example.

use crate::desk::Desk;
use std::io::BufRead as _;

fn commands(desk: &Desk, path: &[&str], out: &mut String) {
    let said = desk.assay(&[path, &["--help"]].concat()).ok().out;
    out.push_str(&format!("$ assay {}\n{said}\n", [path, &["--help"]].concat().join(" ")));
    let Some((_, list)) = said.split_once("Commands:\n") else {
        assert!(said.contains("Example:") || said.to_lowercase().contains("run by git"), "{path:?} has no example");
        return;
    };
    for line in list.lines().take_while(|l| !l.is_empty()) {
        if let Some(name) =
            line.strip_prefix("  ").filter(|l| !l.starts_with(' ')).and_then(|l| l.split_whitespace().next())
        {
            commands(desk, &[path, &[name]].concat(), out);
        }
    }
}

#[test]
fn the_manual_is_as_it_was_reviewed() {
    let desk = Desk::new();
    let mut manual = String::new();
    commands(&desk, &[], &mut manual);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/manual.txt");
    if std::env::var_os("ASSAY_BLESS").is_some() {
        std::fs::write(golden, &manual).unwrap();
    }
    let wanted = std::fs::read_to_string(golden).unwrap();
    assert!(manual == wanted, "the help has changed; review it, then run with ASSAY_BLESS=1:\n{manual}");
    for shell in ["bash", "zsh", "fish"] {
        assert!(desk.assay(&["completions", shell]).ok().out.contains("assay"));
    }
}

/// What a shell is told of a lab: its studies where one is asked for, its snapshots, and nothing where there is no lab.
#[test]
fn completions_know_the_lab() {
    let desk = Desk::new();
    desk.lab_with_market();
    desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "study.toml"]).ok();
    let bin = desk.command(&[]).get_program().to_owned();
    let dir = std::path::Path::new(&bin).parent().unwrap().display().to_string();
    let completed = |words: &str, at: usize| {
        let script = format!(
            "PATH=\"{dir}:$PATH\"; source <(assay completions bash); COMP_WORDS=({words}); COMP_CWORD={at}; COMP_TYPE=9; \
             _clap_complete_assay assay \"${{COMP_WORDS[{at}]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let said = desk.run("bash", &["-c", &script]).ok().out;
        let values = said.lines().filter(|l| !l.is_empty() && (!l.starts_with('-') || words.ends_with("--")));
        values.map(String::from).collect::<Vec<_>>()
    };
    for odd in ["my study", "a (b)"] {
        desk.assay(&[
            "--lab",
            "lab",
            "study",
            "run",
            "trend.toml",
            "study.toml",
            "--trials",
            "1",
            &format!("--name={odd}"),
        ])
        .ok();
    }
    assert_eq!(
        completed("assay --lab lab trials ''", 4),
        ["trend-walkforward"],
        "names that a shell would split or run are not"
    );
    assert_eq!(completed("assay --lab lab trial show --study tre", 6), ["trend-walkforward"]);
    let session = assay_lab::Session::silent();
    let lab = assay_lab::Lab::open(&desk.path("lab"), &session).unwrap();
    let hash = &lab.mirror().unwrap().snapshots().unwrap()[0].data_hash[..12];
    assert!(completed("assay --lab lab study run x.toml --data ''", 7).iter().any(|w| w == hash));
    assert_eq!(completed("assay --lab lab compare tre", 4), ["trend-walkforward"]);
    assert_eq!(completed("assay --lab lab study run x.toml --try b", 7), ["best:trend-walkforward"]);
    assert_eq!(completed("assay log --kind StudyO", 3), ["StudyOpened"]);
    assert_eq!(completed("assay guide rec", 2), ["recovery"]);
    assert!(completed("assay study resume --", 3).iter().any(|w| w == "--until"));
    assert_eq!(completed("assay --lab nowhere trials ''", 4), Vec::<String>::new());
}

/// A page for each command, with its options.
#[test]
fn manual_pages() {
    let desk = Desk::new();
    desk.assay(&["manual", "--out", "man"]).ok();
    let page = std::fs::read_to_string(desk.path("man/assay-study-run.1")).unwrap();
    for word in [".TH", "assay study run", "until", "Ctrl"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    let pages = std::fs::read_dir(desk.path("man")).unwrap().count();
    assert!(pages > 60 && desk.path("man/assay.1").is_file(), "{pages}");
    desk.assay(&["manual", "--out", "man"]).ok();
    std::fs::write(desk.path("file"), "x").unwrap();
    desk.assay(&["manual", "--out", "file"]).fails(3, "file");
}

/// What is watched is shown until the study is complete.
#[test]
fn trials_are_watched() {
    let desk = Desk::new();
    desk.lab_with_market();
    desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "study.toml", "--until", "-1000"]).ok();
    let mut child =
        desk.command(&["--lab", "lab", "trials", "--watch"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|l| l.contains("it is running, or `assay study resume")), "the study is open");
    desk.assay(&["--lab", "lab", "study", "resume"]).ok();
    let rest: Vec<String> = lines.collect();
    assert!(child.wait().unwrap().success());
    assert!(rest.iter().any(|l| l.starts_with("48 trials")), "{rest:?}");
}
