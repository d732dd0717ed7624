//! Times as people say them.

use reap::core::time::{Span, Timestamp};

const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];

/// "3h ago", by the longest unit only. "-" when it is not known.
pub fn ago(span: Option<Span>) -> String {
    let Some(span) = span else { return "-".to_owned() };
    UNITS
        .iter()
        .find(|(length, _)| span.millis() >= *length)
        .map_or_else(|| "now".to_owned(), |(length, unit)| format!("{}{unit} ago", span.millis() / length))
}

/// "in 3h", by the longest unit only. "now" when it is not to come any more.
pub fn ahead(time: Timestamp, now: Timestamp) -> String {
    let left = time.since(now);
    let unit = UNITS.iter().find(|(length, _)| left.millis() >= *length);
    unit.map_or_else(|| "now".to_owned(), |(length, unit)| format!("in {}{unit}", left.millis() / length))
}

/// A moment, and how long ago it was.
pub fn moment(time: Option<Timestamp>, now: Timestamp) -> String {
    time.map_or_else(|| "not known".to_owned(), |time| format!("{time} ({})", ago(Some(now.since(time)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unit_is_said() {
        let cases =
            [(0, "now"), (999, "now"), (1_000, "1s ago"), (119_000, "1m ago"), (90_000_000, "1d ago")];
        for (millis, text) in cases {
            assert_eq!(ago(Some(Span::from_millis(millis))), text);
        }
        assert_eq!(ago(None), "-");
        let now = Timestamp::from_millis(100_000_000);
        for (millis, text) in [(99_000_000, "now"), (100_000_999, "now"), (107_300_000, "in 2h")] {
            assert_eq!(ahead(Timestamp::from_millis(millis), now), text);
        }
    }
}
