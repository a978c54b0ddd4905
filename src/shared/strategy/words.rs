//! The language's own words, for its reference: what they take, what they give, an example that a test runs.

/// A word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// Its name.
    pub name: &'static str,
    /// How it is called.
    pub shape: &'static str,
    /// What it gives.
    pub gives: &'static str,
    /// An expression with it.
    pub example: &'static str,
}

const fn word(name: &'static str, shape: &'static str, gives: &'static str, example: &'static str) -> Word {
    Word { name, shape, gives, example }
}

/// All of them.
pub const WORDS: [Word; 65] = [
    word("abs", "abs(x)", "x without its sign", "abs(close - open)"),
    word("sqrt", "sqrt(x)", "the square root; unknown below 0", "sqrt(volume)"),
    word("log", "log(x)", "the natural logarithm; unknown below 0", "log(close / prev(close))"),
    word("^", "a ^ b", "a to the power of b, from the right: 2 ^ 3 ^ 2 is 2 ^ 9; -2 ^ 2 is -4", "close ^ 2"),
    word("exp", "exp(x)", "e to the power of x", "exp(funding)"),
    word("floor", "floor(x)", "the whole number below", "floor(close)"),
    word("ceil", "ceil(x)", "the whole number above", "ceil(close)"),
    word("round", "round(x)", "the nearest whole number, halves away from 0", "round(close)"),
    word("sign", "sign(x)", "1, 0 or -1", "sign(close - open)"),
    word("min", "min(a, b, …)", "the lowest; unknown when one of them is", "min(open, close, prev(low))"),
    word("max", "max(a, b, …)", "the highest; unknown when one of them is", "max(open, close)"),
    word(
        "if",
        "if(condition, a, b)",
        "a while the condition is true, b while it is false; unknown while it is unknown",
        "if(close > open, high, low)",
    ),
    word(
        "known",
        "known(x) or known(x, otherwise)",
        "whether x is known; or x, and another value where it is not",
        "known(funding, 0)",
    ),
    word(
        "table",
        "table(x, x0, y0, x1, y1, …)",
        "the y of the last step that x has reached; unknown before the first",
        "table(hour, 0, 0.1, 12, 0.05)",
    ),
    word(
        "prev",
        "prev(x) or prev(x, bars)",
        "x so many bars ago: 1 bar without a number; a length of time such as 1d is its bars",
        "prev(close, 3)",
    ),
    word(
        "at",
        "at(x, distance, limit)",
        "x so many bars ago as the distance says, a whole number from 0 to the limit; else unknown",
        "at(low, bars_since(close > open), 20)",
    ),
    word(
        "crosses_above",
        "crosses_above(a, b)",
        "a is over b, and was not on the bar before",
        "crosses_above(close, SMA(close, 20))",
    ),
    word(
        "crosses_below",
        "crosses_below(a, b)",
        "a is under b, and was not on the bar before",
        "crosses_below(close, SMA(close, 20))",
    ),
    word("highest", "highest(x, bars)", "the highest of the last bars, this one included", "highest(high, 20)"),
    word("lowest", "lowest(x, bars)", "the lowest of the last bars, this one included", "lowest(low, 20)"),
    word(
        "count",
        "count(condition, bars)",
        "on how many of the last bars it was true; unknown while one of them is",
        "count(close > open, 10)",
    ),
    word(
        "bars_since",
        "bars_since(condition)",
        "bars since it was true, 0 on such a bar; unknown before the first; what is unknown is not true",
        "bars_since(close > prev(high))",
    ),
    word("hold", "hold(x)", "the last known value of x", "hold(if(close > prev(high), close, unknown))"),
    word(
        "value_when",
        "value_when(condition, x) or value_when(condition, x, times)",
        "x on the last bar on which it was true; or so many times before that one",
        "value_when(close > prev(high), low)",
    ),
    word(
        "latch",
        "latch(set, reset)",
        "true from set on until reset; reset wins",
        "latch(close > highest(prev(high), 20), close < lowest(prev(low), 10))",
    ),
    word("sum", "sum(x, bars)", "the sum of the last bars", "sum(volume, 24)"),
    word("mean", "mean(x, bars)", "the mean of the last bars", "mean(close, 20)"),
    word("median", "median(x, bars)", "the middle value of the last bars", "median(close, 21)"),
    word("var", "var(x, bars)", "the sample variance, divided by bars - 1", "var(close, 20)"),
    word(
        "std",
        "std(x, bars)",
        "the sample standard deviation; TA-Lib's STDDEV and BBANDS divide by bars instead",
        "std(close, 20)",
    ),
    word("zscore", "zscore(x, bars)", "how many sample deviations x is above its mean", "zscore(close, 50)"),
    word("skew", "skew(x, bars)", "the sample skewness, as pandas has it", "skew(close / prev(close) - 1, 50)"),
    word(
        "kurtosis",
        "kurtosis(x, bars)",
        "the sample excess kurtosis, as pandas has it",
        "kurtosis(close / prev(close) - 1, 50)",
    ),
    word(
        "quantile",
        "quantile(x, bars, part)",
        "the quantile, by linear interpolation; the part is a number from 0 to 1",
        "quantile(close, 50, 0.9)",
    ),
    word(
        "rank",
        "rank(x, bars)",
        "the share of the other values of the last bars that are below x, from 0 to 1; half of those that equal it",
        "rank(close, 100)",
    ),
    word(
        "slope",
        "slope(x, bars) or slope(y, x, bars)",
        "least squares: of x on time, a bar; or of y on x",
        "slope(log(close), 50)",
    ),
    word(
        "intercept",
        "intercept(x, bars) or intercept(y, x, bars)",
        "least squares: the line at the window's first bar; or of y at x = 0",
        "intercept(close, open, 50)",
    ),
    word("corr", "corr(y, x, bars)", "the correlation", "corr(close, volume, 50)"),
    word(
        "sum_of",
        "sum_of(k, from, to, x)",
        "the sum of x for each k between two whole numbers",
        "sum_of(k, 0, 9, prev(close, k) * (10 - k))",
    ),
    word("mean_of", "mean_of(k, from, to, x)", "the mean of x for each k", "mean_of(k, 1, 5, prev(close, k))"),
    word("min_of", "min_of(k, from, to, x)", "the lowest x", "min_of(k, 1, 5, prev(low, k))"),
    word("max_of", "max_of(k, from, to, x)", "the highest x", "max_of(k, 1, 5, prev(high, k))"),
    word(
        "std_of",
        "std_of(k, from, to, x)",
        "the sample standard deviation of x for each k",
        "std_of(k, 0, 9, prev(close, k))",
    ),
    word(
        "on",
        "on(4h, x), on(SYMBOL, x) or on(SYMBOL@4h, x)",
        "all of x on another clock or symbol, seen after its close; prev inside counts the bars of that clock",
        "on(4h, RSI(close, 14))",
    ),
    word(
        "across.sum",
        "across.sum(x)",
        "the sum over all symbols that are traded; unknown values are left out, and without a known one it is unknown",
        "across.sum(volume)",
    ),
    word(
        "across.rank",
        "across.rank(x)",
        "this symbol's place among all: 1 is the highest, ties in the order of symbols",
        "across.rank(close / prev(close, 24))",
    ),
    word(
        "across.top",
        "across.top(x, n)",
        "whether this symbol is among the n highest",
        "across.top(close / prev(close, 24), 1)",
    ),
    word(
        "across.bottom",
        "across.bottom(x, n)",
        "whether this symbol is among the n lowest, by across.rank: of equal ones the later symbol is lower",
        "across.bottom(close / prev(close, 24), 1)",
    ),
    word("mine", "mine(x)", "inside across, x of the symbol that asks", "across.sum(if(close > mine(close), 1, 0))"),
    word(
        "across.mean",
        "across.mean(x)",
        "the mean over all symbols that are traded",
        "across.mean(close / prev(close))",
    ),
    word(
        "across.median",
        "across.median(x)",
        "the middle value over all symbols",
        "across.median(close / prev(close))",
    ),
    word("across.min", "across.min(x)", "the lowest over all symbols", "across.min(close / prev(close))"),
    word("across.max", "across.max(x)", "the highest over all symbols", "across.max(close / prev(close))"),
    word("across.count", "across.count(x)", "for how many symbols x is known", "across.count(prev(close, 24))"),
    word("hour", "hour", "of the bar's opening time in UTC, 0 to 23", "hour * 60 + minute"),
    word("minute", "minute", "of the bar's opening time, 0 to 59", "hour * 60 + minute"),
    word("weekday", "weekday", "0 is Monday, 6 is Sunday", "weekday * 24 + hour"),
    word("day", "day", "the day of the month", "day + 0"),
    word("month", "month", "1 to 12", "month + 0"),
    word("year", "year", "such as 2024", "year + 0"),
    word(
        "new_day",
        "new_day, new_week, new_month",
        "whether the bar is the first one of its UTC day, of its week (from Monday), of its month",
        "bars_since(new_day)",
    ),
    word(
        "funding",
        "funding",
        "the rate that was settled last, a fraction; one at a bar's opening is of that bar",
        "mean(funding, 24)",
    ),
    word("mark", "mark", "the mark price at the close; mark_open, mark_high and mark_low too", "mark - close"),
    word("unknown", "unknown", "no value: a comparison with it is unknown, and no signal fires", "known(unknown, 1)"),
    word("%", "a % b", "what is left of a after whole b: a - b * floor(a / b), with the sign of b", "hour % 8"),
];

