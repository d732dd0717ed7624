//! One call to a plugin: a fresh store, every limit set, and whatever goes wrong
//! in it turned into data.
//!
//! A component's store is never used twice. After a trap, a panic or a time-out every
//! later call into the same instance fails, and its memory is in an unknown state; a
//! fresh one costs some 30 µs. An engine's instance, which would have to parse its
//! script again, is kept after a good answer (`scripts`).
//!
//! The guest runs on a thread of its own (tokio's blocking pool), so that one that
//! computes without end holds up no other task until the epoch stops it. Waiting
//! in the host is bounded by a timer beside that: neither epoch nor fuel moves on
//! while a guest waits.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{Engine, Store, Trap, UpdateDeadline};

use crate::bindings::types;
use crate::convert;
use crate::engine::{TICK, ticks};
use crate::error::CallError;
use crate::state::{Shared, State, TimeLimit};
use crate::wasi;

/// What a call is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    /// Its name, for messages.
    pub(crate) name: &'static str,
    /// How long it may take in all.
    pub(crate) time: Duration,
    /// Where the guest's clock stands still, for calls that must be repeatable.
    pub(crate) frozen: Option<Duration>,
}

/// A guest's own answer: a value, or its typed error.
pub(crate) type Reply<T> = wasmtime::Result<Result<T, types::Error>>;

/// Makes a call into a fresh store. The state comes back whatever happened, if the
/// guest was entered and not lost with its thread.
pub(crate) async fn call<T, W>(
    engine: &Engine,
    shared: &Arc<Shared>,
    call: Call,
    setup: impl FnOnce(&mut State) + Send + 'static,
    work: W,
) -> (Result<T, CallError>, Option<State>)
where
    T: Send + 'static,
    W: AsyncFnOnce(&mut Store<State>) -> Reply<T> + Send + 'static,
{
    let (answer, store) = enter(engine, shared, call, None, setup, work).await;
    (answer, store.map(Store::into_data))
}

/// Makes a call into this store, or into a fresh one. The store comes back with the
/// answer; only one that gave a good answer may be used again.
pub(crate) async fn enter<T, W>(
    engine: &Engine,
    shared: &Arc<Shared>,
    call: Call,
    used: Option<Store<State>>,
    setup: impl FnOnce(&mut State) + Send + 'static,
    work: W,
) -> (Result<T, CallError>, Option<Store<State>>)
where
    T: Send + 'static,
    W: AsyncFnOnce(&mut Store<State>) -> Reply<T> + Send + 'static,
{
    let engine = engine.clone();
    let owned = Arc::clone(shared);
    let runtime = tokio::runtime::Handle::current();
    let thread = tokio::task::spawn_blocking(move || {
        let mut store = used.map_or_else(
            || {
                let (wasi, surroundings) = wasi::nothing(call.frozen);
                store(&engine, State::new(Arc::clone(&owned), surroundings, wasi, call.time))
            },
            |used| again(used, &owned, call.time),
        );
        setup(store.data_mut());
        let timed = runtime.block_on(async { tokio::time::timeout(call.time, work(&mut store)).await });
        let state = store.data_mut();
        let answer = match timed {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(error))) => Err(CallError::Answered(convert::plugin_error(error))),
            Ok(Err(trap)) => Err(explain(&trap, state, call.name)),
            Err(_) => Err(over_time(state, call.name, TimeLimit::Call)),
        };
        close(state, &answer);
        (answer, store)
    });
    match thread.await {
        Ok((answer, store)) => (answer, Some(store)),
        Err(error) => {
            // A panic of the host while it worked for the plugin: contained like
            // the plugin's own.
            shared.counters.traps.one();
            (Err(CallError::Host { call: call.name, why: error.to_string() }), None)
        }
    }
}

fn again(mut store: Store<State>, shared: &Arc<Shared>, time: Duration) -> Store<State> {
    store.data_mut().renew(Arc::clone(shared), time);
    allow(&mut store);
    store
}

