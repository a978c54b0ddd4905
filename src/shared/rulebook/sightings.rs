//! What was seen of the exchange's rules, and when: brackets, filters and fees of any number of symbols, in a
//! compact text. A date is the day on which something was seen, not the day from which it held.
//!
//! ```text
//! assay-rules 1
//! fees 2026-09-01 taker 0.0005 maker 0.0002 liquidation 0.0125 hours 8
//! filters BTCUSDT 2026-09-01 step 0.001 tick 0.1 min 100
//! table 1 50000:0.004:125 250000:0.005:100
//! brackets BTCUSDT 2022-02-16=1 2022-05-21=7
//! ```
//!
//! A table is, for each bracket, its cap in USDT, its maintenance margin rate and its highest leverage; floors
//! and amounts follow, since tables are continuous. Tables are numbered in the order in which symbols name them.

use super::bracket::{Bracket, Brackets, harsher};
use super::{Rulebook, RulebookError, SymbolRules};
use crate::time;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const TITLE: &str = "assay-rules 1";

/// Fees of a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fees {
    /// Fraction of notional for orders that take liquidity.
    pub taker: f64,
    /// Fraction of notional for orders that make liquidity.
    pub maker: f64,
    /// Fraction of the liquidated notional, for symbols without one of their own.
    pub liquidation: f64,
    /// Hours between settlements, for symbols that say nothing else.
    pub funding_interval_hours: u32,
}

/// By day, `YYYY-MM-DD`.
pub type ByDay<T> = BTreeMap<String, T>;

/// What was seen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sightings {
    /// Fees.
    pub fees: ByDay<Fees>,
    /// Order filters of each symbol.
    pub filters: BTreeMap<String, ByDay<SymbolRules>>,
    /// Bracket tables of each symbol.
    pub brackets: BTreeMap<String, ByDay<Vec<Bracket>>>,
}

/// The amounts that make a table continuous, to a hundred-millionth of a USDT.
fn continuous(rows: &[(f64, f64, f64)]) -> Vec<Bracket> {
    let mut out: Vec<Bracket> = Vec::with_capacity(rows.len());
    for (cap, mmr, max_leverage) in rows {
        let (floor, cum) = out.last().map_or((0.0, 0.0), |before| {
            let cum = before.cap * (mmr - before.mmr) + before.cum;
            (before.cap, (cum * 1e8).round() / 1e8)
        });
        out.push(Bracket { floor, cap: *cap, max_leverage: *max_leverage, mmr: *mmr, cum });
    }
    out
}

fn rows(table: &[Bracket]) -> String {
    let row = |b: &Bracket| format!("{}:{}:{}", b.cap, b.mmr, b.max_leverage);
    table.iter().map(row).collect::<Vec<_>>().join(" ")
}

