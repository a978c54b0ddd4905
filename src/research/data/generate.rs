//! A generated market, for demonstrations, tests and measuring. It is labelled wherever it shows.
//!
//! It has what real ones have and earns nothing by itself: returns with fat tails (Student's t of four degrees
//! of freedom) and clustered volatility, a factor that all symbols share, marks that lag a premium, funding
//! tied to that premium. Prices expect to move by what is paid for holding them, and by nothing else, so no rule has
//! an edge on it.

use assay_shared::market::{Columns, Market, Settlement};

const HOUR_MS: i64 = 3_600_000;
/// Standard deviation of an hour's return: 70 % a year.
const HOURLY: f64 = 0.0075;
/// Share of the common factor in a symbol's variance.
const COMMON: f64 = 0.6;
/// Standard deviation of the premium.
const PREMIUM: f64 = 0.0006;
/// Hours between settlements.
const FUNDING_HOURS: i64 = 8;
/// Traded in an hour without a move, USDT: about a third of what is traded in all.
const TURNOVER: f64 = 40e6;
/// First prices, in turn.
const PRICES: [f64; 8] = [40_000.0, 2_500.0, 0.6, 0.45, 90.0, 150.0, 12.0, 0.08];

/// What to generate.
#[derive(Debug, Clone)]
pub struct Spec<'a> {
    /// Symbols.
    pub symbols: &'a [String],
    /// Milliseconds between bars.
    pub interval_ms: i64,
    /// Opening time of the first bar, milliseconds since 1970.
    pub from_ms: i64,
    /// Number of bars.
    pub bars: usize,
    /// Another seed is another market.
    pub seed: u64,
    /// Some bars open away from the last close.
    pub gaps: bool,
    /// Milliseconds between finer bars, of which the bars are made then.
    pub detail_ms: Option<i64>,
}

impl<'a> Spec<'a> {
    /// The finer bars, if there are to be some.
    pub fn finer(&self) -> Option<Spec<'a>> {
        let step = self.detail_ms?;
        let bars = self.bars * (self.interval_ms / step) as usize;
        Some(Spec { interval_ms: step, bars, detail_ms: None, ..self.clone() })
    }
}

