//! The `reap` program: the library with a command line in front of it.

mod cli;

/// The system's allocator grows the heaps of threads by a page at a time: a
/// thousand calls of `mprotect` for a listing of a thousand sessions.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
