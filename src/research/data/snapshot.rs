//! Parquet snapshots, named by the hash of their values. One of two files that know polars.

use super::error::DataError;
use assay_ledger::Hash;
use assay_shared::market::{Columns, FIELDS, Market};
use polars::prelude::{Column, DataFrame, ParquetCompression, ParquetReader, ParquetWriter, SerReader};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Path of a snapshot in its folder.
pub fn path(dir: &Path, hash: &Hash) -> PathBuf {
    dir.join(format!("{hash}.parquet"))
}

/// Writes a market as Parquet: `time` (milliseconds since 1970), `generated`, then
/// `SYMBOL.field` for each symbol in order. Gives the data hash and the file's SHA-256.
///
/// # Errors
/// When the file cannot be written.
pub fn write(dir: &Path, market: &Market) -> Result<(Hash, Hash), DataError> {
    let hash = market.data_hash();
    let path = path(dir, &hash);
    let fail = |what: String| DataError::Snapshot { hash: hash.short(), what };
    let mut columns = vec![
        Column::new("time".into(), market.times.clone()),
        Column::new("generated".into(), vec![market.generated; market.len()]),
    ];
    for (symbol, c) in market.symbols.iter().zip(&market.columns) {
        for ((_, name), values) in FIELDS.iter().zip(&c.fields) {
            columns.push(Column::new(format!("{symbol}.{name}").into(), values.clone()));
        }
    }
    let mut frame = DataFrame::new(market.len(), columns).map_err(|e| fail(e.to_string()))?;
    std::fs::create_dir_all(dir).map_err(DataError::io("create", dir))?;
    let temp = path.with_extension("tmp");
    let mut file = File::create(&temp).map_err(DataError::io("create", &temp))?;
    let writer = ParquetWriter::new(&mut file).with_compression(ParquetCompression::Zstd(None));
    writer.finish(&mut frame).map_err(|e| fail(e.to_string()))?;
    file.sync_all().map_err(DataError::io("write", &temp))?;
    std::fs::rename(&temp, &path).map_err(DataError::io("rename", &path))?;
    let bytes = std::fs::read(&path).map_err(DataError::io("read", &path))?;
    Ok((hash, Hash::of(&bytes)))
}

/// Reads a snapshot and checks that its values are the ones its name promises.
///
/// # Errors
/// A missing, damaged or changed snapshot.
pub fn read(dir: &Path, hash: &Hash) -> Result<Market, DataError> {
    let path = path(dir, hash);
    let fail = |what: String| DataError::Snapshot { hash: hash.short(), what };
    let file = File::open(&path).map_err(DataError::io("open", &path))?;
    let frame = ParquetReader::new(file).finish().map_err(|e| fail(e.to_string()))?;
    let market = from_frame(&frame).map_err(|e| fail(e.to_string()))?;
    let found = market.data_hash();
    if found == *hash {
        Ok(market)
    } else {
        Err(fail(format!("its values have the hash {}: the file was changed", found.short())))
    }
}

/// Removes a snapshot; one that is gone already is fine.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(dir: &Path, hash: &Hash) -> Result<(), DataError> {
    let path = path(dir, hash);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(DataError::io("remove", &path)(e)),
        _ => Ok(()),
    }
}

fn from_frame(frame: &DataFrame) -> Result<Market, polars::prelude::PolarsError> {
    let times: Vec<i64> = frame.column("time")?.i64()?.into_no_null_iter().collect();
    let generated = frame.column("generated")?.bool()?.get(0).unwrap_or(false);
    let mut symbols: Vec<String> = Vec::new();
    for name in frame.get_column_names() {
        if let Some(symbol) = name.strip_suffix(".open") {
            symbols.push(symbol.to_string());
        }
    }
    let mut columns = Vec::new();
    for symbol in &symbols {
        let mut c = Columns::default();
        for (field, name) in FIELDS {
            *c.get_mut(field) = frame.column(&format!("{symbol}.{name}"))?.f64()?.into_no_null_iter().collect();
        }
        columns.push(c);
    }
    let interval_ms = times.get(1).zip(times.first()).map_or(3_600_000, |(b, a)| b - a);
    Ok(Market { interval_ms, times, symbols, columns, generated })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// L-31: a snapshot whose values changed is refused, whatever its file says.
    #[test]
    fn l31_round_trip_and_tampering() {
        let dir = tempfile::tempdir().unwrap();
        let market = super::super::generate::market(&["BTCUSDT".into(), "ETHUSDT".into()], 300, 7);
        let (hash, _) = write(dir.path(), &market).unwrap();
        let back = read(dir.path(), &hash).unwrap();
        assert_eq!(back.data_hash(), hash);
        assert_eq!((back.symbols, back.times), (market.symbols.clone(), market.times.clone()));
        let mut other = market;
        other.columns[0].fields[3][5] *= 1.01;
        let (changed, _) = write(dir.path(), &other).unwrap();
        std::fs::rename(path(dir.path(), &changed), path(dir.path(), &hash)).unwrap();
        assert!(read(dir.path(), &hash).unwrap_err().to_string().contains("was changed"));
    }
}
