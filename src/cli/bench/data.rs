//! Market data: importing files of one-minute bars, and opening the snapshot for a study.

use super::figure::{Figure, Goal};
use super::peak_memory_mb;
use assay_lab::data::{Import, read};
use assay_lab::{Lab, LabError};
use assay_research::data::Request;
use assay_research::data::generate::Spec;
use assay_research::data::{files, snapshot};
use assay_shared::rulebook::book::Between;
use std::path::Path;
use std::time::Instant;

/// Five years of minutes of five symbols are to be imported in 100 s and opened in 2 s.
const GOALS: (f64, f64) = (7.7, 0.154);

/// Writes files of five symbols with so many one-minute bars each, imports them into a lab, and opens them.
pub fn measure(lab: &Lab, dir: &Path, bars: u32, out: &mut Vec<Figure>) -> Result<(), LabError> {
    let symbols: Vec<String> = ["ADAUSDT", "BTCUSDT", "ETHUSDT", "LTCUSDT", "XRPUSDT"].map(String::from).into();
    let (bars, from_ms) = (bars as usize, 1_646_092_800_000);
    let spec = Spec { symbols: &symbols, interval_ms: 60_000, from_ms, bars, seed: 7, gaps: false, detail_ms: None };
    let files_dir = dir.join("made");
    files::write(&files_dir, &spec, &|_| ())?;
    let millions = (bars * symbols.len()) as f64 / 1e6;
    let start = Instant::now();
    let import = Import {
        dir: files_dir,
        request: Request { interval: "1m".into(), ..Request::default() },
        assume_brackets_from: None,
        brackets_seen: None,
        between: Between::Harsher,
    };
    let imported = read(&import, lab, true)?.register(lab)?;
    let seconds = start.elapsed().as_secs_f64();
    out.push(Figure::new("importing files of 1m bars, a million", seconds / millions, "s").goal(Goal::AtMost(GOALS.0)));
    out.push(Figure::new("peak memory of importing", peak_memory_mb(), "MB").goal(Goal::AtMost(800.0)));
    let start = Instant::now();
    let market = snapshot::read(&lab.snapshot_dir(), &imported.data_hash, None)?;
    let seconds = start.elapsed().as_secs_f64();
    std::hint::black_box(market.len());
    let name = "opening a snapshot of 1m bars, a million";
    out.push(Figure::new(name, seconds / millions, "s").goal(Goal::AtMost(GOALS.1)));
    Ok(())
}
