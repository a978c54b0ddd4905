//! Finding and opening files: plain, gzip and zip, with the exchange's checksums verified.

use super::cells::Named;
use super::error::DataError;
use super::files::{MARK, is_generated};
use super::layout::{Holds, SourceFile, classify};
use super::rows::{Kline, Settlement};
use super::{frame, json, rows};
use assay_ledger::Hash;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest file after decompression: a year of minute bars is a tenth of it.
const MAX_BYTES: u64 = 1 << 30;

/// A file that is not used, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unused {
    /// Where it is.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// The files under a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The folder.
    pub root: PathBuf,
    /// Those that are read, in a fixed order.
    pub used: Vec<SourceFile>,
    /// The others.
    pub unused: Vec<Unused>,
    /// A file among them says that they are made up.
    pub generated: bool,
}

impl Found {
    /// Takes the files over that were used as finer bars of some symbols.
    pub(super) fn join(&mut self, finer: Found, of: impl Fn(&str) -> bool) {
        let more = finer.used.into_iter().filter(|f| of(&f.symbol) && !self.used.contains(f));
        let more: Vec<SourceFile> = more.collect();
        self.unused.retain(|u| more.iter().all(|f| relative(&self.root, &f.path) != u.path));
        self.used.extend(more);
        self.used.sort();
    }

    /// Puts a file to the others.
    pub(super) fn drop_where(&mut self, why: impl Fn(&SourceFile) -> Option<String>) {
        let (root, mut kept) = (self.root.clone(), Vec::new());
        for file in std::mem::take(&mut self.used) {
            match why(&file) {
                Some(why) => self.unused.push(Unused { path: relative(&root, &file.path), why }),
                None => kept.push(file),
            }
        }
        self.used = kept;
        self.unused.sort();
    }
}

fn relative(root: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(root).unwrap_or(path).to_path_buf()
}

/// One file, as it is: what its name does not say, the request does, which names one symbol then.
///
/// # Errors
/// A file of which neither says what it holds.
pub fn single(file: &Path, symbols: &[String], interval: &str) -> Result<Found, DataError> {
    let root = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let used = match (classify(root, file), symbols) {
        (Ok(known), []) => known,
        (Ok(known), all) if all.contains(&known.symbol) => known,
        (_, [symbol]) => SourceFile {
            symbol: symbol.clone(),
            holds: Holds::Klines,
            interval: interval.into(),
            path: file.into(),
            named: false,
        },
        (_, _) => {
            let what =
                format!("{} does not say whose candles it holds: say --symbols SYMBOL --interval 1h", file.display());
            return Err(DataError::Asked { what });
        }
    };
    Ok(Found { root: root.into(), generated: is_generated(root), used: vec![used], unused: Vec::new() })
}

/// All files under a folder, in a fixed order: those that are read, and the others with a reason. Where
/// folders say what is in them (`klines`, `markPriceKlines`, ...), candles that nothing is said of are not
/// taken for traded prices.
///
/// # Errors
/// A folder that cannot be listed, or that holds nothing that is read.
pub fn scan(dir: &Path) -> Result<Found, DataError> {
    let mut found = Found { root: dir.into(), generated: is_generated(dir), ..Found::default() };
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(&folder).map_err(DataError::io("list", &folder))? {
            let path = item.map_err(DataError::io("list", &folder))?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.file_name().is_some_and(|name| name == MARK) {
                found.generated = true;
                continue;
            }
            // A checksum is used with the file that it is of.
            let of = path.to_str().and_then(|p| p.strip_suffix(".CHECKSUM"));
            if of.is_some_and(|of| Path::new(of).is_file()) {
                continue;
            }
            let why = "it is no regular file".to_string();
            if !path.is_file() {
                found.unused.push(Unused { path: relative(dir, &path), why });
                continue;
            }
            match classify(dir, &path) {
                Ok(file) => found.used.push(file),
                Err(why) => found.unused.push(Unused { path: relative(dir, &path), why: why.to_string() }),
            }
        }
    }
    found.used.sort();
    let said = found.used.iter().any(|f| f.holds == Holds::Klines && f.named);
    found.drop_where(|f| {
        let unsure = said && f.holds == Holds::Klines && !f.named;
        unsure
            .then(|| "nothing says what prices it holds, as folders beside it do: `klines` for traded prices, `markPriceKlines` for marks".into())
    });
    if found.used.iter().all(|f| f.holds == Holds::Brackets) {
        let unused = found.unused.iter().map(|u| format!("{}: {}", u.path.display(), u.why)).collect();
        return Err(DataError::Nothing { path: dir.into(), unused });
    }
    Ok(found)
}

/// The candles of a file, in its order.
///
/// # Errors
/// A file that cannot be read, and the first row that is no candle.
pub fn candles(file: &SourceFile, named: &Named) -> Result<Vec<Kline>, DataError> {
    let bytes = read(&file.path)?;
    match Format::of(&file.path) {
        Format::Json => json::klines(&file.path, &bytes, &file.symbol),
        Format::Frame => frame::klines(&file.path, &bytes, named),
        Format::Text => rows::klines(&file.path, &bytes, &file.symbol, named),
    }
}

