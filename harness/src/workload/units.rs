//! Durations, shares and rates: how a workload writes them, for serde in both directions.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serializer};

/// The longest duration anywhere in a workload, and short enough that sums never overflow.
const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The units of durations in milliseconds, the largest first.
const UNITS: [(&str, u64); 3] = [("m", 60_000), ("s", 1_000), ("ms", 1)];

/// `500ms`, `2s` or `1m`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = UNITS.iter().find(|(name, _)| *name == unit && !number.is_empty());
    let Some((_, milliseconds)) = unit else {
        return Err(format!("`{text}` is not a duration; write 500ms, 2s or 1m"));
    };
    // What does not even fit into 64 bits is certainly too long.
    let number: u64 = number.parse().unwrap_or(u64::MAX);
    let duration = Duration::from_millis(number.saturating_mul(*milliseconds));
    if duration > DURATION_MAX {
        Err(format!("`{text}` is longer than a day"))
    } else {
        Ok(duration)
    }
}

/// A duration such that it is read as the same again: `40ms`, `2s`, `1m`. Parts of a millisecond are cut off.
pub(crate) fn duration_words(duration: Duration) -> String {
    let total = duration.as_millis() as u64;
    let unit =
        UNITS.iter().find(|(_, milliseconds)| total.is_multiple_of(*milliseconds) && total > 0);
    match unit {
        Some((name, milliseconds)) => format!("{}{name}", total / milliseconds),
        None => "0s".into(),
    }
}

/// `10%` is 0.1.
fn parse_share(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').and_then(decimal).filter(|percent| *percent <= 100.0);
    percent
        .map(|percent| percent / 100.0)
        .ok_or_else(|| format!("`{text}` is not a percentage; write 0% to 100%"))
}

/// 0.1 is `10%`, with at most six digits after the point.
pub(crate) fn share_words(share: f64) -> String {
    let digits = format!("{:.6}", share * 100.0);
    format!("{}%", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// `500/s` is 500.
fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.strip_suffix("/s").and_then(decimal);
    rate.ok_or_else(|| format!("`{text}` is not a rate; write 500/s"))
}

/// The units of sizes in bytes, the largest first.
const SIZES: [(&str, u64); 3] = [("MB", 1_000_000), ("kB", 1_000), ("B", 1)];

/// `1300B`, `64kB` or `2MB`.
fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = SIZES.iter().find(|(name, _)| *name == unit);
    let bytes = unit.and_then(|(_, size)| number.parse::<u64>().ok()?.checked_mul(*size));
    bytes.ok_or_else(|| format!("`{text}` is not a size; write 1300B, 64kB or 2MB"))
}

/// A size such that it is read as the same again.
pub(super) fn bytes_words(bytes: u64) -> String {
    let unit = SIZES.iter().find(|(_, size)| bytes.is_multiple_of(*size) && bytes > 0);
    let (name, size) = unit.copied().unwrap_or(("B", 1));
    format!("{}{name}", bytes / size)
}

/// `200kB/s` is 200000.
fn parse_byte_rate(text: &str) -> Result<u64, String> {
    let bytes = text.strip_suffix("/s").and_then(|bytes| parse_bytes(bytes).ok());
    bytes.ok_or_else(|| format!("`{text}` is not a speed; write 200kB/s"))
}

/// A plain decimal number: none of what Rust's own parser takes beyond that (`inf`, `1e5`, `-1`).
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain { text.parse().ok().filter(|number: &f64| number.is_finite()) } else { None }
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    text(deserializer, parse_duration)
}

pub(super) fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    text(deserializer, parse_share)
}

pub(super) fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    text(deserializer, parse_rate)
}

/// A size that may be left out (with `#[serde(default)]`).
pub(super) fn some_bytes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    text(deserializer, parse_bytes).map(Some)
}

/// A speed that may be left out (with `#[serde(default)]`).
pub(super) fn some_byte_rate<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    text(deserializer, parse_byte_rate).map(Some)
}

pub(super) fn write_bytes<S: Serializer>(
    value: &Option<u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&bytes_words(value.unwrap_or_default()))
}

pub(super) fn write_byte_rate<S: Serializer>(
    value: &Option<u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}/s", bytes_words(value.unwrap_or_default())))
}

/// A duration that may be left out (with `#[serde(default)]`).
pub(super) fn some_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// A duration, or this word: then nothing.
pub(super) fn duration_or<'de, D: Deserializer<'de>>(
    deserializer: D,
    word: &'static str,
) -> Result<Option<Duration>, D::Error> {
    let parse = |text: &str| match text == word {
        true => Ok(None),
        false => parse_duration(text).map(Some).map_err(|error| format!("{error}, or `{word}`")),
    };
    text(deserializer, parse)
}

pub(super) fn write_duration<S: Serializer>(
    value: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&duration_words(*value))
}

pub(super) fn write_some_duration<S: Serializer>(
    value: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    write_duration(&value.unwrap_or_default(), serializer)
}

pub(super) fn write_share<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&share_words(*value))
}

/// Reads a scalar by its text. A bare number is passed on too: that its unit is missing is then said in the words of what was wanted.
fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value with its unit, such as 500ms, 10%, 500/s or 64kB")
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_string())
        }
        fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }
        fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }
        fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }
    let text = deserializer.deserialize_any(Text)?;
    parse(&text).map_err(Error::custom)
}

/// Makes `Option<Duration>` fields of fault rules tell *left out* from *written*.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Time(#[serde(deserialize_with = "duration")] pub(super) Duration);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_the_same() {
        for (text, milliseconds) in
            [("0s", 0), ("40ms", 40), ("1500ms", 1_500), ("2s", 2_000), ("1m", 60_000)]
        {
            let duration = parse_duration(text).unwrap();
            assert_eq!(
                (duration.as_millis(), duration_words(duration).as_str()),
                (milliseconds, text)
            );
        }
        for text in [
            "",
            "s",
            "5",
            "5x",
            "5 s",
            "-5s",
            "1.5s",
            "1h",
            "٣s",
            "25000m",
            "99999999999999999999s",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_and_rates_are_read_as_written() {
        for text in ["0%", "0.5%", "7%", "10%", "33.333333%", "100%"] {
            assert_eq!(share_words(parse_share(text).unwrap()), text);
        }
        assert!(
            ["10", "%", "-1%", "100.1%", "inf%", "1e1%"]
                .iter()
                .all(|text| parse_share(text).is_err())
        );
        assert_eq!((parse_rate("500/s"), parse_rate("0.5/s")), (Ok(500.0), Ok(0.5)));
        assert!(
            ["500", "/s", "-5/s", "5/m", "inf/s", "1.2.3/s"]
                .iter()
                .all(|text| parse_rate(text).is_err())
        );
    }

    #[test]
    fn sizes_and_speeds_are_read_and_written_the_same() {
        for (text, bytes) in [("0B", 0), ("1300B", 1_300), ("64kB", 64_000), ("2MB", 2_000_000)] {
            assert_eq!((parse_bytes(text), bytes_words(bytes).as_str()), (Ok(bytes), text));
            assert_eq!(parse_byte_rate(&format!("{text}/s")), Ok(bytes));
        }
        let wrong = [
            "1300",
            "kB",
            "-1B",
            "1.5kB",
            "1KB",
            "99999999999999999999B",
            "18446744073709551615MB",
        ];
        assert!(wrong.iter().all(|text| parse_bytes(text).is_err()));
        assert!(["64kB", "64/s", "64kB/m"].iter().all(|text| parse_byte_rate(text).is_err()));
    }
}
