//! A snapshot that is being made: each symbol's columns are hashed and put aside as soon as they are there, so
//! that memory holds one symbol at a time. Writing it goes through all of them in pieces.

use super::contents::{Contents, Finer};
use super::files::{SETTLEMENTS, contents_path, detail_path, path, settlements_path};
use crate::data::error::DataError;
use assay_ledger::Hash;
use assay_shared::market::{
    Columns, FIELDS, Field, Market, STORED, SeriesSum, Settlement, column_hash, settlements_count, settlements_hash,
};
use polars::prelude::{Column, DataFrame, ParquetCompression, ParquetWriter, Schema};
use rayon::prelude::*;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows that are written, and read, at a time.
pub(super) const ROWS: usize = 1 << 17;

/// One symbol's bars, from its first to its last one. A field that its source does not have is empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Own {
    /// The symbol.
    pub name: String,
    /// Opening time of the first bar, milliseconds since 1970.
    pub first_ms: i64,
    /// Columns in the order of [`FIELDS`], funding apart.
    pub fields: [Vec<f64>; STORED],
    /// Funding settlements in order of time.
    pub settlements: Vec<Settlement>,
    /// Bars that no source has: they stand for a gap, and nothing is noted of them.
    pub held: Vec<usize>,
}

impl Own {
    /// Number of bars.
    pub fn bars(&self) -> usize {
        self.fields[0].len()
    }
}

#[derive(Debug)]
struct Kept {
    sum: SeriesSum,
    settlements: Vec<Settlement>,
    /// All its columns one after the other.
    shelf: Shelf,
}

/// Where columns are kept until they are written.
#[derive(Debug)]
enum Shelf {
    /// In a file that has no name any more.
    File(File),
    /// In memory: they are looked at only.
    Memory(Vec<f64>),
}

/// A snapshot that is being made.
#[derive(Debug)]
pub struct Draft {
    dir: Option<PathBuf>,
    interval_ms: i64,
    generated: bool,
    kept: Vec<Kept>,
    /// Finer bars beside them.
    finer: Option<Box<Draft>>,
}

impl Draft {
    /// An empty one. Without a folder it is kept in memory, to be looked at: it cannot be written.
    pub fn new(dir: Option<&Path>, interval_ms: i64, generated: bool) -> Draft {
        Draft { dir: dir.map(Path::to_path_buf), interval_ms, generated, kept: Vec::new(), finer: None }
    }

    /// One of a market that is in memory.
    ///
    /// # Errors
    /// The system's.
    pub fn of(dir: Option<&Path>, market: &Market) -> Result<Draft, DataError> {
        let mut draft = Draft::new(dir, market.interval_ms, market.generated);
        if let Some(detail) = &market.detail {
            let bare = |c: &Columns| Columns { settlements: Vec::new(), ..c.clone() };
            let columns = detail.market.columns.iter().map(bare).collect();
            let finer = Market { columns, ..detail.market.clone() };
            draft = draft.with_finer(Draft::of(dir, &finer)?);
        }
        for (name, c) in market.symbols.iter().zip(&market.columns).filter(|(_, c)| !c.span.is_empty()) {
            let own = |i: usize| c.fields[i].get(c.span.clone()).unwrap_or_default().to_vec();
            draft.add(&Own {
                name: name.clone(),
                first_ms: market.times.get(c.span.start).copied().unwrap_or_default(),
                fields: std::array::from_fn(own),
                settlements: c.settlements.clone(),
                held: Vec::new(),
            })?;
        }
        Ok(draft)
    }

    /// The same with finer bars beside its bars.
    pub fn with_finer(self, finer: Draft) -> Draft {
        Draft { finer: Some(Box::new(finer)), ..self }
    }

