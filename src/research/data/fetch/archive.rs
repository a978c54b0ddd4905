//! The archive as it answers: what it lists, and one file with its checksum, asked again where a network
//! or a busy server did not let it answer.

use super::super::error::DataError;
use super::super::source::checksum_path;
use assay_ledger::storage::disk::{RealDisk, replace};
use assay_ledger::{Hash, LedgerError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use ureq::http::Response;
use ureq::{Agent, Body};

const MAX_FILE: u64 = 256 << 20;
/// Pages of a listing, a thousand files each.
const MAX_PAGES: usize = 100;
/// The longest that a server may make us wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// What may stand in a path: some symbols have letters beyond ASCII.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_');

/// Where the archive is, and how patient to be with it.
#[derive(Debug, Clone)]
pub struct Source {
    /// Address of the files.
    pub base: String,
    /// Address of the listing, which answers as S3 does.
    pub listing: String,
    /// How long to wait for a connection.
    pub connect: Duration,
    /// How long one answer may take: what has come by then is gone on from.
    pub body: Duration,
    /// How long to wait before asking again; twice as long each time.
    pub pause: Duration,
    /// How often something is asked for.
    pub attempts: u32,
}

/// Why there was no answer.
enum Trouble {
    /// Asking again may help, after so long.
    Again(String, Option<Duration>),
    /// It never will.
    Final(DataError),
}

impl From<DataError> for Trouble {
    fn from(e: DataError) -> Trouble {
        Trouble::Final(e)
    }
}

/// An archive to ask.
pub struct Archive<'a> {
    agent: Agent,
    source: &'a Source,
    stop: &'a (dyn Fn() -> bool + Sync),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    is_truncated: bool,
    next_marker: Option<String>,
    #[serde(default)]
    contents: Vec<Object>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Object {
    key: String,
}

fn broken(url: &str, what: impl ToString) -> DataError {
    DataError::Download { url: url.into(), what: what.to_string() }
}

impl<'a> Archive<'a> {
    /// The archive at an address; `stop` ends any waiting.
    pub fn of(source: &'a Source, stop: &'a (dyn Fn() -> bool + Sync)) -> Archive<'a> {
        let config = Agent::config_builder()
            .timeout_connect(Some(source.connect))
            .timeout_recv_response(Some(Duration::from_secs(30)))
            // A server that falls silent is asked again; what came before stays.
            .timeout_recv_body(Some(source.body))
            .http_status_as_error(false);
        Archive { agent: config.build().into(), source, stop }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{}", self.source.base.trim_end_matches('/'), utf8_percent_encode(path, PLAIN))
    }

    /// Files below a folder, from `marker` on; nothing from an archive that has no listing.
    pub fn list(&self, folder: &str, marker: &str) -> Result<Option<Vec<String>>, DataError> {
        let (mut out, mut marker) = (Vec::new(), marker.to_string());
        for _ in 0..MAX_PAGES {
            let url = &self.source.listing;
            let page = self.patiently(url, || {
                let ask = self.agent.get(url).query("delimiter", "/").query("prefix", folder);
                let mut answer = sent(ask.query("marker", &marker).call())?;
                if !answer.status().is_success() {
                    return Ok(None);
                }
                let text = answer.body_mut().read_to_string().map_err(|e| Trouble::Again(e.to_string(), None))?;
                Ok(quick_xml::de::from_str::<Page>(&text).ok())
            })?;
            let Some(page) = page else { return Ok(None) };
            out.extend(page.contents.into_iter().map(|o| o.key).filter(|k| k.starts_with(folder)));
            match page.next_marker.or_else(|| out.last().cloned()).filter(|m| page.is_truncated && *m > marker) {
                Some(next) => marker = next,
                None => break,
            }
        }
        Ok(Some(out))
    }

    /// Downloads a file; false when the source does not have it.
    pub fn file(&self, path: &str, target: &Path) -> Result<bool, DataError> {
        let url = self.url(path);
        let part: PathBuf = target.with_extension("part");
        for path in [target, &part] {
            let Ok(meta) = path.symlink_metadata() else { continue };
            if !meta.is_file() {
                let what = if meta.is_symlink() { "a link" } else { "no file" };
                return Err(broken(&url, format!("{} is {what}; remove it", path.display())));
            }
        }
        let size = || std::fs::metadata(&part).map_or(0, |m| m.len());
        loop {
            // As long as something comes, it is gone on.
            let before = size();
            match self.patiently(&url, || self.try_file(&url, target, &part)) {
                Err(_) if size() > before && !(self.stop)() => {}
                other => return other,
            }
        }
    }

    /// Asks until there is an answer, as often as the source says.
    fn patiently<T>(&self, url: &str, ask: impl Fn() -> Result<T, Trouble>) -> Result<T, DataError> {
        let mut pause = self.source.pause;
        for attempt in 1.. {
            match ask() {
                Ok(done) => return Ok(done),
                Err(Trouble::Final(e)) => return Err(e),
                Err(Trouble::Again(what, _)) if attempt >= self.source.attempts => {
                    return Err(broken(url, format!("{what} (asked {attempt} times)")));
                }
                Err(Trouble::Again(_, after)) => self.wait(url, after.unwrap_or(pause).min(LONGEST_WAIT))?,
            }
            pause *= 2;
        }
        Err(broken(url, "no answer"))
    }

    fn wait(&self, url: &str, pause: Duration) -> Result<(), DataError> {
        let start = Instant::now();
        while start.elapsed() < pause {
            self.unless_stopped(url)?;
            std::thread::sleep(Duration::from_millis(20).min(pause));
        }
        self.unless_stopped(url)
    }

    fn unless_stopped(&self, url: &str) -> Result<(), DataError> {
        match (self.stop)() {
            true => Err(broken(url, "stopped; run the command again to go on")),
            false => Ok(()),
        }
    }

    fn try_file(&self, url: &str, target: &Path, part: &Path) -> Result<bool, Trouble> {
        let have = std::fs::metadata(part).map_or(0, |m| m.len());
        let mut request = self.agent.get(url);
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        let mut answer = sent(request.call())?;
        match answer.status().as_u16() {
            404 => return Ok(false),
            // What was left is already the whole file.
            416 if have > 0 => return self.finish(url, target, part, true).map(|()| true),
            200 | 206 => {}
            other => return Err(broken(url, format!("the source answers {other}")).into()),
        }
        let resumed = answer.status().as_u16() == 206;
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(DataError::io("create", parent))?;
        }
        let mut options = OpenOptions::new();
        let open = options.create(true).write(true).append(resumed).truncate(!resumed).open(part);
        let mut file = open.map_err(DataError::io("create", part))?;
        let mut reader = answer.body_mut().as_reader().take(MAX_FILE);
        let mut buffer = vec![0; 1 << 16];
        loop {
            self.unless_stopped(url)?;
            // What came before the connection broke stays, and the next try goes on from there.
            let n = reader.read(&mut buffer).map_err(|e| Trouble::Again(e.to_string(), None))?;
            if n == 0 {
                break;
            }
            file.write_all(&buffer[..n]).map_err(DataError::io("write", part))?;
        }
        drop(file);
        self.finish(url, target, part, resumed).map(|()| true)
    }

    /// What the source says the checksum of a file is; nothing when it does not say.
    pub fn checksum(&self, path: &str) -> Result<Option<String>, DataError> {
        let url = format!("{}.CHECKSUM", self.url(path));
        self.patiently(&url, || {
            let mut answer = sent(self.agent.get(&url).call())?;
            if !answer.status().is_success() {
                return Ok(None);
            }
            answer.body_mut().read_to_string().map(Some).map_err(|e| Trouble::Again(e.to_string(), None))
        })
    }

    /// Verifies the checksum and gives the file its name.
    fn finish(&self, url: &str, target: &Path, part: &Path, resumed: bool) -> Result<(), Trouble> {
        let mut answer = sent(self.agent.get(format!("{url}.CHECKSUM")).call())?;
        if !answer.status().is_success() {
            return Err(broken(url, format!("no checksum: the source answers {}", answer.status())).into());
        }
        let text = answer.body_mut().read_to_string().map_err(|e| Trouble::Again(e.to_string(), None))?;
        let bytes = std::fs::read(part).map_err(DataError::io("read", part))?;
        let want = text.split_whitespace().next().unwrap_or_default().to_lowercase();
        let have = Hash::of(&bytes).to_string();
        if want != have {
            std::fs::remove_file(part).map_err(DataError::io("remove", part))?;
            let what = format!("its checksum is {have}, but the source says {want}; the file was removed");
            // The beginning may be of a version that the source has replaced since.
            return Err(if resumed { Trouble::Again(what, None) } else { broken(url, what).into() });
        }
        let unwritten = |e: LedgerError| broken(url, e);
        replace(&RealDisk, &checksum_path(target), text.as_bytes()).map_err(unwritten)?;
        Ok(std::fs::rename(part, target).map_err(DataError::io("rename", target))?)
    }
}

/// An answer, unless the network or the server asks for another try.
fn sent(answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Trouble> {
    let answer = answer.map_err(|e| Trouble::Again(e.to_string(), None))?;
    let status = answer.status();
    if status.as_u16() == 429 || status.is_server_error() {
        let seconds = answer.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
        return Err(Trouble::Again(format!("the source answers {status}"), seconds.map(Duration::from_secs)));
    }
    Ok(answer)
}
