//! What scripts handle besides Starlark's own values: lengths of time, moments and
//! votes.

use std::cmp::Ordering;
use std::fmt;

use allocative::Allocative;
use reap_plugin::{Value as Known, span_in_words};
use starlark::starlark_simple_value;
use starlark::values::list::AllocList;
use starlark::values::{
    Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Value, ValueError, ValueLike,
    starlark_value,
};

use crate::bindings::exports::reap::plugin::policy::Vote;

/// A length of time in milliseconds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative,
)]
pub(crate) struct Span(pub(crate) u64);
starlark_simple_value!(Span);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&span_in_words(self.0))
    }
}

/// Always true, as it is known then: `s.idle and s.idle > hours(1)` must not stumble
/// over a session that was active this very moment.
#[starlark_value(type = "duration")]
impl<'v> StarlarkValue<'v> for Span {
    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(other.downcast_ref::<Self>() == Some(self))
    }

    fn compare(&self, other: Value<'v>) -> starlark::Result<Ordering> {
        match other.downcast_ref::<Self>() {
            Some(other) => Ok(self.0.cmp(&other.0)),
            None => ValueError::unsupported_with(self, "compare", other),
        }
    }

    fn add(&self, other: Value<'v>, heap: Heap<'v>) -> Option<starlark::Result<Value<'v>>> {
        let other = other.downcast_ref::<Self>()?;
        Some(span(self.0.checked_add(other.0), heap))
    }

    fn sub(&self, other: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        match other.downcast_ref::<Self>() {
            Some(other) => span(self.0.checked_sub(other.0), heap),
            None => ValueError::unsupported_with(self, "-", other),
        }
    }

    fn mul(&self, other: Value<'v>, heap: Heap<'v>) -> Option<starlark::Result<Value<'v>>> {
        let times = other.unpack_i32()?;
        Some(span(u64::try_from(times).ok().and_then(|times| self.0.checked_mul(times)), heap))
    }

    fn rmul(&self, other: Value<'v>, heap: Heap<'v>) -> Option<starlark::Result<Value<'v>>> {
        self.mul(other, heap)
    }
}

fn span<'v>(millis: Option<u64>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
    let wrong = || failed("a length of time cannot be below nothing, nor longer than a number holds");
    millis.map(|millis| heap.alloc_simple(Span(millis))).ok_or_else(wrong)
}

/// A moment: milliseconds since 1970-01-01 00:00 UTC. There is no clock to hold it
/// against; `s.age` and `s.idle` are the host's reckoning.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative,
)]
pub(crate) struct Moment(pub(crate) u64);
starlark_simple_value!(Moment);

impl fmt::Display for Moment {
    /// As in `2026-11-20 14:05:00 UTC`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        let (year, month, day) = civil(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

/// The date of a day since 1970-01-01, counted in years that begin in March, so that
/// the day that some years have more comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let from_march = days + 719_468;
    let (era, day) = (from_march / DAYS_OF_400_YEARS, from_march % DAYS_OF_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, date)
}

#[starlark_value(type = "moment")]
impl<'v> StarlarkValue<'v> for Moment {
    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(other.downcast_ref::<Self>() == Some(self))
    }

    fn compare(&self, other: Value<'v>) -> starlark::Result<Ordering> {
        match other.downcast_ref::<Self>() {
            Some(other) => Ok(self.0.cmp(&other.0)),
            None => ValueError::unsupported_with(self, "compare", other),
        }
    }

    fn sub(&self, other: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        match other.downcast_ref::<Self>() {
            Some(other) => span(self.0.checked_sub(other.0), heap),
            None => ValueError::unsupported_with(self, "-", other),
        }
    }
}

/// What `keep`, `orphan` and `abstain` give.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct Cast(#[allocative(skip)] pub(crate) Vote);
starlark_simple_value!(Cast);

impl fmt::Display for Cast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Vote::Keep(reason) => write!(f, "keep({reason:?})"),
            Vote::Orphan(reason) => write!(f, "orphan({reason:?})"),
            Vote::Abstain => f.write_str("abstain()"),
        }
    }
}

#[starlark_value(type = "vote")]
impl<'v> StarlarkValue<'v> for Cast {}

/// A named value of the contract as scripts see it.
pub(crate) fn known<'v>(value: &Known, heap: Heap<'v>) -> Value<'v> {
    match value {
        Known::Text(text) => heap.alloc(text.as_str()),
        Known::Number(number) => heap.alloc(*number),
        Known::Real(real) => heap.alloc(*real),
        Known::Flag(flag) => Value::new_bool(*flag),
        Known::Time(time) => heap.alloc_simple(Moment(*time)),
        Known::Span(span) => heap.alloc_simple(Span(*span)),
        Known::Texts(texts) => heap.alloc(AllocList(texts.iter().map(String::as_str))),
    }
}

/// An error of one of our own words. Where it happened is the interpreter's to say.
pub(crate) fn failed(message: impl Into<String>) -> starlark::Error {
    starlark::Error::new_native(Refusal(message.into()))
}

#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_print_as_dates() {
        let cases = [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399_000, "2000-02-28 23:59:59 UTC"),
            (951_782_400_000, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199_999, "2024-02-29 23:59:59 UTC"),
            (1_709_251_200_000, "2024-03-01 00:00:00 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00:00 UTC"),
        ];
        for (millis, shown) in cases {
            assert_eq!(Moment(millis).to_string(), shown);
        }
    }
}
