//! Moments and lengths of time, as plain numbers that somebody else read off a
//! clock.
//!
//! Nothing here reads a clock, and nothing can become negative: a clock that was
//! set back makes a session look new and busy, which ends nothing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment so many milliseconds after 1970-01-01 00:00 UTC.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 00:00 UTC.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this moment; zero when the clock has jumped
    /// and `earlier` is the later one.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// The moment so much later.
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The moment so much earlier, not before 1970.
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// The same moment by a clock that was moved so far.
    pub const fn moved(self, by: Shift) -> Self {
        Self(self.0.saturating_add_signed(by.0))
    }
}

/// How far a clock was set forward, or back where negative, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shift(i64);

impl Shift {
    /// What lies between the time that passed by the clock, from `from` to
    /// `to`, and the time that really passed.
    pub fn between(from: Timestamp, to: Timestamp, passed: Span) -> Self {
        let shown = i128::from(to.0) - i128::from(from.0);
        let shift = shown - i128::from(passed.0);
        Self(i64::try_from(shift).unwrap_or(if shift < 0 { i64::MIN } else { i64::MAX }))
    }

    /// Its length, whichever way it goes.
    pub const fn span(self) -> Span {
        Span(self.0.unsigned_abs())
    }

    /// Whether the clock was set forward.
    pub const fn is_forward(self) -> bool {
        self.0 > 0
    }

    /// Nothing where the clock was set back: a session that looks new and busy
    /// by mistake is not ended by mistake.
    pub const fn forward(self) -> Self {
        if self.0 > 0 { self } else { Self(0) }
    }

    /// Both, one after the other.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with seconds: `2026-08-01T09:30:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0 / 1000).ok();
        match seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()) {
            Some(moment) => f.pad(&moment.to_string()),
            // Past the year 9999: no date, but some plugin may say such a thing.
            None => f.pad(&format!("{} ms after 1970", self.0)),
        }
    }
}

/// A length of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(u64);

/// What a length of time is written with, longest first.
const UNITS: [(&str, u64); 6] = [
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// So many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// The length in milliseconds.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The text that parses back to exactly this length, where `Display` drops
    /// what a person would not look at: `1h0m5s` is `1h` there and `1h5s` here.
    pub fn exact(self) -> String {
        let mut text = String::new();
        let mut rest = self.0;
        for (unit, size) in shown_units() {
            if rest >= size {
                text.push_str(&format!("{}{unit}", rest / size));
                rest %= size;
            }
        }
        if text.is_empty() { "0s".to_owned() } else { text }
    }
}

/// Weeks can be written and are not shown: `14d` needs no thought.
fn shown_units() -> impl Iterator<Item = (&'static str, u64)> {
    UNITS.into_iter().filter(|(unit, _)| *unit != "w")
}

impl fmt::Display for Span {
    /// The longest unit and the one below it: `45s`, `1h30m`, `3d4h`. Parts of a
    /// second show only where there is no whole one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units: Vec<_> = shown_units().filter(|(unit, _)| *unit != "ms" || self.0 < 1000).collect();
        let Some(longest) = units.iter().position(|(_, size)| self.0 >= *size) else {
            return f.pad("0s");
        };
        let (unit, size) = units[longest];
        let mut text = format!("{}{unit}", self.0 / size);
        if let Some((unit, below)) = units.get(longest + 1)
            && self.0 % size >= *below
        {
            text.push_str(&format!("{}{unit}", self.0 % size / below));
        }
        f.pad(&text)
    }
}

/// Why a text is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no length of time: {problem}; write whole numbers with units, longest first, such as 90s, 30m, 1h30m, 7d (units: w, d, h, m, s, ms)"
)]
pub struct ParseSpanError {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub problem: SpanProblem,
}

/// What is wrong with a text that should be a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpanProblem {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// A number should stand here, at the beginning or after a unit.
    #[error("a number is expected before {0:?}")]
    NoNumber(String),
    /// A number without a unit: nobody should have to guess it.
    #[error("{0} has no unit")]
    NoUnit(String),
    /// Not one of the units.
    #[error("there is no unit {0:?}")]
    UnknownUnit(String),
    /// A unit twice, or a longer one after a shorter one.
    #[error("{0:?} is out of order")]
    OutOfOrder(String),
    /// More milliseconds than can be counted.
    #[error("it is too long")]
    TooLong,
}

impl FromStr for Span {
    type Err = ParseSpanError;

    fn from_str(text: &str) -> Result<Self, ParseSpanError> {
        parse(text).map_err(|problem| ParseSpanError { text: text.to_owned(), problem })
    }
}

