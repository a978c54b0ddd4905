//! Reading, compiling and binding: limits, names, the same plan however it is written.

mod edits;
mod semantics;

use super::bind::Bound;
use super::plan::Op;
use super::read::Strategy;
use super::space::{Params, Value, defaults};
use super::{Diagnostic, signals};
use crate::format::FormatError;
use crate::market::tests::walk;
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

/// A strategy around a table of named expressions and one entry.
fn text(parameters: &str, indicators: &str, entry: &str) -> String {
    format!(
        "name = \"x\"\ndescription = \"d\"\ninterval = \"1h\"\nsymbols = [\"S0USDT\", \"S1USDT\"]\n[parameters]\n{parameters}\n\
         [indicators]\n{indicators}\n[signals]\nlong_entry = \"{entry}\"\n[sizing]\nmargin_fraction = 0.1\nleverage = 2\n\
         [risk]\nmargin_mode = \"isolated\"\nmax_concurrent_positions = 1\n"
    )
}

fn parse(parameters: &str, indicators: &str, entry: &str) -> Result<Strategy, Vec<Diagnostic>> {
    Strategy::parse(&text(parameters, indicators, entry))
}

fn messages(parameters: &str, indicators: &str, entry: &str) -> Vec<String> {
    parse(parameters, indicators, entry).unwrap_err().into_iter().map(|d| d.message).collect()
}

fn bound(s: &Strategy) -> Bound {
    s.bind(&defaults(&s.file.parameters)).unwrap()
}

/// Doubling names: the text grows by a line, the graph by a node a symbol, never by twice as many.
#[test]
fn compiling_is_linear() {
    let doubled = |n: usize| {
        let lines = (1..n).map(|i| format!("i{i} = \"i{} + i{}\"\n", i - 1, i - 1)).collect::<String>();
        parse("", &format!("i0 = \"close\"\n{lines}"), &format!("i{} > 1", n - 1)).unwrap()
    };
    let (short, long) = (doubled(100), doubled(400));
    let nodes = |s: &Strategy| s.compiled.graph.nodes.len();
    assert_eq!(nodes(&long) - nodes(&short), 600, "one node a name and symbol");
    assert_eq!(bound(&long).plan.ops.len(), 2 * 401 + 1, "each once, and the number 1");
    // A chain of names of any length needs no stack.
    let chained: String = (1..1200).map(|i| format!("i{i} = \"i{} + 1\"\n", i - 1)).collect();
    let chained = format!("i0 = \"close\"\n{chained}");
    let on_small_stack = std::thread::Builder::new().stack_size(256 << 10);
    on_small_stack.spawn(move || drop(parse("", &chained, "i1199 > 1").unwrap())).unwrap().join().unwrap();
}

#[test]
fn limits_are_stated() {
    let deep = format!("{}close{} > 1", "(".repeat(70), ")".repeat(70));
    assert!(messages("", "", &deep)[0].contains("nests deeper than 64"));
    let chain = vec!["close"; 300].join(" + ");
    assert!(messages("", "", &format!("{chain} > 1"))[0].contains("chains more than 256"));
    assert!(messages("", "", &"x".repeat(66_000))[0].contains("over 65536 bytes"));
    let many: Vec<String> = (0..1001).map(|i| format!("\"A{i}\"")).collect();
    let symbols = text("", "", "close > 1").replace("\"S0USDT\", \"S1USDT\"", &many.join(","));
    assert!(Strategy::parse(&symbols).unwrap_err()[0].message.contains("at most 1000"));
}

/// However much is wrong in a file, and for however many symbols, little is done and said about it.
#[test]
fn much_that_is_wrong_is_told_shortly() {
    let symbols: Vec<String> = (0..1000).map(|i| format!("\"A{i}\"")).collect();
    let on_many = |indicators: &str, entry: &str| {
        let text = text("", indicators, entry).replace("\"S0USDT\", \"S1USDT\"", &symbols.join(","));
        Strategy::parse(&text).unwrap_err()
    };
    let lines = |line: &dyn Fn(usize) -> String| (0..1200).map(line).collect::<String>();
    let unknown_names = lines(&|i| format!("a{i} = \"b{i}\"\n"));
    let unknown_functions = lines(&|i| format!("a{i} = \"b(1)\"\n"));
    let no_names = lines(&|i| format!("\"{i}\" = \"1\"\n"));
    let no_expressions = lines(&|i| format!("a{i} = \"(\"\n"));
    for wrong in [unknown_names, unknown_functions, no_names, no_expressions] {
        let found = on_many(&wrong, "close > 1");
        assert_eq!(found.len(), 51, "{}", found[0].message);
        assert!(found[50].message.contains("there are more problems"));
    }
    // The limit holds wherever the expressions stand, and is told once.
    let long = (0..240).map(|i| format!("close * {i}")).collect::<Vec<_>>().join(" + ");
    let chained =
        lines(&|i| format!("i{i} = \"{} + {i}\"\n", if i == 0 { "close".into() } else { format!("i{}", i - 1) }));
    for (indicators, entry) in [("", format!("{long} > 1")), (chained.as_str(), "i1199 > 1".into())] {
        let found = on_many(indicators, &entry);
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("over 200000 distinct expressions"), "{}", found[0].message);
    }
}

