//! Times as text: UTC, milliseconds since 1970 inside.

/// Milliseconds in a day.
pub const DAY_MS: i64 = 86_400_000;

/// Days since 1970-01-01 of a civil date (Howard Hinnant's algorithm).
fn days_from_civil(y: i64, m: i64, d: i64) -> i64 {
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// Civil date of days since 1970-01-01.
fn civil_from_days(z: i64) -> (i64, i64, i64) {
    let z = z + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(m <= 2), m, doy - (153 * mp + 2) / 5 + 1)
}

/// Year, month and day of milliseconds since 1970.
pub fn civil(ms: i64) -> (i64, i64, i64) {
    civil_from_days(ms.div_euclid(DAY_MS))
}

/// `2024-01-31 23:00:00` of milliseconds since 1970.
pub fn format_ms(ms: i64) -> String {
    let (y, m, d) = civil_from_days(ms.div_euclid(DAY_MS));
    let s = ms.rem_euclid(DAY_MS) / 1000;
    format!("{y:04}-{m:02}-{d:02} {:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// `2024-01-31` of milliseconds since 1970.
pub fn format_date(ms: i64) -> String {
    format_ms(ms)[..10].to_string()
}

/// `2024-01-31 23:00:00.123456` of microseconds since 1970.
pub fn format_us(us: u64) -> String {
    format!("{}.{:06}", format_ms((us / 1000) as i64), us % 1_000_000)
}

/// Milliseconds since 1970 of `2024-01-31`, `2024-01-31 23:00` or `2024-01-31T23:00:00Z`.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim().trim_end_matches('Z');
    let (date, clock) = match text.find(['T', ' ']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, "00:00:00"),
    };
    let numbers = |s: &str, sep: char| s.split(sep).map(|p| p.parse::<i64>().ok()).collect::<Option<Vec<_>>>();
    let date = numbers(date, '-')?;
    let clock = numbers(clock, ':')?;
    let [y, m, d] = date[..] else { return None };
    let (h, min, s) = match clock[..] {
        [h, min] => (h, min, 0),
        [h, min, s] => (h, min, s),
        _ => return None,
    };
    let fits = (1970..3000).contains(&y) && (0..24).contains(&h) && (0..60).contains(&min) && (0..60).contains(&s);
    if !fits || !(1..=12).contains(&m) || civil_from_days(days_from_civil(y, m, d)) != (y, m, d) {
        return None;
    }
    Some(days_from_civil(y, m, d) * DAY_MS + (h * 3600 + min * 60 + s) * 1000)
}

/// Microseconds since 1970 of a time as [`parse`] reads it, or as it is printed: `2024-01-31 23:00:00.123456 UTC`.
pub fn parse_us(text: &str) -> Option<i64> {
    let text = text.trim().trim_end_matches("UTC").trim_end().trim_end_matches('Z');
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 6 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").parse().ok()?;
    Some(parse(whole)? * 1000 + micros)
}

/// Milliseconds of a bar interval such as `1m`, `1h`, `4h`, `1d`: whole days, or a whole number of them in a day.
pub fn interval_ms(text: &str) -> Option<i64> {
    let split = text.len().checked_sub(1)?;
    let n: i64 = text.get(..split)?.parse().ok().filter(|n| *n > 0 && *n < 10_000)?;
    let unit = match text.get(split..)? {
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        _ => return None,
    };
    let ms = n.checked_mul(unit)?;
    (ms % DAY_MS == 0 || DAY_MS % ms == 0).then_some(ms)
}

/// The text of an interval, the inverse of [`interval_ms`].
pub fn interval_text(ms: i64) -> String {
    match ms {
        ms if ms % DAY_MS == 0 => format!("{}d", ms / DAY_MS),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms => format!("{}m", ms / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refusals() {
        assert_eq!(parse("2020-02-01"), Some(1_580_515_200_000));
        assert_eq!(format_ms(1_580_515_200_000), "2020-02-01 00:00:00");
        assert_eq!(parse("2024-02-29T12:30Z").map(format_ms).as_deref(), Some("2024-02-29 12:30:00"));
        assert_eq!(parse("2023-02-29"), None);
        assert_eq!(parse("2023-13-01"), None);
        assert_eq!(parse("yesterday"), None);
        assert_eq!(interval_ms("4h").map(interval_text).as_deref(), Some("4h"));
        assert_eq!(interval_ms("0h").or(interval_ms("h")).or(interval_ms("")).or(interval_ms("1é")), None);
        for day in -1000..40_000 {
            let (y, m, d) = civil_from_days(day);
            assert_eq!(days_from_civil(y, m, d), day);
        }
    }

    /// What is printed can be asked for.
    #[test]
    fn a_printed_time_is_read_back() {
        for us in [0, 1_704_067_200_000_000, 1_732_633_742_699_857, 1_732_633_742_600_000] {
            assert_eq!(parse_us(&format_us(us)), Some(us as i64), "{}", format_us(us));
        }
        assert_eq!(parse_us("2024-01-01"), Some(1_704_067_200_000_000));
        assert_eq!(parse_us("2024-01-01T00:00:00.5Z"), Some(1_704_067_200_500_000));
        for bad in ["", "2024-01-01 00:00:00.x", "2024-01-01 00:00:00.1234567", "soon"] {
            assert_eq!(parse_us(bad), None, "{bad}");
        }
    }
}
