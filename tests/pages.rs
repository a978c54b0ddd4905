//! The pages in a real browser: no error, nothing fetched, charts drawn, tables sorted, and no screen too narrow.

use crate::desk::{Desk, SYMBOLS, write_market};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Works a page as a reader does, and leaves what it found on the page's first element.
const DRIVER: &str = r#"
addEventListener("load", () => setTimeout(() => {
  const said = document.documentElement.dataset, all = (s) => [...document.querySelectorAll(s)];
  said.fetched = performance.getEntriesByType("resource").length;
  said.wide = document.documentElement.scrollWidth > innerWidth ? document.documentElement.scrollWidth : "no";
  const seen = (c) => { const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; return d.some((v) => v); };
  said.canvases = all("canvas").filter(seen).length;
  const column = (n) => all("table.sortable tbody tr").map((r) => parseFloat(r.cells[n].textContent));
  const head = all("table.sortable th button")[6];
  if (head) {
    head.focus();
    said.focus = document.activeElement === head ? "button" : "none";
    head.click();
    said.up = column(6).every((v, i, a) => !i || a[i - 1] <= v);
    head.click();
    said.down = column(6).every((v, i, a) => !i || a[i - 1] >= v);
    said.rows = column(6).length;
  }
  const log = all("button[aria-pressed]")[0];
  if (log) { log.click(); said.log = log.getAttribute("aria-pressed"); }
  setTimeout(() => { said.again = all("canvas").filter(seen).length; }, 200);
}, 200));
"#;

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = std::env::split_paths(&path).flat_map(|dir| names.map(|n| dir.join(n))).find(|p| p.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "there is no Chromium, and a page that nobody opened is not tested");
        eprintln!("NOTE: there is no Chromium: the pages were NOT opened in a browser");
    }
    found
}

