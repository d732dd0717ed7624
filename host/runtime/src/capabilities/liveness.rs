//! Whether anybody is left around a process: who has a pid, and who is at the other
//! end of a pipe or a socket. No more is told of other users' processes than that they are there.

use std::time::Instant;

use reap_core::session::ProcessId;

use crate::bindings::{liveness, types};
use crate::capabilities::processes::no_table;
use crate::convert::process_id;
use crate::process::{Existence, Owners, Proc, ProcessTable, Row, alive, existence};
use crate::state::State;
use crate::streams::{OtherEnd, Stream, Streams};

/// How many processes are asked about at most in one call.
const MOST: usize = 100_000;

impl State {
    fn existences(&self, pids: &[u32]) -> Result<Vec<liveness::Existence>, types::Error> {
        self.process_grant()?;
        few_enough(pids.len())?;
        let word = |pid: &u32| match existence(*pid) {
            Existence::Gone => liveness::Existence::Gone,
            Existence::There => liveness::Existence::There,
            Existence::Unknown => liveness::Existence::Unknown,
        };
        Ok(pids.iter().map(word).collect())
    }

    fn streams(&mut self, wanted: &[types::Process]) -> Result<Vec<Option<liveness::Streams>>, types::Error> {
        self.process_grant()?;
        few_enough(wanted.len())?;
        let mut proc = Proc::open().map_err(no_table)?;
        let table = match &self.processes {
            Some(table) => table.clone(),
            None => ProcessTable::read(Owners::Roughly).map_err(no_table)?.into(),
        };
        let (shared, streams) = (&self.shared, &mut self.streams);
        let shows = |row: &&Row, proc: &mut Proc| {
            shared.grants.processes.as_ref().is_some_and(|grant| grant.shows(row, proc))
        };
        let of = |process: &types::Process| {
            let row = table.row(process_id(process)).filter(|row| shows(row, &mut proc))?;
            streams_of(streams, &proc, row.id)
        };
        Ok(wanted.iter().map(of).collect())
    }
}

fn few_enough(count: usize) -> Result<(), types::Error> {
    if count <= MOST {
        return Ok(());
    }
    Err(types::Error::Limited(format!("{count} processes were asked about at once; {MOST} is the most")))
}

/// The streams of exactly this process.
fn streams_of(streams: &mut Streams, proc: &Proc, id: ProcessId) -> Option<liveness::Streams> {
    let mut peer = |stream| peer(streams.look(proc, id.pid, stream));
    let found = liveness::Streams { input: peer(Stream::Input), output: peer(Stream::Output) };
    // Had the pid come to mean another process meanwhile, it would show now.
    alive(id).then_some(found)
}

fn peer(end: OtherEnd) -> liveness::Peer {
    match end {
        OtherEnd::None => liveness::Peer::None,
        OtherEnd::Held | OtherEnd::Terminal { open: true } => liveness::Peer::Alive,
        OtherEnd::Gone | OtherEnd::Terminal { open: false } => liveness::Peer::Gone,
        OtherEnd::Unknown => liveness::Peer::Unknown,
    }
}

impl liveness::Host for State {
    fn existence_of(
        &mut self,
        pids: Vec<u32>,
    ) -> wasmtime::Result<Result<Vec<liveness::Existence>, types::Error>> {
        let since = Instant::now();
        let answer = self.existences(&pids);
        self.watch.was_in_host(since);
        Ok(answer)
    }

    fn streams_of(
        &mut self,
        wanted: Vec<types::Process>,
    ) -> wasmtime::Result<Result<Vec<Option<liveness::Streams>>, types::Error>> {
        let since = Instant::now();
        let answer = self.streams(&wanted);
        self.watch.was_in_host(since);
        Ok(answer)
    }
}
