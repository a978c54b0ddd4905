//! The mirror: trials from the ledger into SQLite.

use super::figure::Figure;
use super::{STUDY, bench_book, lab_in, per_second};
use assay_lab::LabError;
use assay_lab::data::{Origin, register};
use assay_lab::study::{Seed, open, parse_strategy, parse_study};
use assay_lab::verify::{self, Depth};
use assay_research::data::{Draft, generate};
use assay_research::mirror::Mirror;
use assay_shared::event::codec::Real;
use assay_shared::event::study::{FoldFact, recorded_folds, recorded_params};
use assay_shared::event::{BlockV2, Event, MetricCode, TrialCompletedV2};
use assay_shared::metric::Metric;
use assay_shared::search::unit::value_of_share;
use assay_shared::strategy::Params;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

const PARAMETERS: usize = 10;

fn strategy() -> String {
    let mut out = "name = \"mirrored\"\ninterval = \"1h\"\nsymbols = [\"BTCUSDT\"]\n[parameters]\n".to_string();
    for k in 0..PARAMETERS {
        let _ = writeln!(out, "p{k} = {{ type = \"float\", low = 0.0, high = 1.0, default = 0.5 }}");
    }
    let all: Vec<String> = (0..PARAMETERS).map(|k| format!("p{k}")).collect();
    let _ = writeln!(out, "[signals]\nlong_entry = \"close > {}\"", all.join(" + "));
    out + "[sizing]\nmargin_fraction = 0.1\nleverage = 1\n"
}

/// Writes a study of so many trials into a ledger, and makes the mirror of it.
pub fn measure(dir: &Path, trials: u32, out: &mut Vec<Figure>) -> Result<(), LabError> {
    let lab = lab_in(&dir.join("mirror-lab"))?;
    let strategy = parse_strategy(&strategy(), "mirrored")?;
    let market = generate::market(&strategy.file.symbols, 24_000, 7);
    let origin = Origin { source: "GENERATED MARKET for measuring".into(), ..Origin::default() };
    register(&lab, &Draft::of(Some(&lab.snapshot_dir()), &market)?, &bench_book()?, origin)?;
    let mut settings = parse_study(STUDY, "configs/studies/walkforward.toml")?;
    settings.trials = trials;
    let opened = open(&lab, strategy, settings, Seed::Named, None, None, &[])?;
    let space = &opened.strategy.file.parameters;
    let fold = FoldFact { in_sample: Some(1.0), out_of_sample: Some(0.5), is_trades: 40, oos_trades: 20 };
    let block = BlockV2 { bars: 900, active: 300, powers: [0.1, 0.01, 0.001, 0.0001].map(Real), lagged: Real(0.0) };
    let trial = |number: u32| -> Event {
        let share = |k: usize| f64::from(number) * (k as f64 + 0.618) % 1.0;
        let params: Params = space
            .iter()
            .enumerate()
            .map(|(k, (name, range))| (name.clone(), value_of_share(range, share(k))))
            .collect();
        TrialCompletedV2 {
            study_id: opened.id,
            number,
            params: recorded_params(&params),
            identity: [number as u8; 32],
            scores: vec![Real(share(3))],
            constraints: vec![Real(-1.0); 3],
            folds: recorded_folds(&vec![fold.clone(); 9]),
            metrics: Metric::ALL.iter().map(|m| (MetricCode(m.code()), Real(share(1)))).collect(),
            blocks: vec![block.clone(); 16],
            stream_hash: [7; 32],
        }
        .into()
    };
    let mut writer = lab.writer()?;
    for first in (0..trials).step_by(1024) {
        writer.record(&(first..trials.min(first + 1024)).map(trial).collect::<Vec<_>>())?;
    }
    writer.release();
    drop(writer);
    let log = lab.log()?;
    let start = Instant::now();
    verify::own(&lab, Depth { deep: false, new: false })?;
    let verified = per_second(log.len(), start);
    let start = Instant::now();
    Mirror::rebuild(&dir.join("many.sqlite"), &log)?;
    let name = format!("mirror of {trials} trials of {PARAMETERS} parameters, made from the ledger");
    out.push(Figure::new(name, per_second(u64::from(trials), start), "trials/s").of(verified, "verifying them"));
    Ok(())
}
