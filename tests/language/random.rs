//! Random strategies over the whole language: states, circles, clocks, other symbols, functions, positions, targets.

use std::fmt::Write as _;

/// A small random number generator: a test needs to be the same again, not to be good.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.roll(list.len())]
    }
}

/// What may be named where an expression stands.
#[derive(Clone, Copy, Default)]
pub struct Seen {
    /// States and named expressions of the file.
    pub names: bool,
    /// The account.
    pub account: bool,
    /// The arguments of a function, and nothing of the file.
    pub arguments: bool,
    /// Inside `on` or `across`.
    pub inside: bool,
}

const SERIES: [&str; 9] =
    ["close", "open", "high", "low", "volume", "mark", "funding", "ETHUSDT.close", "XRPUSDT@4h.high"];
const SEEN: [&str; 9] = [
    "position.profit",
    "position.best",
    "position.bars",
    "position.entry",
    "position.adds",
    "position.side",
    "last.profit",
    "last.bars",
    "account.drawdown",
];

pub fn number(d: &mut Dice, depth: usize, s: Seen) -> String {
    if depth == 0 {
        return match d.roll(6) {
            0 => format!("{}.5", d.roll(4)),
            1 if s.names => d.of(&["up", "drift", "steps", "span"]).into(),
            2 if s.arguments => "x".into(),
            3 if s.account && !s.inside => d.of(&SEEN).into(),
            4 => "n".into(),
            _ if s.arguments => "close".into(),
            _ => d.of(&SERIES).into(),
        };
    }
    let go = |d: &mut Dice| number(d, depth - 1, s);
    let n = 1 + d.roll(4);
    match d.roll(24) {
        0 => format!("({} + {})", go(d), go(d)),
        1 => format!("({} - {})", go(d), go(d)),
        2 => format!("({} * {})", go(d), go(d)),
        3 => format!("({} / {})", go(d), go(d)),
        4 => format!("({} % 7)", go(d)),
        5 => format!("min({}, {}, {})", go(d), go(d), go(d)),
        6 => format!("max({}, {})", go(d), go(d)),
        7 => format!("prev({}, {n})", go(d)),
        8 => format!("highest({}, {n})", go(d)),
        9 => format!("{}({}, {})", d.of(&["sum", "mean", "median"]), go(d), n),
        10 => format!("{}({}, {})", d.of(&["std", "var", "zscore", "slope", "rank"]), go(d), n + 1),
        11 => format!("{}({}, {}, {})", d.of(&["slope", "intercept", "corr"]), go(d), go(d), n + 2),
        12 => format!("if({}, {}, {})", truth(d, depth - 1, s), go(d), go(d)),
        13 => format!("known({}, {})", go(d), go(d)),
        14 => format!("hold(if({}, {}, unknown))", truth(d, depth - 1, s), go(d)),
        15 => format!("value_when({}, {})", truth(d, depth - 1, s), go(d)),
        16 => format!("at({}, bars_since({}), 6)", go(d), truth(d, depth - 1, s)),
        17 => format!("sum_of(k, 0, {n}, prev({}, k) * k)", go(d)),
        18 if !s.arguments => {
            let inside = Seen { inside: true, ..s };
            format!("on({}, {})", d.of(&["2h", "4h", "1d", "ETHUSDT", "XRPUSDT@3h"]), number(d, depth - 1, inside))
        }
        19 if !s.arguments && !s.inside => {
            let inside = Seen { inside: true, ..s };
            format!("across.{}({})", d.of(&["sum", "mean", "median", "count", "max"]), number(d, depth - 1, inside))
        }
        20 if !s.arguments && !s.account => format!("ease({}, 0.{})", go(d), 1 + d.roll(8)),
        21 if !s.account => format!("EMA({}, {})", d.of(&["close", "high - low", "volume"]), n + 1),
        22 => format!("table({}, 0, 1.5, 2, {}, 5, 3)", go(d), go(d)),
        _ => format!("abs({})", go(d)),
    }
}

