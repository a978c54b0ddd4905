//! The library: functions in the language itself, taken in by name. A strategy's canonical text has what it takes in, so
//! that its hash is whole and a later library changes nothing.

/// The texts by the name of their function.
pub const LIBRARY: [(&str, &str); 13] = [
    ("ewo", include_str!("../../../configs/library/ewo.toml")),
    ("halftrend", include_str!("../../../configs/library/halftrend.toml")),
    ("ift_rsi", include_str!("../../../configs/library/ift_rsi.toml")),
    ("opening_range", include_str!("../../../configs/library/opening_range.toml")),
    ("ott", include_str!("../../../configs/library/ott.toml")),
    ("pivots", include_str!("../../../configs/library/pivots.toml")),
    ("pmax", include_str!("../../../configs/library/pmax.toml")),
    ("qqe", include_str!("../../../configs/library/qqe.toml")),
    ("range_filter", include_str!("../../../configs/library/range_filter.toml")),
    ("rmi", include_str!("../../../configs/library/rmi.toml")),
    ("session_vwap", include_str!("../../../configs/library/session_vwap.toml")),
    ("ssl", include_str!("../../../configs/library/ssl.toml")),
    ("ut_bot", include_str!("../../../configs/library/ut_bot.toml")),
];

/// The text of a function.
pub fn text_of(name: &str) -> Option<&'static str> {
    LIBRARY.iter().find(|l| l.0 == name).map(|l| l.1)
}

/// What a function is for: the comment at the head of its text, in a line.
pub fn about(text: &str) -> String {
    let lines = text.lines().take_while(|l| l.starts_with('#')).map(|l| l.trim_start_matches('#').trim());
    lines.collect::<Vec<_>>().join(" ")
}
