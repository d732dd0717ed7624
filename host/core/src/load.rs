//! How much of a processor the processes of a session used of late.
//!
//! A backend remembers nothing and can only tell how much they have used since they
//! started, as the fact `cpu`. A runtime that worked for a week and has been idle for a
//! day looks busy by that. So two looks are held against each other here: the one on
//! record, and the one of now.

use crate::session::{Fact, Session, Value};
use crate::time::Span;

/// The fact of a session that holds the processor time of its processes.
pub const CPU: &str = "cpu";

/// The fact of a subject that says how much of a processor it used between the last two
/// looks, in percent; 200 is two of them.
pub const CPU_RECENT: &str = "cpu-recent";

/// Two looks that are closer to each other say nothing.
const SHORTEST: Span = Span::from_millis(500);

/// The percentage between two looks at a session, so much time apart; `known` is the one
/// between earlier looks. Nothing where the backend tells no times, and where one of the
/// processes has ended since, and has taken its time along: while others work, the sum
/// need not fall for that, and is too small.
pub(crate) fn between(known: Option<u32>, before: &Session, now: &Session, passed: Span) -> Option<u32> {
    let total = used(now)?;
    if passed < SHORTEST {
        return known;
    }
    if !before.processes.iter().all(|process| now.processes.contains(process)) {
        return None;
    }
    let used = total.millis().checked_sub(used(before)?.millis())?;
    Some(u32::try_from(used.saturating_mul(100) / passed.millis()).unwrap_or(u32::MAX))
}

/// The percentage as a fact of a subject.
pub(crate) fn fact(percent: u32) -> Fact {
    Fact { name: CPU_RECENT.to_owned(), value: Value::Number(percent.into()) }
}

fn used(session: &Session) -> Option<Span> {
    match session.fact(CPU)? {
        Value::Span { span } => Some(*span),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::session;
    use crate::session::ProcessId;

    fn used_so_far(millis: Option<u64>) -> Session {
        let value = |millis| Value::Span { span: Span::from_millis(millis) };
        let fact = millis.map(|millis| Fact { name: CPU.to_owned(), value: value(millis) });
        Session { extra: fact.into_iter().collect(), ..session("$1") }
    }

    #[test]
    fn percent_of_a_processor() {
        let cases = [
            ("idle", Some(5_000), Some(5_000), 30_000, Some(0)),
            ("half of one", Some(5_000), Some(20_000), 30_000, Some(50)),
            ("two of them", Some(0), Some(60_000), 30_000, Some(200)),
            ("not told before", None, Some(5_000), 30_000, None),
            ("not told now", Some(5_000), None, 30_000, None),
            ("one of its processes has ended", Some(5_000), Some(4_000), 30_000, None),
            ("a moment later", Some(5_000), Some(5_010), 499, Some(7)),
            ("absurdly much", Some(0), Some(u64::MAX), 1_000, Some(u32::MAX)),
        ];
        for (what, before, now, passed, expected) in cases {
            let (before, now) = (used_so_far(before), used_so_far(now));
            let percent = between(Some(7), &before, &now, Span::from_millis(passed));
            assert_eq!(percent, expected, "{what}");
        }
        let text = Fact { name: CPU.to_owned(), value: Value::Text("much".to_owned()) };
        let odd = Session { extra: vec![text], ..session("$1") };
        assert_eq!(between(Some(7), &odd, &odd, Span::from_secs(30)), None);
    }

    #[test]
    fn who_has_ended_took_its_time_along() {
        let of = |pids: &[(u32, u64)], millis| {
            let processes = pids.iter().map(|&(pid, started)| ProcessId { pid, started }).collect();
            Session { processes, ..used_so_far(Some(millis)) }
        };
        let before = of(&[(7, 1), (8, 1)], 5_000);
        type Pids<'a> = &'a [(u32, u64)];
        let cases: [(&str, Pids<'_>, Option<u32>); 4] = [
            ("the same", &[(7, 1), (8, 1)], Some(50)),
            ("in another order, and one more", &[(9, 2), (8, 1), (7, 1)], Some(50)),
            ("one has ended, another works", &[(7, 1)], None),
            ("one has ended, another has its pid", &[(7, 1), (8, 2)], None),
        ];
        for (what, pids, expected) in cases {
            let percent = between(Some(7), &before, &of(pids, 20_000), Span::from_secs(30));
            assert_eq!(percent, expected, "{what}");
        }
    }
}
