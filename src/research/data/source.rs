//! Finding and opening files: plain CSV, gzip and zip, with the exchange's checksums verified.

use super::error::DataError;
use assay_ledger::Hash;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest file after decompression: a year of minute bars is a tenth of it.
const MAX_BYTES: u64 = 1 << 30;

/// What a file holds, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    /// Candles of traded prices.
    Klines,
    /// Candles of mark prices.
    MarkKlines,
    /// Funding settlements.
    Funding,
    /// Maintenance brackets of a date.
    Brackets,
}

/// A file to import.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceFile {
    /// Symbol; empty for brackets.
    pub symbol: String,
    /// What it holds.
    pub holds: Holds,
    /// Bar interval in its name, such as `1h`; empty for funding and brackets.
    pub interval: String,
    /// Where it is.
    pub path: PathBuf,
}

/// Says what a file holds from its name and folder: `BTCUSDT-1h-2024-01.zip`,
/// `BTCUSDT-1h-mark.csv.gz`, `markPriceKlines/…/BTCUSDT-1h-2024-01.zip`,
/// `BTCUSDT-fundingRate-2024-01.csv`, `leverage_brackets_2024-10-24.json`.
pub fn classify(path: &Path) -> Option<SourceFile> {
    let name = path.file_name()?.to_str()?;
    let file = |symbol: &str, holds, interval: &str| {
        Some(SourceFile { symbol: symbol.into(), holds, interval: interval.into(), path: path.into() })
    };
    if name.starts_with("leverage_brackets_") && name.ends_with(".json") {
        return file("", Holds::Brackets, "");
    }
    let stem = [".csv.gz", ".csv", ".zip"].iter().find_map(|e| name.strip_suffix(e))?;
    let mut parts = stem.split('-');
    let symbol =
        parts.next().filter(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()))?;
    let second = parts.next()?;
    if second == "fundingRate" {
        return file(symbol, Holds::Funding, "");
    }
    assay_shared::time::interval_ms(second)?;
    let in_mark = path.components().any(|c| {
        let c = c.as_os_str().to_string_lossy().to_lowercase();
        c.contains("markpriceklines") || c.contains("mark_price")
    });
    let mark = stem.ends_with("-mark") || in_mark;
    file(symbol, if mark { Holds::MarkKlines } else { Holds::Klines }, second)
}

/// All files to import under a folder, in a fixed order. When the folder has subfolders named
/// `klines…`, only those named `klines…`, `mark_price…`, `funding…` and `brackets…` are searched;
/// else everything below it.
///
/// # Errors
/// A folder that cannot be listed, or that holds nothing.
pub fn scan(dir: &Path) -> Result<Vec<SourceFile>, DataError> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    let named = ["klines", "mark_price", "funding", "brackets"];
    let kinds = |prefixes: &[&str]| -> Result<Vec<PathBuf>, DataError> {
        let items = std::fs::read_dir(dir).map_err(DataError::io("list", dir))?.flatten().map(|d| d.path());
        let fits =
            |p: &PathBuf| p.file_name().is_some_and(|n| prefixes.iter().any(|x| n.to_string_lossy().starts_with(x)));
        Ok(items.filter(|p| p.is_dir() && fits(p)).collect())
    };
    if !kinds(&named[..1])?.is_empty() {
        folders = kinds(&named)?;
    }
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(&folder).map_err(DataError::io("list", &folder))? {
            let path = item.map_err(DataError::io("list", &folder))?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.extend(classify(&path));
            }
        }
    }
    found.sort();
    if found.iter().all(|f| f.holds == Holds::Brackets) {
        return Err(DataError::Nothing { path: dir.into() });
    }
    Ok(found)
}

/// A file's text, decompressed, its checksum verified when the exchange's `.CHECKSUM` lies beside it.
///
/// # Errors
/// Unreadable, truncated or foreign archives; a checksum that does not fit.
pub fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let bytes = std::fs::read(path).map_err(DataError::io("read", path))?;
    check_sum(path, &bytes)?;
    let name = path.to_string_lossy();
    let mut out = Vec::new();
    if name.ends_with(".gz") {
        let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]).take(MAX_BYTES);
        decoder.read_to_end(&mut out).map_err(|e| DataError::bad(path, None, format!("damaged gzip: {e}")))?;
    } else if name.ends_with(".zip") {
        let bad = |e: String| DataError::bad(path, None, format!("damaged or truncated zip: {e}"));
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(|e| bad(e.to_string()))?;
        if archive.len() != 1 {
            return Err(bad(format!("{} files inside instead of one", archive.len())));
        }
        let file = archive.by_index(0).map_err(|e| bad(e.to_string()))?;
        file.take(MAX_BYTES).read_to_end(&mut out).map_err(|e| bad(e.to_string()))?;
    } else {
        out = bytes;
    }
    if out.len() as u64 >= MAX_BYTES {
        return Err(DataError::bad(path, None, "it unpacks to over a gigabyte"));
    }
    Ok(out)
}

fn check_sum(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let mut side = path.as_os_str().to_owned();
    side.push(".CHECKSUM");
    let Ok(text) = std::fs::read_to_string(&side) else { return Ok(()) };
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
    fn names() {
        let is = |p: &str| classify(Path::new(p)).map(|f| (f.symbol, f.holds, f.interval));
        assert_eq!(is("a/BTCUSDT-1h-2024-01.zip"), Some(("BTCUSDT".into(), Holds::Klines, "1h".into())));
        assert_eq!(is("a/BTCUSDT-1h-mark.csv.gz"), Some(("BTCUSDT".into(), Holds::MarkKlines, "1h".into())));
        assert_eq!(is("markPriceKlines/BTCUSDT/1m/BTCUSDT-1m-2024-01.zip").unwrap().1, Holds::MarkKlines);
        assert_eq!(is("BTCUSDT-fundingRate-2024-03.csv").unwrap().1, Holds::Funding);
        assert_eq!(is("README.md").or(is("BTCUSDT-1h.parquet")).or(is("x-1h.csv")), None);
    }

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
        let csv = dir.path().join("A-1h.csv");
        std::fs::write(&csv, "1\n").unwrap();
        std::fs::write(dir.path().join("A-1h.csv.CHECKSUM"), "00ff  A-1h.csv\n").unwrap();
        assert!(read(&csv).unwrap_err().to_string().contains("checksum"));
    }
}
