//! What a command says: data on stdout, words and progress on stderr; plain when not a terminal.

use assay_lab::LabError;
use assay_shared::format::plain::{is_obeyed, plain};
use indicatif::{ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Why stdout did not take what was written there.
static UNWRITTEN: Mutex<Option<std::io::Error>> = Mutex::new(None);

/// Whether lines are written over what stands on the screen, and whether the next one is the first of them.
static OVER: AtomicBool = AtomicBool::new(false);
static FRESH: AtomicBool = AtomicBool::new(true);

/// Writes data to stdout; a reader that went away is no error, and any other is told by [`written`].
pub fn print(text: &str) {
    write_line(&plain(text));
}

fn write_line(text: &str) {
    if !OVER.load(Ordering::Relaxed) {
        return note_lost(write_flushed(format!("{text}\n").as_bytes()));
    }
    let home = if FRESH.swap(false, Ordering::Relaxed) { "\x1b[H" } else { "" };
    let lines: String = text.lines().map(|l| format!("{l}\x1b[K\n")).collect();
    note_lost(write_flushed(format!("{home}{lines}").as_bytes()));
}

/// Shows something over what was shown before, without a blank moment; in a file it stands behind it.
pub fn again_from_the_top<T>(show: impl FnOnce() -> T) -> T {
    if !std::io::stdout().is_terminal() {
        return show();
    }
    OVER.store(true, Ordering::Relaxed);
    let shown = show();
    OVER.store(false, Ordering::Relaxed);
    // What stood below it goes.
    note_lost(write_flushed(b"\x1b[J"));
    FRESH.store(true, Ordering::Relaxed);
    shown
}

/// Whether everything that was printed was written: a command whose answer got lost has not answered.
pub fn written() -> Result<(), LabError> {
    match UNWRITTEN.lock().unwrap_or_else(PoisonError::into_inner).take() {
        None => Ok(()),
        Some(e) => Err(LabError::io("write", std::path::Path::new("stdout"))(e)),
    }
}

/// Writes bytes to stdout: for what goes into a file by redirection.
pub fn print_bytes(bytes: &[u8]) -> Result<(), LabError> {
    note_lost(write_flushed(bytes));
    written()
}

fn write_flushed(bytes: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

fn note_lost(done: std::io::Result<()>) {
    if let Err(e) = done
        && e.kind() != std::io::ErrorKind::BrokenPipe
    {
        UNWRITTEN.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
    }
}

/// Writes JSON to stdout.
pub fn print_json(value: &impl serde::Serialize) {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    // What a terminal would obey can stand in strings only, and there it has another spelling.
    let escape = |c: char| {
        let units = c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("\\u{u:04x}")).collect::<String>();
        if is_obeyed(c) { units } else { c.to_string() }
    };
    write_line(&text.chars().map(escape).collect::<String>());
}

/// Writes words to stderr.
pub fn say(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "{}", plain(text));
}

fn colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::io::stderr().is_terminal()
}

/// Writes words to stderr behind a name in colour.
pub fn styled(name: &str, code: &str, text: &str) {
    let name = if colour() { format!("\x1b[{code}m{name}\x1b[0m") } else { name.into() };
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "{name}: {}", plain(text));
}

/// A heading.
pub fn heading(text: &str) {
    let (begin, end) = if colour() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "\n{begin}{}{end}", plain(text));
}

/// Rows under a head, in columns; numbers to the right. On a terminal they fit its width.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    table_within(head, rows, width_of_terminal())
}

/// The same within so many characters.
pub fn table_within(head: &[&str], rows: &[Vec<String>], most: Option<usize>) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|r| r.iter().map(|c| c.replace(['\n', '\t'], "\u{fffd}")).collect()).collect();
    let width = |i: usize| {
        rows.iter()
            .filter_map(|r| r.get(i))
            .map(|c| c.chars().count())
            .chain([head[i].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    // Digits and what stands between them; words that begin with a number are words.
    let plain = |c: &str| c.chars().all(|c| c.is_ascii_digit() || " .,:%+-−exnaif".contains(c));
    let number = |i: usize| {
        rows.iter().filter_map(|r| r.get(i)).all(|c| {
            c.is_empty()
                || c == "-"
                || plain(c) && c.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit())
        })
    };
    let right: Vec<bool> = (0..head.len()).map(number).collect();
    let (widths, rows) = match most {
        Some(most) => fitted(widths, rows, most),
        None => (widths, rows),
    };
    let line = |cells: Vec<&str>| {
        let mut out = String::new();
        for (i, cell) in cells.iter().enumerate() {
            let pad = " ".repeat(widths[i].saturating_sub(cell.chars().count()));
            let cell = if right[i] { format!("{pad}{cell}") } else { format!("{cell}{pad}") };
            out += &format!("{}{cell}", if i == 0 { "" } else { "  " });
        }
        out.trim_end().to_string()
    };
    let mut out = vec![line(head.to_vec())];
    out.extend(rows.iter().map(|r| line(r.iter().map(String::as_str).collect())));
    out.join("\n")
}

/// How many characters a line of the terminal holds, when stdout is one.
fn width_of_terminal() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// The fewest characters that a column of words is cut down to.
const NARROW: usize = 16;

/// Rows within so many characters: what is too wide in the last column goes on below itself.
fn fitted(mut widths: Vec<usize>, rows: Vec<Vec<String>>, most: usize) -> (Vec<usize>, Vec<Vec<String>>) {
    let (all, last) = (widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1), widths.len() - 1);
    let room = most.saturating_sub(all - widths[last]).max(NARROW);
    if all <= most || widths[last] <= room {
        return (widths, rows);
    }
    widths[last] = room;
    let mut out = Vec::with_capacity(rows.len());
    for mut row in rows {
        let words = row.get_mut(last).map(std::mem::take).unwrap_or_default();
        let mut lines = broken(&words, room).into_iter();
        if let Some(cell) = row.get_mut(last) {
            *cell = lines.next().unwrap_or_default();
        }
        let empty = vec![String::new(); last];
        out.push(row);
        out.extend(lines.map(|line| empty.iter().cloned().chain([line]).collect()));
    }
    (widths, out)
}

