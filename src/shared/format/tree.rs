//! The canonical writer of TOML texts: keys in the order that a format gives them, values before
//! tables, each table under its full name.
//!
//! Strings are written plainly where nothing in them needs care, literally where that saves escapes,
//! over several lines where they have several. Numbers with a fraction always show one.

use std::fmt::Write as _;

/// Something under a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A string.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A finite number.
    Real(f64),
    /// True or false.
    Bool(bool),
    /// Values in a line.
    List(Vec<Item>),
    /// A table.
    Table(Table),
    /// Tables under one name.
    Tables(Vec<Table>),
}

/// Keys with what stands under them, in order.
pub type Table = Vec<(String, Item)>;

/// A row of a table.
pub fn row(key: &str, item: impl Into<Item>) -> (String, Item) {
    (key.into(), item.into())
}

/// A row of a table, if there is something to write.
pub fn some(key: &str, item: Option<impl Into<Item>>) -> Option<(String, Item)> {
    item.map(|item| row(key, item))
}

macro_rules! items {
    ($($from:ty => $make:expr;)*) => {
        $(impl From<$from> for Item {
            fn from(v: $from) -> Item {
                let make: fn($from) -> Item = $make;
                make(v)
            }
        })*
    };
}

items! {
    &str => |v| Item::Text(v.into());
    &String => |v| Item::Text(v.clone());
    String => Item::Text;
    bool => Item::Bool;
    i64 => Item::Int;
    u32 => |v| Item::Int(i64::from(v));
    u64 => |v| Item::Int(i64::try_from(v).unwrap_or(i64::MAX));
    f64 => Item::Real;
    Table => Item::Table;
    Vec<Table> => Item::Tables;
    &[String] => |v| Item::List(v.iter().map(Item::from).collect());
    Vec<String> => |v| Item::List(v.into_iter().map(Item::Text).collect());
    &[f64] => |v| Item::List(v.iter().map(|x| Item::Real(*x)).collect());
    assay_ledger::Hash => |v| Item::Text(v.to_string());
}

/// The text of a table.
pub fn text(table: &Table) -> String {
    let mut out = String::new();
    write_table(&mut out, "", table);
    out
}

fn is_value(item: &Item) -> bool {
    !matches!(item, Item::Table(_) | Item::Tables(_))
}

fn write_table(out: &mut String, path: &str, table: &Table) {
    for (key, item) in table.iter().filter(|(_, item)| is_value(item)) {
        let _ = writeln!(out, "{} = {}", quoted_key(key), value(item));
    }
    for (key, item) in table {
        let path = if path.is_empty() { quoted_key(key) } else { format!("{path}.{}", quoted_key(key)) };
        match item {
            Item::Table(inner) => {
                // A table of tables is named by what is in it.
                if inner.is_empty() || inner.iter().any(|(_, item)| is_value(item)) {
                    header(out, &format!("[{path}]"));
                }
                write_table(out, &path, inner);
            }
            Item::Tables(all) => {
                for inner in all {
                    header(out, &format!("[[{path}]]"));
                    write_table(out, &path, inner);
                }
            }
            _ => {}
        }
    }
}

fn header(out: &mut String, name: &str) {
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(name);
    out.push('\n');
}

fn value(item: &Item) -> String {
    match item {
        Item::Text(t) => quoted(t),
        Item::Int(i) => i.to_string(),
        Item::Real(v) => real(*v),
        Item::Bool(b) => b.to_string(),
        Item::List(items) => format!("[{}]", items.iter().map(value).collect::<Vec<_>>().join(", ")),
        Item::Table(_) | Item::Tables(_) => String::new(),
    }
}

/// A finite number in the shortest digits that give it back, with at least one after the point.
fn real(v: f64) -> String {
    assert!(v.is_finite(), "a text holds finite numbers");
    match v {
        0.0 if v.is_sign_negative() => "-0.0".into(),
        v if v % 1.0 == 0.0 => format!("{v}.0"),
        v => format!("{v}"),
    }
}

fn quoted_key(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let control = key.bytes().any(|b| (b < 0x20 && b != b'\t') || b == 0x7f);
    match key {
        key if bare => key.into(),
        key if !control && !key.contains(['\\', '"']) => basic(key, false),
        key if !control && !key.contains('\'') => format!("'{key}'"),
        key => basic(key, false),
    }
}

/// The longest run of a character.
fn longest(text: &str, c: char) -> usize {
    let mut run = 0;
    text.chars().fold(0, |most, x| {
        run = if x == c { run + 1 } else { 0 };
        most.max(run)
    })
}

fn quoted(text: &str) -> String {
    let control = text.bytes().any(|b| (b < 0x20 && b != b'\t' && b != b'\n') || b == 0x7f);
    let (lines, escape) = (text.contains('\n'), text.contains('\\'));
    let (single, double) = (longest(text, '\''), longest(text, '"'));
    if !control && !escape && double == 0 && !lines {
        basic(text, false)
    } else if !control && single == 0 && !lines {
        format!("'{text}'")
    } else if !control && !escape && double <= 2 {
        basic(text, true)
    } else if !control && single <= 2 {
        format!("'''{}{text}'''", if lines { "\n" } else { "" })
    } else {
        basic(text, lines)
    }
}

fn basic(text: &str, several_lines: bool) -> String {
    let quotes = if several_lines { "\"\"\"" } else { "\"" };
    let mut out = String::from(quotes);
    if several_lines && text.contains('\n') {
        out.push('\n');
    }
    let mut run = 0;
    for c in text.chars() {
        run = if c == '"' { run + 1 } else { 0 };
        match c {
            '"' if !several_lines || run > 2 => {
                out.push_str("\\\"");
                run = 0;
            }
            '\\' => out.push_str("\\\\"),
            '\n' if several_lines => out.push('\n'),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out + quotes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strings() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z'\"\\\\\n\t ]{0,12}", "\\PC{0,8}", "[\u{0}-\u{20}\u{7f}a\"']{0,6}"]
    }

    proptest! {
        /// What is written reads back as it was, and any string is written as release 0.1.0 wrote it.
        #[test]
        fn texts_read_back(key in strings(), texts in prop::collection::vec(strings(), 0..4), x: i64, y in -1e9f64..1e9, b: bool) {
            let table: Table = vec![
                row("list", &texts[..]),
                row(if key.is_empty() || key == "list" { "key" } else { &key }, y),
                row("inner", vec![row("x", x), row("b", b), row("empty", Table::new())]),
                row("rows", texts.iter().map(|t| vec![row("t", t)]).collect::<Vec<Table>>()),
            ];
            let written = text(&table);
            let read: toml::Table = toml::from_str(&written).unwrap();
            let list: Vec<&str> = read["list"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
            prop_assert_eq!(list, texts.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert_eq!(read["inner"]["x"].as_integer(), Some(x));
            for t in &texts {
                let one = toml::to_string(&std::collections::BTreeMap::from([("k", t)])).unwrap();
                prop_assert_eq!(text(&vec![row("k", t)]), one);
            }
        }

        #[test]
        fn numbers_are_written_as_release_0_1_0_wrote_them(bits: u64) {
            let v = f64::from_bits(bits);
            if v.is_finite() {
                let one = toml::to_string(&std::collections::BTreeMap::from([("k", v)])).unwrap();
                prop_assert_eq!(text(&vec![row("k", v)]), one);
            }
        }
    }
}