fn parse(text: &str) -> Result<Span, SpanProblem> {
    if text.is_empty() {
        return Err(SpanProblem::Empty);
    }
    let mut total = 0_u64;
    let mut allowed = &UNITS[..];
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, after) = split_while(rest, |c| c.is_ascii_digit());
        let (unit, after) = split_while(after, |c| !c.is_ascii_digit());
        if digits.is_empty() {
            return Err(SpanProblem::NoNumber(unit.to_owned()));
        }
        if unit.is_empty() {
            return Err(SpanProblem::NoUnit(digits.to_owned()));
        }
        let Some(place) = allowed.iter().position(|(name, _)| *name == unit) else {
            let known = UNITS.iter().any(|(name, _)| *name == unit);
            let problem = if known { SpanProblem::OutOfOrder } else { SpanProblem::UnknownUnit };
            return Err(problem(unit.to_owned()));
        };
        let number: u64 = digits.parse().map_err(|_| SpanProblem::TooLong)?;
        let part = number.checked_mul(allowed[place].1).ok_or(SpanProblem::TooLong)?;
        total = total.checked_add(part).ok_or(SpanProblem::TooLong)?;
        allowed = &allowed[place + 1..];
        rest = after;
    }
    Ok(Span(total))
}

/// The longest beginning of which every character fits, and the rest.
fn split_while(text: &str, fits: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !fits(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        let cases = [
            ("90s", 90_000),
            ("30m", 1_800_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
            ("2w", 1_209_600_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("1m500ms", 60_500),
            ("0s", 0),
            ("18446744073709551615ms", u64::MAX),
        ];
        for (text, millis) in cases {
            assert_eq!(text.parse(), Ok(Span::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_span_is_explained() {
        let cases = [
            ("", SpanProblem::Empty),
            ("30", SpanProblem::NoUnit("30".into())),
            ("1h30", SpanProblem::NoUnit("30".into())),
            ("m", SpanProblem::NoNumber("m".into())),
            ("-5m", SpanProblem::NoNumber("-".into())),
            (" 5m", SpanProblem::NoNumber(" ".into())),
            ("5 m", SpanProblem::UnknownUnit(" m".into())),
            ("5M", SpanProblem::UnknownUnit("M".into())),
            ("1.5h", SpanProblem::UnknownUnit(".".into())),
            ("5min", SpanProblem::UnknownUnit("min".into())),
            ("30m1h", SpanProblem::OutOfOrder("h".into())),
            ("1m1m", SpanProblem::OutOfOrder("m".into())),
            ("18446744073709551616ms", SpanProblem::TooLong),
            ("99999999999999999999s", SpanProblem::TooLong),
            ("18446744073709551615ms1ms", SpanProblem::OutOfOrder("ms".into())),
            ("18446744073709551s999ms", SpanProblem::TooLong),
        ];
        for (text, problem) in cases {
            assert_eq!(text.parse::<Span>(), Err(ParseSpanError { text: text.into(), problem }), "{text}");
        }
    }

    #[test]
    fn the_error_says_what_to_write() {
        let error = "5min".parse::<Span>().expect_err("min is no unit").to_string();
        assert_eq!(
            error,
            "\"5min\" is no length of time: there is no unit \"min\"; write whole numbers with units, \
             longest first, such as 90s, 30m, 1h30m, 7d (units: w, d, h, m, s, ms)"
        );
    }

    #[test]
    fn spans_are_shown() {
        let cases = [
            (0, "0s", "0s"),
            (500, "500ms", "500ms"),
            (45_000, "45s", "45s"),
            (45_300, "45s", "45s300ms"),
            (1_800_000, "30m", "30m"),
            (5_400_000, "1h30m", "1h30m"),
            (5_430_000, "1h30m", "1h30m30s"),
            (3_605_000, "1h", "1h5s"),
            (273_600_000, "3d4h", "3d4h"),
            (1_209_600_000, "14d", "14d"),
        ];
        for (millis, shown, exact) in cases {
            assert_eq!(Span::from_millis(millis).to_string(), shown);
            assert_eq!(Span::from_millis(millis).exact(), exact);
        }
    }

    #[test]
    fn moments_are_shown() {
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp::from_millis(1_785_576_600_999).to_string(), "2026-08-01T09:30:00Z");
        assert_eq!(Timestamp::from_millis(u64::MAX).to_string(), format!("{} ms after 1970", u64::MAX));
    }

    #[test]
    fn a_shift_is_what_the_clock_moved_beyond_the_time_that_passed() {
        let at = Timestamp::from_millis;
        let cases =
            [(1000, 31_000, 30_000, 0), (1000, 90_000, 30_000, 59_000), (90_000, 1000, 30_000, -119_000)];
        for (from, to, passed, shift) in cases {
            let by = Shift::between(at(from), at(to), Span::from_millis(passed));
            assert_eq!(by, Shift(shift), "{from} {to}");
            assert_eq!(at(from).plus(Span::from_millis(passed)).moved(by), at(to));
            assert_eq!(by.forward(), Shift(shift.max(0)));
        }
        let all = Shift::between(at(0), at(u64::MAX), Span::ZERO);
        assert_eq!((all, all.and(all)), (Shift(i64::MAX), Shift(i64::MAX)));
    }

    #[test]
    fn a_clock_that_jumped_gives_zero() {
        let (early, late) = (Timestamp::from_millis(5), Timestamp::from_millis(9));
        assert_eq!(late.since(early), Span::from_millis(4));
        assert_eq!(early.since(late), Span::ZERO);
        assert_eq!(late.plus(Span::from_millis(u64::MAX)), Timestamp::from_millis(u64::MAX));
    }
}
