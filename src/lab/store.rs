//! Snapshots and rule books of others: a folder, or a web server that serves such a folder. What comes from there is
//! believed by its hash alone.

use crate::error::LabError;
use crate::folder::Lab;
use assay_ledger::Hash;
use assay_ledger::storage::disk::{RealDisk, replace};
use assay_research::data::{Contents, snapshot};
use assay_shared::market::SeriesSum;
use assay_shared::rulebook::Rulebook;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a server may take to answer, and to go on.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a rule book, of a snapshot's contents, and of what has no limit in its contents.
const BOOK: u64 = 64 << 20;
/// Bytes of a file of a snapshot of the first format, which says nothing of its size.
const FIRST: u64 = 4 << 30;
/// The least that a server must give in a second.
const RATE: u64 = 256 << 10;

/// What the folder of a download is called, before the number of its process.
const HALF: &str = ".download-";

/// Where they lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// In a folder.
    Folder(PathBuf),
    /// Under an address.
    Web(String),
}

type Files = [fn(&Path, &Hash) -> PathBuf; 4];
/// What belongs to a snapshot; its bars come last, for with them it is there.
const FILES: Files = [snapshot::contents_path, snapshot::settlements_path, snapshot::detail_path, snapshot::path];

impl Store {
    /// The one that the lab's settings name, if they do.
    pub fn of(lab: &Lab) -> Option<Store> {
        lab.config.snapshots.as_ref().map(|place| Store::named(place, &lab.dir))
    }

    fn named(place: &str, from: &Path) -> Store {
        match place {
            web if web.starts_with("http://") || web.starts_with("https://") => {
                Store::Web(web.trim_end_matches('/').into())
            }
            folder => Store::Folder(from.join(folder)),
        }
    }

    /// Brings a snapshot into the lab, all of whose values must have its hash.
    ///
    /// # Errors
    /// One that is not there or has other values; a lab that cannot be written.
    pub fn bring(&self, lab: &Lab, hash: &Hash) -> Result<(), LabError> {
        let own = lab.snapshot_dir();
        std::fs::create_dir_all(&own).map_err(LabError::io("create", &own))?;
        forget_killed(&own);
        let dir = own.join(format!("{HALF}{}", std::process::id()));
        std::fs::create_dir_all(&dir).map_err(LabError::io("create", &dir))?;
        let brought = self.checked(&dir, hash).and_then(|()| {
            for file in FILES {
                let (from, to) = (file(&dir, hash), file(&own, hash));
                if from.exists() {
                    std::fs::rename(&from, &to).map_err(LabError::io("write", &to))?;
                }
            }
            Ok(())
        });
        let _ = std::fs::remove_dir_all(&dir);
        brought
    }

    fn checked(&self, dir: &Path, hash: &Hash) -> Result<(), LabError> {
        let (mut any, mut most) = (false, FIRST);
        let contents = snapshot::contents_path(dir, hash);
        for file in FILES {
            let to = file(dir, hash);
            any |= self.copy(&to, if to == contents { BOOK } else { most })?;
            if to == contents && to.exists() {
                // Its hash says how much there is: no file of it is larger than its numbers.
                let other =
                    |e| LabError::Verification(format!("the snapshot {} at {self} is another one: {e}", hash.short()));
                most = size(&Contents::read(&to, hash).map_err(other)?);
            }
        }
        if !any {
            let what = format!("the snapshot {} is not at {self}", hash.short());
            return Err(LabError::usage(what, "import the same market data: the same files give the same hash"));
        }
        snapshot::read(dir, hash, None)
            .map(|_| ())
            .map_err(|e| LabError::Verification(format!("the snapshot {} at {self} is another one: {e}", hash.short())))
    }

    /// A file of a snapshot; false where there is none.
    fn copy(&self, to: &Path, most: u64) -> Result<bool, LabError> {
        let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match self {
            Store::Folder(folder) => match std::fs::copy(folder.join(&name), to) {
                Ok(_) => Ok(true),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
                Err(e) => Err(LabError::io("copy", &folder.join(&name))(e)),
            },
            Store::Web(base) => {
                let Some(mut answer) = get(&format!("{base}/{name}"), most)? else { return Ok(false) };
                let mut file = std::fs::File::create(to).map_err(LabError::io("create", to))?;
                let mut body = answer.body_mut().with_config().limit(most).reader();
                std::io::copy(&mut body, &mut file).map_err(|e| {
                    LabError::could_not(format!("{base}/{name} cannot be read (at most {most} bytes of it): {e}"))
                })?;
                file.sync_all().map_err(LabError::io("write", to))?;
                Ok(true)
            }
        }
    }

