//! Three people on three machines, a deploy host elsewhere, and nothing between them but git.

use crate::desk::{Desk, SYMBOLS, write_market};
use serde_json::json;

fn market(desk: &Desk) {
    let market = assay_research::data::generate::market(&SYMBOLS.map(String::from), 24 * 900, 3);
    write_market(&desk.path("market"), &market);
    desk.assay(&["data", "import", "market", "--assume-brackets-from", "2020-01-01"]).ok();
}

/// The README's way with `--deploy`: ana founds and proposes, ben reproduces and approves in a lab of his own, cleo
/// approves at the same time with git and ssh-keygen alone, ana deploys; the host has the row, and a clone explains it.
#[test]
fn three_people_and_a_bare_repository() {
    let (host, ana, ben, cleo) = (Desk::new(), Desk::new(), Desk::new(), Desk::new());
    let deploy = host.path("deploy.git");
    let url = deploy.to_str().unwrap();
    // Everybody makes a key where they are.
    ben.assay(&["init", "lab", "--person", "ben", "--deploy", url]).ok();
    cleo.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "cleo", "-f", "cleo"]).ok();
    std::fs::copy(ben.path("lab/keys/ben.pub"), ana.path("ben.pub")).unwrap();
    std::fs::copy(cleo.path("cleo.pub"), ana.path("cleo.pub")).unwrap();
    ana.assay(&["init", "lab", "--person", "ana", "--deploy", url]).ok();
    let found = ["init", "lab", "--reviewer", "ben=ben.pub", "--reviewer", "cleo=cleo.pub", "--allow-generated"];
    ana.assay(&found).ok();
    ana.assay(&found).fails(2, "is a lab already, with a policy");
    let policy = ana.git(&["--git-dir", "lab/repo.git", "show", "main:configs/policy.toml"]).ok().out;
    // The host is set up with the first policy, and nothing else.
    std::fs::write(host.path("policy.toml"), &policy).unwrap();
    let install =
        ["hook", "install", "--repo", "deploy.git", "--policy", "policy.toml", "--live", "sqlite:live.sqlite"];
    host.assay(&install).ok();
    ana.assay(&["sync"]).ok();
    assert!(ana.assay(&["sync"]).ok().err.contains("fetched  ledger/assay.invalid_deploy_"), "the host's own log");
    assert!(ana.assay(&["sync"]).ok().err.contains("everything is where it was"));
    assert!(ana.assay(&["doctor"]).ok().out.contains("main is where the lab's is"));
    ben.assay(&["doctor"]).fails(3, " failed");
    // Ben has not said yet whom he trusts.
    let said = ben.assay(&["sync"]);
    said.fails(2, "nobody said which first policy to trust");
    let genesis = assay_ledger::Hash::of(policy.as_bytes()).to_string();
    let settings = std::fs::read_to_string(ben.path("lab/assay.toml")).unwrap();
    std::fs::write(ben.path("lab/assay.toml"), format!("{settings}genesis = \"{}\"\n", "0".repeat(64))).unwrap();
    ben.assay(&["sync"]).fails(4, "founded with the policy");
    std::fs::write(ben.path("lab/assay.toml"), format!("{settings}genesis = \"{genesis}\"\n")).unwrap();
    assert!(ben.assay(&["sync"]).ok().err.contains("fetched  main"));
    // Ana's study and proposal.
    market(&ana);
    ana.strategy_and_study(32);
    let study = std::fs::read_to_string(ana.path("study.toml")).unwrap();
    std::fs::write(ana.path("study.toml"), study.replace("min_trades = 5", "min_trades = 30")).unwrap();
    ana.assay(&["study", "run", "trend.toml", "study.toml"]).ok();
    ana.assay(&["parity"]).ok();
    let branch = ana.assay(&["promote"]).ok().out.trim().to_string();
    assert!(ana.assay(&["sync"]).ok().err.contains(&format!("pushed   {branch}")));
    ana.assay(&["deploy", &branch]).fails(4, "refused [");
    // Ben, with his own import of the same data.
    ben.assay(&["sync"]).ok();
    let review = ben.assay(&["review", &branch, "--json"]).ok().json();
    let sha256 = review["config_sha256"].as_str().unwrap().to_string();
    market(&ben);
    ben.assay(&["reproduce", &branch, "--key", "lab/keys/ben"]).ok();
    ben.assay(&["approve", &branch, "--key", "lab/keys/ben", "--config", &sha256]).ok();
    // Cleo, who has git and ssh-keygen, at the same time.
    cleo.git(&["clone", "-q", "-b", &branch, url, "c"]).ok();
    let dir = cleo.run("sh", &["-c", "dirname c/evidence/*/v1/statement"]).ok().out.trim().to_string();
    let sign = format!(
        "ssh-keygen -q -Y sign -n approval@assay -f cleo {dir}/statement && mkdir -p {dir}/approvals && \
         mv {dir}/statement.sig {dir}/approvals/cleo.sig"
    );
    cleo.run("sh", &["-c", &sign]).ok();
    cleo.git(&["-C", "c", "add", "-A"]).ok();
    cleo.git(&["-C", "c", "commit", "-q", "-m", "approve"]).ok();
    cleo.git(&["-C", "c", "push", "-q"]).ok();
    let said = ben.assay(&["sync", "--json"]).ok().json();
    assert_eq!((&said["fetched"], &said["pushed"]), (&json!([branch]), &json!([branch])));
    outsiders(&host, &ben, &cleo, &branch, &dir, &policy);
    ana.assay(&["sync"]).ok();
    // Ana deploys; the host has it.
    ana.assay(&["sync"]).ok();
    let checks = ana.assay(&["review", &branch, "--json"]).ok().json();
    assert_eq!(checks["approved"], json!(["ben", "cleo"]), "{checks}");
    assert!(ana.assay(&["deploy", &branch]).ok().out.contains("is live"));
    // Her lab asks what it fetched last, as a clone would.
    ana.assay(&["sync"]).ok();
    let active = ana.assay(&["active"]).ok();
    assert!(active.err.contains("as `assay sync` fetched it last"), "{}", active.err);
    ana.assay(&["audit"]).ok();
    assert_eq!(ana.assay(&["active", "--json"]).ok().json()[0]["version"], 1);
    let live = host.assay(&["active", "--gate", "deploy.git/assay", "--json"]).ok().json();
    assert_eq!(live[0]["version"], 1);
    ben.assay(&["sync"]).ok();
    assert!(ben.assay(&["sync"]).ok().err.contains("everything is where it was"));
    cleo.git(&["clone", "-q", url, "all"]).ok();
    let strategy = live[0]["strategy"].as_str().unwrap();
    let told = cleo.assay(&["explain", strategy, "--repo", "all", "--genesis", &genesis]).ok().out;
    assert!(told.contains("ben, ") && told.contains("deflated Sharpe ratio"), "{told}");
    // A branch that somebody sets back there is refused here.
    host.git(&["--git-dir", "deploy.git", "update-ref", "refs/heads/main", "main~1"]).ok();
    ben.assay(&["sync"]).fails(4, "is not what it was");
}

