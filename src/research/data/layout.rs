//! What a file is, by its folders and its name: the exchange's bulk layout, freqtrade's data folder, and
//! plain files named after a symbol. Prices that nobody traded futures at are told apart, with a reason.

use assay_shared::time::interval_ms;
use std::path::{Path, PathBuf};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    /// Candles of traded prices.
    Klines,
    /// Candles of mark prices.
    MarkKlines,
    /// Funding settlements.
    Funding,
    /// Maintenance brackets of a date.
    Brackets,
}

/// A file to import.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceFile {
    /// Symbol; empty for brackets.
    pub symbol: String,
    /// What it holds.
    pub holds: Holds,
    /// Bar interval in its name, such as `1h`; empty where the name has none.
    pub interval: String,
    /// Where it is.
    pub path: PathBuf,
    /// True when a folder or a name says what it holds, not its absence alone.
    pub named: bool,
}

/// Endings of files that are read.
const ENDINGS: [&str; 8] = [".csv.gz", ".csv", ".zip", ".json.gz", ".json", ".feather", ".parquet", ".txt"];

/// Words in folders and names, and what they say. The first that is found counts.
const WORDS: [(&str, Says); 16] = [
    ("indexpriceklines", Says::Not("index prices, which nobody trades at")),
    ("index_price", Says::Not("index prices, which nobody trades at")),
    ("premiumindexklines", Says::Not("the premium index, which is no price")),
    ("premium_index", Says::Not("the premium index, which is no price")),
    ("continuousklines", Says::Not("a continuous contract, which nobody holds")),
    ("aggtrades", Says::Not("single trades; candles are read")),
    ("bookticker", Says::Not("quotes; candles are read")),
    ("bookdepth", Says::Not("quotes; candles are read")),
    ("liquidationsnapshot", Says::Not("liquidations of others")),
    ("markprice", Says::Holds(Holds::MarkKlines)),
    ("mark_price", Says::Holds(Holds::MarkKlines)),
    ("fundingrate", Says::Holds(Holds::Funding)),
    ("funding_rate", Says::Holds(Holds::Funding)),
    ("funding", Says::Holds(Holds::Funding)),
    ("klines", Says::Holds(Holds::Klines)),
    ("metrics", Says::Not("open interest and ratios; candles are read")),
];

#[derive(Debug, Clone, Copy)]
enum Says {
    Holds(Holds),
    Not(&'static str),
}

/// What a folder above the file says of a market that is no USD-M perpetual.
fn other_market(folders: &[String]) -> Option<&'static str> {
    let pairs = folders.windows(2).find_map(|w| match (w[0].as_str(), w[1].as_str()) {
        ("spot", "daily" | "monthly" | "klines") | ("data", "spot") => Some("spot prices, not those of the future"),
        ("futures", "cm") => Some("a coin-margined future"),
        ("data", "option") => Some("an option"),
        _ => None,
    });
    // A folder somewhere above may be called anything; one right above the files says what they are.
    let last = folders.last().map(String::as_str).unwrap_or_default();
    let spot = last == "spot" || last.starts_with("spot_") || last.starts_with("spot-");
    pairs.or_else(|| spot.then_some("spot prices, not those of the future"))
}

fn says(word: &str) -> Option<Says> {
    let word = word.to_lowercase();
    WORDS.iter().find(|(known, _)| word.starts_with(known)).map(|(_, says)| *says)
}

/// A symbol as the exchange spells it: letters of any script, digits, and `_` before a date.
fn symbol(text: &str) -> Option<String> {
    let good = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_');
    (good && text.chars().any(char::is_alphabetic)).then(|| text.to_uppercase())
}

/// An interval as names spell it.
fn interval(text: &str) -> Option<String> {
    let plain = if text.ends_with(['H', 'D']) { text.to_lowercase() } else { text.to_string() };
    interval_ms(&plain).map(|_| plain)
}

/// A freqtrade pair: `BTC_USDT_USDT` is the future of BTCUSDT that settles in USDT, `BTC_USDT` is spot.
fn pair(text: &str) -> Option<Result<String, &'static str>> {
    match text.split('_').collect::<Vec<_>>()[..] {
        [base, quote, settle] if quote == settle && base.chars().all(char::is_alphanumeric) => {
            Some(Ok(format!("{base}{quote}").to_uppercase()))
        }
        [_, quote, settle] if quote.chars().all(char::is_alphabetic) && settle.chars().all(char::is_alphabetic) => {
            Some(Err("a future that does not settle in its quote"))
        }
        _ => None,
    }
}

