//! Snapshots and rule books of others: a folder, or a web server that serves such a folder. What comes from there is
//! believed by its hash alone.

use crate::error::LabError;
use crate::folder::Lab;
use assay_ledger::Hash;
use assay_ledger::storage::disk::{RealDisk, replace};
use assay_research::data::snapshot;
use assay_shared::rulebook::Rulebook;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a server may take to answer, and to go on.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a file of a snapshot, and of a rule book.
const MOST: u64 = 64 << 30;
const BOOK: u64 = 64 << 20;

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
const FILES: Files = [snapshot::settlements_path, snapshot::contents_path, snapshot::detail_path, snapshot::path];

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
        let dir = own.join(format!(".{}-{}", hash.short(), std::process::id()));
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
        let mut any = false;
        for file in FILES {
            let to = file(dir, hash);
            any |= self.copy(&to)?;
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
    fn copy(&self, to: &Path) -> Result<bool, LabError> {
        let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match self {
            Store::Folder(folder) => match std::fs::copy(folder.join(&name), to) {
                Ok(_) => Ok(true),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
                Err(e) => Err(LabError::io("copy", &folder.join(&name))(e)),
            },
            Store::Web(base) => {
                let Some(mut answer) = get(&format!("{base}/{name}"))? else { return Ok(false) };
                let mut file = std::fs::File::create(to).map_err(LabError::io("create", to))?;
                let mut body = answer.body_mut().with_config().limit(MOST).reader();
                std::io::copy(&mut body, &mut file).map_err(LabError::io("download", to))?;
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
                Store::Web(base) => match get(&format!("{base}/{name}"))? {
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

type Answer = ureq::http::Response<ureq::Body>;

/// What stands under an address; nothing where the server says that there is nothing.
fn get(address: &str) -> Result<Option<Answer>, LabError> {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
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
