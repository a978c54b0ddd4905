//! Characters that are obeyed instead of shown: names and words come from other people's files.

/// Whether a terminal or a page obeys a character instead of showing it: controls, and what turns the direction of
/// writing. Line ends and tabs are ours.
pub fn is_obeyed(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control() && c != '\n' && c != '\t'
}

/// Text in which such characters are seen to be there.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_obeyed_is_seen() {
        assert_eq!(plain("a\u{202e}b\u{1b}[2Jc\r\n\td é 策"), "a\u{fffd}b\u{fffd}[2Jc\u{fffd}\n\td é 策");
    }
}
