//! Beginning: files that are written for one, studies that need none, and questions about what came of them.

use crate::desk::{Desk, SYMBOLS, write_market};

/// What is written runs as it is, and says what it does; what is there is never written over.
#[test]
fn from_nothing_to_a_study() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    let market = assay_research::data::generate::market(&SYMBOLS.map(String::from), 24 * 480, 3);
    write_market(&desk.path("market"), &market);
    desk.assay(&["data", "import", "market", "--assume-brackets-from", "2020-01-01"]).ok();
    let said = desk.assay(&["strategy", "new", "mine", "--symbols", "BTCUSDT,ETHUSDT"]).ok();
    assert_eq!(said.out, "mine.toml\n");
    assert!(said.err.contains("assay strategy explain mine.toml"), "{}", said.err);
    desk.assay(&["strategy", "check", "mine.toml"]).ok();
    assert!(desk.assay(&["strategy", "explain", "mine.toml"]).ok().out.contains("BTCUSDT"));
    let before = std::fs::read(desk.path("mine.toml")).unwrap();
    desk.assay(&["strategy", "new", "mine"]).fails(2, "is there already");
    desk.assay(&["study", "new", "mine"]).fails(2, "is there already");
    assert_eq!(std::fs::read(desk.path("mine.toml")).unwrap(), before);
    desk.assay(&["strategy", "new", "a\"b"]).fails(2, "the new strategy");
    desk.assay(&["strategy", "new", "far", "--out", "no/such/folder.toml"]).fails(3, "no/such/folder.toml");
    desk.assay(&["strategy", "new", "coin", "--symbols", "coin"]).fails(2, "the new strategy");

    // A file with every default, and no file at all, are one study.
    desk.assay(&["study", "new", "mine", "--out", "study.toml"]).ok();
    desk.assay(&["study", "run", "mine.toml", "study.toml", "--trials", "12"]).ok();
    let first = desk.assay(&["study", "show", "--json"]).ok().json();
    desk.assay(&["study", "run", "mine.toml", "--trials", "12"]).ok();
    let second = desk.assay(&["study", "show", "--json"]).ok().json();
    assert_eq!(first, second, "it is the study that is there");
    assert_eq!((&first[0]["name"], &first[0]["trials"]), (&"mine".into(), &12.into()));
    desk.assay(&["study", "run", "mine.toml", "--trials", "0"]).fails(2, "trials must be 1 to");
    desk.assay(&["study", "run", "mine.toml", "--name", "two", "--trials", "5", "--seed", "7"]).ok();
    let overview = desk.assay(&["query", "--csv", "SELECT name, trials, closed FROM assay_overview"]).ok().out;
    assert_eq!(overview, "name,trials,closed\nmine,12,1\ntwo,5,1\n");
    desk.assay(&["study", "page", "mine", "--out", "mine.html"]).ok();
    let page = std::fs::read_to_string(desk.path("mine.html")).unwrap();
    assert!(page.contains("Study mine") && page.contains("What decides") && page.len() < 300_000, "{}", page.len());
    desk.assay(&["study", "page", "mine", "--out", "mine.html"]).ok();
    desk.assay(&["study", "page", "mine", "--out", "mine.toml"]).fails(2, "is no page of a study");
    desk.assay(&["study", "page", "nobody"]).fails(2, "there is no study 'nobody'");
    // And a vault that was kept back without a word about it.
    desk.assay(&["study", "vault", "mine"]).ok();
}
