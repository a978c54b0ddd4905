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
    desk.assay(&["study", "page", "mine", "--out", "mine.toml"]).fails(2, "is no page of this study");
    desk.assay(&["study", "page", "two", "--out", "mine.html"]).fails(2, "is no page of this study");
    desk.assay(&["study", "page", "nobody"]).fails(2, "there is no study 'nobody'");
    // And a vault that was kept back without a word about it.
    desk.assay(&["study", "vault", "mine"]).ok();
}

/// Trials that were made elsewhere count: beside a study, at its close, and once only.
#[test]
fn trials_of_other_tools_count() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    desk.assay(&["trial", "import", "--trials", "5"]).fails(2, "there is no snapshot to take symbols and dates from");
    let market = assay_research::data::generate::market(&SYMBOLS.map(String::from), 24 * 480, 3);
    write_market(&desk.path("market"), &market);
    desk.assay(&["data", "import", "market", "--assume-brackets-from", "2020-01-01"]).ok();
    desk.assay(&["strategy", "new", "mine", "--symbols", "BTCUSDT,ETHUSDT"]).ok();
    desk.assay(&["study", "run", "mine.toml", "--trials", "12"]).ok();
    let beside = || desk.assay(&["trials", "--json"]).ok().json()["best"]["statistics"]["trials"].as_u64().unwrap();
    assert_eq!(beside(), 12);
    std::fs::write(desk.path("tried.csv"), "fast,slow,sharpe\n1,2,3\n4,5,6\n7,8,9\n").unwrap();
    let said = desk.assay(&["trial", "import", "tried.csv"]).ok().out;
    assert!(said.starts_with("declared: 3 trials (a table) on "), "{said}");
    assert_eq!(beside(), 15);
    assert!(desk.assay(&["trial", "import", "tried.csv"]).ok().out.starts_with("declared already: 3 trials"));
    assert_eq!(beside(), 15, "the same are declared once");
    // On other symbols, and on other days, they count for others.
    desk.assay(&["trial", "import", "--trials", "1000", "--symbols", "DOGEUSDT"]).ok();
    desk.assay(&["trial", "import", "--trials", "1000", "--from", "2010-01-01", "--to", "2010-02-01"]).ok();
    assert_eq!(beside(), 15);
    let said = desk.assay(&["trial", "import", "--trials", "7", "--symbols", "FOOUSDT"]).ok().out;
    assert!(said.contains("count for nothing"), "{said}");
    // However another tool writes a symbol, it is that symbol; and each once.
    let many = ["trial", "import", "--trials", "100", "--symbols", "eth/usdt:USDT, ETHUSDT", "--source", "a grid"];
    let tried = desk.assay(&[&many[..], &["--dry-run"]].concat()).ok().out;
    assert!(tried.starts_with("would be declared: 100 trials (a grid) on ETHUSDT, "), "{tried}");
    assert_eq!(beside(), 15, "nothing is recorded");
    assert!(desk.assay(&many).ok().out.starts_with("declared: 100 trials"));
    assert_eq!(beside(), 115);
    let shown = desk.assay(&["trials"]).ok().out;
    assert!(shown.contains("115 trials (103 of them made elsewhere and declared) of 1 study on prices"), "{shown}");
    // The lab's own trials count already.
    desk.assay(&["trial", "import", "lab/mirror.sqlite"])
        .fails(2, "is the mirror of a lab, whose trials count already");
    desk.assay(&["study", "run", "mine.toml", "--trials", "4", "--name", "two", "--seed", "9"]).ok();
    let closed = desk.assay(&["study", "show", "two", "--json"]).ok().json();
    assert!(closed.to_string().contains("\"trials_lineage\":119.0"), "{closed}");
    desk.assay(&["verify"]).ok();
    for (bad, words) in [
        (&["trial", "import"][..], "required"),
        (&["trial", "import", "tried.csv", "--symbols", ",,"], "is no symbol"),
        (&["trial", "import", "tried.csv", "--source", "a\u{1b}[31m"], "a source needs 1 to 500 bytes"),
        (&["trial", "import", "--trials", "1000000001"], "more than anybody makes"),
        (&["trial", "import", "mine.toml"], "no CSV table"),
        (&["trial", "import", "tried.csv", "--from", "soon"], "'soon' is no"),
        (&["trial", "import", "tried.csv", "--from", "2024-01-02", "--to", "2024-01-01"], "end before they begin"),
        (&["trial", "import", "--trials", "0"], "0 is not in"),
    ] {
        desk.assay(bad).fails(2, words);
    }
    desk.assay(&["trial", "import", "none.db"]).fails(3, "cannot read none.db");
}
