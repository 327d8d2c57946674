//! Numbers for people: sizes, durations, ages.

use std::time::Duration;

use crate::model::Timestamp;

/// A size, in the binary units everything else here uses.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    // In tenths, so that no floating point is needed.
    let mut tenths = u128::from(bytes) * 10;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths = (tenths + 512) / 1024;
        unit += 1;
    }
    if unit == 0 || tenths >= 1000 {
        return format!("{} {}", (tenths + if unit == 0 { 0 } else { 5 }) / 10, UNITS[unit]);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// A duration.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{}.{} s", seconds, duration.subsec_millis() / 100),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// How long ago something was.
pub(super) fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.since(then).as_secs();
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// The time from `from` to `to`, or until now while it lasts; empty before it began.
pub(super) fn took(from: Option<Timestamp>, to: Option<Timestamp>, now: Timestamp) -> String {
    from.map_or_else(String::new, |from| duration(to.unwrap_or(now).since(from)))
}

/// `count` things.
pub(super) fn count(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (size, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (150 * 1024, "150 KiB"),
            (1 << 20, "1.0 MiB"),
            ((5 << 30) + (1 << 29), "5.5 GiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn durations_and_ages_have_the_units_that_matter() {
        for (millis, text) in [
            (0, "0.0 s"),
            (840, "0.8 s"),
            (59_999, "59.9 s"),
            (125_000, "2 min 05 s"),
            (3_720_000, "1 h 02 min"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        let now = Timestamp::from_millis(1_000_000_000);
        for (seconds, text) in
            [(5, "5 s ago"), (600, "10 min ago"), (7_300, "2 h ago"), (864_000, "10 days ago")]
        {
            assert_eq!(age(Timestamp::from_millis(1_000_000_000 - seconds * 1000), now), text);
        }
    }
}