/// Symbol, interval and what else a name says; the rest of the name is a date or a part.
fn name_parts(stem: &str) -> Result<(String, String, Option<Says>), String> {
    let mut parts: Vec<&str> = stem.split('-').collect();
    // `BTCUSDT_1h`, `BTC_USDT_1h`: no dash anywhere.
    let joined;
    if parts.len() == 1
        && let Some((front, last)) = stem.rsplit_once('_')
        && (interval(last).is_some() || says(last).is_some())
    {
        joined = front.replace('_', "");
        parts = vec![&joined, last];
    }
    // `markPriceKlines-BTCUSDT-1h`: what it holds comes first.
    if parts.len() > 1 && says(parts[0]).is_some() && symbol(parts[1]).is_some_and(|s| has_quote(&s)) {
        parts.swap(0, 1);
    }
    let first = parts.first().copied().unwrap_or_default();
    let symbol = match pair(first) {
        Some(Ok(symbol)) => symbol,
        Some(Err(why)) => return Err(why.into()),
        None if first.matches('_').count() == 1 && !first.ends_with(|c: char| c.is_ascii_digit()) => {
            return Err("a spot pair, as freqtrade names it".into());
        }
        None => symbol(first).ok_or_else(|| format!("'{first}' is no symbol"))?,
    };
    let (mut bars, mut kind) = (String::new(), None);
    for part in parts.get(1..).unwrap_or_default() {
        if bars.is_empty()
            && let Some(found) = interval(part)
        {
            bars = found;
        } else if kind.is_none() {
            kind = match part.to_lowercase().as_str() {
                "mark" => Some(Says::Holds(Holds::MarkKlines)),
                "futures" => Some(Says::Holds(Holds::Klines)),
                "index" | "indexprice" => Some(Says::Not("index prices, which nobody trades at")),
                "premiumindex" | "premium" => Some(Says::Not("the premium index, which is no price")),
                "spot" => Some(Says::Not("spot prices, not those of the future")),
                other => says(other),
            };
        }
    }
    Ok((symbol, bars, kind))
}

/// Why a file is not read, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotRead(pub String);

/// Says what a file holds, or why it is not used. `root` is the folder that is imported.
///
/// # Errors
/// Why it is not used, in words.
pub fn classify(root: &Path, path: &Path) -> Result<SourceFile, NotRead> {
    look(root, path).map_err(NotRead)
}

fn look(root: &Path, path: &Path) -> Result<SourceFile, String> {
    let name = path.file_name().and_then(|n| n.to_str()).ok_or("its name is not UTF-8")?;
    let lower = name.to_lowercase();
    let file = |symbol: &str, holds, interval: &str, named| SourceFile {
        symbol: symbol.into(),
        holds,
        interval: interval.into(),
        path: path.into(),
        named,
    };
    if lower.ends_with(".checksum") {
        return Err("the checksum of the file beside it".into());
    }
    let ending = ENDINGS.iter().find(|e| lower.ends_with(*e)).ok_or("no file of market data by its ending")?;
    // Folders of the import count, and two above it: `data/futures/um/monthly` may be named itself.
    let parents = |p: &Path, n: usize| -> Vec<String> {
        let all: Vec<_> = p.components().map(|c| c.as_os_str().to_string_lossy().to_lowercase()).collect();
        all[all.len().saturating_sub(n)..].to_vec()
    };
    let below = path.parent().and_then(|dir| dir.strip_prefix(root).ok()).unwrap_or(Path::new(""));
    let (above, inside) = (parents(root, 6), parents(below, usize::MAX));
    let folders = [above.clone(), inside.clone()].concat();
    if let Some(why) = other_market(&folders) {
        return Err(why.into());
    }
    // Above the import only the exchange's own folder names count: `funding-study` is somebody's project.
    let own = |f: &&String| WORDS.iter().any(|(word, _)| f.as_str() == *word);
    let nearest = inside.iter().rev().chain(above.iter().rev().take(3).filter(own)).find_map(|f| says(f));
    let brackets = lower.starts_with("exchangeinfo")
        || lower.starts_with("leverage_brackets_")
        || lower.starts_with("leveragebracket")
        || lower.contains("leverage_tiers")
        || folders.last().is_some_and(|f| f.starts_with("brackets"));
    if brackets && lower.ends_with(".json") {
        return Ok(file("", Holds::Brackets, "", true));
    }
    if brackets {
        return Err("no bracket tables of one day in JSON".into());
    }
    let stem = &name[..name.len() - ending.len()];
    let (symbol, bars, by_name) = name_parts(stem)?;
    match by_name.or(nearest) {
        Some(Says::Not(why)) => Err(why.into()),
        Some(Says::Holds(Holds::Funding)) => Ok(file(&symbol, Holds::Funding, "", true)),
        Some(Says::Holds(holds)) => Ok(file(&symbol, holds, &bars, true)),
        None if bars.is_empty() && !has_quote(&symbol) => {
            Err("its name has neither a symbol of the exchange nor an interval".into())
        }
        None => Ok(file(&symbol, Holds::Klines, &bars, false)),
    }
}

