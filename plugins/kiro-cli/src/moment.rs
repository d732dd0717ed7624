//! Moments as kiro-cli writes them: `2026-09-15T04:28:34Z`, sometimes with a
//! fraction of a second, or an offset in the place of the Z.

use reap_plugin::Timestamp;

const DAY: i64 = 86_400;

/// The moment in milliseconds since 1970. Nothing when the text is no such moment.
pub fn parse(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', ' '])?;
    let (time, rest) = rest.split_at_checked(8)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (millis, zone) = fraction(rest)?;
    let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset(zone)?;
    u64::try_from(seconds * 1000 + millis).ok()
}

/// The numbers in a text, each of that many digits.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(between);
    let mut next = |digits: usize| number(parts.next().filter(|part| part.len() == digits)?);
    let numbers = [next(digits[0])?, next(digits[1])?, next(digits[2])?];
    parts.next().is_none().then_some(numbers)
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The milliseconds of a fraction, and what follows it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let digits: String = rest[..end].chars().chain("000".chars()).take(3).collect();
    (end > 0).then(|| Some((number(&digits)?, &rest[end..])))?
}

/// The offset of a zone in seconds.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    (hours.len() == 2 && minutes.len() == 2)
        .then(|| Some(sign * (number(hours)? * 3600 + number(minutes)? * 60)))?
}

/// The days from 1970 to a date, by way of years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn moments() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-09-15T04:28:34Z", Some(1_789_446_514_000)),
            ("2026-09-15T04:28:34.123456Z", Some(1_789_446_514_123)),
            ("2026-09-15T04:28:34.5Z", Some(1_789_446_514_500)),
            ("2026-09-15T06:28:34+02:00", Some(1_789_446_514_000)),
            ("2026-09-14T23:28:34-05:00", Some(1_789_446_514_000)),
            ("2024-02-29T12:00:00Z", Some(1_709_208_000_000)),
            ("2000-03-01T00:00:00Z", Some(951_868_800_000)),
            ("", None),
            ("2026-09-15", None),
            ("2026-09-15T04:28:34", None),
            ("2026-13-15T04:28:34Z", None),
            ("2026-09-15T24:28:34Z", None),
            ("2026-9-15T04:28:34Z", None),
            ("2026-09-15T04:28:34.Z", None),
            ("2026-09-15T04:28:34+2", None),
            ("日本日本日本日本", None),
        ];
        for (text, moment) in cases {
            assert_eq!(parse(text), moment, "{text}");
        }
    }
}
