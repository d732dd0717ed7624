//! Who asks. A command that asks the daemon runs in a session as well, and that
//! session must outlive it just as the daemon's own.

use std::net::SocketAddr;

use reap_core::guard::Here;
use reap_core::session::ProcessId;
use reap_runtime::process;

/// Who asks for something.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// Its process and all that it descends from, as far as that can be told.
    ancestors: Vec<ProcessId>,
    name: Option<String>,
}

impl Caller {
    /// This process itself.
    pub fn ourselves() -> Self {
        Self::default()
    }

    /// Another process on this machine, that is there while this is asked.
    ///
    /// # Errors
    /// When its ancestors cannot be told: it may have ended. Then nothing may be
    /// ended for it, for that could be the session it runs in.
    pub fn process(pid: u32) -> std::io::Result<Self> {
        let Here { ancestors } = process::above(pid)?;
        Ok(Self { ancestors, name: Some(format!("process {pid}")) })
    }

    /// Somebody over the network. Which session they sit in, if it is one of this
    /// machine, is not known, so none is kept for that.
    pub fn remote(from: SocketAddr) -> Self {
        Self { ancestors: Vec::new(), name: Some(format!("somebody at {from}")) }
    }

    /// Who it is, for the journal.
    pub(crate) fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("process {}", std::process::id()))
    }

    /// Where Reap runs, as far as this caller is concerned.
    pub(crate) fn here(&self, own: &Here) -> Here {
        Here { ancestors: own.ancestors.iter().chain(&self.ancestors).copied().collect() }
    }
}
