//! The wasmtime engine as Reap uses it, and the clock that stops runaways.

use std::thread;
use std::time::Duration;

use wasmtime::{Config, Engine};

use crate::error::HostError;

/// How often the epoch moves on. A limit is enforced to about this precision.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// The stack of a plugin. Recursion beyond it is a trap.
const WASM_STACK: usize = 512 << 10;

/// Starts an engine and its ticker.
///
/// The ticker is a thread of its own and never a task: a task would stand still
/// just when every worker is busy with a plugin that does not end. It holds the
/// engine weakly and ends with it.
pub(crate) fn start() -> Result<Engine, HostError> {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.epoch_interruption(true);
    config.max_wasm_stack(WASM_STACK);
    config.async_stack_size(WASM_STACK + (1 << 20));
    // Another crate in the tree could switch the feature on; calls cost two to
    // four times as much with it.
    config.concurrency_support(false);
    // An error tells why a guest stopped, and not where. The tables that would
    // tell are a tenth of what every start has to load.
    config.wasm_backtrace_max_frames(None);
    config.generate_address_map(false);
    // Nothing unwinds through a guest: the host's panics are caught where it is called.
    config.native_unwind_info(false);
    // What no guest of ours needs is not there to be attacked.
    config.wasm_memory64(false);
    config.wasm_multi_memory(true); // components built by other tools use it; the limiter adds memories up
    let engine = Engine::new(&config).map_err(|error| HostError::Engine(format!("{error:#}")))?;
    let weak = engine.weak();
    thread::Builder::new()
        .name("reap-epoch".to_owned())
        .spawn(move || {
            loop {
                thread::sleep(TICK);
                match weak.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => break,
                }
            }
        })
        .map_err(HostError::Ticker)?;
    Ok(engine)
}

/// How many ticks hold this time.
pub(crate) fn ticks(time: Duration) -> u64 {
    (time.as_millis() / TICK.as_millis()) as u64 + 1
}
