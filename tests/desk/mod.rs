//! The support desk: a temporary home, hermetic git, the program, PostgreSQL, Python.

pub mod shape;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(o: Output) -> Said {
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        Said { code: o.status.code().unwrap_or(-1), out: text(&o.stdout), err: text(&o.stderr) }
    }

    /// The command must have ended well.
    #[track_caller]
    pub fn ok(self) -> Said {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// The command must have ended with this code and these words on stderr.
    #[track_caller]
    pub fn fails(self, code: i32, words: &str) -> Said {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        assert!(self.err.contains(words), "'{words}' is not in:\n{}", self.err);
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}:\n{}", self.out))
    }
}

/// A temporary home with nothing in it.
pub struct Desk {
    pub home: TempDir,
}

impl Desk {
    pub fn new() -> Desk {
        Desk { home: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn hermetic(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut c = Command::new(program);
        c.current_dir(self.home.path()).env_clear().stdin(Stdio::null());
        c.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.home.path()).env("LC_ALL", "C");
        c.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null").env("NO_COLOR", "1");
        c.env("GIT_AUTHOR_NAME", "t")
            .env("GIT_AUTHOR_EMAIL", "t@t.invalid")
            .env("GIT_COMMITTER_NAME", "t")
            .env("GIT_COMMITTER_EMAIL", "t@t.invalid");
        c
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut c = self.hermetic(env!("CARGO_BIN_EXE_assay"));
        c.args(args);
        c
    }

    /// Runs assay.
    pub fn assay(&self, args: &[&str]) -> Said {
        let said = Said::of(self.command(args).output().unwrap());
        if args.contains(&"--json") {
            let errors = said.err.lines().filter(|line| line.starts_with("{\"error\""));
            errors.for_each(|line| shape::hold("error", line));
            if !said.out.is_empty() {
                shape::hold(&shape::command(args), &said.out);
            }
        }
        said
    }

    /// Runs assay as a user without rights to what is here, as `nobody` when the tests run as root.
    pub fn assay_as_nobody(&self, args: &[&str]) -> Said {
        let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let program = std::env::temp_dir().join(format!("assay-test-{}", std::process::id()));
        if !program.exists() {
            std::fs::copy(env!("CARGO_BIN_EXE_assay"), &program).unwrap();
        }
        let mut c = self.hermetic(if root { Path::new("setpriv") } else { &program });
        if root {
            c.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        }
        Said::of(c.args(args).output().unwrap())
    }

    /// Approves what a branch holds now.
    pub fn approve(&self, branch: &str, key: &str) -> Said {
        let said = self.assay(&["review", branch, "--json"]);
        if said.code != 0 {
            return said;
        }
        let sha256 = said.json()["config_sha256"].as_str().unwrap().to_string();
        self.assay(&["approve", branch, "--key", key, "--config", &sha256])
    }

    /// Unpacks a fixture into the home.
    pub fn unpack(&self, name: &str) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        self.run("tar", &["xzf", file.to_str().unwrap(), "--no-same-owner"]).ok();
    }

    /// Runs any program in the home.
    pub fn run(&self, program: &str, args: &[&str]) -> Said {
        Said::of(self.hermetic(program).args(args).output().unwrap())
    }

    pub fn git(&self, args: &[&str]) -> Said {
        self.run("git", args)
    }

    /// A finished demo on the generated market in `lab`.
    pub fn demo(&self, trials: u32, more: &[&str]) -> Said {
        let trials = trials.to_string();
        let args = [&["demo", "--generated", "--trials", &trials][..], more].concat();
        self.assay(&args)
    }

    /// A lab with a snapshot of the generated market and an open way to a study.
    pub fn lab_with_market(&self) {
        self.assay(&["init", "lab", "--person", "ana"]).ok();
        let market = assay_research::data::generate::market(&SYMBOLS.map(String::from), 24 * 420, 3);
        write_market(&self.path("market"), &market);
        self.assay(&["--lab", "lab", "data", "import", "market", "--assume-brackets-from", "2020-01-01"]).ok();
        self.strategy_and_study(48);
    }

    pub fn strategy_and_study(&self, trials: u32) {
        let strategy = include_str!("../../configs/strategies/trend.toml");
        let strategy = strategy.replace("\"XRPUSDT\", \"ADAUSDT\", \"LTCUSDT\"", "\"XRPUSDT\", \"SOLUSDT\"");
        std::fs::write(self.path("trend.toml"), strategy).unwrap();
        let study = include_str!("../../configs/studies/walkforward.toml");
        let study = study
            .replace("trials = 240", &format!("trials = {trials}"))
            .replace("startup_trials = 40", "startup_trials = 10");
        let study =
            study.replace("in_sample_days = 180", "in_sample_days = 120").replace("min_trades = 60", "min_trades = 5");
        let study = study.replace("vault_days = 90", "vault_days = 0");
        std::fs::write(self.path("study.toml"), study).unwrap();
    }
}

pub const SYMBOLS: [&str; 4] = ["BTCUSDT", "ETHUSDT", "XRPUSDT", "SOLUSDT"];