/// Words in lines of so many characters; a longer word is cut.
pub fn broken(words: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split(' ') {
        let mut rest: Vec<char> = word.chars().collect();
        let used = lines.last().map_or(0, |l| l.chars().count());
        if used > 0 && used + 1 + rest.len() > room {
            lines.push(String::new());
        } else if used > 0 {
            lines.last_mut().into_iter().for_each(|l| l.push(' '));
        }
        while rest.len() > room {
            let cut: String = rest.drain(..room).collect();
            lines.last_mut().into_iter().for_each(|l| l.push_str(&cut));
            lines.push(String::new());
        }
        lines.last_mut().into_iter().for_each(|l| l.extend(&rest));
    }
    lines
}

/// Progress of long work: a bar on a terminal, which never takes more than its line, a line now and then elsewhere.
pub struct ProgressBar {
    bar: Option<indicatif::ProgressBar>,
    last: Mutex<Instant>,
    name: String,
}

impl ProgressBar {
    /// Progress over `total` steps.
    pub fn new(name: &str, total: u64) -> ProgressBar {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = indicatif::ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
            let style = if colour() {
                "{prefix} [{bar:16.cyan}] {pos}/{len} {wide_msg}"
            } else {
                "{prefix} [{bar:16}] {pos}/{len} {wide_msg}"
            };
            bar.set_style(
                ProgressStyle::with_template(style)
                    .unwrap_or_else(|_| ProgressStyle::default_bar())
                    .progress_chars("=> "),
            );
            bar.set_prefix(name.to_string());
            bar
        });
        ProgressBar { bar, last: Mutex::new(Instant::now()), name: name.into() }
    }

    /// Shows where the work is.
    pub fn at(&self, position: u64, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(position);
            bar.set_message(message.to_string());
            return;
        }
        if let Ok(mut last) = self.last.lock()
            && last.elapsed() > Duration::from_secs(5)
        {
            *last = Instant::now();
            say(&format!("{}: {position} {message}", self.name));
        }
    }

    /// Ends the progress.
    pub fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A number of things: "1 finding", "2 findings".
pub fn counted(n: usize, thing: &str) -> String {
    let things = match (n, thing.strip_suffix('y')) {
        (1, _) => thing.to_string(),
        (_, Some(stem)) => format!("{stem}ies"),
        _ => format!("{thing}s"),
    };
    format!("{} {things}", grouped(n as u64))
}

/// The beginning of a text of more than so many characters, which says that it is one.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.into(),
    }
}

/// `1 234 567` for people.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let parts: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|c| std::str::from_utf8(c).ok()).collect();
    parts.join(" ")
}

/// Somebody else's words in one line: they make no section of their own.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whatever somebody else wrote is shown without control characters: they could rewrite the page.
pub fn harmless(text: &str) -> String {
    // Neither what moves the cursor nor what looks like something else.
    let shown = |c: char| {
        let odd = c != '\n' && !(c.is_ascii_graphic() || c == ' ');
        if odd { c.escape_unicode().to_string() } else { c.to_string() }
    };
    text.chars().map(shown).collect()
}

/// A number in a few characters, of which no digit that counts is missing: small ones keep four.
pub fn brief(v: f64) -> String {
    let whole = format!("{v}");
    if whole.len() <= 8 || !v.is_finite() {
        return whole;
    }
    let places = 3 - v.abs().log10().floor() as i32;
    let text = format!("{v:.*}", places.clamp(0, 17) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_brief() {
        let cases = [
            (3.0, "3"),
            (0.00005, "0.00005"),
            (0.000123456789, "0.0001235"),
            (0.123456789, "0.1235"),
            (-12.3456789, "-12.35"),
            (123456.7891, "123457"),
            (0.0, "0"),
            (1e-12 / 3.0, "0.0000000000003333"),
            (0.1 + 0.2, "0.3"),
        ];
        for (v, text) in cases {
            assert_eq!(brief(v), text);
        }
    }

    /// Within a width nothing is lost: what is too wide goes on below itself, and a word that fits nowhere is cut.
    #[test]
    fn tables_fit() {
        let row = |cells: [&str; 2]| cells.map(String::from).to_vec();
        let rows = [row(["a", "one two three four five six seven"]), row(["bb", &"x".repeat(50)])];
        let wide = table_within(&["name", "words"], &rows, Some(30));
        assert!(wide.lines().all(|l| l.chars().count() <= 30), "{wide}");
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        assert_eq!(letters(&wide), letters(&table_within(&["name", "words"], &rows, None)));
        assert_eq!(wide.lines().nth(1).unwrap().trim(), "a     one two three four five");
        assert_eq!(wide.lines().nth(2).unwrap(), "      six seven");
        assert_eq!(table_within(&["n"], &[vec!["12".into()]], Some(80)), " n\n12", "numbers to the right");
        assert_eq!(broken("", 5), [""]);
        assert_eq!(broken("ab  cd", 4), ["ab ", "cd"]);
    }
}