/// The funding settlements of a file, in its order.
///
/// # Errors
/// A file that cannot be read, and the first row that is no settlement.
pub fn settlements(file: &SourceFile, named: &Named) -> Result<Vec<Settlement>, DataError> {
    let bytes = read(&file.path)?;
    match Format::of(&file.path) {
        Format::Json => json::settlements(&file.path, &bytes, &file.symbol),
        Format::Frame => frame::settlements(&file.path, &bytes, named),
        Format::Text => rows::settlements(&file.path, &bytes, &file.symbol, named),
    }
}

enum Format {
    Text,
    Json,
    Frame,
}

impl Format {
    fn of(path: &Path) -> Format {
        let name = path.to_string_lossy().to_lowercase();
        let ends = |ending: &str| name.ends_with(ending);
        match () {
            () if ends(".json") || ends(".json.gz") => Format::Json,
            () if ends(".feather") || ends(".parquet") => Format::Frame,
            () => Format::Text,
        }
    }
}

/// A file's text, decompressed, its checksum verified when the exchange's `.CHECKSUM` lies beside it.
///
/// # Errors
/// Unreadable, truncated or foreign archives; a checksum that does not fit.
pub fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let bytes = std::fs::read(path).map_err(DataError::io("read", path))?;
    check_sum(path, &bytes)?;
    let name = path.to_string_lossy().to_lowercase();
    let mut out = Vec::new();
    if name.ends_with(".gz") {
        let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]).take(MAX_BYTES);
        decoder.read_to_end(&mut out).map_err(|e| DataError::bad(path, None, format!("damaged gzip: {e}")))?;
    } else if name.ends_with(".zip") {
        let bad = |e: String| DataError::bad(path, None, format!("damaged or truncated zip: {e}"));
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(|e| bad(e.to_string()))?;
        // Folders, and what a Mac leaves beside each file, are none of its contents.
        let own = |name: &str| !name.ends_with('/') && !name.starts_with("__MACOSX/") && !name.ends_with(".DS_Store");
        let (mut inside, mut count) = (0, 0);
        for n in 0..archive.len() {
            let entry = archive.by_index_raw(n).map_err(|e| bad(e.to_string()))?;
            if entry.name().is_ok_and(|name| own(&name)) {
                (inside, count) = (n, count + 1);
            }
        }
        if count != 1 {
            return Err(DataError::bad(path, None, format!("{count} files inside instead of one: unpack it first")));
        }
        let file = archive.by_index(inside).map_err(|e| bad(e.to_string()))?;
        file.take(MAX_BYTES).read_to_end(&mut out).map_err(|e| bad(e.to_string()))?;
    } else {
        out = bytes;
    }
    if out.len() as u64 >= MAX_BYTES {
        return Err(DataError::bad(path, None, "it unpacks to over a gigabyte"));
    }
    Ok(out)
}

/// Where the vendor's checksum of a file lies.
pub fn checksum_path(path: &Path) -> PathBuf {
    let mut side = path.as_os_str().to_owned();
    side.push(".CHECKSUM");
    side.into()
}

fn check_sum(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let Ok(text) = std::fs::read_to_string(checksum_path(path)) else { return Ok(()) };
    let want = text.split_whitespace().next().unwrap_or_default().to_lowercase();
    let have = Hash::of(bytes).to_string();
    if want == have {
        Ok(())
    } else {
        Err(DataError::bad(path, None, format!("its checksum is {have}, but the exchange says {want}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn truncated_archives_and_wrong_checksums_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let gz = dir.path().join("A-1h.csv.gz");
        let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        e.write_all(&b"1,2,3,4,5,6\n".repeat(1000)).unwrap();
        let whole = e.finish().unwrap();
        std::fs::write(&gz, &whole[..whole.len() / 2]).unwrap();
        assert!(read(&gz).unwrap_err().to_string().contains("damaged gzip"));
        let zip = dir.path().join("A-1h.zip");
        std::fs::write(&zip, b"PK\x03\x04 and then nothing").unwrap();
        assert!(read(&zip).unwrap_err().to_string().contains("truncated zip"));
        // What a Mac leaves beside a file is none; two files are.
        for (names, good) in [(&["x/", "x/A-1h.csv", "__MACOSX/x/._A-1h.csv"][..], true), (&["a.csv", "b.csv"], false)]
        {
            let mut z = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
            for name in names {
                z.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
                z.write_all(b"1,2\n").unwrap();
            }
            std::fs::write(&zip, z.finish().unwrap().into_inner()).unwrap();
            let said = read(&zip);
            assert_eq!(said.as_ref().ok().map(|b| &b[..]), good.then_some(&b"1,2\n"[..]));
            assert!(good || said.unwrap_err().to_string().contains("2 files inside"));
        }
        let csv = dir.path().join("A-1h.csv");
        std::fs::write(&csv, "1\n").unwrap();
        std::fs::write(dir.path().join("A-1h.csv.CHECKSUM"), "00ff  A-1h.csv\n").unwrap();
        assert!(read(&csv).unwrap_err().to_string().contains("checksum"));
    }
}
