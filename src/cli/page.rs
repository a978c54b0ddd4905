//! A page of words and tables, made once and written three ways: for a terminal, as Markdown, as HTML.

use super::output::{harmless, table};
use assay_lab::LabError;
use std::fmt::Write as _;
use std::path::Path;

/// A piece of a page. Whatever it holds is shown without what a terminal would obey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading.
    Title(String),
    /// Something that must not be overlooked.
    Warning(String),
    /// Words.
    Words(String),
    /// Sentences, one below the other.
    List(Vec<String>),
    /// Rows under a head.
    Table(Vec<&'static str>, Vec<Vec<String>>),
    /// Text as it is.
    Code(String),
}

/// For a terminal.
pub fn terminal(blocks: &[Block]) -> String {
    let block = |b: &Block| match b {
        Block::Title(text) => format!("\n{}", harmless(text)),
        Block::Warning(text) | Block::Words(text) => harmless(text),
        Block::List(all) => all.iter().map(|s| harmless(&format!("- {s}"))).collect::<Vec<_>>().join("\n"),
        Block::Table(head, rows) => table(head, &clean(rows)),
        // Set in, so that no line of somebody's text looks like one of the page.
        Block::Code(text) => {
            let lines: Vec<String> = harmless(text.trim_end()).lines().map(|line| format!("    {line}")).collect();
            lines.join("\n")
        }
    };
    blocks.iter().map(block).collect::<Vec<_>>().join("\n").trim_start().to_string()
}

fn clean(rows: &[Vec<String>]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|cell| harmless(cell)).collect()).collect()
}

/// As Markdown, for a pull request: what others wrote is no markup there.
pub fn markdown(blocks: &[Block]) -> String {
    let inline = |text: &str| {
        let special = |c: char| "\\`*_{}[]<>()#+-!|~&@$:".contains(c);
        harmless(text)
            .replace('\n', " ")
            .chars()
            .flat_map(|c| special(c).then_some('\\').into_iter().chain([c]))
            .collect()
    };
    let mut out = String::new();
    for block in blocks {
        let _ = match block {
            Block::Title(text) => writeln!(out, "### {}\n", inline(text) as String),
            Block::Warning(text) => writeln!(out, "> **{}**\n", inline(text) as String),
            Block::Words(text) => writeln!(out, "{}\n", inline(text) as String),
            Block::List(all) => {
                all.iter().for_each(|s| out += &format!("- {}\n", inline(s) as String));
                writeln!(out)
            }
            Block::Table(head, rows) => {
                let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
                out += &line(head.iter().map(|h| inline(h)).collect());
                out += &line(head.iter().map(|_| "---".to_string()).collect());
                rows.iter().for_each(|row| out += &line(row.iter().map(|c| inline(c)).collect()));
                writeln!(out)
            }
            // A fence that is longer than any in the text.
            Block::Code(text) => {
                let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
                let fence = "`".repeat(longest.max(2) + 1);
                writeln!(out, "{fence}text\n{}\n{fence}\n", harmless(text.trim_end()))
            }
        };
    }
    out
}

/// As one HTML file without scripts, which loads nothing.
pub fn html(title: &str, blocks: &[Block]) -> String {
    let mut out = format!("<h1>{}</h1>\n", escape(title));
    for block in blocks {
        let _ = match block {
            Block::Title(text) => writeln!(out, "<h2>{}</h2>", escape(text)),
            Block::Warning(text) => writeln!(out, "<p class=\"warning\" role=\"note\">{}</p>", escape(text)),
            Block::Words(text) => writeln!(out, "<p>{}</p>", escape(text).replace('\n', "<br>")),
            Block::List(all) => {
                let items: String = all.iter().map(|s| format!("<li>{}</li>\n", escape(s))).collect();
                writeln!(out, "<ul class=\"concerns\">\n{items}</ul>")
            }
            Block::Table(head, rows) => {
                let cells = |tag: &str, row: &mut dyn Iterator<Item = &str>| -> String {
                    row.map(|c| format!("<{tag}>{}</{tag}>", escape(c))).collect()
                };
                let head = cells("th", &mut head.iter().copied());
                let row = |r: &Vec<String>| format!("<tr>{}</tr>", cells("td", &mut r.iter().map(String::as_str)));
                let rows: String = rows.iter().map(row).collect::<Vec<_>>().join("\n");
                writeln!(
                    out,
                    "<div class=\"wide\"><table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table></div>"
                )
            }
            Block::Code(text) => writeln!(out, "<pre>{}</pre>", escape(text.trim_end())),
        };
    }
    framed(title, &out)
}

/// A page around a body that is HTML already: without scripts, and loading nothing.
pub fn framed(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style></head><body><main>\n{body}</main></body></html>\n"
    )
}

/// Refuses a place where something stands that is no page.
///
/// # Errors
/// What stands there.
pub fn ours(file: &Path) -> Result<(), LabError> {
    let ours = std::fs::read_to_string(file).is_ok_and(|old| old.starts_with("<!doctype html>"));
    if ours || file.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(LabError::usage(format!("{} is there and is no page", file.display()), "name another file"))
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in harmless(text).chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            c => out.push(c),
        }
    }
    out
}

const STYLE: &str = ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:0}\
main{max-width:70rem;margin:0 auto;padding:1rem}h1{font-size:1.4rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin-top:1.6rem}\
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{text-align:left;padding:.25rem .7rem;border-bottom:1px solid #8886;vertical-align:top;overflow-wrap:break-word}\
pre{background:#8881;padding:.7rem;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere}\
.concerns{border-left:.3rem solid #c33;background:#c331;padding:.5rem .8rem .5rem 1.8rem}.warning{border-left:.3rem solid #c33;background:#c332;padding:.5rem .8rem;font-weight:600}\
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;margin:0;padding:.5rem 0;border-bottom:1px solid #8886}\
nav li[aria-current]{font-weight:600}article{max-width:48rem}code{background:#8881;padding:0 .2rem}pre code{padding:0;background:none}\
a{color:#06c}@media(prefers-color-scheme:dark){a{color:#7bf}}@media print{.wide{overflow:visible}nav{display:none}}";

#[cfg(test)]
mod tests {
    use super::*;

    /// What others wrote is text in each of the three.
    #[test]
    fn what_others_wrote_is_text() {
        let evil = "<script>x</script> | [a](http://e) `b` @ana \u{1b}[2J\u{202e}".to_string();
        let blocks = [
            Block::Warning(evil.clone()),
            Block::Table(vec!["a", "b"], vec![vec![evil.clone(), "1".into()]]),
            Block::Code(format!("```\n{evil}\n````")),
        ];
        let page = html("t", &blocks);
        assert!(!page.contains("<script") && !page.contains('\u{1b}') && page.contains("&lt;script&gt;"));
        let md = markdown(&blocks);
        assert!(!md.contains('\u{1b}') && md.contains("\\<script\\>") && md.contains("\\[a\\]"), "{md}");
        assert!(md.contains("`````text") && md.lines().filter(|l| l.starts_with('|')).count() == 3, "{md}");
        assert!(!terminal(&blocks).contains('\u{1b}') && !terminal(&blocks).contains('\u{202e}'));
    }
}
