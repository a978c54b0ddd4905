//! What a file may not say, each with words that help.

use assay_shared::strategy::Strategy;
use assay_shared::strategy::warn::warnings;

fn text(more: &str, entry: &str) -> String {
    format!(
        "name = \"x\"\ninterval = \"1h\"\nsymbols = [\"BTCUSDT\", \"ETHUSDT\"]\n{more}\n[signals]\nlong_entry = \"{entry}\"\n\
         [sizing]\nmargin_fraction = 0.1\nleverage = 1\n"
    )
}

#[track_caller]
fn refused(file: &str, words: &str) {
    let found = Strategy::parse(file).err().unwrap_or_else(|| panic!("accepted, and should say '{words}':\n{file}"));
    let said: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|s| s.contains(words)), "'{words}' is not in {said:?}\n{file}");
}

/// Circles on one bar, circles that nothing starts, circles through several clocks: by name.
#[test]
fn circles_are_refused_by_name() {
    for (defs, words) in [
        ("[indicators]\na = \"b\"\nb = \"a\"", "circle without prev: a -> b -> a"),
        ("[indicators]\na = \"a + 1\"", "circle without prev: a -> a"),
        ("[indicators]\na = \"prev(a) + 1\"", "nothing says what the first one is"),
        ("[states]\ns = { start = \"0\", next = \"s + 1\" }", "circle without prev: s -> s"),
        ("[states]\ns = { start = \"self\", next = \"1\" }", "never starts"),
        (
            "[states]\na = { start = \"prev(b)\", next = \"1\" }\nb = { start = \"prev(a)\", next = \"1\" }",
            "never starts",
        ),
        (
            "[states]\ns = { start = \"0\", next = \"on(4h, self) + on(6h, self)\" }",
            "the circle of 's' passes several clocks",
        ),
        ("[states]\ns = { start = \"0\", next = \"close + 0 * on(1h, on(4h, self))\" }", "passes several clocks"),
        (
            "[functions]\n\"f(x)\" = \"g(x)\"\n\"g(x)\" = \"f(x)\"\n[indicators]\na = \"f(close)\"",
            "cannot call itself: f -> g -> f",
        ),
        (
            "[functions]\n\"f(x)\" = \"x\"\n[states]\ns = { start = \"0\", next = \"f(s)\" }",
            "circle without prev: s -> s",
        ),
        ("[states]\ns = { start = \"0\", next = \"self + position.profit\" }", "a state never reads the account"),
    ] {
        refused(&text(defs, "close > 1"), words);
    }
}

/// Nothing hides a word of the language.
#[test]
fn words_are_not_hidden() {
    for (defs, words) in [
        ("[functions]\n\"prev(a)\" = \"a\"", "'prev' is a function already"),
        ("[functions]\n\"SMA(a, b)\" = \"EMA(a, b)\"", "'SMA' is a function already"),
        ("[functions]\n\"f(close)\" = \"close\"", "would hide a word of the language"),
        ("[functions]\n\"f(a, a)\" = \"a\"", "has the argument 'a' twice"),
        ("[indicators]\nhour = \"open\"", "hide the word of the calendar"),
        ("[indicators]\nx = \"sum_of(close, 1, 3, close)\"", "would hide a word of the language"),
        ("import = [\"nosuch\"]", "the library has no 'nosuch'"),
        ("import = [\"ssl\", \"ssl\"]", "taken in twice"),
    ] {
        refused(&text(defs, "close > 1"), words);
    }
}

