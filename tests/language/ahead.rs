//! Looking ahead cannot be written: each try is refused, or gives nothing that later bars change.

use super::{market, parse, same};
use assay_shared::strategy::Strategy;
use assay_shared::strategy::space::defaults;

fn text(indicators: &str) -> String {
    format!(
        "name = \"x\"\ninterval = \"1h\"\nsymbols = [\"BTCUSDT\", \"ETHUSDT\"]\nreferences = [\"XRPUSDT\"]\n[parameters]\n\
         n = {{ type = \"int\", low = -5, high = 5, default = -1 }}\nz = {{ type = \"float\", low = -2.0, high = 2.0, default = 0.5 }}\n\
         [functions]\n\"later(x, k)\" = \"prev(x, k)\"\n[indicators]\n{indicators}\n\
         [signals]\nlong_entry = \"close > open\"\n[sizing]\nmargin_fraction = 0.1\nleverage = 1\n"
    )
}

/// Refused as they stand.
const REFUSED: [&str; 27] = [
    "prev(close, -1)",
    "prev(close, 0 - 1)",
    "prev(close, n)",
    "prev(close, z)",
    "prev(close, 0.5)",
    "prev(close, close)",
    "prev(close, -1d)",
    "later(close, -1)",
    "later(close, n)",
    "highest(high, -3)",
    "highest(high, 0)",
    "lowest(low, n)",
    "mean(close, -2)",
    "std(close, 1)",
    "count(close > open, 0)",
    "value_when(close > open, close, -1)",
    "at(close, 1, -1)",
    "at(close, 1, close)",
    "close[-1]",
    "close[1]",
    "next(close)",
    "shift(close, -1)",
    "lead(close, 1)",
    "on(30m, close)",
    "on(90m, close)",
    "on(-4h, close)",
    "running.close",
];

/// Read, and causal: what they give at a bar is the same without the bars after it.
const CAUSAL: [&str; 26] = [
    "at(close, -1, 10)",
    "at(close, z, 10)",
    "at(close, 0 - bars_since(close > open), 10)",
    "at(close, n, 10)",
    "prev(close, 0)",
    "on(4h, close)",
    "on(4h, high) - on(1d, low)",
    "on(1d, on(4h, close))",
    "on(4h, on(1d, close))",
    "prev(on(4h, close))",
    "on(4h, prev(close))",
    "on(1d, highest(high, 3))",
    "on(1w, close)",
    "on(XRPUSDT@4h, high)",
    "on(XRPUSDT, prev(close, 2))",
    "XRPUSDT@1d.close",
    "on(4h, on(1h, close))",
    "on(1d, new_week)",
    "across.max(on(4h, high))",
    "across.rank(close / prev(close))",
    "across.sum(if(mine(close) > close, 1, 0))",
    "sum_of(k, -3, 3, if(k < 0, 0, prev(close, 3)))",
    "hold(if(hour == 23, close, unknown))",
    "value_when(new_day, on(1d, close))",
    "slope(close, 9) * 9 + close",
    "quantile(close, 20, 1)",
];

#[test]
fn fifty_ways_to_look_ahead() {
    assert!(REFUSED.len() + CAUSAL.len() >= 50);
    for e in REFUSED {
        let found = Strategy::parse(&text(&format!("x = \"{e}\"")));
        assert!(found.is_err(), "{e} was accepted");
    }
    let whole = market(200, 4);
    // As they are later: other prices, and more bars.
    let mut other = market(200, 5);
    for cut in [30, 95, 96, 97, 167, 168, 169] {
        for (c, from) in other.columns.iter_mut().zip(&whole.columns) {
            for (column, from) in c.fields.iter_mut().zip(&from.fields) {
                column[..cut].copy_from_slice(&from[..cut]);
            }
        }
        for e in CAUSAL {
            let s = parse(&text(&format!("x = \"{e}\"")));
            let params = defaults(&s.file.parameters);
            let of = |m| s.named(&params, m).unwrap().swap_remove(0).values;
            let (all, changed, short) = (of(&whole), of(&other), of(&whole.slice(0, cut)));
            for t in 0..cut {
                assert!(same(all[t], changed[t]), "{e} at {t} of {cut}: {} {}", all[t], changed[t]);
                assert!(same(all[t], short[t]), "{e} at {t} of {cut}: {} {}", all[t], short[t]);
            }
        }
    }
}
