//! Quantiles of measured times, by nearest rank: each is a time that really was measured.

use serde_json::{Map, Value};

/// Which quantiles are reported, by name.
const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// Quantiles of some times, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Quantiles {
    /// How many times there are.
    pub(super) count: usize,
    /// Name and value of each quantile, from the median to the largest; empty without any time.
    pub(super) values: Vec<(&'static str, u64)>,
}

impl Quantiles {
    /// The quantiles of times in any order.
    pub(super) fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        let count = times.len();
        let value = |share: f64| {
            let rank = (share * count as f64).ceil() as usize;
            times[rank.clamp(1, count) - 1]
        };
        let all = if count == 0 { &[][..] } else { &QUANTILES[..] };
        Self { count, values: all.iter().map(|(name, share)| (*name, value(*share))).collect() }
    }

    /// A quantile by its name.
    pub(super) fn named(&self, name: &str) -> Option<u64> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// As figures: each name with its value.
    pub(super) fn json(&self) -> Value {
        let each = self.values.iter().map(|(name, value)| (name.to_string(), Value::from(*value)));
        let mut all: Map<String, Value> = each.collect();
        all.insert("count".into(), self.count.into());
        Value::Object(all)
    }
}

/// Whether there is a quantile of this name.
pub(super) fn exists(name: &str) -> bool {
    QUANTILES.iter().any(|(known, _)| *known == name)
}

/// A time in the unit in which it is easy to read: `1.250 s`, `3.20 ms`, `45 µs`.
pub(super) fn duration(nanoseconds: u64) -> String {
    let time = nanoseconds as f64;
    match nanoseconds {
        0..1_000_000 => format!("{:.0} µs", time / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", time / 1e6),
        _ => format!("{:.3} s", time / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_time_that_was_measured() {
        let quantiles = Quantiles::of((1..=1000).rev().collect());
        let values: Vec<_> = quantiles.values.iter().map(|(_, value)| *value).collect();
        assert_eq!(values, [500, 900, 990, 999, 1000]);
        assert_eq!(Quantiles::of(vec![7]).named("p50"), Some(7));
        assert_eq!(Quantiles::of(vec![]), Quantiles::default());
        let shown = [45_400, 3_200_000, 1_250_000_000].map(duration);
        assert_eq!(shown, ["45 µs", "3.20 ms", "1.250 s"]);
    }
}
