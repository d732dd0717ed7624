//! Makes sessions out of locks, files and processes. Rows without a lock are made in
//! [`runtimes`](crate::runtimes).

use std::collections::{BTreeMap, BTreeSet};

use reap_plugin::{Activity, Address, Fact, Kind, Session, Timestamp, fact};

use crate::NAME;
use crate::argv::Role;
use crate::facts;
use crate::homes::Home;
use crate::lock::Holder;
use crate::owner::Owner;
use crate::store::{Locked, Record};
use crate::table::Table;
use crate::trees::{Tree, Trees};

/// What all sessions of a home are made from.
pub struct Scene<'a> {
    pub(crate) home: &'a Home,
    pub(crate) table: &'a Table,
    pub(crate) now: Timestamp,
    pub(crate) trees: Trees<'a>,
    /// The sessions of each process that holds any.
    held: BTreeMap<u32, Vec<&'a str>>,
}

impl<'a> Scene<'a> {
    /// Sorts out who holds what.
    pub fn new(home: &'a Home, table: &'a Table, locked: &'a [Locked], now: Timestamp) -> Self {
        let mut held: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        for (pid, one) in living(locked, table, now) {
            held.entry(pid).or_default().push(&one.id);
        }
        let holders: BTreeSet<u32> = held.keys().copied().collect();
        Self { home, table, now, trees: Trees::new(table, &holders), held }
    }

    /// The session that this lock is of.
    pub fn session(&self, one: &Locked, record: Record) -> Session {
        let holder = holder(one, self.table, self.now);
        let live = match holder {
            Some(Holder::Lives(row)) => self.trees.of_holder(row.process.pid).map(|tree| (row, tree)),
            _ => None,
        };
        let pid = one.lock.as_ref().ok().map(|lock| lock.pid);
        let since = one.lock.as_ref().ok().and_then(|lock| lock.since).unwrap_or(one.written);
        let mut extra = self.facts_of(one, &record, since);
        extra.push(fact(facts::LOCK, holder.map_or("unknown", Holder::word)));
        let known = Session {
            key: one.id.clone(),
            // Another lock, or another process with its pid, is another session to end.
            incarnation: format!("{}.{}", pid.unwrap_or(0), one.written),
            title: record.title.unwrap_or_else(|| one.id.clone()),
            kind: if record.parent.is_some() || record.reason.as_deref() == Some("subagent") {
                Kind::Subagent
            } else {
                Kind::Worker
            },
            activity: if matches!(holder, Some(Holder::Gone)) {
                Activity::Stopped
            } else {
                Activity::Unknown
            },
            created: Some(since),
            last_active: record.written.max(Some(one.written)),
            attached: false,
            parent: record.parent.as_deref().map(|parent| self.address(parent)),
            cwd: record.cwd,
            processes: Vec::new(),
            tokens: None,
            protected: None,
            extra,
        };
        let Some((row, tree)) = live else { return known };
        let others = self.held[&row.process.pid].iter().filter(|id| **id != one.id);
        let others: Vec<String> = others.map(|id| (*id).to_owned()).collect();
        let mut known = Session {
            incarnation: format!("{}.{}", row.process.pid, row.process.started),
            // It can be resumed long after it was made, and is young then.
            created: Some(self.now.saturating_sub(row.age)),
            ..known
        };
        if !others.is_empty() {
            known.extra.push(fact(facts::SHARED_WITH, others));
        }
        self.with_tree(known, &tree)
    }

    fn facts_of(&self, one: &Locked, record: &Record, since: Timestamp) -> Vec<Fact> {
        let mut facts = vec![
            fact(facts::ENGINE, "v2"),
            // A turn is written at its end: in a long one nothing is heard of it.
            fact(facts::LOWER_BOUND, true),
            fact(facts::RESUME, facts::resume(&one.id, record.cwd.as_deref())),
            facts::moment(facts::LOCK_SINCE, since),
        ];
        facts.extend(one.lock.as_ref().ok().map(|lock| fact(facts::LOCK_PID, lock.pid)));
        facts.extend(record.created.map(|at| facts::moment(facts::SESSION_CREATED, at)));
        facts.extend(record.flaw.map(|flaw| fact(facts::SIDECAR, flaw)));
        let size = record.transcript.and_then(|size| i64::try_from(size).ok());
        facts.extend(size.map(|size| fact(facts::TRANSCRIPT, size)));
        facts
    }

    fn address(&self, key: &str) -> Address {
        Address { backend: NAME.to_owned(), instance: self.home.path.clone(), key: key.to_owned() }
    }

    /// The session with what its processes tell.
    pub(crate) fn with_tree(&self, session: Session, tree: &Tree) -> Session {
        let owner = Owner::of(tree.root, self.table);
        let roles = tree.roles(self.table);
        let interactive = roles.contains(&Role::Terminal) || roles.contains(&Role::Chat);
        let terminal = tree.pids.iter().filter_map(|pid| self.table.row(*pid)).any(|row| row.terminal != 0);
        let kin_cwd = || tree.pids.iter().find_map(|pid| self.table.kin(*pid)?.cwd.clone());
        let mut extra = session.extra;
        extra.extend(facts::of_tree(facts::shape(&roles), tree, self.table, &owner));
        Session {
            kind: if session.kind == Kind::Worker && interactive { Kind::Interactive } else { session.kind },
            activity: self.activity(tree, &owner),
            // Somebody may be sitting at that terminal; nobody can tell.
            attached: interactive && terminal && matches!(owner, Owner::Intact(_)),
            cwd: session.cwd.or_else(kin_cwd),
            processes: tree.processes(self.table),
            extra,
            ..session
        }
    }

    /// A command of the shell tool, which is in the group of the process that started
    /// it, is work. Without one, nobody can tell a turn from a pause.
    fn activity(&self, tree: &Tree, owner: &Owner) -> Activity {
        let at_work = |pid: &u32| {
            let row = self.table.row(*pid).filter(|_| self.table.kin(*pid).is_none());
            row.is_some_and(|row| {
                let parent = self.table.row(row.parent).filter(|_| self.table.kin(row.parent).is_some());
                parent.is_some_and(|parent| parent.group == row.group)
            })
        };
        let busy = tree.roles(self.table).contains(&Role::Headless) || tree.pids.iter().any(at_work);
        if busy && matches!(owner, Owner::Intact(_)) { Activity::Running } else { Activity::Unknown }
    }
}

/// The locks whose process lives, and its pid.
pub fn living<'a>(
    locked: &'a [Locked],
    table: &'a Table,
    now: Timestamp,
) -> impl Iterator<Item = (u32, &'a Locked)> {
    locked.iter().filter_map(move |one| match holder(one, table, now) {
        Some(Holder::Lives(row)) => Some((row.process.pid, one)),
        _ => None,
    })
}

fn holder<'a>(one: &Locked, table: &'a Table, now: Timestamp) -> Option<Holder<'a>> {
    one.lock.as_ref().ok().map(|lock| Holder::of(lock, table, now))
}

#[cfg(test)]
mod tests;