/// Writes a market in the exchange's CSV layout, as files that an import reads.
pub fn write_market(dir: &Path, market: &assay_shared::market::Market) {
    use assay_shared::market::Field::*;
    std::fs::create_dir_all(dir).unwrap();
    for (symbol, c) in market.symbols.iter().zip(&market.columns) {
        let rows = |fields: [assay_shared::market::Field; 4], volume: bool| -> String {
            let row = |t: usize| {
                let [o, h, l, k] = fields.map(|f| c.get(f)[t]);
                let v = if volume { c.get(Volume)[t].to_string() } else { String::new() };
                format!("{},{o},{h},{l},{k},{v},\n", market.times[t])
            };
            (0..market.len()).map(row).collect()
        };
        std::fs::write(dir.join(format!("{symbol}-1h.csv")), rows([Open, High, Low, Close], true)).unwrap();
        std::fs::write(
            dir.join(format!("{symbol}-1h-mark.csv")),
            rows([MarkOpen, MarkHigh, MarkLow, MarkClose], false),
        )
        .unwrap();
        let funding: String = (0..market.len())
            .filter(|t| !c.get(Funding)[*t].is_nan())
            .map(|t| format!("{},8,{}\n", market.times[t] + 3, c.get(Funding)[t]))
            .collect();
        let text = format!("calc_time,funding_interval_hours,last_funding_rate\n{funding}");
        std::fs::write(dir.join(format!("{symbol}-fundingRate.csv")), text).unwrap();
    }
}

/// Copies a folder; links are not followed, rights stay.
pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap().map(|i| i.unwrap().path()) {
        let target = to.join(item.file_name().unwrap());
        if item.is_dir() {
            copy_dir(&item, &target);
        } else {
            std::fs::copy(&item, &target).unwrap();
        }
    }
}

/// Waits for an event; a bound of minutes only keeps a broken test from hanging.
#[track_caller]
pub fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(300), "{what} never happened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Bytes of a lab's journal: what a running command has recorded so far.
pub fn journal_bytes(lab: &Path) -> u64 {
    let segments = std::fs::read_dir(lab.join("ledger/journal")).into_iter().flatten().flatten();
    segments.filter_map(|s| s.metadata().ok()).map(|m| m.len()).sum()
}

/// Real market data, or a loud note that there is none.
pub fn real_data() -> Option<PathBuf> {
    let found = std::env::var_os("ASSAY_DATA").map(PathBuf::from).filter(|p| p.is_dir());
    if found.is_none() {
        eprintln!("NOTE: ASSAY_DATA is not set: this test uses the generated market instead of real data");
    }
    found
}

/// Vector files of other projects.
pub fn fixtures(name: &str) -> Option<serde_json::Value> {
    let dir = std::env::var_os("ASSAY_FIXTURES").map(PathBuf::from)?;
    let text = std::fs::read_to_string(dir.join(name)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// A PostgreSQL cluster on a socket in a temporary folder, owned by the user `postgres` when the
/// tests run as root. A missing server is an error, never a skip.
pub struct Postgres {
    dir: TempDir,
    server: Option<Child>,
    bin: PathBuf,
    /// Settings of the server, as `-c` takes them; it listens on its socket alone unless they say more.
    settings: Vec<String>,
}

impl Postgres {
    pub fn start() -> Postgres {
        Postgres::start_with(|_| Vec::new())
    }

    /// A server with settings of its own; `prepare` is given its folder before it starts.
    pub fn start_with(prepare: impl FnOnce(&Path) -> Vec<String>) -> Postgres {
        let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is not installed: run tests/run");
        let bin = versions.flatten().map(|d| d.path().join("bin")).find(|b| b.join("initdb").exists());
        let bin = bin.expect("PostgreSQL's initdb is missing: run tests/run");
        let dir = tempfile::Builder::new().prefix("assay-pg").tempdir_in("/tmp").unwrap();
        let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        if root {
            assert!(Command::new("chown").arg("postgres").arg(dir.path()).status().unwrap().success());
        }
        let mut pg = Postgres { dir, server: None, bin, settings: Vec::new() };
        let data = pg.dir.path().join("data");
        let init = pg.tool("initdb").args(["-A", "trust", "-U", "assay", "-D"]).arg(&data).output().unwrap();
        assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
        pg.settings = prepare(pg.dir.path());
        if root {
            assert!(Command::new("chown").args(["-R", "postgres"]).arg(pg.dir.path()).status().unwrap().success());
        }
        pg.resume();
        pg
    }

    /// The server's folder: its socket, its `data`, and what was prepared.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn tool(&self, name: &str) -> Command {
        let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let path = self.bin.join(name);
        let mut c = if root { Command::new("setpriv") } else { Command::new(&path) };
        if root {
            c.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(&path);
        }
        c.current_dir("/tmp").stdout(Stdio::piped()).stderr(Stdio::piped());
        c
    }

    /// Starts the server (again).
    pub fn resume(&mut self) {
        let data = self.dir.path().join("data");
        let mut c = self.tool("postgres");
        c.arg("-D").arg(&data).args(["-h", "", "-F", "-k"]).arg(self.dir.path());
        c.args(self.settings.iter().flat_map(|s| ["-c", s.as_str()]));
        self.server = Some(c.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let start = Instant::now();
        while !self.psql("SELECT 1").0 {
            assert!(start.elapsed() < Duration::from_secs(30), "PostgreSQL does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Kills the server at once, as a crash would.
    pub fn kill(&mut self) {
        let data = self.dir.path().join("data");
        let _ = self.tool("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(&data).output();
        if let Some(mut s) = self.server.take() {
            let _ = s.wait();
        }
    }

    pub fn url(&self) -> String {
        format!("postgres://assay@/postgres?host={}", self.dir.path().display())
    }

    /// One of its programs.
    pub fn bin(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// Whether a statement worked, and what it printed.
    pub fn psql(&self, sql: &str) -> (bool, String) {
        self.psql_as("assay", sql)
    }

    /// The same as another role.
    pub fn psql_as(&self, role: &str, sql: &str) -> (bool, String) {
        let out = Command::new(self.bin.join("psql"))
            .args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", role, "-d", "postgres", "-h"])
            .arg(self.dir.path())
            .args(self.settings.iter().filter_map(|s| s.strip_prefix("port=")).flat_map(|port| ["-p", port]))
            .args(["-c", sql])
            .output()
            .unwrap();
        (
            out.status.success(),
            String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr),
        )
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}