/// Every problem is told once, at its own place, in the order of the text.
#[test]
fn all_problems_are_told_once() {
    let found = parse("", "a = \"clos\"\nb = \"a + 1\"\nc = \"SMA(close)\"", "b > 1 and c > opn").unwrap_err();
    let told: Vec<&str> = found.iter().map(|d| d.message.as_str()).collect();
    let own = ["unknown name 'clos'", "SMA takes 2 arguments, 1 given", "unknown name 'opn'"];
    assert_eq!(told, own, "what follows is not told again");
    let found = parse("", "a = \"close +\"\nb = \"a + 1\"\nc = \"SMA(close)\"", "b > 1 and c > opn").unwrap_err();
    let told: Vec<&str> = found.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(told.len(), 3, "what cannot be read hides nothing that stands elsewhere: {told:?}");
    assert!(told[1].contains("SMA takes 2 arguments"), "{told:?}");
    // All of one expression, also inside a function that there is not.
    let found = parse("", "a = \"avrage(clsoe, 20) + fo * high == lw\"", "whne(a > b) and opn > hgh").unwrap_err();
    let told: Vec<&str> = found.iter().map(|d| d.message.rsplit('\'').nth(1).unwrap_or_default()).collect();
    assert_eq!(told, ["avrage", "clsoe", "fo", "lw", "whne", "b", "opn", "hgh"]);
    let circle = parse("", "a = \"b + 1\"\nb = \"c * 2\"\nc = \"a - 1\"", "a > 1").unwrap_err();
    assert_eq!(circle.len(), 1);
    assert!(circle[0].message.contains("circle without prev: a -> b -> c -> a"));
    assert!(circle[0].help.as_deref().is_some_and(|h| h.contains("prev(…)")));
}

#[test]
fn nothing_hides_anything() {
    let int = |name: &str| format!("{name} = {{ type = \"int\", low = 1, high = 9, default = 2 }}");
    assert!(messages("", "high = \"low\"", "high > low")[0].contains("hide the column"));
    assert!(messages("", "mark = \"low\"", "close > low")[0].contains("hide the column"));
    assert!(messages(&int("close"), "", "open > 1")[0].contains("hide the column"));
    assert!(messages(&int("n"), "n = \"close\"", "n > 1")[0].contains("hide the parameter"));
    assert!(messages("", "S0USDT = \"close\"", "close > 1")[0].contains("meaning of its own"));
    assert!(messages("", "not = \"close\"", "close > 1")[0].contains("meaning of its own"));
    assert!(messages("", "\"a b\" = \"close\"", "close > 1")[0].contains("is not a name"));
    // What was recorded before that rule reads as it was meant: parameters before columns.
    let old = "name = \"x\"\ndescription = \"d\"\ninterval = \"1h\"\nsymbols = [\"S0USDT\"]\n\n[parameters.close]\n\
        type = \"int\"\nlow = 1\nhigh = 9\nstep = 1\nlog = false\ndefault = 2\n\n[indicators]\n\n[signals]\n\
        long_entry = \"open > close\"\n\n[stops]\n\n[sizing]\nmargin_fraction = \"0.1\"\nleverage = \"2\"\n\n[risk]\n\
        margin_mode = \"isolated\"\nmax_concurrent_positions = 1\n";
    let s = Strategy::recorded(old).unwrap();
    assert!(bound(&s).plan.ops.contains(&Op::Const(2.0)));
    assert!(Strategy::parse(old).is_err());
}

#[test]
fn recorded_texts_are_canonical() {
    let s = parse("", "", "close > 1").unwrap();
    assert_eq!(Strategy::recorded(s.canonical()).unwrap().hash(), s.hash());
    let changed = s.canonical().replace("leverage = \"2\"", "leverage = 2");
    assert!(matches!(Strategy::recorded(&changed), Err(FormatError::NotCanonical { .. })));
    let later = s.canonical().replace("format = 2", "format = 4");
    assert!(matches!(Strategy::recorded(&later), Err(FormatError::Unknown { found: 4, newest: 3 })));
    let broken = s.canonical().replace("close > 1", "clos > 1");
    assert!(Strategy::recorded(&broken).unwrap_err().to_string().contains("unknown name 'clos'"));
    let numbered = format!("format = 7\n{}", text("", "", "close > 1"));
    assert!(Strategy::parse(&numbered).unwrap_err()[0].message.contains("writes format 3"));
}

