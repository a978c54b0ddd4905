//! What a deploy host remembers of the logs that it has verified.

use crate::desk::Desk;

/// What a host remembers of a log is a help and no authority: torn or altered it is forgotten, and what it gives is what
/// computing gives.
#[test]
fn what_a_host_remembers_is_what_it_would_compute() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let gate = desk.path("lab/deploy.git/assay");
    let read = |folder: &str| -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
        let files = std::fs::read_dir(gate.join(folder)).unwrap().map(|f| f.unwrap().path());
        files.map(|f| (f.clone(), std::fs::read(f).unwrap())).collect()
    };
    let (judged, logs) = (read("judged"), read("logs"));
    assert!(!judged.is_empty() && logs.len() == 1);
    // Computed from the log alone, without anything remembered.
    for folder in ["judged", "logs", "walked"] {
        std::fs::remove_dir_all(gate.join(folder)).unwrap();
    }
    desk.assay(&["reconcile", "--full"]).ok();
    assert_eq!(read("judged"), judged);
    // Read again, the log is remembered as it was when it was pushed.
    std::fs::remove_dir_all(gate.join("walked")).unwrap();
    desk.assay(&["reconcile"]).ok();
    assert_eq!(read("logs"), logs);
    let (path, good) = logs.into_iter().next().unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    assert!(text.contains("\"person\":\"ana\""));
    let altered = text.replace("\"person\":\"ana\"", "\"person\":\"eve\"");
    let torn = text[..text.len() / 2].to_string();
    for bad in [altered, torn, String::new(), "{}".into()] {
        std::fs::write(&path, bad).unwrap();
        std::fs::remove_dir_all(gate.join("walked")).unwrap();
        desk.assay(&["reconcile"]).ok();
        assert_eq!(std::fs::read(&path).unwrap(), good, "forgotten, and read again");
    }
}

/// A branch of a log that its host lets go back, or puts another in the place of, is not what was verified before.
#[test]
fn a_log_that_went_back_on_the_host() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let log = "refs/heads/ledger/demo.assay.invalid_ana";
    let git = |args: &[&str]| desk.git(&[&["--git-dir", "lab/deploy.git"][..], args].concat());
    let tip = git(&["rev-parse", log]).ok().out.trim().to_string();
    git(&["update-ref", log, &format!("{log}~1")]).ok();
    for folder in ["logs", "nowhere"] {
        let _ = std::fs::remove_dir_all(desk.path("lab/deploy.git/assay").join(folder));
        desk.assay(&["reconcile"]).fails(4, "[rollback]");
        assert_eq!(desk.assay(&["active", "--json"]).ok().json()[0]["version"], 3, "what was live stays");
    }
    git(&["update-ref", log, &tip]).ok();
    desk.assay(&["reconcile"]).ok();
}
