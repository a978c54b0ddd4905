//! A report's trades and equity as tables, for whatever reads CSV. Times are UTC, money USDT.

use super::Report;
use assay_shared::account::record::Trade;
use assay_shared::time::format_ms;
use serde_json::json;

/// First line of the trades.
pub(super) const TRADES: &str = "symbol,side,qty,leverage,entry_time,entry_price,exit_time,exit_price,entry_tag,exit_rule,exit_tag,\
     adds,parts,bars,fees_usdt,funding_usdt,pnl_usdt,mae,mfe,out_of_sample";
/// First line of the equity.
pub(super) const EQUITY: &str = "time,equity_usdt,drawdown,margin_usage,out_of_sample";

/// A text as a cell; a figure as the shortest number that reads back the same.
fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into() }
}

/// A row for each trade of the whole run, in the order in which they were closed; the figures out of sample are of
/// those that say so.
pub(super) fn trades(r: &Report) -> String {
    let row = |t: &Trade| {
        let rule = json!(t.rule);
        let cells = [
            cell(r.symbols.get(t.symbol).map_or("", String::as_str)),
            t.side.into(),
            t.qty.to_string(),
            t.leverage.to_string(),
            format_ms(t.entry_ms),
            t.entry.to_string(),
            format_ms(t.exit_ms),
            t.exit.to_string(),
            cell(r.tag(t.tag)),
            rule.as_str().unwrap_or_default().into(),
            cell(r.tag(t.exit_tag)),
            t.adds.to_string(),
            t.parts.to_string(),
            t.bars.to_string(),
            t.fees_usdt.to_string(),
            t.funding_usdt.to_string(),
            t.pnl_usdt.to_string(),
            t.mae.to_string(),
            t.mfe.to_string(),
            u8::from(r.counts(t)).to_string(),
        ];
        cells.join(",") + "\n"
    };
    format!("{TRADES}\n{}", r.trades.iter().map(row).collect::<String>())
}

/// A row for each bar, by its opening time.
pub(super) fn equity(r: &Report) -> String {
    let tested = r.out_of_sample_ms.unwrap_or(i64::MAX);
    let of = |series: &[f64], t: usize| series.get(t).map_or_else(String::new, f64::to_string);
    let row = |(t, ms): (usize, &i64)| {
        let figures = [&r.equity_usdt, &r.drawdown, &r.margin_usage].map(|series| of(series, t));
        format!("{},{},{}\n", format_ms(*ms), figures.join(","), u8::from(*ms >= tested))
    };
    format!("{EQUITY}\n{}", r.times_ms.iter().enumerate().map(row).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;

    /// The tables hold the same numbers, to the last bit, and read back with any reader of CSV.
    #[test]
    fn the_tables_hold_every_number() {
        let mut report = report("s", true, 6).with_tags(["", "dip", "top", "mid"].map(String::from).to_vec());
        for (n, trade) in report.trades.iter_mut().enumerate() {
            (trade.tag, trade.exit_tag) = (n as u16 % 4, n as u16 / 4 % 4);
        }
        let trades = report.trades_csv();
        let rows: Vec<Vec<&str>> = trades.lines().map(|line| line.split(',').collect()).collect();
        let at = |name: &str| rows[0].iter().position(|head| *head == name).unwrap();
        assert!(
            rows.len() == report.trades.len() + 1 && rows.len() > 3 && rows.iter().all(|r| r.len() == rows[0].len())
        );
        for (row, trade) in rows[1..].iter().zip(&report.trades) {
            assert_eq!((row[at("symbol")], row[at("side")]), (report.symbols[trade.symbol].as_str(), trade.side));
            let numbers =
                [("qty", trade.qty), ("entry_price", trade.entry), ("pnl_usdt", trade.pnl_usdt), ("mae", trade.mae)];
            for (name, number) in numbers {
                assert_eq!(row[at(name)].parse::<f64>().unwrap().to_bits(), number.to_bits(), "{name}");
            }
            assert_eq!(assay_shared::time::parse(row[at("exit_time")]), Some(trade.exit_ms));
            let named = [row[at("entry_tag")], row[at("exit_tag")]];
            assert_eq!(named, [trade.tag, trade.exit_tag].map(|n| ["", "dip", "top", "mid"][usize::from(n)]));
        }
        let tested = |row: &&Vec<&str>| row[at("out_of_sample")] == "1";
        let own = report.trades.iter().filter(|t| t.entry_ms >= report.out_of_sample_ms.unwrap()).count();
        assert_eq!(rows[1..].iter().filter(tested).count(), own);
        // The same in the other file.
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        for (row, trade) in rows[1..].iter().zip(json["trades"].as_array().unwrap()) {
            assert_eq!(
                (row[at("entry_tag")], row[at("exit_tag")]),
                (trade["tag"].as_str().unwrap(), trade["exit_tag"].as_str().unwrap())
            );
            assert_eq!(row[at("out_of_sample")] == "1", trade["out_of_sample"].as_bool().unwrap());
        }
        let equity = report.equity_csv();
        assert_eq!(equity.lines().count(), report.equity_usdt.len() + 1);
        for (line, e) in equity.lines().skip(1).zip(&report.equity_usdt) {
            assert_eq!(line.split(',').nth(1).unwrap().parse::<f64>().unwrap().to_bits(), e.to_bits());
        }
    }
}
