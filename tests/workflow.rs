//! Workflows for forges: what linters say of them, and what they say of a pull request.

use crate::desk::{Desk, Said};
use std::path::{Path, PathBuf};

fn workflow() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks/workflow.yml")
}

/// A linter that is installed beside the tests' Python.
pub fn linter(name: &str) -> PathBuf {
    let python = std::env::var("ASSAY_PYTHON").expect("ASSAY_PYTHON is not set: run tests/run, which installs linters");
    Path::new(&python).with_file_name(name)
}

/// The schema of workflows, and an audit of what attackers use in them: injected templates, actions that are not
/// pinned, credentials that stay, rights that nobody needs.
#[test]
fn linters_find_nothing() {
    let (desk, ci) = (Desk::new(), Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows/ci.yml"));
    let (ours, ci) = (workflow().display().to_string(), ci.display().to_string());
    let run = |name: &str, args: &[&str]| desk.run(linter(name).to_str().unwrap(), args);
    run("check-jsonschema", &["--builtin-schema", "vendor.github-workflows", &ours, &ci]).ok();
    run("zizmor", &["--offline", "--no-progress", &ours, &ci]).ok();
    // They look: a deadline that is none, a branch's name in a script.
    let text = std::fs::read_to_string(workflow()).unwrap();
    std::fs::write(desk.path("odd.yml"), text.replace("timeout-minutes: 30", "timeout-minutes: soon")).unwrap();
    std::fs::write(desk.path("bad.yml"), text.replace("\"$BRANCH\"", "${{ github.head_ref }}")).unwrap();
    let said = run("check-jsonschema", &["--builtin-schema", "vendor.github-workflows", "odd.yml"]);
    assert!(said.code != 0 && said.out.contains("timeout-minutes"), "{said:?}");
    let said = run("zizmor", &["--offline", "--no-progress", "bad.yml"]);
    assert!(said.code != 0 && said.out.contains("template-injection"), "{said:?}");
}

/// The commands of the steps, in order.
fn steps() -> Vec<String> {
    let text = std::fs::read_to_string(workflow()).unwrap();
    let mut out: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let deep = line.starts_with("          ");
        if let Some(rest) = line.trim_start().strip_prefix("run: ").filter(|_| !deep) {
            inside = rest == "|";
            out.push(if inside { String::new() } else { rest.to_string() });
        } else if inside && deep {
            *out.last_mut().unwrap() += &format!("{}\n", line.trim_start());
        } else {
            inside = false;
        }
    }
    out
}

/// A forge as its runner sees it: a checkout of what the merge would be.
struct Forge {
    desk: Desk,
    genesis: String,
    base: String,
}

impl Forge {
    /// Checks the merge of a branch, as both steps do.
    fn check(&self, branch: &str) -> [Said; 2] {
        let git = |args: &[&str]| self.desk.git(&[&["-C", "work"], args].concat()).ok();
        let _ = std::fs::remove_dir_all(self.desk.path("work"));
        self.desk.git(&["clone", "-q", "forge.git", "work"]).ok();
        git(&["checkout", "-q", "--detach", &self.base]);
        git(&["merge", "-q", "--no-ff", "-m", "merge", &format!("origin/{branch}")]);
        let program = Path::new(env!("CARGO_BIN_EXE_assay")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let step = |script: &String| {
            let mut c = self.desk.hermetic("bash");
            c.current_dir(self.desk.path("work")).args(["-e", "-o", "pipefail", "-c", script]).env("PATH", &path);
            c.env("BASE", &self.base).env("GENESIS", &self.genesis).env("BRANCH", branch);
            Said::of(c.env("GITHUB_STEP_SUMMARY", self.desk.path("summary.md")).output().unwrap())
        };
        let steps = steps();
        assert_eq!(steps.len(), 2);
        [step(&steps[0]), step(&steps[1])]
    }

    fn pushed(&self, branch: &str) {
        let forge = self.desk.path("forge.git");
        let push = |branch: &str| {
            let branch = format!("+refs/heads/{branch}");
            self.desk.git(&["--git-dir", "lab/repo.git", "push", "-q", forge.to_str().unwrap(), &branch]).ok();
        };
        push(branch);
    }
}

/// A pull request passes when it is approved, and not before; a line that nobody signed fails it. The summary is the
/// review.
#[test]
fn a_pull_request_is_checked_as_the_hook_would() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let branch = desk.assay(&["rollback", "trend", "--to", "2", "--reason", "a proposal"]).ok().out.trim().to_string();
    desk.git(&["clone", "-q", "--bare", "lab/deploy.git", "forge.git"]).ok();
    let base = desk.git(&["--git-dir", "forge.git", "rev-parse", "main"]).ok().out.trim().to_string();
    let gate = std::fs::read_to_string(desk.path("lab/deploy.git/assay/gate.toml")).unwrap();
    let genesis = gate.lines().find_map(|l| l.strip_prefix("genesis_policy_sha256 = ")).unwrap().trim_matches('"');
    let forge = Forge { genesis: genesis.to_string(), base, desk };
    forge.pushed(&branch);
    let [gate, review] = forge.check(&branch);
    assert!(gate.code != 0 && gate.err.contains("0 of 1 approvals"), "{gate:?}");
    review.ok();
    forge.desk.approve(&branch, "lab/people/ben").ok();
    forge.pushed(&branch);
    let log = "ledger/demo.assay.invalid_ana";
    let [gate, _] = forge.check(&branch);
    assert!(gate.code != 0 && gate.err.contains(&format!("push {log} too")), "{gate:?}");
    forge.pushed(log);
    let [gate, review] = forge.check(&branch);
    gate.ok();
    review.ok();
    let summary = std::fs::read_to_string(forge.desk.path("summary.md")).unwrap();
    assert!(summary.contains("### the gate"), "{summary}");
    // A change after the approval.
    let git = |args: &[&str]| forge.desk.git(&[&["-C", "work"], args].concat()).ok();
    git(&["checkout", "-q", "-B", "later", &format!("origin/{branch}")]);
    let file = forge.desk.path("work/configs/live/trend.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("leverage = ", "leverage = 1", 1)).unwrap();
    git(&["commit", "-qam", "more"]);
    git(&["push", "-q", "-f", "origin", &format!("later:refs/heads/{branch}")]);
    let [gate, _] = forge.check(&branch);
    assert!(gate.code != 0 && gate.err.contains("refused ["), "{gate:?}");
}