/// What values decide: options and lengths in range, constraints, the branch that is taken.
#[test]
fn binding() {
    let parameters = "n = { type = \"int\", low = 1, high = 200000, default = 5 }\nk = { type = \"choice\", choices = [1.0, 2.0], default = 1.0 }";
    let s = parse(parameters, "a = \"if(k > 1.5, RSI(close, n), EMA(close, n))\"", "a > highest(close, n)").unwrap();
    let with = |n: i64, k: f64| Params::from([("n".into(), Value::Int(n)), ("k".into(), Value::Float(k))]);
    let functions = |b: &Bound| {
        let name = |op: &Op| if let Op::Ta { function, .. } = op { Some(function.name()) } else { None };
        b.plan.ops.iter().filter_map(name).collect::<Vec<_>>()
    };
    assert_eq!(functions(&s.bind(&with(5, 1.0)).unwrap()), ["EMA", "EMA"], "only the branch that is taken");
    assert_eq!(functions(&s.bind(&with(5, 2.0)).unwrap()), ["RSI", "RSI"]);
    assert!(s.allows(&with(5, 1.0)) && !s.allows(&with(1, 2.0)), "RSI needs two bars");
    let d = s.bind(&with(1, 2.0)).unwrap_err();
    assert!(d.message.contains("of RSI cannot be 1") && d.help.is_some());
    assert!(s.bind(&with(150_000, 1.0)).unwrap_err().message.contains("cannot be 150000"));
    assert!(s.bind(&Params::new()).unwrap_err().message.contains("has no value"));
    let sized = text("", "", "close > 1").replace("leverage = 2", "leverage = 500");
    assert!(Strategy::parse(&sized).unwrap_err()[0].message.contains("between 1 and 150"));
    let stopped = text("", "", "close > 1").replace("[sizing]", "[stops]\nstop_loss = 1.5\n[sizing]");
    assert!(Strategy::parse(&stopped).unwrap_err()[0].message.contains("a stop is a fraction"));
}

/// Equal expressions are one node, however they are named and in whatever order they stand.
#[test]
fn each_distinct_expression_once() {
    let a = parse("", "x = \"EMA(close, 9)\"\ny = \"EMA(close, 9)\"", "x > y or EMA(close, 9) > x").unwrap();
    let count = |b: &Bound| b.plan.ops.iter().filter(|op| matches!(op, Op::Ta { .. })).count();
    assert_eq!(count(&bound(&a)), 2, "one a symbol");
    let other = parse("", "", "EMA(S0USDT.close, 9) > EMA(S1USDT.close, 9)").unwrap();
    assert_eq!(count(&bound(&other)), 2, "the same for both symbols");
    let unused = parse("", "x = \"EMA(close, 9)\"\nz = \"RSI(close, 7)\"", "x > 1").unwrap();
    assert_eq!(count(&bound(&unused)), 2, "what nothing needs is not computed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Substituting parameters gives what writing the numbers would have given, bit for bit; and a
    /// value is allowed exactly when it binds and keeps the constraints.
    #[test]
    fn parameters_are_only_substituted(n in 1i64..40, m in 1i64..40, x in 0.5f64..3.0, seed in 1u64..10_000) {
        let parameters = "n = { type = \"int\", low = 1, high = 40, default = 5 }\nm = { type = \"int\", low = 1, high = 40, default = 9 }\n\
            x = { type = \"float\", low = 0.5, high = 3.0, default = 1.0 }";
        let entry = |n: &str, m: &str, x: &str| format!(
            "crosses_above(prev(close, {n}) * {x}, lowest(low, {m}) + {x}) or count(close > {x} * prev(open, {n}), {m}) >= min({n}, 3) and if({n} > {m}, ATR(high, low, close, {n}), 1000 * funding) > {x}"
        );
        let with = text(parameters, "", &entry("n", "m", "x")).replace("[parameters]", "constraints = [\"n != m\"]\n[parameters]");
        let s = Strategy::parse(&with).unwrap();
        let plain = parse("", "", &entry(&n.to_string(), &m.to_string(), &format!("{x:?}"))).unwrap();
        let params = Params::from([("n".into(), Value::Int(n)), ("m".into(), Value::Int(m)), ("x".into(), Value::Float(x))]);
        let bound = s.bind(&params).unwrap();
        prop_assert_eq!(bound.violated.is_none(), n != m);
        prop_assert_eq!(s.allows(&params), n != m);
        let market = walk(200, 2, seed);
        let (a, b) = (signals::signals(&bound, &market, None).unwrap(), signals::signals(&self::bound(&plain), &market, None).unwrap());
        for (a, b) in a.iter().zip(&b) {
            prop_assert!((0..market.len()).all(|t| a.flags(t) == b.flags(t)));
        }
    }

    /// No text makes reading panic, and whatever reads has a canonical form that reads to the same.
    #[test]
    fn any_text_is_answered(entry in "[a-z0-9 ().,<>=+*/-]{0,40}", line in "[a-z]{1,3} = \"[a-z0-9 +(),]{0,12}\"") {
        if let Ok(s) = parse("", &line, &entry) {
            prop_assert_eq!(Strategy::recorded(s.canonical()).unwrap().hash(), s.hash());
        }
    }
}
