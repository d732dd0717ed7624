//! Lengths of time in words.

use crate::Duration;

/// A length of time as people read it: its two largest units, such as `3d4h`,
/// `10m`, `1m30s`, `0s`.
pub fn in_words(span: Duration) -> String {
    let seconds = span / 1000;
    let units = [("d", 86_400, u64::MAX), ("h", 3_600, 24), ("m", 60, 60), ("s", 1, 60)];
    let counts = units.map(|(name, size, carry)| (name, (seconds / size) % carry));
    let Some(first) = counts.iter().position(|(_, count)| *count > 0) else {
        return "0s".to_owned();
    };
    let shown = counts[first..].iter().take(2).filter(|(_, count)| *count > 0);
    shown.map(|(name, count)| format!("{count}{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn shows_the_two_largest_units() {
        let cases = [
            (0, "0s"),
            (999, "0s"),
            (1_000, "1s"),
            (60_000, "1m"),
            (90_000, "1m30s"),
            (3_600_000, "1h"),
            (3_601_000, "1h"),
            (86_400_000, "1d"),
            (273_600_000, "3d4h"),
            (u64::MAX, "213503982334d14h"),
        ];
        for (span, words) in cases {
            assert_eq!(in_words(span), words, "{span} ms");
        }
    }
}
