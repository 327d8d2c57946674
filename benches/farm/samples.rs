//! Times that were measured, and what is said of them.

use std::time::Duration;

use serde_json::{Value, json};

/// Times of the same thing, in seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// One more.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64());
    }

    /// The middle one: what a single slow run does not change.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[odd / 2],
            even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
        }
    }

    /// Fastest, median and slowest, for people.
    pub(crate) fn text(&self) -> String {
        format!(
            "{} ({} to {}, {} runs)",
            time(self.median()),
            time(self.least()),
            time(self.most()),
            self.0.len()
        )
    }

    /// All of it, for programs.
    pub(crate) fn json(&self) -> Value {
        json!({"median_s": self.median(), "min_s": self.least(), "max_s": self.most(), "runs": self.0})
    }

    fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }
}

/// A time for people.
pub(crate) fn time(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1e3) } else { format!("{seconds:.2} s") }
}
