//! Words and numbers as a page shows them.

/// Text that is shown, whatever is in it.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_as_one_reads_them() {
        assert_eq!(money(1_234_567.8), "1 234 568");
        assert_eq!(money(-950.4), "−950");
        assert_eq!(percent(-0.1234), "-12.3 %");
        assert_eq!(escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