/// SplitMix64: a counter becomes a random number, so any bar can be made alone.
fn random(seed: u64, counter: u64) -> f64 {
    let mut z = seed.wrapping_add(counter.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    // Never zero: its logarithm is taken.
    (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// Random numbers of one stream, by bar.
#[derive(Clone, Copy)]
struct Noise {
    seed: u64,
    stream: u64,
}

impl Noise {
    fn uniform(self, bar: usize, which: u64) -> f64 {
        random(self.seed, (self.stream << 40) + bar as u64 * 16 + which)
    }

    /// Standard normal, by Box and Muller; takes `which` and the one after it.
    fn normal(self, bar: usize, which: u64) -> f64 {
        let (u, v) = (self.uniform(bar, which), self.uniform(bar, which + 1));
        libm::sqrt(-2.0 * libm::log(u)) * libm::cos(std::f64::consts::TAU * v)
    }

    /// Student's t of four degrees of freedom with variance one; takes four numbers.
    fn fat(self, bar: usize, which: u64) -> f64 {
        let chi = -2.0 * libm::log(self.uniform(bar, which + 2) * self.uniform(bar, which + 3));
        (self.normal(bar, which) / libm::sqrt(chi / 4.0) / std::f64::consts::SQRT_2).clamp(-12.0, 12.0)
    }
}

/// Variance that clusters: GARCH(1,1) around one, with a memory of hours whatever the bars' length.
struct Cluster {
    variance: f64,
    alpha: f64,
    beta: f64,
}

impl Cluster {
    fn new(hours: f64) -> Cluster {
        let persistence = libm::pow(0.99, hours);
        let alpha = ((1.0 - persistence) * 6.0).min(0.15);
        Cluster { variance: 1.0, alpha, beta: persistence - alpha.min(persistence) }
    }

    /// A shock scaled by the variance so far, which it then moves.
    fn shock(&mut self, z: f64) -> f64 {
        let shock = z * libm::sqrt(self.variance);
        let rest = 1.0 - self.alpha - self.beta;
        self.variance = rest + self.alpha * shock * shock + self.beta * self.variance;
        shock
    }
}

/// Hourly bars from 2022-03-01 on.
pub fn market(symbols: &[String], bars: usize, seed: u64) -> Market {
    made(&Spec { symbols, interval_ms: HOUR_MS, from_ms: 1_646_092_800_000, bars, seed, gaps: false, detail_ms: None })
}

/// A market.
pub fn made(spec: &Spec<'_>) -> Market {
    if let Some(finer) = spec.finer().map(|finer| made(&finer)) {
        let bars = finer.coarser((spec.interval_ms / finer.interval_ms) as usize);
        return bars.clone().with_detail(finer).unwrap_or(bars);
    }
    let columns = (0..spec.symbols.len()).map(|s| one(spec, s)).collect();
    let times = (0..spec.bars as i64).map(|t| spec.from_ms + t * spec.interval_ms).collect();
    Market::new(spec.interval_ms, times, spec.symbols.to_vec(), columns, true)
}

/// One symbol of a market: the same whatever other symbols there are before it in the list.
pub fn one(spec: &Spec<'_>, s: usize) -> Columns {
    let hours = spec.interval_ms as f64 / HOUR_MS as f64;
    let (factor, own) = (Noise { seed: spec.seed, stream: 1 }, Noise { seed: spec.seed, stream: 8 + s as u64 });
    let (mut common, mut alone) = (Cluster::new(hours), Cluster::new(hours));
    let size = HOURLY * libm::sqrt(hours);
    let memory = libm::pow(0.9, hours);
    let (mut premium, mut last, mut before): (f64, f64, f64) = (0.0, PRICES[s % PRICES.len()], 0.0);
    let (mut sum, mut count, apart) = (0.0_f64, 0.0, FUNDING_HOURS * HOUR_MS);
    let end = spec.from_ms + spec.bars as i64 * spec.interval_ms;
    let mut due = (spec.from_ms + apart - 1).div_euclid(apart) * apart;
    let mut out = Columns::default();
    out.fields.iter_mut().take(assay_shared::market::STORED).for_each(|c| c.reserve_exact(spec.bars));
    if due == spec.from_ms {
        out.settlements.push(Settlement { ms: due, rate: 0.0, mark: f64::NAN });
        due += apart;
    }
    for t in 0..spec.bars {
        let next = spec.from_ms + (t as i64 + 1) * spec.interval_ms;
        premium = memory * premium + PREMIUM * libm::sqrt(1.0 - memory * memory) * own.normal(t, 12);
        (sum, count) = (sum + premium, count + 1.0);
        let mut carry = 0.0;
        while due <= next {
            // The mean premium since the last settlement. Who holds until then pays it, and the price makes up
            // for it: nobody earns by being paid.
            let rate = if count > 0.0 { sum / count } else { premium };
            let rate = (rate.clamp(-0.003, 0.003) * 1e8).round() / 1e8;
            if due < end {
                out.settlements.push(Settlement { ms: due, rate, mark: f64::NAN });
            }
            carry += rate;
            (sum, count, due) = (0.0, 0.0, due + apart);
        }
        let shared = common.shock(factor.fat(t, 0)) * libm::sqrt(COMMON);
        let r = size * (shared + alone.shock(own.fat(t, 0)) * libm::sqrt(1.0 - COMMON)) + carry;
        let wide = size * libm::sqrt(COMMON * common.variance + (1.0 - COMMON) * alone.variance);
        let jump = if spec.gaps && own.uniform(t, 14) < 0.002 { size * 4.0 * own.fat(t, 10) } else { 0.0 };
        let open = last * (1.0 + jump.clamp(-0.3, 0.3));
        let prices = path(open, r.clamp(-0.4, 0.6), wide, [own.uniform(t, 4), own.uniform(t, 5)]);
        let (mark_open, mark_close) = (open * (1.0 - before), prices[3] * (1.0 - premium));
        let marks = [
            mark_open,
            (prices[1] * (1.0 - premium)).max(mark_open).max(mark_close),
            (prices[2] * (1.0 - premium)).min(mark_open).min(mark_close),
            mark_close,
        ];
        let volume = TURNOVER / prices[3] * hours * (0.2 + (r / size).abs() + own.uniform(t, 15));
        let row = prices.into_iter().chain([volume]).chain(marks);
        out.fields.iter_mut().zip(row).for_each(|(column, v)| column.push(v));
        (last, before) = (prices[3], premium);
    }
    out
}

/// Open, high, low, close of a bar that goes from its open by a return: the furthest points are those of a Brownian
/// bridge of that width.
fn path(open: f64, r: f64, wide: f64, [up, down]: [f64; 2]) -> [f64; 4] {
    let far = |u: f64| libm::sqrt(r * r - 2.0 * wide * wide * libm::log(u));
    let close = open * (1.0 + r);
    let high = (open * (1.0 + (r + far(up)) / 2.0)).max(open).max(close);
    let low = (open * (1.0 + (r - far(down)) / 2.0)).min(open).min(close);
    [open, high, low.max(open.min(close) * 0.5), close]
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_shared::market::Field;

    fn returns(m: &Market, s: usize) -> Vec<f64> {
        m.columns[s].get(Field::Close).windows(2).map(|w| w[1] / w[0] - 1.0).collect()
    }

    fn mean(x: &[f64]) -> f64 {
        x.iter().sum::<f64>() / x.len() as f64
    }

    fn correlation(x: &[f64], y: &[f64]) -> f64 {
        let (mx, my) = (mean(x), mean(y));
        let sum = |f: &dyn Fn(usize) -> f64| (0..x.len()).map(f).sum::<f64>();
        let (xy, xx, yy) = (
            sum(&|i| (x[i] - mx) * (y[i] - my)),
            sum(&|i| (x[i] - mx) * (x[i] - mx)),
            sum(&|i| (y[i] - my) * (y[i] - my)),
        );
        xy / (xx * yy).sqrt()
    }

    fn median(mut x: Vec<f64>) -> f64 {
        x.sort_by(f64::total_cmp);
        x[x.len() / 2]
    }

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|s| format!("S{s}USDT")).collect()
    }

    /// Fat tails, volatility that clusters, symbols that move together, funding that follows the premium.
    #[test]
    fn it_has_what_real_ones_have() {
        let m = market(&names(2), 20_000, 3);
        let (a, b) = (returns(&m, 0), returns(&m, 1));
        let square: Vec<f64> = a.iter().map(|r| r * r).collect();
        let kurtosis = mean(&a.iter().map(|r| r.powi(4)).collect::<Vec<_>>()) / mean(&square).powi(2);
        assert!(kurtosis > 5.0, "{kurtosis}");
        let size: Vec<f64> = a.iter().map(|r| r.abs()).collect();
        let clustered = correlation(&size[..size.len() - 1], &size[1..]);
        assert!(clustered > 0.1, "{clustered}");
        assert!(correlation(&a[..a.len() - 1], &a[1..]).abs() < 0.03, "returns themselves say nothing of the next");
        assert!((0.4..0.8).contains(&correlation(&a, &b)));
        let c = &m.columns[0];
        let premium = |t: usize| c.get(Field::Close)[t] / c.get(Field::MarkClose)[t] - 1.0;
        let settled = &c.settlements[1..];
        let before: Vec<f64> =
            (1..=settled.len()).map(|k| mean(&(k * 8 - 8..k * 8).map(premium).collect::<Vec<_>>())).collect();
        let rates: Vec<f64> = settled.iter().map(|s| s.rate).collect();
        assert!(correlation(&before, &rates) > 0.95);
        assert!(mean(&rates).abs() < 0.0001 && rates.iter().any(|r| r.abs() > 0.0005));
        let flat = (0..m.len()).filter(|t| c.get(Field::High)[*t] == c.get(Field::Close)[*t]).count();
        assert!(flat < m.len() / 20, "{flat} bars end at their highest price");
        for t in 0..m.len() {
            let [o, h, l, c] = [Field::Open, Field::High, Field::Low, Field::Close].map(|f| m.columns[0].get(f)[t]);
            assert!(l > 0.0 && l <= o.min(c) && h >= o.max(c));
            let [o, h, l, c] =
                [Field::MarkOpen, Field::MarkHigh, Field::MarkLow, Field::MarkClose].map(|f| m.columns[0].get(f)[t]);
            assert!(l > 0.0 && l <= o.min(c) && h >= o.max(c));
        }
    }

    /// Following the trend on it, or fading it, or holding on, earns nothing in the median, costs apart.
    #[test]
    fn it_earns_nothing_by_itself() {
        let sharpe = |seed: u64, position: &dyn Fn(&[f64], usize) -> f64| {
            let m = market(&names(1), 8766, seed);
            let close = m.columns[0].get(Field::Close);
            let r = returns(&m, 0);
            let earned: Vec<f64> = (100..r.len()).map(|t| position(close, t) * r[t]).collect();
            let deviation = mean(&earned.iter().map(|e| e * e).collect::<Vec<_>>()).sqrt();
            mean(&earned) / deviation * 8766f64.sqrt()
        };
        let carry = |seed: u64| {
            // Who is paid for holding: against the last rate, price and funding together.
            let m = market(&names(1), 8766, seed);
            let (close, settled) = (m.columns[0].get(Field::Close), &m.columns[0].settlements);
            let earned = settled.windows(2).skip(1).filter_map(|w| {
                let bar = |ms: i64| ((ms - m.times[0]) / HOUR_MS) as usize;
                let (from, to) = (bar(w[0].ms), bar(w[1].ms) - 1);
                Some(-w[0].rate.signum() * (close.get(to)? / close[from] - 1.0 - w[1].rate))
            });
            let earned: Vec<f64> = earned.collect();
            let deviation = mean(&earned.iter().map(|e| e * e).collect::<Vec<_>>()).sqrt();
            mean(&earned) / deviation * (3.0 * 365.25f64).sqrt()
        };
        let found = mean(&(0..60).map(carry).collect::<Vec<_>>());
        assert!(found.abs() < 0.3, "carry: {found}");
        let trend = |close: &[f64], t: usize| (close[t] - mean(&close[t - 48..t])).signum();
        for (name, position) in [
            ("trend", &trend as &dyn Fn(&[f64], usize) -> f64),
            ("reversal", &|close: &[f64], t: usize| -trend(close, t)),
            ("holding", &|_: &[f64], _| 1.0),
        ] {
            let found = median((0..41).map(|seed| sharpe(seed, position)).collect());
            assert!(found.abs() < 0.4, "{name}: {found}");
        }
    }

    /// Whatever the bars' length: the same hours have about the same variance, and settlements come on time.
    #[test]
    fn bars_of_any_length() {
        for (minutes, bars) in [(1, 30_000), (60, 3000), (240, 2000), (1440, 700)] {
            let symbols = names(1);
            let interval_ms = minutes * 60_000;
            let spec = Spec {
                symbols: &symbols,
                interval_ms,
                from_ms: 1_646_092_800_000,
                bars,
                seed: 5,
                gaps: minutes == 60,
                detail_ms: None,
            };
            let m = made(&spec);
            let r = returns(&m, 0);
            let hourly = (mean(&r.iter().map(|r| r * r).collect::<Vec<_>>()) * 60.0 / minutes as f64).sqrt();
            assert!((0.5..2.0).contains(&(hourly / HOURLY)), "{minutes}: {hourly}");
            let settled = &m.columns[0].settlements;
            assert!(settled.iter().all(|s| s.ms.rem_euclid(FUNDING_HOURS * HOUR_MS) == 0));
            let opens = m.columns[0].get(Field::Open);
            let gaps = (1..bars).filter(|t| opens[*t] != m.columns[0].get(Field::Close)[t - 1]).count();
            assert_eq!(gaps > 0, minutes == 60);
        }
    }
}