/// Opens a page with the driver in it at a width, and gives what the driver found.
fn opened(browser: &Path, page: &Path, width: u32, home: &Path) -> impl Fn(&str) -> String + use<> {
    let text = std::fs::read_to_string(page).unwrap();
    // The driver is the one script more that this copy's policy lets run.
    let nonce = "script-src 'nonce-driver'";
    let policy = if text.contains("script-src") { "script-src 'nonce-driver' " } else { "" };
    let text = match policy {
        "" => text.replacen("default-src 'none';", &format!("default-src 'none'; {nonce};"), 1),
        policy => text.replacen("script-src ", policy, 1),
    };
    let copy = home.join(format!("{width}.html"));
    std::fs::write(&copy, text.replace("</body>", &format!("<script nonce=\"driver\">{DRIVER}</script></body>")))
        .unwrap();
    let shown = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"])
        .args(["--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("--window-size={width},900"))
        .arg(format!("--user-data-dir={}", home.join("profile").display()))
        .arg(format!("file://{}", copy.display()))
        .env("HOME", home)
        .output()
        .unwrap();
    let (dom, log) =
        (String::from_utf8_lossy(&shown.stdout).into_owned(), String::from_utf8_lossy(&shown.stderr).into_owned());
    let said: Vec<&str> = log.lines().filter(|l| l.contains("CONSOLE")).collect();
    assert!(said.is_empty(), "{} at {width}: {said:#?}", page.display());
    move |name: &str| {
        let of = format!("data-{name}=\"");
        let from = dom
            .find(&of)
            .unwrap_or_else(|| panic!("the driver says nothing of {name}: {}", &dom[..dom.len().min(300)]));
        dom[from + of.len()..].split('"').next().unwrap().to_string()
    }
}

#[test]
fn pages_in_a_browser() {
    let Some(browser) = browser() else { return };
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    let market = assay_research::data::generate::market(&SYMBOLS.map(String::from), 24 * 480, 3);
    write_market(&desk.path("market"), &market);
    desk.assay(&["data", "import", "market", "--assume-brackets-from", "2020-01-01"]).ok();
    desk.assay(&["strategy", "new", "mine", "--symbols", "BTCUSDT,ETHUSDT"]).ok();
    desk.assay(&["study", "run", "mine.toml", "--trials", "20"]).ok();
    let report = desk.assay(&["report", "--out", "seen"]).ok().out;
    dearer(&desk, &report);
    let report = desk.path(report.lines().find(|l| l.ends_with(".html")).unwrap());
    desk.assay(&["study", "page", "mine", "--out", "study.html"]).ok();
    let compared = desk.assay(&["compare", "mine", "3", "mine:7", "--out", "compared.html"]).ok().out;
    assert!(compared.contains("correlation with mine:7") && compared.contains("3 of mine"), "{compared}");
    let found = desk.assay(&["compare", "mine", "mine:7", "--json"]).ok().json();
    assert_eq!((found["sides"].as_array().unwrap().len(), &found["correlations"][0][0]), (2, &1.0.into()));
    desk.assay(&["compare", "mine"]).fails(2, "2 values required");
    desk.assay(&["compare", "mine", "other"]).fails(2, "there is no study 'other'");
    desk.assay(&["compare", "mine", "99"]).fails(2, "has no trial 99");
    desk.assay(&["compare", "mine", "3", "--out", "study.html"]).fails(2, "is no comparison");
    // Of 43,104 bars too it stays below a megabyte: what a chart holds does not grow with them.
    let bytes = std::fs::metadata(&report).unwrap().len();
    assert!(bytes < 1 << 20, "{bytes}");
    for width in [1440, 1024, 500] {
        let found = opened(&browser, &report, width, desk.path("").as_path());
        let charts = found("drawn");
        assert!(charts.parse::<u32>().unwrap() >= 6, "equity, drawdown, margin, prices, two that roll: {charts}");
        assert_eq!((found("canvases"), found("again")), (charts.clone(), charts), "each is drawn, and drawn again");
        assert_eq!((found("fetched"), found("wide")), ("0".into(), "no".into()), "at {width}");
        assert_eq!((found("up"), found("down"), found("focus")), ("true".into(), "true".into(), "button".into()));
        assert!(found("rows").parse::<u32>().unwrap() > 3 && found("log") == "true");
        for page in ["study.html", "compared.html"] {
            let found = opened(&browser, &desk.path(page), width, desk.path("").as_path());
            assert_eq!((found("fetched"), found("wide")), ("0".into(), "no".into()), "{page} at {width}");
        }
    }
}

/// At the costs that are assumed a trial is what was recorded; dearer ones take as much as they cost, until nothing is left.
fn dearer(desk: &Desk, written: &str) {
    let json = desk.path(written.lines().find(|l| l.ends_with(".json")).unwrap());
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let rows = report["costs"]["rows"].as_array().unwrap();
    let metric = |row: usize, name: &str| rows[row]["metrics"][name].as_f64().unwrap();
    for name in ["sharpe", "cagr", "trades", "fees_usdt", "final_equity_usdt"] {
        assert_eq!(metric(0, name), report["trial"]["metrics"][name].as_f64().unwrap(), "{name}");
    }
    let times: Vec<f64> = rows.iter().map(|r| r["times"].as_f64().unwrap()).collect();
    assert_eq!(times, [1.0, 1.5, 2.0, 3.0, 5.0, 10.0]);
    assert!(rows.len() == 6 && (1..6).all(|i| metric(i, "total_return") < metric(i - 1, "total_return")));
    let gone = report["costs"]["gone_at"].as_f64();
    let last = (0..6).rev().find(|i| metric(*i, "total_return") > 0.0);
    match (gone, last) {
        (None, last) => assert_eq!(last, Some(5)),
        (Some(at), None) => assert_eq!(at, 1.0),
        (Some(at), Some(i)) => assert!(at > times[i] && at <= times[i + 1], "{at}"),
    }
    let bands = &report["bands"];
    assert!(bands["max_drawdown"]["low"].as_f64().unwrap() <= bands["max_drawdown"]["high"].as_f64().unwrap());
    assert_eq!(bands["runs"], 1000);
}
