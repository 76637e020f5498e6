//! Short texts for people: columns of `kubectl get`, and what the plugin shows.

/// What stands where nothing is known.
pub const NONE: &str = "-";

/// A count: `812`, `40.0k`, `1.2M`, `3.0G`.
pub fn count(number: u64) -> String {
    let scaled = |unit: f64, suffix: &str| format!("{:.1}{suffix}", number as f64 / unit);
    match number {
        0..=9_999 => number.to_string(),
        // Rounding must not make 1000.0k of what is almost 1.0M.
        10_000..=999_949 => scaled(1e3, "k"),
        999_950..=999_949_999 => scaled(1e6, "M"),
        999_950_000..=999_949_999_999 => scaled(1e9, "G"),
        _ => scaled(1e12, "T"),
    }
}

/// Events a second: `812/s`, `40.0k/s`.
pub fn rate(per_second: u64) -> String {
    format!("{}/s", count(per_second))
}

/// A time: `0.4ms`, `38ms`, `4.1s`, `3m20s`.
pub fn micros(us: u64) -> String {
    match us {
        0 => "0ms".to_owned(),
        1..=949 => format!("{:.1}ms", us as f64 / 1e3),
        950..=999_499 => format!("{}ms", (us + 500) / 1000),
        999_500..=99_949_999 => format!("{:.1}s", us as f64 / 1e6),
        _ => {
            let seconds = (us + 500_000) / 1_000_000;
            format!("{}m{}s", seconds / 60, seconds % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_short() {
        let counts = [
            (0, "0"),
            (9_999, "9999"),
            (10_000, "10.0k"),
            (40_049, "40.0k"),
            (999_949, "999.9k"),
            (999_950, "1.0M"),
            (1_234_567, "1.2M"),
            (999_950_000, "1.0G"),
            (1_000_000_000_000, "1.0T"),
        ];
        for (number, text) in counts {
            assert_eq!(count(number), text);
        }
        assert_eq!(rate(40_000), "40.0k/s");
        let times = [
            (0, "0ms"),
            (400, "0.4ms"),
            (950, "1ms"),
            (38_400, "38ms"),
            (999_500, "1.0s"),
            (4_100_000, "4.1s"),
            (99_949_999, "99.9s"),
            (200_000_000, "3m20s"),
        ];
        for (us, text) in times {
            assert_eq!(micros(us), text);
        }
    }
}