/// Sizes, parts, distances and weights that nobody means.
#[test]
fn numbers_that_nobody_means() {
    let rules = |rule: &str| text(rule, "close > 1").replace("[signals]\nlong_entry = \"close > 1\"\n", "");
    let entry = |size: &str| {
        rules(&format!(
            "[stops]\nstop_loss = 0.1\n[[entries]]\ntag = \"a\"\nside = \"long\"\nwhen = \"close > open\"\n{size}"
        ))
    };
    for size in [
        "size = -0.1",
        "size = 0",
        "size = \"1 / 0\"",
        "notional_usdt = 0",
        "risk = { fraction = 5, distance = \"close\" }",
    ] {
        refused(&entry(size), "between");
    }
    for (rule, words) in [
        ("expires = 3", "a market order does not expire"),
        ("order = \"limit\"", "has a price"),
        ("size = 0.1\nnotional_usdt = 5", "a size is said once"),
        ("side = \"up\"", "duplicate key"),
    ] {
        refused(&entry(rule), words);
    }
    refused(&entry("").replace("stop_loss = 0.1", "trailing = [{ distance = -0.2 }]"), "between");
    refused(
        &entry("")
            .replace("[stops]\nstop_loss = 0.1\n", "")
            .replace("when =", "risk = { fraction = 0.01, distance = \"close\" }\nwhen ="),
        "there is none",
    );
    refused(&format!("{}\n[[exits]]\nname = \"e\"\nwhen = \"true\"\npart = 50\n", entry("")), "between");
    refused(&format!("{}\n[[adds]]\nwhen = \"true\"\nmax = 0\n", entry("")), "max is 1 or more");
    let target = |t: &str| rules(&format!("[target]\nwhen = \"new_day\"\n{t}"));
    refused(&target("weight = { XRPUSDT = \"0.1\" }"), "is not one of the symbols");
    refused(&target("weight = \"0.1\"\nband = 5"), "between");
    refused(&target("weight = \"1 / 0\""), "between");
}

/// Words of other tools are answered with ours.
#[test]
fn idioms_of_others() {
    for (e, words) in [
        ("close[1] > 1", "prev(close, 1)"),
        ("ta.rsi(close, 14) > 1", "RSI"),
        ("ta.crossover(close, open)", "crosses_above"),
        ("qtpylib.crossed_above(close, open)", "crosses_above"),
        ("shift(close, 1) > 1", "prev(x, bars)"),
        ("nz(close) > 1", "known(x, 0)"),
        ("hour() > 3", "without parentheses"),
        ("close > 1 && open > 1", "write 'and'"),
        ("close > 1 AND open > 1", "it is written small: and"),
        ("NOT close > 1", "it is written small: not"),
        ("close ** 2 > 1", "a power is a ^ b"),
        ("10 < close < 30", "10 < x and x < 30"),
        ("SMA(close, timeperiod=20) > 1", "arguments have no names"),
        (".5 * close > 1", "begins with a digit"),
        ("close.rolling(20).mean() > 1", "mean(x, 20)"),
        ("EMA(close, 20).shift(1) > 1", "mean(x, 20)"),
        ("True", "written small"),
        ("current_profit > 0.01", "position.profit"),
        ("bar_index > 3", "count the bars with a state"),
        ("hl2 > 1", "(high + low) / 2"),
        ("on('4h', close) > 1", "on(4h, x)"),
        ("on(7h, close) > 1", "cannot be made of bars"),
        ("session_vwap() > 1", "import = [\"session_vwap\"]"),
        ("open_interest > 1", "not there yet"),
        ("position.profitt > 1", "did you mean 'profit'"),
        ("highest(high, 1e9) > 1", "to 100000"),
        ("self > 1", "only the next of a state"),
        ("'a' == 'b'", "can only be compared"),
        ("stdev(close, 20) > 1", "std(x, bars)"),
        ("crossover(close, open)", "crosses_above"),
        ("vwap() > 1", "session_vwap"),
        ("mine(close) > 1", "inside across"),
        ("BTCUSDT > 1", "BTCUSDT.close"),
    ] {
        refused(&text("", e), words);
    }
}

/// All problems of a file in one run, missing fields included.
#[test]
fn everything_in_one_run() {
    let file = "interval = \"1h\"\nsymbol = [\"BTCUSDT\"]\n[states]\ns = { start = \"0\" }\n[[entries]]\nside = \"long\"\nwhen = \"clos > 1\"\n[target]\nweight = 1\n";
    let said: Vec<String> = Strategy::parse(file).unwrap_err().iter().map(ToString::to_string).collect();
    for words in [
        "'name' is missing",
        "did you mean 'symbols'",
        "'next' is missing",
        "'tag' is missing",
        "'when' is missing in [target]",
    ] {
        assert!(said.iter().any(|s| s.contains(words)), "{words} is not in {said:?}");
    }
}

