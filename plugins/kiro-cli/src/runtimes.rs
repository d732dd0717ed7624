//! Rows of processes that no lock names: runtimes without a session, the sessions of the
//! third engine, and MCP servers that were left behind.

use reap_plugin::{Activity, Fact, Kind, Session, Timestamp, fact};

use crate::argv::{Role, file_name};
use crate::facts;
use crate::owner::Owner;
use crate::rows::Scene;
use crate::store::Record;
use crate::table::Left;
use crate::third::{self, Claim, Server};
use crate::trees::Tree;

impl Scene<'_> {
    /// The runtimes that hold no session with a lock, of those that `wanted` chooses, and
    /// in the place of one of the third engine its sessions, where they are known.
    /// `third` gives the sessions of that engine that were written to since a moment.
    pub fn runtimes(
        &self,
        wanted: impl Fn(&Tree) -> bool,
        titles: impl Fn(&str) -> Record,
        third: impl FnOnce(Timestamp) -> Vec<third::Session>,
    ) -> Vec<Session> {
        let loose: Vec<Tree> = self.trees.loose().into_iter().filter(|tree| wanted(tree)).collect();
        let servers: Vec<Option<Server>> = loose.iter().map(|tree| self.server(tree)).collect();
        let oldest = servers.iter().flatten().map(|server| server.since).min();
        let written = oldest.map(third).unwrap_or_default();
        let mut claims = third::claims(&servers, &written).into_iter();
        let mut rows = Vec::new();
        for (tree, server) in loose.iter().zip(&servers) {
            let claim = if server.is_some() { claims.next() } else { None };
            match claim {
                Some(Claim::Certain(sessions)) => {
                    let all = sessions.iter();
                    rows.extend(all.filter_map(|one| self.third_session(tree, one, &sessions)));
                }
                Some(Claim::Likely(sessions)) => rows.extend(self.runtime(tree, &titles, &sessions)),
                None => rows.extend(self.runtime(tree, &titles, &[])),
            }
        }
        rows
    }

    /// The server of the third engine in a tree, where there is one.
    fn server(&self, tree: &Tree) -> Option<Server> {
        let is_server = |pid: &&u32| self.table.kin(**pid).is_some_and(|kin| kin.role == Role::Server);
        let mut servers = tree.pids.iter().filter(is_server);
        let first = *servers.next()?;
        Some(Server {
            cwd: self.table.kin(first)?.cwd.clone(),
            since: self.now.saturating_sub(self.table.row(first)?.age),
            alone: servers.next().is_none(),
        })
    }

    fn runtime(
        &self,
        tree: &Tree,
        titles: &impl Fn(&str) -> Record,
        likely: &[&third::Session],
    ) -> Option<Session> {
        let roles = tree.roles(self.table);
        let mut extra = vec![fact(facts::LOCK, "none")];
        let mut title = None;
        let last_active;
        if let Some(id) = tree.pids.iter().find_map(|pid| self.table.kin(*pid)?.session.clone()) {
            let record = titles(&id);
            (title, last_active) = (record.title, record.written);
            extra.push(fact(facts::SESSION_ID, id));
        } else {
            if let [one] = likely {
                extra.push(fact(facts::SESSION_ID, one.id.clone()));
                title.clone_from(&one.title);
            }
            last_active = likely.iter().map(|one| one.written).max();
        }
        if roles.contains(&Role::Server) {
            extra.push(fact(facts::ENGINE, "v3"));
        }
        if last_active.is_some() {
            extra.push(fact(facts::LOWER_BOUND, true));
        }
        let cwd = self.cwd(tree);
        let folder = cwd.as_deref().map(file_name).unwrap_or_default();
        let title = title.unwrap_or_else(|| format!("{} in {folder}", facts::shape(&roles)));
        let session = Session { last_active, cwd, ..self.bare("runtime", tree.root, title, extra)? };
        Some(self.with_tree(session, tree))
    }

    /// A session of the third engine, with the server's tree. `all` are those of the server.
    fn third_session(&self, tree: &Tree, one: &third::Session, all: &[&third::Session]) -> Option<Session> {
        let mut extra =
            vec![fact(facts::LOCK, "none"), fact(facts::ENGINE, "v3"), fact(facts::LOWER_BOUND, true)];
        extra.extend(one.created.map(|at| facts::moment(facts::SESSION_CREATED, at)));
        let others: Vec<String> =
            all.iter().filter(|other| other.id != one.id).map(|other| other.id.clone()).collect();
        if !others.is_empty() {
            extra.push(fact(facts::SHARED_WITH, others));
        }
        let title = one.title.clone().unwrap_or_else(|| one.id.clone());
        let session = Session {
            key: one.id.clone(),
            last_active: Some(one.written),
            cwd: self.cwd(tree),
            ..self.bare("runtime", tree.root, title, extra)?
        };
        Some(self.with_tree(session, tree))
    }

    /// The MCP servers of this home that were left behind. One below which kiro-cli runs
    /// is in use, whoever started it.
    pub fn left_behind(&self) -> Vec<Session> {
        self.table.left().filter_map(|(pid, left)| self.left(pid, left)).collect()
    }

    fn left(&self, pid: u32, left: &Left) -> Option<Session> {
        left.home.as_deref().filter(|path| self.home.is_at(path))?;
        let (name, file) = left.named.iter().find(|(_, file)| self.home.holds(file))?;
        let tree = self.trees.tree(pid);
        if !tree.roles(self.table).is_empty() {
            return None;
        }
        let owner = Owner::Gone("who started it has ended, and nobody holds its input any more".to_owned());
        let mut extra = vec![fact(facts::MCP_SERVER, name.clone()), fact(facts::MCP_CONFIG, file.clone())];
        extra.extend(facts::of_tree(facts::LEFT_BEHIND, &tree, self.table, &owner));
        let bare = self.bare("mcp", pid, format!("{name} (MCP server)"), extra)?;
        Some(Session { cwd: left.cwd.clone(), processes: tree.processes(self.table), ..bare })
    }

    /// A row for the tree that begins with this process.
    fn bare(&self, what: &str, root: u32, title: String, extra: Vec<Fact>) -> Option<Session> {
        let row = self.table.row(root)?;
        Some(Session {
            key: format!("{what}:{}:{}", row.process.pid, row.process.started),
            incarnation: format!("{}.{}", row.process.pid, row.process.started),
            title,
            kind: Kind::Worker,
            activity: Activity::Unknown,
            created: Some(self.now.saturating_sub(row.age)),
            last_active: None,
            attached: false,
            parent: None,
            cwd: None,
            processes: Vec::new(),
            tokens: None,
            protected: None,
            extra,
        })
    }

    fn cwd(&self, tree: &Tree) -> Option<String> {
        tree.pids.iter().find_map(|pid| self.table.kin(*pid)?.cwd.clone())
    }
}

#[cfg(test)]
mod tests;
