//! The words of an expression.

use super::diagnostic::Diagnostic;
use std::ops::Range;

/// A word.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub(super) enum Token {
    Number(f64),
    Name(String),
    /// `'text'`.
    Text(String),
    /// `4h`, milliseconds.
    Duration(i64),
    Symbol(&'static str),
    End,
}

const SYMBOLS: [&str; 17] = ["<=", ">=", "==", "!=", "<", ">", "+", "-", "*", "/", "(", ")", ",", ".", "%", "^", "@"];

/// How long a symbol is that stands here, where it is no plain name: `1000SHIBUSDT`, and letters of any script, which
/// the exchange has in symbols.
fn symbol_len(text: &str) -> usize {
    let len = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (word, plain) = (&text[..len], text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
    // One letter would be that of `1E5`.
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    let needed = !plain || !word.is_ascii();
    let whole = text[len..].starts_with('.') || word.chars().all(|c| !c.is_lowercase());
    if needed && letters >= 2 && whole { len } else { 0 }
}

/// A length of time such as `4h`, and how long its text is.
fn duration(text: &str) -> Option<(i64, usize)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let minutes = match text[digits..].chars().next()? {
        'm' => 1,
        'h' => 60,
        'd' => 24 * 60,
        'w' => 7 * 24 * 60,
        _ => return None,
    };
    let ends = !text[digits + 1..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let number: i64 = text[..digits].parse().ok().filter(|n| ends && (1..1_000_000).contains(n))?;
    Some((number * minutes * 60_000, digits + 1))
}

/// Takes a text apart.
///
/// # Errors
/// What does not belong in an expression.
pub(super) fn lex(text: &str) -> Result<Vec<(Token, Range<usize>)>, Diagnostic> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let c = bytes[at];
        let rest = &text[at..];
        let len_while = |f: fn(u8) -> bool| rest.bytes().take_while(|b| f(*b)).count();
        let word = symbol_len(rest);
        if c.is_ascii_whitespace() {
            at += 1;
        } else if word > 0 {
            out.push((Token::Name(rest[..word].into()), at..at + word));
            at += word;
        } else if let Some((ms, len)) = duration(rest) {
            out.push((Token::Duration(ms), at..at + len));
            at += len;
        } else if c == b'\'' {
            let end = rest[1..].find('\'').ok_or_else(|| Diagnostic::new("the text has no end", at..text.len()))?;
            out.push((Token::Text(rest[1..=end].into()), at..at + end + 2));
            at += end + 2;
        } else if c.is_ascii_digit() {
            let mut len = len_while(|b| b.is_ascii_digit() || b == b'.' || b == b'_');
            if rest[len..].starts_with(['e', 'E']) {
                let tail = &rest[len + 1..];
                let sign = usize::from(tail.starts_with(['-', '+']));
                let digits = tail[sign..].bytes().take_while(u8::is_ascii_digit).count();
                len += if digits > 0 { 1 + sign + digits } else { 0 };
            }
            let number = rest[..len].replace('_', "").parse::<f64>().ok().filter(|v| v.is_finite());
            let number =
                number.ok_or_else(|| Diagnostic::new(format!("'{}' is not a number", &rest[..len]), at..at + len))?;
            out.push((Token::Number(number), at..at + len));
            at += len;
        } else if c.is_ascii_alphabetic() || c == b'_' {
            let len = len_while(|b| b.is_ascii_alphanumeric() || b == b'_');
            out.push((Token::Name(rest[..len].into()), at..at + len));
            at += len;
        } else if let Some(symbol) = SYMBOLS.iter().find(|s| rest.starts_with(**s)) {
            out.push((Token::Symbol(symbol), at..at + symbol.len()));
            at += symbol.len();
        } else {
            let len = rest.chars().next().map_or(1, char::len_utf8);
            let d = Diagnostic::new(format!("'{}' does not belong in an expression", &rest[..len]), at..at + len);
            return Err(match &rest[..len] {
                "=" if matches!(out.as_slice(), [.., (Token::Symbol("(" | ","), _), (Token::Name(_), _)]) => {
                    d.help("arguments have no names, only places: SMA(close, 20); equal is '=='")
                }
                "=" => d.help("compare with '=='"),
                "&" => d.help("write 'and'"),
                "|" => d.help("write 'or'"),
                "!" => d.help("write 'not'"),
                "−" | "–" => d.help("this is no minus of the keyboard: write '-'"),
                "≥" => d.help("write '>='"),
                "≤" => d.help("write '<='"),
                "“" | "”" | "‘" | "’" => d.help("texts stand in plain single quotes"),
                "[" => d.help("an earlier bar is prev(x, bars): prev(close, 1) is the close of the bar before"),
                "?" | ":" => d.help("a choice is if(condition, a, b)"),
                "\"" => d.help("texts stand in single quotes"),
                _ => d,
            });
        }
    }
    out.push((Token::End, text.len()..text.len()));
    Ok(out)
}
