//! Waiting for something to be so. Tests never sleep for a time that seems long
//! enough: on a busy machine none is.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// After this long a test gives up.
pub const DEADLINE: Duration = Duration::from_secs(20);

const STEP: Duration = Duration::from_millis(10);

/// Asks again and again until there is an answer.
#[track_caller]
pub fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(since.elapsed() < DEADLINE, "gave up after {DEADLINE:?} waiting for: {what}");
        sleep(STEP);
    }
}

/// Asks again and again until it is so.
#[track_caller]
pub fn holds(what: &str, mut so: impl FnMut() -> bool) {
    until(what, || so().then_some(()));
}

/// Asks again and again until it is so, and says whether it ever was.
pub fn comes_true(mut so: impl FnMut() -> bool) -> bool {
    let since = Instant::now();
    while !so() {
        if since.elapsed() > DEADLINE {
            return false;
        }
        sleep(STEP);
    }
    true
}
