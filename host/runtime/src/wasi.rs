//! The part of WASI that a Rust guest's standard library links against, with
//! nothing behind it: no environment, no arguments, no files, an empty input.
//! Sockets are not linked at all.
//!
//! A policy's clock stands still at the `now` it is asked about, and its random
//! numbers are always the same, so that a vote can be replayed.

use std::time::Duration;

use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::WasiCli;
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock, WasiClocks};
use wasmtime_wasi::filesystem::WasiFilesystem;
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random};
use wasmtime_wasi::p2::pipe::{ClosedInputStream, MemoryOutputPipe};
use wasmtime_wasi::random::{Deterministic, WasiRandom};
use wasmtime_wasi::{WasiCtx, WasiView};

use crate::state::State;

/// What is kept of a plugin's standard error: the message of a panic.
const LAST_WORDS: usize = 4 << 10;

/// The most random bytes for one request.
const RANDOM: u64 = 64 << 10;

/// What a store's WASI leaves behind for the host to read.
pub(crate) struct Surroundings {
    last_words: MemoryOutputPipe,
}

impl Surroundings {
    /// What the plugin wrote to its standard error: why it panicked.
    pub(crate) fn last_words(&self) -> String {
        String::from_utf8_lossy(&self.last_words.contents()).trim().to_owned()
    }
}

/// A WASI context with nothing in it. With `frozen`, its clock stands still there.
pub(crate) fn nothing(frozen: Option<Duration>) -> (WasiCtx, Surroundings) {
    let last_words = MemoryOutputPipe::new(LAST_WORDS);
    let mut builder = WasiCtx::builder();
    builder.stdin(ClosedInputStream).stderr(last_words.clone()).max_random_size(RANDOM);
    if let Some(now) = frozen {
        builder.wall_clock(Frozen(now)).monotonic_clock(Frozen(now));
        builder.secure_random(same()).insecure_random(same()).insecure_random_seed(7);
    }
    (builder.build(), Surroundings { last_words })
}

/// The interfaces that [`link`] offers, by package and name.
pub(crate) const LINKED: [&str; 5] =
    ["wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:cli/", "wasi:filesystem/"];

struct Resources;

impl HasData for Resources {
    type Data<'a> = &'a mut ResourceTable;
}

/// Links what there is.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    use wasmtime_wasi_io::bindings::wasi::io;
    io::error::add_to_linker::<State, Resources>(linker, |state| &mut state.resources)?;
    io::poll::add_to_linker::<State, Resources>(linker, |state| &mut state.resources)?;
    io::streams::add_to_linker::<State, Resources>(linker, |state| &mut state.resources)?;
    clocks::wall_clock::add_to_linker::<State, WasiClocks>(
        linker,
        wasmtime_wasi::clocks::WasiClocksView::clocks,
    )?;
    clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(
        linker,
        wasmtime_wasi::clocks::WasiClocksView::clocks,
    )?;
    random::random::add_to_linker::<State, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    random::insecure::add_to_linker::<State, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    let command_line = wasmtime_wasi::cli::WasiCliView::cli;
    cli::exit::add_to_linker::<State, WasiCli>(linker, command_line)?;
    cli::environment::add_to_linker::<State, WasiCli>(linker, command_line)?;
    cli::stdin::add_to_linker::<State, WasiCli>(linker, command_line)?;
    cli::stdout::add_to_linker::<State, WasiCli>(linker, command_line)?;
    cli::stderr::add_to_linker::<State, WasiCli>(linker, command_line)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(linker, command_line)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(linker, command_line)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(linker, command_line)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(linker, command_line)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(linker, command_line)?;
    let files = wasmtime_wasi::filesystem::WasiFilesystemView::filesystem;
    filesystem::preopens::add_to_linker::<State, WasiFilesystem>(linker, files)?;
    filesystem::types::add_to_linker::<State, WasiFilesystem>(linker, files)?;
    Ok(())
}

/// Random numbers that are always the same.
fn same() -> Deterministic {
    Deterministic::new((0..=255).collect())
}

/// A clock that stands still.
struct Frozen(Duration);

impl HostWallClock for Frozen {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

impl HostMonotonicClock for Frozen {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        0
    }
}
