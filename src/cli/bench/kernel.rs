//! Kernels whose instructions are counted by a test: each does the same work however often it is asked, and prints
//! nothing.

use super::{STRATEGY, bench_book};
use assay_lab::LabError;
use assay_lab::study::parse_strategy;
use assay_research::data::generate;
use assay_research::simulate::{Ground, Prepared, prepare_on, run};
use assay_shared::account::{Assumptions, Run};
use assay_shared::event::codec::Real;
use assay_shared::event::study::recorded_params;
use assay_shared::event::{Event, MetricCode, TrialCompletedV2};
use assay_shared::market::Market;
use assay_shared::metric;
use assay_shared::rulebook::Rulebook;
use assay_shared::search::{Observation, Sampler, Search};
use assay_shared::strategy::space::defaults;
use assay_shared::strategy::{Bound, Params, Strategy};

const RULES: &str = include_str!("../../../configs/strategies/breakout.toml");
const BARS: usize = 1_500;
/// How often a small one is done at a time, so that the allocator's own doings are small beside it.
const SMALL: u32 = 40;

fn wrong(e: impl std::fmt::Display) -> LabError {
    LabError::Verification(e.to_string())
}

struct Stage {
    strategy: Strategy,
    bound: Bound,
    market: Market,
    book: Rulebook,
}

impl Stage {
    fn new(text: &str) -> Result<Stage, LabError> {
        let strategy = parse_strategy(text, "kernel")?;
        let bound = strategy.bind(&defaults(&strategy.file.parameters)).map_err(wrong)?;
        let market = generate::market(&strategy.file.symbols, BARS, 7);
        Ok(Stage { strategy, bound, market, book: bench_book()? })
    }

    fn prepared(&self) -> Result<Prepared<'_>, LabError> {
        prepare_on(&Ground::new(0), &self.bound, &self.market).map_err(wrong)
    }

    fn run(&self, prepared: &Prepared<'_>) -> Result<Run, LabError> {
        let (all, costs) = (0..self.market.len(), Assumptions::of_a_study());
        run(&self.bound, prepared, &self.market, &self.book, &costs, all, false).map_err(wrong)
    }
}

/// What is counted: callgrind looks from its beginning to its end, and at nothing else of the process.
#[inline(never)]
fn counted(times: u32, work: &mut dyn FnMut() -> Result<(), LabError>) -> Result<(), LabError> {
    (0..times).try_for_each(|_| work())
}

/// Runs a kernel so often.
pub fn measure(name: &str, times: u32) -> Result<(), LabError> {
    let again = |work: &mut dyn FnMut() -> Result<(), LabError>| counted(times, work);
    match name {
        "signals" => {
            let stage = Stage::new(STRATEGY)?;
            again(&mut || stage.prepared().map(|p| drop(std::hint::black_box(p))))
        }
        "account" | "cross" | "rules" => {
            let text = match name {
                "cross" => STRATEGY.replace("\"isolated\"", "\"cross\""),
                "rules" => RULES.to_string(),
                _ => STRATEGY.to_string(),
            };
            let stage = Stage::new(&text)?;
            let prepared = stage.prepared()?;
            again(&mut || stage.run(&prepared).map(|r| drop(std::hint::black_box(r))))
        }
        "figures" => {
            let stage = Stage::new(STRATEGY)?;
            let run = stage.run(&stage.prepared()?)?;
            again(&mut || {
                for _ in 0..SMALL {
                    std::hint::black_box(metric::of(&run.whole(), stage.market.interval_ms));
                }
                Ok(())
            })
        }
        "suggest" => {
            let space = Stage::new(STRATEGY)?.strategy.file.parameters;
            let (any, sampler) = (|_: &Params| true, Sampler::default());
            let mut search = Search::new(&sampler, &space, 3, &any);
            for number in 0..300 {
                let params = Search::new(&Sampler::Random {}, &space, 5, &any).ask(number, &[]);
                let score = Some(-params.values().map(|v| v.number()).sum::<f64>());
                search.tell(&Observation { params, score, ..Observation::default() });
            }
            again(&mut || {
                std::hint::black_box(search.ask(300, &[]));
                Ok(())
            })
        }
        "codec" => {
            let params = recorded_params(&defaults(&Stage::new(STRATEGY)?.strategy.file.parameters));
            let metrics = metric::Metric::ALL.iter().map(|m| (MetricCode(m.code()), Real(0.25))).collect();
            let event: Event = TrialCompletedV2 {
                study_id: [1; 16],
                number: 7,
                params,
                identity: [2; 32],
                scores: vec![Real(1.0)],
                constraints: vec![Real(-1.0); 3],
                folds: Vec::new(),
                metrics,
                blocks: Vec::new(),
                stream_hash: [3; 32],
            }
            .into();
            again(&mut || {
                for _ in 0..SMALL {
                    let payload = event.encode().map_err(wrong)?;
                    std::hint::black_box(Event::decode("TrialCompleted", 2, &payload).map_err(wrong)?);
                }
                Ok(())
            })
        }
        other => Err(LabError::usage(format!("there is no kernel '{other}'"), "see src/cli/bench/kernel.rs")),
    }
}