    /// One column of a symbol, from its first to its last bar, and the time of the first; `None` where it has no
    /// such field.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn column(&self, symbol: &str, field: Field) -> Result<Option<(i64, Vec<f64>)>, DataError> {
        let Some(kept) = self.kept.iter().find(|k| k.sum.name == symbol) else { return Ok(None) };
        let (bars, name) = (kept.sum.bars, FIELDS[field as usize].1);
        let Some(n) = kept.sum.fields.iter().position(|(known, _)| *known == name) else { return Ok(None) };
        Ok(Some((kept.sum.first_ms, kept.take(n as u64 * bars, bars as usize)?)))
    }

    /// Adds a symbol.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&mut self, own: &Own) -> Result<(), DataError> {
        let there: Vec<usize> = (0..STORED).filter(|i| !own.fields[*i].is_empty()).collect();
        let fields = there.par_iter().map(|i| (FIELDS[*i].1, column_hash(&own.fields[*i]))).collect();
        let sum = SeriesSum {
            name: own.name.clone(),
            first_ms: own.first_ms,
            bars: own.bars() as u64,
            fields,
            settled: settlements_count(&own.settlements),
            settlements: settlements_hash(&own.settlements),
        };
        let columns = || there.iter().map(|i| &own.fields[*i][..]);
        let shelf = match self.dir.as_deref() {
            Some(dir) => Shelf::File(put_aside(dir, columns())?),
            None => Shelf::Memory(columns().flatten().copied().collect()),
        };
        self.kept.push(Kept { sum, settlements: own.settlements.clone(), shelf });
        self.kept.sort_by(|a, b| a.sum.name.cmp(&b.sum.name));
        Ok(())
    }

    /// What it holds.
    pub fn contents(&self) -> Contents {
        let all = |draft: &Draft| draft.kept.iter().map(|k| k.sum.clone()).collect();
        let finer = |draft: &Draft| Finer { interval_ms: draft.interval_ms, series: all(draft) };
        let detail = self.finer.as_deref().map(finer);
        Contents { generated: self.generated, interval_ms: self.interval_ms, series: all(self), detail }
    }

    /// Writes the snapshot: `HASH.parquet` with `time` (milliseconds since 1970), `generated`, then
    /// `SYMBOL.field` for each symbol in order of their names, blank where the symbol has no bars;
    /// `HASH.funding.parquet` with `symbol`, `time`, `rate`, `mark`; `HASH.detail.parquet` with finer bars, like the
    /// first, if there are some; `HASH.json` with what is in them. Gives the data hash and the SHA-256 of the first file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self) -> Result<(Hash, Hash), DataError> {
        let contents = self.contents();
        let hash = contents.data_hash();
        let fail = |what: String| DataError::Snapshot { hash: hash.short(), what };
        let dir = self.dir.as_deref().ok_or_else(|| fail("it was made to be looked at only".into()))?;
        std::fs::create_dir_all(dir).map_err(DataError::io("create", dir))?;
        tidy(dir);
        put(&settlements_path(dir, &hash), |file| {
            let mut frame = self.settlements_frame().map_err(|e| fail(e.to_string()))?;
            let writer = ParquetWriter::new(file).with_compression(ParquetCompression::Zstd(None));
            writer.finish(&mut frame).map(|_| ()).map_err(|e| fail(e.to_string()))
        })?;
        let text = contents.text();
        put(&contents_path(dir, &hash), |mut file| {
            std::io::Write::write_all(&mut file, text.as_bytes()).map_err(DataError::io("write", dir))
        })?;
        if let (Some(draft), Some(finer)) = (&self.finer, &contents.detail) {
            let finer = finer.contents(self.generated);
            put(&detail_path(dir, &hash), |file| draft.bars_into(file, &finer, &fail))?;
        }
        put(&path(dir, &hash), |file| self.bars_into(file, &contents, &fail))?;
        let path = path(dir, &hash);
        let file = File::open(&path).map_err(DataError::io("read", &path))?;
        let len = file.metadata().map_err(DataError::io("read", &path))?.len();
        let piece = |at: u64, len: usize| {
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes, at).map(|()| bytes)
        };
        Ok((hash, Hash::of_pieces(len, piece).map_err(DataError::io("read", &path))?))
    }

    fn bars_into(
        &self,
        file: &mut File,
        contents: &Contents,
        fail: &dyn Fn(String) -> DataError,
    ) -> Result<(), DataError> {
        let (from, bars) = (contents.span().0, contents.bars() as usize);
        let polars = |e: polars::prelude::PolarsError| fail(e.to_string());
        let head = self.rows(from, 0..0)?;
        let schema: Schema = DataFrame::new(0, head).map_err(polars)?.schema().as_ref().clone();
        let writer = ParquetWriter::new(file).with_compression(ParquetCompression::Zstd(None));
        let mut writer = writer.batched(&schema).map_err(polars)?;
        for at in (0..bars).step_by(ROWS) {
            let rows = at..bars.min(at + ROWS);
            let frame = DataFrame::new(rows.len(), self.rows(from, rows)?).map_err(polars)?;
            writer.write_batch(&frame).map_err(polars)?;
        }
        writer.finish().map(|_| ()).map_err(polars)
    }

    /// Some rows of all columns.
    fn rows(&self, from_ms: i64, rows: std::ops::Range<usize>) -> Result<Vec<Column>, DataError> {
        let time = |t: usize| from_ms + t as i64 * self.interval_ms;
        let mut columns = vec![
            Column::new("time".into(), rows.clone().map(time).collect::<Vec<i64>>()),
            Column::new("generated".into(), vec![self.generated; rows.len()]),
        ];
        for kept in &self.kept {
            let start = ((kept.sum.first_ms - from_ms) / self.interval_ms) as usize;
            let own = start..start + kept.sum.bars as usize;
            let inside = own.start.clamp(rows.start, rows.end)..own.end.clamp(rows.start, rows.end);
            for (n, (name, _)) in kept.sum.fields.iter().enumerate() {
                let skip = n as u64 * kept.sum.bars + inside.start.saturating_sub(own.start) as u64;
                let values = kept.take(skip, inside.len())?;
                let name = format!("{}.{name}", kept.sum.name);
                columns.push(if inside == rows {
                    Column::new(name.into(), values)
                } else {
                    let mut padded = vec![None; rows.len()];
                    padded.iter_mut().skip(inside.start - rows.start).zip(values).for_each(|(to, v)| *to = Some(v));
                    Column::new(name.into(), padded)
                });
            }
        }
        Ok(columns)
    }

    fn settlements_frame(&self) -> Result<DataFrame, polars::prelude::PolarsError> {
        let all = || self.kept.iter().flat_map(|k| k.settlements.iter().map(move |s| (k.sum.name.as_str(), s)));
        let mark = |s: &Settlement| (!s.mark.is_nan()).then_some(s.mark);
        let columns = vec![
            Column::new(SETTLEMENTS[0].into(), all().map(|(name, _)| name).collect::<Vec<_>>()),
            Column::new(SETTLEMENTS[1].into(), all().map(|(_, s)| s.ms).collect::<Vec<_>>()),
            Column::new(SETTLEMENTS[2].into(), all().map(|(_, s)| s.rate).collect::<Vec<_>>()),
            Column::new(SETTLEMENTS[3].into(), all().map(|(_, s)| mark(s)).collect::<Vec<_>>()),
        ];
        DataFrame::new(all().count(), columns)
    }
}

