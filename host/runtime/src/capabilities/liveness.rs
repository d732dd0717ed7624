//! Whether anybody is left around a process: who has a pid, and who is at the other
//! end of a pipe. No more is told of other users' processes than that they are there.

use std::time::Instant;

use reap_core::session::ProcessId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};

use crate::bindings::{liveness, types};
use crate::capabilities::processes::no_table;
use crate::convert::process_id;
use crate::process::{Existence, Owners, Proc, ProcessTable, alive, existence};
use crate::state::State;

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
        let grant = self.process_grant()?;
        few_enough(wanted.len())?;
        let mut proc = Proc::open().map_err(no_table)?;
        let table = match &self.processes {
            Some(table) => table.clone(),
            None => ProcessTable::read(Owners::Roughly).map_err(no_table)?.into(),
        };
        let of = |process: &types::Process| {
            let row = table.row(process_id(process)).filter(|row| grant.shows(row, &mut proc))?;
            streams_of(&proc, row.id)
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
fn streams_of(proc: &Proc, id: ProcessId) -> Option<liveness::Streams> {
    let streams = liveness::Streams {
        input: peer(proc, id.pid, 0, OFlags::RDONLY),
        output: peer(proc, id.pid, 1, OFlags::WRONLY),
    };
    // Had the pid come to mean another process meanwhile, it would show now.
    alive(id).then_some(streams)
}

fn peer(proc: &Proc, pid: u32, stream: u32, way: OFlags) -> liveness::Peer {
    let link = format!("fd/{stream}");
    let Some(target) = proc.link(pid, &link) else { return liveness::Peer::Unknown };
    let target = String::from_utf8_lossy(&target);
    if target.starts_with("pipe:[") {
        return pipe(&format!("/proc/{pid}/{link}"), way);
    }
    // A terminal's file goes when the program that drew it closes its own end.
    if target.starts_with("/dev/pts/") {
        return if target.ends_with(" (deleted)") { liveness::Peer::Gone } else { liveness::Peer::Alive };
    }
    if target.starts_with('/') { liveness::Peer::None } else { liveness::Peer::Unknown }
}

/// Opens the end of a pipe that the process has, once more: the kernel then says
/// whether anybody has the other one. Nothing is read or written.
fn pipe(path: &str, way: OFlags) -> liveness::Peer {
    let Ok(end) = open(path, way | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) else {
        return liveness::Peer::Unknown;
    };
    let mut polled = [PollFd::new(&end, PollFlags::empty())];
    match poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        // Nobody writes any more, or nobody reads.
        Ok(_) if polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) => liveness::Peer::Gone,
        Ok(_) => liveness::Peer::Alive,
        Err(_) => liveness::Peer::Unknown,
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

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn peers(child: &Child) -> (liveness::Peer, liveness::Peer) {
        let table = ProcessTable::read(Owners::Roughly).expect("/proc is readable");
        let id = table.pid(child.id()).expect("our child").id;
        let streams = streams_of(&Proc::open().expect("/proc is readable"), id).expect("it lives");
        (streams.input, streams.output)
    }

    #[test]
    fn the_other_ends() {
        use liveness::Peer::{Alive, Gone, None};
        let sleeper = |pipes: bool| {
            let stream = || if pipes { Stdio::piped() } else { Stdio::null() };
            Command::new("sleep").arg("600").stdin(stream()).stdout(stream()).spawn().expect("it starts")
        };
        let mut plain = sleeper(false);
        assert_eq!(peers(&plain), (None, None));
        let mut piped = sleeper(true);
        assert_eq!(peers(&piped), (Alive, Alive));
        drop(piped.stdin.take());
        assert_eq!(peers(&piped), (Gone, Alive));
        drop(piped.stdout.take());
        assert_eq!(peers(&piped), (Gone, Gone));
        for child in [&mut plain, &mut piped] {
            child.kill().and_then(|()| child.wait()).expect("our child");
        }
    }
}