fn store(engine: &Engine, state: State) -> Store<State> {
    let handles = state.shared.limits.handles;
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.meter);
    store.set_max_component_handles(handles);
    allow(&mut store);
    store.epoch_deadline_callback(|context| {
        // Time spent in the host is not the guest's: it gets the rest of its own.
        Ok(match context.data().watch.left_to_run() {
            Ok(left) if left > TICK => UpdateDeadline::Continue(ticks(left)),
            Ok(_) => UpdateDeadline::Continue(1),
            Err(_) => UpdateDeadline::Interrupt,
        })
    });
    store
}

/// Gives a call what it may use up.
fn allow(store: &mut Store<State>) {
    let bytes = store.data().shared.limits.transfer_bytes;
    let first = store.data().watch.left_to_run().map_or(1, ticks);
    store.set_hostcall_fuel(bytes);
    store.set_epoch_deadline(first);
}

fn explain(error: &wasmtime::Error, state: &State, call: &'static str) -> CallError {
    if let Some(limit) = state.meter.refused {
        return limited(state, call, limit, "it asked for more");
    }
    let mut why = match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => {
            let which = state.watch.left_to_run().err().unwrap_or(TimeLimit::Run);
            return over_time(state, call, which);
        }
        Some(Trap::StackOverflow) => "it recursed too deeply (its stack is 512 KiB)".to_owned(),
        Some(trap) => trap.to_string(),
        // The whole chain begins with the guest's own stack, which says little.
        None => error.root_cause().to_string(),
    };
    // wasmtime has no public type for this one.
    if why.contains("hostcall") && why.contains("fuel") {
        return limited(state, call, "transfer_bytes", "its answer or its arguments are too large");
    }
    let last_words = state.surroundings.last_words();
    if !last_words.is_empty() {
        why = last_words;
    }
    CallError::Trapped { call, why: reap_core::clean::line_of(&why, 500) }
}

fn over_time(state: &State, call: &'static str, which: TimeLimit) -> CallError {
    let (limit, text) = match which {
        TimeLimit::Run => {
            ("run_ms", format!("its own code ran for more than {} ms", state.shared.limits.run_ms))
        }
        TimeLimit::Call if call == "end" => {
            ("end_ms", format!("no answer within {} ms", state.shared.limits.end_ms))
        }
        TimeLimit::Call => ("call_ms", format!("no answer within {} ms", state.shared.limits.call_ms)),
    };
    limited(state, call, limit, &text)
}

fn limited(state: &State, call: &'static str, limit: &'static str, why: &str) -> CallError {
    CallError::Limited { call, limit, why: why.to_owned(), table: state.shared.config_table() }
}

/// Counts what the call used and how it ended, and keeps its messages.
fn close<T>(state: &mut State, answer: &Result<T, CallError>) {
    let counters = &state.shared.counters;
    counters.calls.one();
    counters.memory_peak.at_least(state.meter.peak as u64);
    counters.longest_call_ms.at_least(state.watch.elapsed().as_millis() as u64);
    match answer {
        Ok(_) | Err(CallError::Answered(_)) => {}
        Err(CallError::Limited { limit: "run_ms" | "call_ms" | "end_ms", .. }) => counters.timeouts.one(),
        Err(CallError::Limited { .. }) => counters.limits.one(),
        Err(CallError::Trapped { .. } | CallError::Unloaded { .. } | CallError::Host { .. }) => {
            counters.traps.one()
        }
        Err(CallError::Nonsense { .. }) => counters.nonsense.one(),
    }
    let empty = crate::capabilities::log::LogBook::new(&state.shared);
    let (lines, dropped) = std::mem::replace(&mut state.log, empty).close();
    counters.log_dropped.add(dropped);
    state.shared.keep_log(lines);
}

/// What a component needs before it runs must fit into the limits too.
pub(crate) fn fits(component: &Component, shared: &Shared) -> Result<(), String> {
    let Some(needs) = component.resources_required() else {
        return Ok(());
    };
    let memories = needs.num_memories as usize;
    if memories > shared.limits.instances {
        return Err(format!(
            "it has {memories} memories; the limit is {} (instances)",
            shared.limits.instances
        ));
    }
    let largest = needs.max_initial_memory_size.unwrap_or(0).saturating_mul(65_536);
    if largest > shared.limits.memory_bytes as u64 {
        return Err(format!(
            "it starts with {largest} bytes of memory; the limit is {} (memory_bytes)",
            shared.limits.memory_bytes
        ));
    }
    Ok(())
}
