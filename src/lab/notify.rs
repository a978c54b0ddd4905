//! Who wants to hear at once of proposals, approvals, refusals, deployments, drift and halts: a command, or an address.
//!
//! `notify.toml` stands in a lab's or a gate's folder. Another process tells of what happened, and nobody waits for it:
//! whatever goes wrong there changes nothing of what it tells of, and holds up no push.

use crate::error::LabError;
use crate::place::read_text;
use assay_ledger::log::system_seconds;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The file that says who.
pub const FILE: &str = "notify.toml";
/// How long one of them may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What can be heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Kind {
    Proposal,
    Approval,
    Refusal,
    Deployment,
    Drift,
    Halt,
    Resume,
    Test,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct News {
    /// What.
    pub kind: Kind,
    /// In words, one line.
    pub words: String,
    /// Of which strategy, where it is of one.
    pub strategy: Option<String>,
    /// Seconds since 1970.
    pub at: u64,
}

impl News {
    /// What happens now.
    pub fn now(kind: Kind, strategy: Option<&str>, words: impl Into<String>) -> News {
        let words = words.into().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        News { kind, words, strategy: strategy.map(Into::into), at: system_seconds() }
    }
}

/// Who wants to hear of what.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wishes {
    /// A program with its arguments; it gets each news as a line of JSON on its standard input.
    #[serde(default)]
    pub command: Vec<String>,
    /// An address that each news is posted to, as JSON.
    pub url: Option<String>,
    /// Of these only; of all where it is left out.
    #[serde(default)]
    pub kinds: Vec<Kind>,
}

impl Wishes {
    /// Those of a folder; none where no file says any.
    ///
    /// # Errors
    /// A file that does not read.
    pub fn of(dir: &Path) -> Result<Option<Wishes>, LabError> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let text = read_text(&path, 1 << 16)?;
        let help =
            "it has command = [\"program\", \"argument\"], url = \"http://…\", kinds = [\"deployment\", \"drift\"]";
        let wishes: Wishes = assay_shared::format::read(&text).map_err(LabError::within(&path, &text, help))?;
        if wishes.command.is_empty() && wishes.url.is_none() {
            return Err(LabError::usage(format!("{}: it names neither a command nor a url", path.display()), help));
        }
        Ok(Some(wishes))
    }

    /// Whether a kind of news is wanted.
    pub fn wants(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || kind == Kind::Test || self.kinds.contains(&kind)
    }
}

/// Has news told by another process, which runs `assay notify --deliver`. Does nothing where nobody wants to hear.
pub fn tell(dir: &Path, news: &[News]) {
    if news.is_empty() || !dir.join(FILE).exists() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut command = Command::new(program);
    command.args(["notify", "--deliver", "--dir"]).arg(dir);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Ok(mut child) = command.spawn() {
        let lines: String = news.iter().filter_map(|n| Some(serde_json::to_string(n).ok()? + "\n")).collect();
        // A pipe takes as much as this at once; a reader that is gone is nobody's trouble.
        let _ = child.stdin.take().map(|mut pipe| pipe.write_all(lines.as_bytes()));
        std::thread::spawn(move || child.wait());
    }
}

/// Tells of news, here and now. Gives why somebody could not be told.
///
/// # Errors
/// A file that does not read, a program that fails or takes too long, an address that does not answer.
pub fn deliver(dir: &Path, news: &[News]) -> Result<usize, LabError> {
    let Some(wishes) = Wishes::of(dir)? else { return Ok(0) };
    let mut told = 0;
    let mut trouble = None;
    for one in news.iter().filter(|n| wishes.wants(n.kind)) {
        let line = serde_json::to_string(one).unwrap_or_default();
        let by_command = (!wishes.command.is_empty()).then(|| run(&wishes.command, &line));
        let by_address = wishes.url.as_ref().map(|url| post(url, &line));
        for ended in by_command.into_iter().chain(by_address) {
            match ended {
                Ok(()) => told += 1,
                Err(e) => trouble = trouble.or(Some(e)),
            }
        }
    }
    trouble.map_or(Ok(told), Err)
}

