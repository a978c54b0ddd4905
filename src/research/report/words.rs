//! Words and numbers as a page shows them.

use assay_shared::format::plain::plain;
use std::fmt::Write as _;

/// Text that is shown, whatever is in it.
pub(super) fn escape(text: &str) -> String {
    plain(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A fraction as percent.
pub(super) fn percent(v: f64) -> String {
    format!("{:.1} %", v * 100.0)
}

/// An amount in whole USDT.
pub(super) fn money(v: f64) -> String {
    let digits = format!("{:.0}", v.abs());
    let grouped: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|c| std::str::from_utf8(c).ok()).collect();
    format!("{}{}", if v < 0.0 { "−" } else { "" }, grouped.join(" "))
}

/// A price without zeros that say nothing.
pub(super) fn price(v: f64) -> String {
    let text = format!("{v:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// A figure that may be undefined.
pub(super) fn number(v: Option<f64>) -> String {
    v.map_or("undefined".into(), |v| format!("{v:.4}"))
}

/// What goes beyond a narrow screen is moved there, instead of the whole page.
pub(super) fn wide(out: &mut String, chart: &str) {
    let _ = write!(out, "<div class=\"wide\">{chart}</div>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_as_one_reads_them() {
        assert_eq!(money(1_234_567.8), "1 234 568");
        assert_eq!(money(-950.4), "−950");
        assert_eq!(
            (price(1233.19), price(1200.0), price(0.0000123)),
            ("1233.19".into(), "1200".into(), "0.000012".into())
        );
        assert_eq!(percent(-0.1234), "-12.3 %");
        assert_eq!((number(Some(1.0)), number(None)), ("1.0000".to_string(), "undefined".into()));
        let mut out = String::new();
        wide(&mut out, "x");
        assert_eq!(out, "<div class=\"wide\">x</div>");
        assert_eq!(escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
        assert_eq!(escape("a\u{202e}b"), "a\u{fffd}b", "nothing turns what follows");
    }
}
