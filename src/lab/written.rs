//! What of a strategy's text no search counts: what was chosen with the data in view.

use assay_shared::strategy::Strategy;

/// Different numbers in the text of a strategy that are many.
const NUMBERS: usize = 20;
/// Digits from which on one number may hold more than a level, and all of a text together.
const LONG: usize = 9;
const DIGITS: usize = 100;

/// The numbers of a text, each once, and how many digits of it count.
fn digits(text: &str) -> Vec<(String, usize)> {
    let mut out: Vec<(String, usize)> = Vec::new();
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    for token in text.split(|c: char| !word(c)).filter(|t| t.starts_with(|c: char| c.is_ascii_digit())) {
        let figures = token.split(['e', 'E']).next().unwrap_or_default().replace(['_', '.'], "");
        let counted = figures.trim_start_matches('0').trim_end_matches('0').len();
        if !out.iter().any(|(known, _)| known == token) {
            out.push((token.into(), counted));
        }
    }
    out
}

/// What of its text no search counts.
pub(crate) fn written(text: &str) -> Vec<String> {
    let (mut out, Ok(strategy)) = (Vec::new(), Strategy::recorded(text)) else { return Vec::new() };
    if !strategy.reads_market() {
        let words = "it reads no price, no volume and no funding: when it trades was written with the calendar in view";
        out.push(words.into());
    }
    if strategy.reads_year() {
        out.push("it reads which year it is: its text may know which years were good".into());
    }
    if strategy.keeps_time() {
        let words =
            "one of its states reads no price, such as a count of bars: its text may know where in the data it is";
        out.push(words.into());
    }
    let digits = digits(text);
    if let Some((number, n)) = digits.iter().find(|(_, n)| *n >= LONG) {
        let words = format!("it holds a number of {n} digits, {number}: so many can hold what prices did");
        out.push(words);
    }
    let all: usize = digits.iter().map(|(_, n)| n).sum();
    if all > DIGITS {
        let words = format!("its numbers have {all} digits: so many can hold what prices did");
        out.push(words);
    }
    let numbers = strategy.constants();
    if numbers > NUMBERS {
        let words =
            format!("{numbers} different numbers stand in its text, and no count of trials knows how they were chosen");
        out.push(words);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "name = \"x\"\ninterval = \"1h\"\nsymbols = [\"BTCUSDT\"]\n";
    const TAIL: &str = "[sizing]\nmargin_fraction = 0.1\nleverage = 2\n";

    /// What a market did can be written into a text: in its numbers, read off by a clock.
    #[test]
    fn a_text_that_knows() {
        let found = digits("a = 383499152344678 + 0.250 * x12 + 1_000_000 + 24h + 1.5e-7 + 24h");
        let found: Vec<(&str, usize)> = found.iter().map(|(t, n)| (t.as_str(), *n)).collect();
        assert_eq!(found, [("383499152344678", 15), ("0.250", 2), ("1_000_000", 1), ("24h", 3), ("1.5e", 2), ("7", 1)]);
        let keeps = |states: &str| {
            let text = format!("{HEAD}[states]\n{states}[signals]\nlong_entry = \"s > 2 and close > 1\"\n{TAIL}");
            Strategy::parse(&text).unwrap_or_else(|d| panic!("{}", d[0])).keeps_time()
        };
        assert!(keeps("s = { start = \"0\", next = \"self + 1\" }\n"));
        assert!(keeps(
            "s = { start = \"0\", next = \"prev(t) + self\" }\nt = { start = \"1\", next = \"if(new_day, self, prev(s))\" }\n"
        ));
        assert!(!keeps("s = { start = \"0\", next = \"if(close > prev(close), self + 1, 0)\" }\n"));
        assert!(!keeps(
            "s = { start = \"0\", next = \"prev(t) + self\" }\nt = { start = \"1\", next = \"if(close > 3, self, prev(s))\" }\n"
        ));
        // What is shipped says nothing of the kind.
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/strategies");
        for item in
            std::fs::read_dir(shipped).unwrap().flatten().filter(|i| i.path().extension().is_some_and(|e| e == "toml"))
        {
            let text = std::fs::read_to_string(item.path()).unwrap();
            let Ok(strategy) = Strategy::parse(&text) else { continue };
            let digits = digits(strategy.canonical());
            let all: usize = digits.iter().map(|(_, n)| n).sum();
            assert!(
                !strategy.keeps_time() && all <= DIGITS && digits.iter().all(|(_, n)| *n < LONG),
                "{:?}: {all}",
                item.path()
            );
        }
    }
}