fn run(command: &[String], line: &str) -> Result<(), LabError> {
    let (program, arguments) = command.split_first().ok_or_else(|| LabError::could_not("no command"))?;
    let failed = |what: String| LabError::CouldNot {
        message: format!("'{program}' was not told: {what}"),
        hint: Some(format!("look at `command` in {FILE}")),
    };
    let spawned = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let mut child = spawned.map_err(|e| failed(e.to_string()))?;
    let _ = child.stdin.take().map(|mut pipe| pipe.write_all(format!("{line}\n").as_bytes()));
    match ended(&mut child) {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(failed(format!("it ended with {status}"))),
        None => Err(failed(format!("it took more than {} s, and was ended", PATIENCE.as_secs()))),
    }
}

/// How a program ended, if it did in time; else it is ended.
fn ended(child: &mut Child) -> Option<std::process::ExitStatus> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

fn post(url: &str, line: &str) -> Result<(), LabError> {
    let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).max_redirects(0);
    let agent: ureq::Agent = config.build().into();
    let sent = agent.post(url).header("content-type", "application/json").send(line);
    let failed = |e: ureq::Error| LabError::CouldNot {
        message: format!("{url} was not told: {e}"),
        hint: Some(format!("look at `url` in {FILE}")),
    };
    sent.map(drop).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(text: &str) -> Result<Option<Wishes>, String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), text).unwrap();
        Wishes::of(dir.path()).map_err(|e| match e {
            LabError::Strategy { name, problems, .. } => format!("{name}: {}", problems[0]),
            e => e.to_string(),
        })
    }

    #[test]
    fn wishes_are_read() {
        assert_eq!(Wishes::of(Path::new("/nowhere")).unwrap(), None);
        let some = wishes("command = [\"x\"]\nkinds = [\"drift\"]").unwrap().unwrap();
        assert!(some.wants(Kind::Drift) && some.wants(Kind::Test) && !some.wants(Kind::Halt));
        assert!(wishes("url = \"http://127.0.0.1:1\"").unwrap().unwrap().wants(Kind::Halt));
        for (bad, why) in
            [("", "neither"), ("kind = 1", "unknown field"), ("command = [\"x\"]\nkinds = [\"love\"]", "unknown word")]
        {
            let said = wishes(bad).unwrap_err();
            assert!(said.contains(why) && said.contains(FILE), "{bad}: {said}");
        }
    }

    /// A command gets a line for each news that it wants; one that fails is said to have failed, and others are told all
    /// the same.
    #[test]
    fn a_command_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let file = |kinds: &str, script: &str| {
            let text = format!("command = [\"sh\", \"-c\", '''{script}''']\n{kinds}");
            std::fs::write(dir.path().join(FILE), text).unwrap();
        };
        let news = [News::now(Kind::Drift, Some("trend"), "a\nb"), News::now(Kind::Halt, None, "c")];
        file("kinds = [\"drift\"]", &format!("cat >> {}", out.display()));
        assert_eq!(deliver(dir.path(), &news).unwrap(), 1);
        let read: News = serde_json::from_str(std::fs::read_to_string(&out).unwrap().trim()).unwrap();
        assert_eq!((read.kind, read.words.as_str(), read.strategy.as_deref()), (Kind::Drift, "a b", Some("trend")));
        file("", &format!("cat >> {}; exit 3", out.display()));
        let said = deliver(dir.path(), &news).unwrap_err().to_string();
        assert!(said.contains("exit status: 3"), "{said}");
        assert_eq!(std::fs::read_to_string(&out).unwrap().lines().count(), 3, "both were told");
        std::fs::write(dir.path().join(FILE), "url = \"http://127.0.0.1:9\"").unwrap();
        assert!(deliver(dir.path(), &news[..1]).unwrap_err().to_string().contains("was not told"));
    }
}
