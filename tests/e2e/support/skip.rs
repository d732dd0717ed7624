//! Tests that cannot be made here. Each says so loudly: a test that looks as if it
//! had passed is worse than none.

use std::io::Write;
use std::thread;

/// Says that this test was not made, and why. `tests/run` counts these lines.
pub fn skip(reason: &str) {
    let thread = thread::current();
    let line = format!("\nSKIPPED {}: {reason}\n", thread.name().unwrap_or("a test"));
    // Past the capture of output, which hides what passing tests print.
    std::io::stderr().write_all(line.as_bytes()).expect("standard error can be written");
}
