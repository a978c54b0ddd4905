//! Errors that point at the place in the file, with a caret and a suggestion.

use std::fmt;
use std::ops::Range;

/// The most problems that are told at once.
pub(super) const MAX_PROBLEMS: usize = 50;

/// A problem in a strategy file, at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// Byte range in the file's text.
    pub span: Range<usize>,
    /// What to write instead, if there is a guess.
    pub help: Option<String>,
    /// True when it only follows from another problem, which is told at its own place.
    pub follows: bool,
}

/// The known name that is close enough to be meant.
pub(crate) fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.len() / 3).max(1);
    let name = name.to_lowercase();
    let near = known.into_iter().filter(|k| k.len().abs_diff(name.len()) <= limit);
    let best = near.map(|k| (distance(&name, &k.to_lowercase()), k)).min();
    best.filter(|(d, _)| *d <= limit).map(|(_, k)| k)
}

impl Diagnostic {
    /// A problem at a place.
    pub fn new(message: impl Into<String>, span: Range<usize>) -> Diagnostic {
        Diagnostic { message: message.into(), span, help: None, follows: false }
    }

    /// Adds a suggestion.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Adds a suggestion where there is none yet.
    #[must_use]
    pub fn or(self, help: impl FnOnce() -> String) -> Diagnostic {
        if self.help.is_some() { self } else { self.help(help()) }
    }

    /// Marks what only follows from another problem.
    #[must_use]
    pub fn follows(mut self) -> Diagnostic {
        self.follows = true;
        self
    }

    /// Adds "did you mean", if a known name is close.
    #[must_use]
    pub fn suggest<'a>(self, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
        match near(name, known) {
            Some(k) => self.help(format!("did you mean '{k}'?")),
            None => self,
        }
    }

    /// The same problem, further into the text.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> Diagnostic {
        self.span = self.span.start + by..self.span.end + by;
        self
    }

    /// Shows the problem with its line and a caret under the place.
    pub fn render(&self, name: &str, text: &str) -> String {
        self.render_as("error", name, text)
    }

    /// The same under another word than "error".
    pub fn render_as(&self, word: &str, name: &str, text: &str) -> String {
        let at = floor_boundary(text, self.span.start);
        let line_start = text[..at].rfind('\n').map_or(0, |p| p + 1);
        let line_end = text[at..].find('\n').map_or(text.len(), |p| at + p);
        let line_no = text[..at].matches('\n').count() + 1;
        let column = text[line_start..at].chars().count();
        let end = floor_boundary(text, self.span.end.clamp(at, line_end));
        let width = text[at..end].chars().count().max(1);
        let gutter = " ".repeat(line_no.to_string().len());
        let (line, shown) = window(&text[line_start..line_end], column);
        let width = width.min(line.chars().count().saturating_sub(shown).max(1));
        let mut out = format!("{word}: {}\n{gutter}--> {name}:{line_no}:{}\n", self.message, column + 1);
        out += &format!("{gutter} |\n{line_no} | {line}\n{gutter} | {}{}", " ".repeat(shown), "^".repeat(width));
        if let Some(help) = &self.help {
            out += &format!("\n{gutter} = help: {help}");
        }
        out
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |h| write!(f, " ({h})"))
    }
}

/// What is shown of a line around a column, and the column's place in it.
fn window(line: &str, column: usize) -> (String, usize) {
    const WIDTH: usize = 120;
    let chars: Vec<char> = line.chars().collect();
    if chars.len() <= WIDTH {
        return (line.into(), column);
    }
    let from = column.saturating_sub(WIDTH / 2).min(chars.len() - WIDTH);
    let mut shown: Vec<char> = chars[from..from + WIDTH].to_vec();
    if from > 0 {
        shown[0] = '…';
    }
    if from + WIDTH < chars.len() {
        shown[WIDTH - 1] = '…';
    }
    (shown.into_iter().collect(), column - from)
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// How many letters have to be put in, left out, changed or swapped with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1; b.len() + 1];
        for j in 0..b.len() {
            let changed = last[j] + usize::from(a[i] != b[j]);
            row[j + 1] = changed.min(row[j] + 1).min(last[j + 1] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_apart() {
        for (a, b, n) in [
            ("clsoe", "close", 1),
            ("slwo", "slow", 1),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("ca", "abc", 3),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (n, n), "{a} {b}");
        }
    }

    /// Of a line that no screen holds, the part around the place is shown.
    #[test]
    fn long_lines_are_cut() {
        let text = format!("{}bad{}", "x".repeat(500), "y".repeat(500));
        for at in [0, 30, 500, 900, 1002] {
            let shown = Diagnostic::new("m", at..at + 3).render("s", &text);
            let lines: Vec<&str> = shown.lines().collect();
            let (line, caret) = (lines[3].strip_prefix("1 | ").unwrap(), lines[4].strip_prefix("  | ").unwrap());
            assert!(line.chars().count() == 120 && caret.chars().count() <= 120, "{shown}");
            let pointed = line.chars().nth(caret.find('^').unwrap()).unwrap();
            assert_eq!(pointed, text.chars().nth(at).unwrap(), "{shown}");
        }
    }

    #[test]
    fn carets_and_suggestions() {
        let text = "a = 1\nb = \"fst + 1\"\n";
        let d = Diagnostic::new("unknown name 'fst'", 11..14).suggest("fst", ["fast", "slow"]);
        let shown = d.render("s.toml", text);
        assert_eq!(
            shown,
            "error: unknown name 'fst'\n --> s.toml:2:6\n  |\n2 | b = \"fst + 1\"\n  |      ^^^\n  = help: did you mean 'fast'?"
        );
    }
}
