//! The table of figures: name, number, unit, direction, definition. One place for all of them.

use serde::{Serialize, Serializer};
use std::fmt;

/// What a figure is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// A fraction: 0.05 is 5 %.
    Fraction,
    /// A ratio without a unit.
    Ratio,
    /// US dollar stablecoin.
    Usdt,
    /// A number of things.
    Count,
    /// A number of bars.
    Bars,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Higher is better.
    Higher,
    /// Lower is better.
    Lower,
    /// Neither is.
    Neither,
}

macro_rules! metrics {
    ($($variant:ident $name:literal $code:literal $unit:ident $direction:ident $definition:literal;)*) => {
        /// A figure. Ordered by name; names and numbers are recorded and never change their meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $(#[doc = $definition] $variant,)*
        }

        impl Metric {
            /// All figures, by name.
            pub const ALL: &[Metric] = &[$(Metric::$variant),*];

            /// Its name, as it is recorded and shown to programs.
            pub fn name(self) -> &'static str {
                match self { $(Metric::$variant => $name),* }
            }

            /// Its number in events.
            pub fn code(self) -> u16 {
                match self { $(Metric::$variant => $code),* }
            }

            /// What it is measured in.
            pub fn unit(self) -> Unit {
                match self { $(Metric::$variant => Unit::$unit),* }
            }

            /// Which way is better.
            pub fn direction(self) -> Direction {
                match self { $(Metric::$variant => Direction::$direction),* }
            }

            /// How it is computed, in a line.
            pub fn definition(self) -> &'static str {
                match self { $(Metric::$variant => $definition),* }
            }
        }
    };
}

metrics! {
    BarsPerTrade "bars_per_trade" 1 Bars Neither "mean bars in which the position of a trade stood";
    BestMfe "best_mfe" 2 Fraction Higher "furthest move for a position, as a fraction of its entry price";
    Cagr "cagr" 3 Fraction Higher "growth a year of 365 days; -1 when nothing is left";
    Calmar "calmar" 4 Ratio Higher "cagr / -max_drawdown; undefined without a drawdown";
    ExpectancyUsdt "expectancy_usdt" 5 Usdt Higher "mean profit of a trade, net of fees and funding";
    Exposure "exposure" 6 Fraction Neither "share of bars with a position";
    FeesUsdt "fees_usdt" 7 Usdt Lower "fees paid";
    FinalEquityUsdt "final_equity_usdt" 8 Usdt Higher "equity at the last close, of the whole account: what was earned before the window is in it";
    FundingUsdt "funding_usdt" 9 Usdt Higher "funding received less paid";
    InsuranceUsdt "insurance_usdt" 25 Usdt Neither "what the insurance fund made good after cross liquidations";
    Kurtosis "kurtosis" 10 Ratio Neither "kurtosis of the returns per bar, 3 for a normal distribution; population moments";
    Liquidations "liquidations" 11 Count Lower "positions liquidated";
    MaxDrawdown "max_drawdown" 12 Fraction Higher "largest fall from a peak, zero or less; the first peak is the initial equity";
    ProfitFactor "profit_factor" 13 Ratio Higher "gains / losses of closed trades; undefined without a loss";
    RejectedOrders "rejected_orders" 14 Count Lower "entries, or what was left of one, that were refused";
    Sharpe "sharpe" 15 Ratio Higher "mean / deviation (ddof 1) of the returns per bar, times the root of the bars of a year";
    SharpePerBar "sharpe_per_bar" 16 Ratio Higher "mean / deviation (ddof 1) of the returns per bar";
    Skew "skew" 17 Ratio Higher "skewness of the returns per bar, population moments";
    Sortino "sortino" 18 Ratio Higher "mean of a year / root of the mean squared negative return, annualised";
    Sqn "sqn" 19 Ratio Higher "root of the number of trades times mean / deviation of their profits";
    TotalReturn "total_return" 20 Fraction Higher "equity at the last close / equity at the window's beginning - 1";
    Trades "trades" 21 Count Neither "trades that were entered and closed";
    UndecidedBars "undecided_bars" 26 Count Lower "bars of the whole run of which nobody knows whether a cross account survived them";
    Volatility "volatility" 22 Fraction Lower "deviation (ddof 1) of the returns per bar, annualised";
    WinRate "win_rate" 23 Fraction Higher "share of trades with a profit";
    WorstMae "worst_mae" 24 Fraction Higher "furthest move against a position, as a fraction of its entry price";
}

impl Metric {
    /// The figure of a name.
    pub fn of_name(name: &str) -> Option<Metric> {
        Metric::ALL.iter().copied().find(|m| m.name() == name)
    }

    /// The figure of a number.
    pub fn of_code(code: u16) -> Option<Metric> {
        Metric::ALL.iter().copied().find(|m| m.code() == code)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers are in signed events: none is used twice, and none moves.
    #[test]
    fn names_and_numbers_stand() {
        let listed: Vec<String> = Metric::ALL.iter().map(|m| format!("{}={}", m.code(), m.name())).collect();
        let mut names: Vec<&str> = Metric::ALL.iter().map(|m| m.name()).collect();
        let sorted = {
            let mut s = names.clone();
            s.sort_unstable();
            s
        };
        assert_eq!(names, sorted, "the order of the table is the order of names");
        names.dedup();
        assert_eq!(names.len(), Metric::ALL.len());
        assert_eq!(
            listed.join(" "),
            "1=bars_per_trade 2=best_mfe 3=cagr 4=calmar 5=expectancy_usdt 6=exposure 7=fees_usdt 8=final_equity_usdt 9=funding_usdt 25=insurance_usdt 10=kurtosis 11=liquidations 12=max_drawdown 13=profit_factor 14=rejected_orders 15=sharpe 16=sharpe_per_bar 17=skew 18=sortino 19=sqn 20=total_return 21=trades 26=undecided_bars 22=volatility 23=win_rate 24=worst_mae"
        );
        for m in Metric::ALL {
            assert_eq!((Metric::of_code(m.code()), Metric::of_name(m.name())), (Some(*m), Some(*m)));
        }
    }
}
