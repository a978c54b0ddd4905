//! What a command says: data on stdout, words and progress on stderr; plain when not a terminal.

use assay_lab::LabError;
use indicatif::{ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Why stdout did not take what was written there.
static UNWRITTEN: Mutex<Option<std::io::Error>> = Mutex::new(None);

/// Writes data to stdout; a reader that went away is no error, and any other is told by [`written`].
pub fn print(text: &str) {
    write_line(&plain(text));
}

fn write_line(text: &str) {
    note_lost(write_flushed(format!("{text}\n").as_bytes()));
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
        if obeyed(c) { units } else { c.to_string() }
    };
    write_line(&text.chars().map(escape).collect::<String>());
}

/// Writes words to stderr.
pub fn say(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "{}", plain(text));
}

/// Text without what a terminal would obey: names and words come from other people's files.
fn plain(text: &str) -> String {
    text.chars().map(|c| if obeyed(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether a terminal obeys a character instead of showing it: controls, and what turns the direction
/// of writing. Line ends and tabs are ours.
fn obeyed(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control() && c != '\n' && c != '\t'
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

/// Rows under a head, in columns; numbers to the right. A cell is one line.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
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

/// Progress of long work: a bar on a terminal, a line now and then elsewhere.
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
                "{prefix} [{bar:30.cyan}] {pos}/{len} {msg}"
            } else {
                "{prefix} [{bar:30}] {pos}/{len} {msg}"
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