pub fn truth(d: &mut Dice, depth: usize, s: Seen) -> String {
    let below = depth.saturating_sub(1);
    match d.roll(10) {
        0 if depth > 0 => format!("({} and {})", truth(d, below, s), truth(d, below, s)),
        1 if depth > 0 => format!("({} or {})", truth(d, below, s), truth(d, below, s)),
        2 if depth > 0 => format!("not {}", truth(d, below, s)),
        3 => format!("crosses_above({}, {})", number(d, below, s), number(d, below, s)),
        4 if depth > 0 => format!("latch({}, {})", truth(d, below, s), truth(d, below, s)),
        5 => d.of(&["new_day", "hour > 12", "weekday < 3"]).into(),
        6 if s.names => "armed".into(),
        7 if depth > 0 => format!("prev({})", truth(d, below, s)),
        _ => format!("{} {} {}", number(d, below, s), d.of(&["<", ">", "<=", ">="]), number(d, below, s)),
    }
}

/// A strategy with circles of states, a function with a state, and rules or a target.
pub fn strategy(seed: u64, depth: usize) -> String {
    let d = &mut Dice(seed | 1);
    let plain = Seen { names: true, ..Seen::default() };
    let free = Seen::default();
    let mut out = String::from(
        "name = \"random\"\ninterval = \"1h\"\nsymbols = [\"BTCUSDT\", \"ETHUSDT\"]\nreferences = [\"XRPUSDT\"]\n\
         [parameters]\nn = { type = \"int\", low = 1, high = 9, default = 3 }\n",
    );
    let inner = Seen { arguments: true, ..free };
    let _ = writeln!(
        out,
        "[functions.ease]\narguments = [\"x\", \"w\"]\nline = {{ start = \"x\", next = \"w * {} + (1 - w) * self\" }}\noutputs = [\"line\"]",
        number(d, depth - 1, inner)
    );
    // Three states and an expression that need each other's last values.
    let (a, b, c) = (number(d, depth - 1, free), number(d, depth - 1, free), truth(d, depth - 1, free));
    let _ = writeln!(
        out,
        "[indicators]\nspan = \"prev(up) - prev(drift) + {a}\"\n[states]\n\
         up = {{ start = \"close\", next = \"if(span > 0, max(self, {b}), {})\" }}\n\
         drift = {{ start = \"0\", next = \"if({c}, prev(up) - close, self * 0.5)\" }}\n\
         steps = {{ start = \"0\", next = \"if(up > prev(up), self + 1, 0)\" }}\n\
         armed = {{ start = \"false\", next = \"steps > 1 or (self and prev(steps, 2) > 0)\" }}",
        number(d, depth - 1, free)
    );
    let account = Seen { account: true, ..plain };
    if d.roll(4) == 0 {
        let _ = writeln!(
            out,
            "[target]\nweight = \"0.4 * sign({}) / across.rank(close / prev(close, n))\"\nwhen = \"{}\"\nband = 0.05\n[stops]\nstop_loss = 0.05",
            number(d, depth, plain),
            truth(d, depth, plain)
        );
        return out;
    }
    let _ = writeln!(
        out,
        "[trade]\nborn = {{ start = \"{}\" }}\nstage = {{ start = \"1\", next = \"if({}, self + 1, self)\" }}",
        number(d, depth - 1, plain),
        truth(d, depth - 1, account)
    );
    for (side, order) in [("long", "market"), ("short", "limit"), ("long", "stop")] {
        let price = match order {
            "limit" => "price = \"close * 1.001\"\nexpires = 3\n",
            "stop" => "price = \"high * 1.001\"\nexpires = 2\n",
            _ => "",
        };
        let _ = writeln!(
            out,
            "[[entries]]\ntag = \"{side}-{order}\"\nside = \"{side}\"\norder = \"{order}\"\n{price}when = \"{}\"",
            truth(d, depth, account)
        );
    }
    let _ = writeln!(
        out,
        "[[adds]]\nwhen = \"{}\"\nsize = 0.05\nmax = 2\n[[adds]]\nplace = \"with_entry\"\norder = \"limit\"\n\
         price = \"close * (1 - position.side * 0.004 * k)\"\nsize = \"0.02 * k\"\nmax = 3\n\
         [[exits]]\nname = \"a\"\nwhen = \"{}\"\n[[exits]]\nname = \"half\"\nwhen = \"stage > 2\"\npart = 0.5",
        truth(d, depth, account),
        truth(d, depth, account)
    );
    let _ = writeln!(
        out,
        "[stops]\nstop_loss = \"0.02 + 0.01 * min(abs(known(born, 0)), 3)\"\n\
         take_profit = \"table(position.minutes, 0, 0.05, 300, 0.02)\"\n\
         trailing = [{{ after = 0.02, distance = 0.01 }}]\nmax_bars = 40\n[sizing]\nmargin_fraction = 0.1\nleverage = 3"
    );
    out
}
