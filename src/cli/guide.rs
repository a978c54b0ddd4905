//! `assay guide`

use super::Context;
use super::complete;
use super::output::{broken, print, print_json, say, table, table_within};
use assay_lab::LabError;
use assay_lab::begin::STUDY;
use assay_research::mirror::WORDS;
use assay_shared::event::Event;
use assay_shared::metric::Metric;
use pulldown_cmark::{Options, Parser, html};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The topics in the order in which one reads them, with their pages.
const TOPICS: [(&str, &str); 13] = [
    ("start", include_str!("../guide/start.md")),
    ("strategy", include_str!("../guide/strategy.md")),
    ("language", include_str!("../guide/language.md")),
    ("data", include_str!("../guide/data.md")),
    ("studies", include_str!("../guide/studies.md")),
    ("promote", include_str!("../guide/promote.md")),
    ("host", include_str!("../guide/host.md")),
    ("audit", include_str!("../guide/audit.md")),
    ("recovery", include_str!("../guide/recovery.md")),
    ("files", include_str!("../guide/files.md")),
    ("account", include_str!("../guide/account.md")),
    ("formulas", include_str!("../guide/formulas.md")),
    ("reference", include_str!("../guide/reference.md")),
];

/// Read the guide: first steps, studies, promotions, the deploy host, audits, and what to do when something is lost
///
/// Without a topic, lists them.
///
/// Example: assay guide start
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to read
    #[arg(add = complete::words(TOPICS.map(|(name, page)| (name, title(page))).to_vec()))]
    topic: Option<String>,
    /// Write all of it as pages into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "topic")]
    html: Option<PathBuf>,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    if let Some(dir) = args.html {
        return site(&dir);
    }
    let Some(topic) = args.topic else {
        if cx.json {
            let all = TOPICS.map(|(name, page)| json!({"topic": name, "title": title(page)}));
            print_json(&all);
        } else {
            let rows = TOPICS.map(|(name, page)| vec![format!("assay guide {name}"), title(page).to_string()]);
            print(&table(&["read it with", "what it is about"], &rows));
        }
        return Ok(());
    };
    let Some((name, page)) = TOPICS.iter().find(|(name, _)| *name == topic) else {
        let all = TOPICS.map(|(name, _)| name).join(", ");
        return Err(LabError::usage(format!("the guide has no page '{topic}'"), format!("it has {all}")));
    };
    let page = filled(page);
    if cx.json {
        print_json(&json!({"topic": name, "title": title(&page), "markdown": page}));
    } else {
        print(&terminal(&page));
    }
    Ok(())
}

fn title(page: &str) -> &str {
    page.lines().next().unwrap_or_default().trim_start_matches("# ")
}

/// A page without its notes for tests, and with what is made from the program itself.
fn filled(page: &str) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("<!--") {
        out += before;
        rest = after.split_once("-->\n").map_or("", |(_, after)| after);
    }
    out += rest;
    let made = [
        ("{{study}}", STUDY),
        ("{{metrics}}", &metrics()),
        ("{{mirror}}", &mirror()),
        ("{{events}}", &events()),
        ("{{account}}", &account()),
        ("{{data_hash}}", &data_hash()),
    ];
    made.iter().fold(out, |page, (mark, text)| page.replace(mark, text))
}

fn rows(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let own = |text: &&str| (*text).to_string();
    let head = line(head.iter().map(own).collect()) + &line(vec!["---".into(); head.len()]);
    rows.map(line).fold(head, |all, row| all + &row)
}

fn metrics() -> String {
    let row = |m: &Metric| {
        let word = |v: serde_json::Value| v.as_str().unwrap_or_default().to_string();
        vec![format!("`{}`", m.name()), word(json!(m.unit())), word(json!(m.direction())), m.definition().into()]
    };
    rows(&["figure", "unit", "better", "what it is"], Metric::ALL.iter().map(row))
}

/// What a source says of itself, after its first paragraph.
fn words_of(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!")).skip_while(|line| !line.is_empty());
    let text: String = lines.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect();
    text.trim().to_string()
}

/// What the account's source says of itself.
fn account() -> String {
    words_of(include_str!("../shared/account/mod.rs")).replace("[`step_with`](Account::step_with)", "`step_with`")
}

/// What the source of the data hash says of it.
fn data_hash() -> String {
    words_of(include_str!("../shared/market/hash.rs"))
}

fn mirror() -> String {
    rows(&["table", "what it holds"], WORDS.iter().map(|(name, about)| vec![format!("`{name}`"), (*about).into()]))
}

