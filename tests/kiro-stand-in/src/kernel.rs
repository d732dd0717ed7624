//! The few calls of the kernel that the standard library does not have.

use std::ffi::{c_int, c_ulong};
use std::io;

/// The terminal was closed.
pub const HANGUP: c_int = 1;
/// Somebody asks to end.
pub const TERM: c_int = 15;

const IGNORE: usize = 1;
const SET_CHILD_SUBREAPER: c_int = 36;

unsafe extern "C" {
    fn signal(number: c_int, handler: usize) -> usize;
    fn setsid() -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
}

/// Ignores a signal; so does all that is started from here.
pub fn ignore(number: c_int) {
    // SAFETY: to ignore a signal installs no handler of ours.
    unsafe { signal(number, IGNORE) };
}

/// Begins a kernel session of its own. One that leads a group cannot, and need not.
pub fn own_session() {
    // SAFETY: it takes nothing, and changes only the ids of this process.
    unsafe { setsid() };
}

/// Becomes the parent of orphans among its descendants.
pub fn take_over_orphans() -> io::Result<()> {
    // SAFETY: this option takes one number and no pointer.
    match unsafe { prctl(SET_CHILD_SUBREAPER, 1 as c_ulong) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Waits for the end of some child. False when there is none.
pub fn fetch_a_child() -> bool {
    // SAFETY: a null pointer says that the status is not wanted.
    unsafe { waitpid(-1, std::ptr::null_mut(), 0) > 0 }
}