/// What goes wrong when strategies are carried over, with the functions that it is about.
pub const TRAPS: [(&[&str], &str); 7] = [
    (
        &["SMA"],
        "is a running sum, in which a very large value leaves rounding behind: mean(x, n) is of its window alone",
    ),
    (
        &["BBANDS", "STDDEV", "VAR"],
        "divides by n, where pandas and freqtrade divide by n - 1: std(x, n) is the sample's, or take the factor sqrt(n / (n - 1))",
    ),
    (
        &["EMA", "RMA", "DEMA", "TEMA", "MACD", "RSI", "ATR", "ADX"],
        "begins with a mean of the first bars, where ewm(adjust=False) begins with the first value: early values differ",
    ),
    (&["ICHIMOKU"], "is not displaced: the cloud that a chart shows is prev(senkouspana, 26)"),
    (&["VWAP"], "runs from the first bar of the data: that of a session is a state that begins anew with new_day"),
    (&["SUPERTREND"], "averages the true range by Wilder, as Pine does; freqtrade's averages it plainly"),
    (
        &["on", "prev", "crosses_above", "crosses_below"],
        "prev(on(4h, x)) is one bar of the data ago, on(4h, prev(x)) one of 4h; on(4h, crosses_above(a, b)) is true for all of 4 hours; a state inside on(4h, …) is one of its own that sees bars of 4h only",
    ),
];