fn events() -> String {
    let kinds: BTreeSet<&str> = Event::KINDS.iter().copied().collect();
    kinds.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ") + "."
}

/// Characters of a line in a terminal.
const WIDTH: usize = 100;

/// For a terminal: code set in, tables in columns, headings in capitals, words in lines of their own length.
fn terminal(page: &str) -> String {
    let (mut out, mut code): (Vec<String>, bool) = (Vec::new(), false);
    let (mut rows, mut words): (Vec<Vec<String>>, String) = (Vec::new(), String::new());
    for line in page.lines().chain([""]) {
        let item = line.starts_with("- ") || line.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(". ");
        let goes_on = !code
            && !words.is_empty()
            && !item
            && !line.is_empty()
            && !line.starts_with("```")
            && !line.starts_with(['#', '|']);
        if !code && line.starts_with('|') {
            let cells: Vec<String> = line.trim_matches('|').split(" | ").map(|c| c.trim().replace("**", "")).collect();
            if !cells.iter().all(|c| c.chars().all(|c| "-| ".contains(c))) {
                rows.push(cells);
            }
            continue;
        }
        if let Some((head, body)) = std::mem::take(&mut rows).split_first() {
            let head: Vec<&str> = head.iter().map(String::as_str).collect();
            out.push(table_within(&head, body, Some(WIDTH)));
        }
        if goes_on
            || !code
                && !line.is_empty()
                && !line.starts_with("    ")
                && !line.starts_with("```")
                && !line.starts_with('#')
        {
            if !goes_on {
                out.extend(paragraph(&std::mem::take(&mut words)));
            }
            words += if words.is_empty() { "" } else { " " };
            words += line.trim_start();
            continue;
        }
        out.extend(paragraph(&std::mem::take(&mut words)));
        match line {
            line if line.starts_with("```") => code = !code,
            line if code && !line.is_empty() => out.push(format!("    {line}")),
            line if line.starts_with('#') => out.push(line.trim_start_matches('#').trim().to_uppercase()),
            // Two empty lines say no more than one.
            "" if out.last().is_some_and(String::is_empty) => {}
            line => out.push(line.into()),
        }
    }
    out.join("\n").trim().to_string()
}

/// Words without the marks of emphasis, in lines; a list's item stands out.
fn paragraph(words: &str) -> Vec<String> {
    if words.is_empty() {
        return Vec::new();
    }
    let indent = if words.starts_with("- ") { "  " } else { "" };
    let lines = broken(&words.replace("**", ""), WIDTH - indent.len());
    lines.into_iter().enumerate().map(|(i, l)| if i == 0 { l } else { format!("{indent}{l}") }).collect()
}

/// Writes the pages, each with the list of all.
fn site(dir: &Path) -> Result<(), LabError> {
    std::fs::create_dir_all(dir).map_err(LabError::io("create", dir))?;
    for (name, page) in TOPICS {
        let file = dir.join(format!("{name}.html"));
        super::page::ours(&file)?;
        std::fs::write(&file, page_of(name, &filled(page))).map_err(LabError::io("write", &file))?;
    }
    let index = dir.join("index.html");
    super::page::ours(&index)?;
    let list = TOPICS.map(|(name, page)| format!("- [{}]({name}.html)\n", title(page))).concat();
    std::fs::write(&index, page_of("", &format!("# The guide\n\n{list}"))).map_err(LabError::io("write", &index))?;
    say(&index.display().to_string());
    Ok(())
}

fn page_of(name: &str, text: &str) -> String {
    let mut body = String::new();
    html::push_html(&mut body, Parser::new_ext(text, Options::ENABLE_TABLES));
    let body = TOPICS.iter().fold(body, |body, (topic, _)| {
        let code = format!("<code>assay guide {topic}</code>");
        body.replace(&code, &format!("<a href=\"{topic}.html\">{code}</a>"))
    });
    let body = body.replace("<table>", "<div class=\"wide\"><table>").replace("</table>", "</table></div>");
    let link = |(topic, page): (&str, &str)| match topic == name {
        true => format!("<li aria-current=\"page\">{}</li>", title(page)),
        false => format!("<li><a href=\"{topic}.html\">{}</a></li>", title(page)),
    };
    let list = TOPICS.map(link).concat();
    let nav = format!("<nav aria-label=\"The guide\"><ul>{list}</ul></nav>");
    super::page::framed(title(text), &format!("{nav}<article>{body}</article>"))
}