impl Kept {
    /// Values from a place on.
    fn take(&self, at: u64, count: usize) -> Result<Vec<f64>, DataError> {
        match &self.shelf {
            Shelf::Memory(values) => {
                let from = values.len().min(at as usize);
                Ok(values[from..values.len().min(from + count)].to_vec())
            }
            Shelf::File(file) => {
                let mut bytes = vec![0; 8 * count];
                let fail = DataError::io("read", Path::new("the draft of the snapshot"));
                file.read_exact_at(&mut bytes, 8 * at).map_err(fail)?;
                let one = |b: &[u8]| f64::from_le_bytes(b.try_into().unwrap_or_default());
                Ok(bytes.chunks_exact(8).map(one).collect())
            }
        }
    }
}

/// Writes columns into a file that vanishes when it is closed.
fn put_aside<'a>(dir: &Path, columns: impl Iterator<Item = &'a [f64]>) -> Result<File, DataError> {
    std::fs::create_dir_all(dir).map_err(DataError::io("create", dir))?;
    static TURN: AtomicU64 = AtomicU64::new(0);
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let path = dir.join(format!(".draft-{}-{turn}", std::process::id()));
    let fail = || DataError::io("write", &path);
    let file = File::options().read(true).write(true).create_new(true).open(&path).map_err(fail())?;
    std::fs::remove_file(&path).map_err(fail())?;
    let mut at = 0;
    for column in columns {
        for piece in column.chunks(ROWS) {
            let bytes: Vec<u8> = piece.iter().flat_map(|v| v.to_le_bytes()).collect();
            file.write_all_at(&bytes, at).map_err(fail())?;
            at += bytes.len() as u64;
        }
    }
    Ok(file)
}

/// Removes what processes that are gone have left half-written.
fn tidy(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_suffix(".tmp").and_then(|n| n.rsplit('.').next()?.parse::<u32>().ok());
        if process.is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Writes a file and puts it in its place when it is whole.
fn put(path: &Path, write: impl FnOnce(&mut File) -> Result<(), DataError>) -> Result<(), DataError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temp = PathBuf::from(name);
    let mut file = File::create(&temp).map_err(DataError::io("create", &temp))?;
    write(&mut file)?;
    file.sync_all().map_err(DataError::io("write", &temp))?;
    std::fs::rename(&temp, path).map_err(DataError::io("rename", path))
}