    /// A rule book by its hash, if it is there: under its own name, or in the folder `rulebooks`.
    ///
    /// # Errors
    /// A place that cannot be read, or a text with another hash.
    pub fn rulebook(&self, hash: &str) -> Result<Option<Rulebook>, LabError> {
        for name in [format!("{hash}.toml"), format!("rulebooks/{hash}.toml")] {
            let text = match self {
                Store::Folder(folder) => std::fs::read(folder.join(&name)).ok(),
                Store::Web(base) => match get(&format!("{base}/{name}"), BOOK)? {
                    Some(mut answer) => {
                        let mut text = Vec::new();
                        let mut body = answer.body_mut().with_config().limit(BOOK).reader();
                        body.read_to_end(&mut text)
                            .map_err(|e| LabError::could_not(format!("{self} cannot be read: {e}")))?;
                        Some(text)
                    }
                    None => None,
                },
            };
            let Some(text) = text else { continue };
            return book(&String::from_utf8_lossy(&text), hash, &self.to_string()).map(Some);
        }
        Ok(None)
    }
}

/// A rule book's text, which must have the hash that is asked for.
pub(crate) fn book(text: &str, hash: &str, place: &str) -> Result<Rulebook, LabError> {
    let book = Rulebook::parse(text)?;
    if book.hash().to_string() != hash {
        let what = format!("the rule book at {place} has the hash {}, and {} is asked for", book.hash(), &hash[..12]);
        return Err(LabError::Verification(what));
    }
    Ok(book)
}

impl std::fmt::Display for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Store::Folder(folder) => write!(f, "{}", folder.display()),
            Store::Web(base) => f.write_str(base),
        }
    }
}

/// More than a snapshot's files can take: each number in eight bytes, twice, and room for what stands around them.
fn size(contents: &Contents) -> u64 {
    let finer = contents.detail.iter().flat_map(|finer| &finer.series);
    let numbers = |s: &SeriesSum| s.bars.saturating_mul(s.names().len() as u64 + 4);
    let all = contents.series.iter().chain(finer).map(numbers).fold(0, u64::saturating_add);
    all.saturating_mul(16).saturating_add(BOOK)
}

/// Removes what downloads left that were killed: their folders hold what nobody has checked.
fn forget_killed(own: &Path) {
    for item in std::fs::read_dir(own).into_iter().flatten().flatten() {
        let name = item.file_name();
        let process = name.to_str().and_then(|n| n.strip_prefix(HALF)?.parse::<u32>().ok());
        if process.is_some_and(|p| !Path::new("/proc").join(p.to_string()).exists()) {
            let _ = std::fs::remove_dir_all(item.path());
        }
    }
}

type Answer = ureq::http::Response<ureq::Body>;

/// What stands under an address; nothing where the server says that there is nothing.
fn get(address: &str, most: u64) -> Result<Option<Answer>, LabError> {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_recv_body(Some(PATIENCE + Duration::from_secs(most / RATE)))
        .http_status_as_error(false);
    let agent: ureq::Agent = config.max_redirects(3).build().into();
    let could_not = |why: String| LabError::CouldNot {
        message: format!("{address} cannot be read: {why}"),
        hint: Some("look whether `snapshots` in assay.toml is right and the server runs".into()),
    };
    let answer = agent.get(address).call().map_err(|e| could_not(e.to_string()))?;
    match answer.status().as_u16() {
        200 => Ok(Some(answer)),
        404 | 410 => Ok(None),
        status => Err(could_not(format!("the server answered {status}"))),
    }
}

/// Puts a snapshot of the lab, with its rule book, into a folder that others read or that a web server serves.
/// Gives the files.
///
/// # Errors
/// No such snapshot, or a folder that cannot be written.
pub fn share(lab: &Lab, hash: &Hash, folder: &Path) -> Result<Vec<PathBuf>, LabError> {
    let own = lab.snapshot_dir();
    snapshot::read(&own, hash, None)?;
    std::fs::create_dir_all(folder).map_err(LabError::io("create", folder))?;
    let mut out = Vec::new();
    for file in FILES {
        let (from, to) = (file(&own, hash), file(folder, hash));
        if !from.exists() {
            continue;
        }
        let half = to.with_extension("half");
        std::fs::copy(&from, &half).map_err(LabError::io("write", &half))?;
        std::fs::rename(&half, &to).map_err(LabError::io("write", &to))?;
        out.push(to);
    }
    let book = crate::data::rulebook_of(lab, hash)?;
    let to = folder.join(format!("{}.toml", book.hash()));
    replace(&RealDisk, &to, book.text().as_bytes())?;
    out.push(to);
    Ok(out)
}