/// Work is counted, not timed: what multiplies is refused, what only nests is not.
#[test]
fn work_is_bounded() {
    let nested = (0..12).fold("close".to_string(), |e, _| format!("across.rank({e})"));
    Strategy::parse(&text("", &format!("{nested} > 1"))).unwrap();
    let doubled: String = (1..40).map(|i| format!("\"f{i}(x)\" = \"f{}(x) + f{}(x * {i})\"\n", i - 1, i - 1)).collect();
    refused(&text(&format!("[functions]\n\"f0(x)\" = \"x\"\n{doubled}"), "f39(close) > 1"), "over");
    let counters = (0..4).fold("close".to_string(), |e, n| format!("sum_of(k{n}, 1, 900, {e} * k{n})"));
    refused(&text("", &format!("{counters} > 1")), "over");
}

/// What is allowed and hardly meant is said when a file is checked.
#[test]
fn what_is_hardly_meant() {
    let file = text(
        "[parameters]\nidle = { type = \"int\", low = 1, high = 9, default = 3 }\nn = { type = \"int\", low = 2, high = 9, default = 3 }\n\
         [indicators]\na = \"EMA(close, n)\"\nspare = \"high\"\nbands = \"BBANDS(close, 20, 2, 2, SMA)\"\nslow = \"on(4h, close)\"\n",
        "close > bands.realupperband and prev(on(4h, close)) > a",
    )
    .replace("leverage = 1", "leverage = 1\n")
    .replace("[sizing]", "short_entry = \"n > 3\"\n[sizing]");
    let s = Strategy::parse(&file).unwrap_or_else(|e| panic!("{e:?}"));
    let said = warnings(&s, &file);
    for (word, text) in [
        ("warning", "nothing reads 'idle'"),
        ("warning", "nothing that trades reads 'spare'"),
        ("warning", "nothing that trades reads 'slow'"),
        ("warning", "no bar changes this"),
        ("note", "BBANDS: divides by n"),
        ("note", "EMA: begins with a mean"),
        ("note", "prev: prev(on(4h, x))"),
    ] {
        assert!(said.iter().any(|(w, d)| *w == word && d.message.contains(text)), "{word} {text} is not in {said:?}");
    }
    assert_eq!(said.len(), 7, "{said:?}");
    for (more, entry, text) in [
        ("[parameters]\nn = { type = \"float\", low = 5, high = 50, default = 20 }", "mean(close, n) > 1", "with n = "),
        (
            "[parameters]\nn = { type = \"int\", low = 5, high = 50, default = 20 }",
            "mean(close, n / 2) > 1",
            "with n = 5 it",
        ),
        (
            "[parameters]\nn = { type = \"int\", low = 5, high = 50, default = 20 }",
            "prev(close, n - 10) > 1",
            "with n = 5 it",
        ),
        (
            "constraints = [\"n < 6\"]\n[parameters]\nn = { type = \"int\", low = 5, high = 50, default = 20 }",
            "mean(close, n) > 1",
            "the defaults do not keep this",
        ),
        ("[states]\nb = { start = \"0\", next = \"on(4h, prev(b)) + 1\" }", "b > 3", "'b' in here is another state"),
    ] {
        let file = self::text(more, entry);
        let said = warnings(&Strategy::parse(&file).unwrap_or_else(|e| panic!("{e:?}\n{file}")), &file);
        assert!(said.iter().any(|(w, d)| *w == "warning" && d.message.contains(text)), "{text}: {said:?}");
    }
    for shipped in std::fs::read_dir("configs/strategies").unwrap().map(|f| f.unwrap().path()) {
        let Some("toml") = shipped.extension().and_then(|e| e.to_str()) else { continue };
        let file = std::fs::read_to_string(&shipped).unwrap();
        let said = warnings(&Strategy::parse(&file).unwrap(), &file);
        assert!(said.iter().all(|w| w.0 == "note"), "{}: {said:?}", shipped.display());
    }
}
