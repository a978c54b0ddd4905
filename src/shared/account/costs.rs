//! What trading costs beside fees, and how much a market takes: assumptions of a run.

use serde::{Deserialize, Serialize};

/// What a run assumes beside the strategy and the rule book.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumptions {
    /// Wallet at the start, USDT.
    #[serde(default = "cash")]
    pub initial_cash_usdt: f64,
    /// Market orders fill this much worse than the price, in hundredths of a percent.
    #[serde(default = "slippage")]
    pub slippage_bps: f64,
    /// What comes on top of that.
    #[serde(default, skip_serializing_if = "Impact::is_none")]
    pub impact: Impact,
    /// The most that one order may be, as a share of the volume of the last closed bar; without one any size fills.
    /// Stops and liquidations are taken whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_volume_share: Option<f64>,
    /// What is above that share of an entry is carried over to the next open; it is refused otherwise. What is left of
    /// an exit is always carried over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub carry_over: bool,
    /// An isolated position above the lowest bracket is liquidated bracket by bracket until it holds, with the
    /// liquidation fee on what is sold; without this, and in cross, it is lost whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial_liquidation: bool,
}

/// How much worse than the price a market order fills, beside the fixed slippage.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(
    tag = "model",
    rename_all = "kebab-case",
    deny_unknown_fields,
    expecting = "a table such as { model = \"none\" }"
)]
pub enum Impact {
    /// Not at all.
    #[default]
    None,
    /// A share of the last closed bar's range, which stands for the spread and the speed of prices. Corwin and
    /// Schultz, "A simple way to estimate bid-ask spreads from daily high and low prices", Journal of Finance 67, 2012.
    Range {
        /// Of high less low.
        share: f64,
    },
    /// The square root of the order's share of the last closed bar's volume, times its volatility by its range
    /// (Parkinson). Almgren, Thum, Hauptmann and Li, "Direct estimation of equity market impact", Risk 18, 2005; Toth
    /// and others, "Anomalous price impact and the critical nature of liquidity", Physical Review X 1, 2011.
    SquareRoot {
        /// Factor, about 1.
        factor: f64,
    },
}

impl Impact {
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_none(&self) -> bool {
        *self == Impact::None
    }
}

fn cash() -> f64 {
    100_000.0
}

fn slippage() -> f64 {
    2.0
}

impl Assumptions {
    /// Those of a study file that says nothing of them.
    pub fn of_a_study() -> Assumptions {
        Assumptions {
            initial_cash_usdt: cash(),
            slippage_bps: slippage(),
            max_volume_share: Some(0.01),
            ..Assumptions::default()
        }
    }
}

impl Default for Assumptions {
    /// Ten thousand USDT, and nothing that costs.
    fn default() -> Assumptions {
        Assumptions {
            initial_cash_usdt: 10_000.0,
            slippage_bps: 0.0,
            impact: Impact::None,
            max_volume_share: None,
            carry_over: false,
            partial_liquidation: false,
        }
    }
}

/// The same, as the account reckons with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Costs {
    pub(super) slippage: f64,
    pub(super) impact: Impact,
    /// NaN for no limit.
    pub(super) volume_share: f64,
    pub(super) carry: bool,
    pub(super) partial: bool,
}

impl Costs {
    pub(super) fn of(a: &Assumptions) -> Costs {
        Costs {
            slippage: a.slippage_bps / 10_000.0,
            impact: a.impact,
            volume_share: a.max_volume_share.unwrap_or(f64::NAN),
            carry: a.carry_over,
            partial: a.partial_liquidation,
        }
    }

    /// Whether it depends on what bars say.
    pub(super) fn looks_at_bars(&self) -> bool {
        self.impact != Impact::None || !self.volume_share.is_nan()
    }

    /// How much worse a market order of so much fills, as a fraction of the price. What a bar does not say costs
    /// nothing.
    pub(super) fn slip(&self, qty: f64, volume: f64, range: f64) -> f64 {
        let more = match self.impact {
            Impact::None => return self.slippage,
            Impact::Range { share } => share * range,
            Impact::SquareRoot { factor } => {
                // Parkinson: the range of a random walk is sqrt(4 ln 2) times its deviation.
                let deviation = range / (4.0 * std::f64::consts::LN_2).sqrt();
                factor * deviation * (qty / volume).sqrt()
            }
        };
        self.slippage + if more.is_finite() { more } else { 0.0 }
    }
}

/// What the last closed bar of a symbol says of how much it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Depth {
    /// Base asset; NaN where the source does not say.
    pub(super) volume: f64,
    /// High less low as a fraction of the close.
    pub(super) range: f64,
}

impl Depth {
    pub(super) const UNKNOWN: Depth = Depth { volume: f64::NAN, range: f64::NAN };
}