/// Whether a symbol ends in a quote asset of the exchange.
fn has_quote(symbol: &str) -> bool {
    ["USDT", "USDC", "BUSD"].iter().any(|q| symbol.len() > q.len() && symbol.ends_with(q))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(path: &str) -> Result<(String, Holds, String), String> {
        let found = classify(Path::new("in"), &Path::new("in").join(path));
        found.map(|f| (f.symbol, f.holds, f.interval)).map_err(|e| e.to_string())
    }

    /// Everything that is read, by folder and name.
    #[test]
    fn what_is_read() {
        use Holds::{Brackets, Funding, Klines, MarkKlines};
        let table = [
            ("BTCUSDT-1h-2024-01.zip", "BTCUSDT", Klines, "1h"),
            ("BTCUSDT-1h-mark.csv.gz", "BTCUSDT", MarkKlines, "1h"),
            ("futures/um/monthly/markPriceKlines/BTCUSDT/1m/BTCUSDT-1m-2024-01.zip", "BTCUSDT", MarkKlines, "1m"),
            ("futures/um/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-05.zip", "BTCUSDT", Klines, "1m"),
            ("fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024-03.zip", "BTCUSDT", Funding, ""),
            ("BTCUSDT-fundingRate-2024-03.csv", "BTCUSDT", Funding, ""),
            ("funding/BTCUSDT.json", "BTCUSDT", Funding, ""),
            ("btcusdt-1h.csv", "BTCUSDT", Klines, "1h"),
            ("BTCUSDT_1h.csv", "BTCUSDT", Klines, "1h"),
            ("BTC_USDT_1h.csv", "BTCUSDT", Klines, "1h"),
            ("BTCUSDT.parquet", "BTCUSDT", Klines, ""),
            ("1000SHIBUSDT-1H.csv", "1000SHIBUSDT", Klines, "1h"),
            ("币安人生USDT-1h.csv", "币安人生USDT", Klines, "1h"),
            ("BTCUSDT_240628-1h.csv", "BTCUSDT_240628", Klines, "1h"),
            ("futures/ONDO_USDT_USDT-1h-futures.feather", "ONDOUSDT", Klines, "1h"),
            ("futures/ONDO_USDT_USDT-1h-mark.json.gz", "ONDOUSDT", MarkKlines, "1h"),
            ("futures/ONDO_USDT_USDT-8h-funding_rate.feather", "ONDOUSDT", Funding, ""),
            ("brackets/leverage_brackets_2024-10-24.json", "", Brackets, ""),
            ("BTCUSDT-markPrice-1h.csv", "BTCUSDT", MarkKlines, "1h"),
            ("BTCUSDT-1h-mark_price.csv", "BTCUSDT", MarkKlines, "1h"),
            ("markPriceKlines-BTCUSDT-1h.csv", "BTCUSDT", MarkKlines, "1h"),
            ("fundingRate-BTCUSDT-2024-01.csv", "BTCUSDT", Funding, ""),
            ("mark_price_1h/BTCUSDT-1h.csv", "BTCUSDT", MarkKlines, "1h"),
        ];
        for (path, symbol, holds, bars) in table {
            assert_eq!(is(path), Ok((symbol.into(), holds, bars.into())), "{path}");
        }
    }

    /// Everything that is not, and why.
    #[test]
    fn what_is_not_read() {
        let table = [
            ("futures/um/monthly/indexPriceKlines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip", "index"),
            ("BTCUSDT-1h-index.csv", "index"),
            ("premiumIndexKlines/BTCUSDT-1h.csv", "premium"),
            ("spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip", "spot"),
            ("data/spot/BTCUSDT-1h.csv", "spot"),
            ("futures/cm/monthly/klines/BTCUSD_PERP/1h/BTCUSD_PERP-1h-2024-01.zip", "coin-margined"),
            ("BTC_USDT-1h.feather", "spot pair"),
            ("BTC_USD_BTC-1h-futures.feather", "settle"),
            ("BTCUSDT-aggTrades-2024-01.zip", "trades"),
            ("BTCUSDT-1h-2024-01.zip.CHECKSUM", "checksum"),
            ("README.md", "ending"),
            ("brackets/bracket_history.json.gz", "no bracket tables of one day"),
            ("notes.csv", "neither a symbol"),
        ];
        for (path, why) in table {
            let said = is(path).unwrap_err();
            assert!(said.contains(why), "{path}: {said}");
        }
        let spot = Path::new("/d/data/spot/monthly");
        assert!(classify(spot, &spot.join("klines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip")).is_err(), "named itself");
    }
}
