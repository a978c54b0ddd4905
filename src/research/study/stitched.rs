//! Out-of-sample windows joined into one run.

use assay_ledger::Hash;
use assay_shared::account::{Counts, Run};

/// Out-of-sample windows joined into one run: equity compounds from window to window.
pub(super) struct Stitched {
    pub run: Run,
    /// Most liquidations in any window.
    pub liquidations: u32,
}

impl Stitched {
    pub(super) fn new(initial: f64) -> Stitched {
        let run = Run {
            trades: Vec::new(),
            equity: Vec::new(),
            margin_usage: Vec::new(),
            records: Vec::new(),
            stream_hash: Hash::ZERO,
            counts: Counts::default(),
            initial_usdt: initial,
        };
        Stitched { run, liquidations: 0 }
    }

    pub(super) fn push(&mut self, window: Run) {
        let base = self.run.equity.last().copied().unwrap_or(self.run.initial_usdt) / window.initial_usdt;
        self.run.equity.extend(window.equity.iter().map(|e| e * base));
        self.run.margin_usage.extend(window.margin_usage);
        self.run.trades.extend(window.trades);
        self.run.records.extend(window.records);
        let (a, b) = (&mut self.run.counts, window.counts);
        a.fees_usdt += b.fees_usdt;
        a.funding_usdt += b.funding_usdt;
        a.liquidations += b.liquidations;
        a.rejected += b.rejected;
        a.exposed_bars += b.exposed_bars;
        a.fills += b.fills;
    }
}
