//! Whether whoever started a runtime still lives.
//!
//! A process whose parent ended is given to another: to pid 1, or to the nearest
//! ancestor that asked for orphans, such as `systemd --user`. Neither can be told by
//! its pid alone: pid 1 of a container may be the gateway itself, and anything may
//! ask for orphans. What tells is the kernel session. A child is in its parent's, or
//! began one of its own; one that is in a third was made by somebody else.

use crate::argv::is_reaper;
use crate::table::Table;

/// How the owner of a runtime does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The process that started it lives.
    Intact(u32),
    /// It has ended, and another took its children over.
    Gone(String),
    /// It cannot be told, and why.
    Unknown(String),
}

impl Owner {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Intact(_) => "intact",
            Self::Gone(_) => "gone",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Why it is not known to be intact.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Intact(_) => None,
            Self::Gone(why) | Self::Unknown(why) => Some(why),
        }
    }

    /// The owner of the runtime that this process is in. A runtime that was started
    /// from within another one, by a tool or through a script, has that one's owner.
    pub fn of(pid: u32, table: &Table) -> Self {
        let mut above = table.ancestors(pid).into_iter().filter(|pid| table.kin(*pid).is_some());
        let top = above.next_back().unwrap_or(pid);
        Self::of_top(top, table)
    }

    fn of_top(top: u32, table: &Table) -> Self {
        let Some(row) = table.row(top) else {
            return Self::Unknown("its process cannot be seen".to_owned());
        };
        let parent = table.row(row.parent);
        // The first process of a machine may be another user's, and is then not shown.
        let session = parent.map(|parent| parent.session).or((row.parent == 1).then_some(1));
        let inherited = row.session != top && row.session != 0;
        if inherited && session.is_some_and(|session| session != row.session) {
            return Self::Gone(format!(
                "its parent has ended: pid {}, which took it over, is in another kernel session",
                row.parent
            ));
        }
        let takes_over = row.parent <= 1 || is_reaper(table.argv(row.parent));
        match parent {
            _ if takes_over => {
                Self::Unknown(format!("its parent is pid {}, which takes over orphans", row.parent))
            }
            None => Self::Unknown(format!("its parent, pid {}, cannot be looked at", row.parent)),
            Some(parent) => Self::Intact(parent.process.pid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Line, table};

    /// The word for the owner of process 20.
    fn owner(rows: &[Line<'_>]) -> &'static str {
        Owner::of(20, &table(rows)).word()
    }

    #[test]
    fn whose_a_runtime_is() {
        let init = (1, 0, 1, "/sbin/init");
        let backend = |parent, session| (20, parent, session, "kiro-cli-chat acp");
        let cases: [(&str, Vec<Line<'_>>, &str); 15] = [
            ("its host lives", vec![(10, 1, 10, "node gateway.js"), backend(10, 10)], "intact"),
            ("in a session of its own", vec![(10, 1, 10, "zed"), backend(10, 20)], "intact"),
            ("a terminal's shell", vec![(10, 5, 10, "bash"), backend(10, 10)], "intact"),
            ("pid 1 took it over", vec![init, backend(1, 9)], "gone"),
            ("pid 1 took it over, unseen", vec![backend(1, 9)], "gone"),
            ("systemd --user took it over", vec![(8, 1, 8, "systemd --user"), backend(8, 9)], "gone"),
            ("anything took it over", vec![(8, 1, 8, "node supervisor.js"), backend(8, 9)], "gone"),
            ("a wrapper that systemd started", vec![(8, 1, 8, "systemd --user"), backend(8, 20)], "unknown"),
            ("it leads its session, below pid 1", vec![init, backend(1, 20)], "unknown"),
            ("a container's pid 1 started it", vec![(1, 0, 1, "node gateway.js"), backend(1, 1)], "unknown"),
            ("a parent that cannot be seen", vec![backend(10, 20)], "unknown"),
            ("a parent outside of the container", vec![backend(0, 0)], "unknown"),
            (
                "the host of its wrapper lives",
                vec![(10, 1, 10, "zed"), (15, 10, 15, "kiro-cli acp"), backend(15, 15)],
                "intact",
            ),
            (
                "the host of its wrapper has ended",
                vec![init, (15, 1, 9, "kiro-cli acp"), backend(15, 9)],
                "gone",
            ),
            (
                "a script between, and the host above has ended",
                vec![init, (15, 1, 9, "kiro-cli acp"), (16, 15, 9, "sh run.sh"), backend(16, 9)],
                "gone",
            ),
        ];
        for (what, rows, expected) in cases {
            assert_eq!(owner(&rows), expected, "{what}");
        }
    }
}