/// What people without any key do in between.
fn outsiders(host: &Desk, ben: &Desk, cleo: &Desk, branch: &str, dir: &str, policy: &str) {
    // Nobody takes a signature away that lies there.
    cleo.git(&["-C", "c", "pull", "-q"]).ok();
    cleo.git(&["-C", "c", "rm", "-q", &format!("{}/approvals/ben.sig", dir.trim_start_matches("c/"))]).ok();
    cleo.git(&["-C", "c", "commit", "-q", "-m", "away"]).ok();
    cleo.git(&["-C", "c", "push", "-q"]).fails(1, "[evidence-changed]");
    cleo.git(&["-C", "c", "reset", "-q", "--hard", &format!("origin/{branch}")]).ok();
    let said = ben.assay(&["sync", "--json"]).ok().json();
    assert_eq!(said["pushed"], json!([]), "{said}");
    // Files that belong to no proposal do not lie there for everybody to fetch.
    cleo.git(&["-C", "c", "checkout", "-q", "-b", "promote/junk-v1-0"]).ok();
    std::fs::write(cleo.path("c/run.sh"), "x").unwrap();
    cleo.git(&["-C", "c", "add", "run.sh"]).ok();
    cleo.git(&["-C", "c", "commit", "-q", "-m", "junk"]).ok();
    cleo.git(&["-C", "c", "push", "-q", "origin", "HEAD"]).fails(1, "[path-not-allowed] run.sh");
    // A commit that no gate saw, served by whoever holds the repository: nothing of it is taken.
    let main = ben.git(&["--git-dir", "lab/repo.git", "rev-parse", "main"]).ok().out;
    host.git(&["clone", "-q", "deploy.git", "x"]).ok();
    std::fs::write(host.path("x/configs/policy.toml"), policy.replace("max_leverage = 5.0", "max_leverage = 125.0"))
        .unwrap();
    host.git(&["-C", "x", "commit", "-q", "-a", "-m", "x"]).ok();
    host.git(&["--git-dir", "deploy.git", "fetch", "-q", "x", "main:refs/evil"]).ok();
    host.git(&["--git-dir", "deploy.git", "update-ref", "refs/heads/main", "refs/evil"]).ok();
    ben.assay(&["sync"]).fails(1, "policy");
    assert_eq!(ben.git(&["--git-dir", "lab/repo.git", "rev-parse", "main"]).ok().out, main);
    host.git(&["--git-dir", "deploy.git", "update-ref", "refs/heads/main", main.trim()]).ok();
    host.git(&["--git-dir", "deploy.git", "update-ref", "-d", "refs/evil"]).ok();
    ben.assay(&["sync"]).ok();
}
