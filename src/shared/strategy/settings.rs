//! The settings of a strategy file beside its expressions' words, for the reference.

/// A setting: the table in which it stands, its name, what it says.
pub type Setting = (&'static str, &'static str, &'static str);

/// All of them.
pub const SETTINGS: [Setting; 44] = [
    ("signals", "long_entry", "a condition: enter long at the next open"),
    ("signals", "long_exit", "a condition: leave a long position at the next open"),
    ("signals", "short_entry", "a condition: enter short at the next open"),
    ("signals", "short_exit", "a condition: leave a short position at the next open"),
    ("stops", "stop_loss", "a fraction of the entry price against the position: 0.05 is 5 %"),
    ("stops", "take_profit", "a fraction of the entry price for the position; a limit order"),
    ("stops", "trailing_stop", "a fraction behind the best price, followed inside bars"),
    ("stops", "stop_price", "a price instead of a fraction, looked at again at each close"),
    ("stops", "target_price", "a price instead of a fraction, looked at again at each close"),
    ("stops", "trailing", "steps of a stop that follows at closes: [{ after = 0.1, distance = 0.05 }]"),
    ("stops", "max_bars", "bars after which a position is closed"),
    ("stops", "loosen", "true: a level that is looked at again may go further away"),
    ("stops", "every_close", "true: all levels are looked at again at each close"),
    ("stops", "measured_from", "\"entry\" or \"close\": what fractions are of"),
    ("sizing", "margin_fraction", "the initial margin of a position as a fraction of equity"),
    ("sizing", "size", "the notional of a position as a fraction of equity"),
    ("sizing", "notional_usdt", "the notional of a position, USDT"),
    ("sizing", "risk", "{ fraction, distance }: so much of equity is lost over a distance in price"),
    ("sizing", "volatility", "{ target, of }: target volatility over that of the symbol"),
    ("sizing", "leverage", "notional / initial margin, 1 to 150"),
    ("entries", "tag", "the name of an entry, by which reports and position.tag know it"),
    ("entries", "side", "\"long\" or \"short\""),
    ("entries", "when", "the condition"),
    ("entries", "order", "\"market\", \"limit\" or \"stop\""),
    ("entries", "price", "of a limit or stop order"),
    ("entries", "expires", "bars for which a limit or stop order stands"),
    ("entries", "leverage", "that of this entry"),
    ("adds", "when", "a condition under which a position is added to"),
    ("adds", "max", "how often"),
    ("adds", "place", "\"with_entry\": a ladder of orders that stand with the entry, k from 1 to max"),
    ("exits", "name", "the name of an exit, by which reports know it"),
    ("exits", "when", "the condition"),
    ("exits", "part", "the fraction of the position that is closed; all of it without one"),
    ("target", "weight", "signed notional as a fraction of equity: of each symbol, or { SYMBOL = … }"),
    ("target", "when", "when it is looked at"),
    ("target", "band", "inside it nothing is traded"),
    ("target", "together", "true: legs that belong together are traded together or not at all"),
    ("risk", "margin_mode", "\"isolated\" or \"cross\""),
    ("risk", "max_concurrent_positions", "most positions open at once"),
    ("risk", "max_position_size_usdt", "the largest notional of a position, USDT"),
    ("risk", "leverage_caps", "the highest leverage, symbol by symbol: { BTCUSDT = 20 }"),
    ("risk", "cooldown", "bars after a position has closed in which its symbol takes no entry"),
    ("risk", "loss_limits", "{ daily, total, consecutive }: losses at which trading stops"),
    ("", "references", "symbols that are read and not traded"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is a key that a file may have.
    #[test]
    fn settings_are_keys() {
        for (table, name, _) in SETTINGS {
            let row = match table {
                "" => format!("{name} = 1\n"),
                "entries" | "adds" | "exits" => format!("[[{table}]]\n{name} = {{}}\nno_such_key = 1\n"),
                _ => format!("[{table}]\n{name} = {{}}\nno_such_key = 1\n"),
            };
            let text = format!("name = \"x\"\ninterval = \"1h\"\nsymbols = [\"BTCUSDT\"]\n{row}");
            let said: Vec<String> =
                crate::strategy::Strategy::parse(&text).unwrap_err().iter().map(ToString::to_string).collect();
            let unknown = |key: &str| said.iter().any(|s| s.contains(&format!("unknown field `{key}`")));
            assert!(!unknown(name) && (table.is_empty() || unknown("no_such_key")), "{table}.{name}: {said:?}");
        }
    }
}