impl Sightings {
    /// Reads the text.
    ///
    /// # Errors
    /// The first line that is wrong, and why.
    pub fn parse(text: &str) -> Result<Sightings, RulebookError> {
        let (mut out, mut tables) = (Sightings::default(), BTreeMap::new());
        let mut lines = text.lines().enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with('#'));
        let bad = |n: usize, what: &str| RulebookError::Malformed(format!("line {}: {what}", n + 1));
        if lines.next().is_none_or(|(_, first)| first != TITLE) {
            return Err(bad(0, &format!("it does not begin with '{TITLE}'")));
        }
        for (n, line) in lines {
            out.line(line, &mut tables).map_err(|what| bad(n, &what))?;
        }
        Ok(out)
    }

    fn line<'t>(&mut self, line: &'t str, tables: &mut BTreeMap<&'t str, Vec<Bracket>>) -> Result<(), String> {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["fees", day, "taker", taker, "maker", maker, "liquidation", liquidation, "hours", hours] => {
                let hours: u32 = hours.parse().map_err(|_| format!("'{hours}' is no number of hours"))?;
                let (taker, maker, liquidation) = (number(taker)?, number(maker)?, number(liquidation)?);
                // A maker may be paid, out of what the taker pays.
                if taker < 0.0 || liquidation < 0.0 || maker < -taker {
                    return Err("a fee is negative, and nobody is paid to trade".into());
                }
                let fees = Fees { taker, maker, liquidation, funding_interval_hours: hours };
                self.fees.insert(date(day)?, fees);
            }
            ["filters", symbol, day, "step", step, "tick", tick, "min", min, ref rest @ ..] => {
                let liquidation_fee = match rest {
                    [] => None,
                    ["liquidation", fee] => Some(number(fee)?),
                    _ => return Err("after the filters only `liquidation FEE` may follow".into()),
                };
                let (step, tick, min_notional) = (number(step)?, number(tick)?, number(min)?);
                let rules = SymbolRules { step, tick, min_notional, liquidation_fee };
                self.filters.entry(symbol.into()).or_default().insert(date(day)?, rules);
            }
            ["table", name, ref rows @ ..] => {
                let row = |row: &&str| {
                    let parts: Vec<f64> = row.split(':').map(number).collect::<Result<_, _>>()?;
                    match parts[..] {
                        [cap, mmr, leverage] => Ok((cap, mmr, leverage)),
                        _ => Err(format!("'{row}' is not CAP:RATE:LEVERAGE")),
                    }
                };
                let rows: Vec<_> = rows.iter().map(row).collect::<Result<_, String>>()?;
                let table = Brackets::new(continuous(&rows)).map_err(|e| e.to_string())?;
                tables.insert(name, table.table().to_vec());
            }
            ["brackets", symbol, ref seen @ ..] => {
                for one in seen {
                    let (day, name) = one.split_once('=').ok_or_else(|| format!("'{one}' is not DAY=TABLE"))?;
                    let table = tables.get(name).ok_or_else(|| format!("there is no table {name} before it"))?;
                    self.brackets.entry(symbol.into()).or_default().insert(date(day)?, table.clone());
                }
            }
            _ => return Err(format!("'{line}' is none of fees, filters, table and brackets")),
        }
        Ok(())
    }

    /// As text.
    pub fn text(&self) -> String {
        let mut out = format!("{TITLE}\n");
        for (day, f) in &self.fees {
            let _ = writeln!(
                out,
                "fees {day} taker {} maker {} liquidation {} hours {}",
                f.taker, f.maker, f.liquidation, f.funding_interval_hours
            );
        }
        for (symbol, days) in &self.filters {
            for (day, f) in days {
                let own = f.liquidation_fee.map_or(String::new(), |fee| format!(" liquidation {fee}"));
                let _ =
                    writeln!(out, "filters {symbol} {day} step {} tick {} min {}{own}", f.step, f.tick, f.min_notional);
            }
        }
        let (mut names, mut lines) = (BTreeMap::new(), String::new());
        for (symbol, days) in &self.brackets {
            let _ = write!(lines, "brackets {symbol}");
            for (day, table) in days {
                let (next, rows) = (names.len() + 1, rows(table));
                let name = *names.entry(rows.clone()).or_insert(next);
                if name == next {
                    let _ = writeln!(out, "table {name} {rows}");
                }
                let _ = write!(lines, " {day}={name}");
            }
            lines.push('\n');
        }
        out + &lines
    }

    /// What a rule book says, each thing as seen on the day from which it holds.
    pub fn of(book: &Rulebook) -> Sightings {
        let mut out = Sightings::default();
        for r in &book.rules {
            let fees = Fees {
                taker: r.taker_fee,
                maker: r.maker_fee,
                liquidation: r.liquidation_fee,
                funding_interval_hours: r.funding_interval_hours,
            };
            out.fees.insert(r.effective.clone(), fees);
            for (symbol, filters) in &r.symbols {
                out.filters.entry(symbol.clone()).or_default().insert(r.effective.clone(), *filters);
            }
        }
        for set in &book.brackets {
            for (symbol, table) in &set.symbols {
                out.brackets.entry(symbol.clone()).or_default().insert(set.effective.clone(), table.clone());
            }
        }
        out
    }

    /// Adds what others saw. Of two different things of one day, which may have changed on it, the one that
    /// asks more counts.
    pub fn join(&mut self, other: &Sightings) {
        for (day, f) in &other.fees {
            let mine = self.fees.entry(day.clone()).or_insert(*f);
            mine.taker = mine.taker.max(f.taker);
            mine.maker = mine.maker.max(f.maker);
            mine.liquidation = mine.liquidation.max(f.liquidation);
        }
        for (symbol, days) in &other.filters {
            for (day, f) in days {
                let own = self.filters.entry(symbol.clone()).or_default();
                let mine = own.entry(day.clone()).or_insert(*f);
                mine.step = mine.step.max(f.step);
                mine.tick = mine.tick.max(f.tick);
                mine.min_notional = mine.min_notional.max(f.min_notional);
                mine.liquidation_fee = mine.liquidation_fee.into_iter().chain(f.liquidation_fee).reduce(f64::max);
            }
        }
        for (symbol, days) in &other.brackets {
            for (day, table) in days {
                let own = self.brackets.entry(symbol.clone()).or_default();
                let mine = own.entry(day.clone()).or_insert_with(|| table.clone());
                if rows(mine) != rows(table) {
                    *mine = harsher(mine, table);
                }
            }
        }
    }

    /// Adds what else was seen in the same place.
    ///
    /// # Errors
    /// [`RulebookError::Contradiction`]: two things of one day that differ.
    pub fn add(&mut self, other: &Sightings) -> Result<(), RulebookError> {
        let clash = |symbol: &str, day: &str, what| RulebookError::Contradiction {
            symbol: symbol.into(),
            day: day.into(),
            what,
        };
        for (day, fees) in &other.fees {
            if *self.fees.entry(day.clone()).or_insert(*fees) != *fees {
                return Err(clash("all symbols", day, "fees"));
            }
        }
        for (symbol, days) in &other.filters {
            for (day, filters) in days {
                let mine = self.filters.entry(symbol.clone()).or_default();
                if *mine.entry(day.clone()).or_insert(*filters) != *filters {
                    return Err(clash(symbol, day, "filters"));
                }
            }
        }
        for (symbol, days) in &other.brackets {
            for (day, table) in days {
                let mine = self.brackets.entry(symbol.clone()).or_default();
                if rows(mine.entry(day.clone()).or_insert_with(|| table.clone())) != rows(table) {
                    return Err(clash(symbol, day, "bracket tables"));
                }
            }
        }
        Ok(())
    }
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|n| n.is_finite());
    number.ok_or_else(|| format!("'{text}' is no number"))
}

fn date(text: &str) -> Result<String, String> {
    let day = (text.len() == 10).then(|| time::parse(text)).flatten();
    day.map(|_| text.to_string()).ok_or_else(|| format!("'{text}' is no day such as 2024-10-24"))
}
