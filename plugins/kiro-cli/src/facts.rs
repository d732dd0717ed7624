//! What only this backend knows of a session, and how it is named.

use std::collections::BTreeSet;

use reap_plugin::{Fact, Timestamp, Value, fact};

use crate::argv::Role;
use crate::owner::Owner;
use crate::table::Table;
use crate::trees::Tree;

/// What the processes are for: see [`shape`].
pub const SHAPE: &str = "shape";
/// Whether whoever started it lives: `intact`, `gone`, `unknown`.
pub const OWNER: &str = "owner";
/// Why the owner is not known to be intact.
pub const OWNER_REASON: &str = "owner-reason";
/// Who is at the other ends: `alive`, `gone`, `none`, `unknown`. Only asked where the
/// owner is not intact.
pub const PEERS: [&str; 2] = ["stdin", "stdout"];
/// The lock: `live`, `stale`, `reused`, `unknown`, `none`.
pub const LOCK: &str = "lock";
/// The pid in the lock.
pub const LOCK_PID: &str = "lock-pid";
/// When the lock was taken.
pub const LOCK_SINCE: &str = "lock-since";
/// The other sessions of the same process.
pub const SHARED_WITH: &str = "shared-with";
/// The command that resumes it.
pub const RESUME: &str = "resume";
/// Processor time that its processes have used.
pub const CPU: &str = "cpu";
/// The same as a part of the time since they started, in percent.
pub const CPU_PERCENT: &str = "cpu-percent";
/// How long the oldest of its processes has been running.
pub const UP: &str = "up";
/// The time of the last activity is a lower bound.
pub const LOWER_BOUND: &str = "last-active-is-lower-bound";
/// When the session itself was made, which may be long before its processes.
pub const SESSION_CREATED: &str = "session-created";
/// The engine: `v2`, `v3`.
pub const ENGINE: &str = "engine";
/// Nothing but processes that start another and wait for it.
pub const EMPTY: &str = "empty";
/// The session that a runtime likely holds, by its arguments or its folder.
pub const SESSION_ID: &str = "session-id";
/// What is wrong with the session's sidecar.
pub const SIDECAR: &str = "sidecar";
/// The size of the transcript in bytes.
pub const TRANSCRIPT: &str = "transcript-bytes";

/// What the configuration calls an MCP server that was left behind.
pub const MCP_SERVER: &str = "mcp-server";
/// The file that does.
pub const MCP_CONFIG: &str = "mcp-config";

/// The shape of an MCP server that was left behind.
pub const LEFT_BEHIND: &str = "mcp";

/// The word for what some processes are for.
pub fn shape(roles: &BTreeSet<Role>) -> &'static str {
    let has = |role| roles.contains(&role);
    match () {
        () if has(Role::Server) => "v3",
        () if has(Role::Terminal) => "tui",
        () if has(Role::Backend) => "acp",
        () if has(Role::Headless) => "headless",
        () if has(Role::Chat) => "chat",
        () if has(Role::Launcher) => "launcher",
        () => "wrapper",
    }
}

/// What can be said of a tree's processes. A process that uses a processor is busy,
/// but one that waits for a model's answer uses none: so this proves only the one.
pub fn of_tree(shape: &str, tree: &Tree, table: &Table, owner: &Owner) -> Vec<Fact> {
    let cpu = tree.cpu(table);
    let up = tree.pids.iter().filter_map(|pid| Some(table.row(*pid)?.age)).max().unwrap_or(0);
    let mut facts = vec![
        fact(SHAPE, shape),
        fact(OWNER, owner.word()),
        fact(CPU, Value::Span(cpu)),
        fact(CPU_PERCENT, percent(cpu, up)),
        fact(UP, Value::Span(up)),
        fact(EMPTY, tree.pids.iter().all(|pid| table.kin(*pid).is_some_and(|kin| !kin.role.works()))),
    ];
    let peers = table.peers(tree.root).into_iter().flatten();
    facts.extend(PEERS.into_iter().zip(peers).map(|(name, word)| fact(name, word)));
    facts.extend(owner.reason().map(|why| fact(OWNER_REASON, why)));
    facts
}

fn percent(cpu: u64, up: u64) -> i64 {
    i64::try_from(cpu.saturating_mul(100) / up.max(1)).unwrap_or(i64::MAX)
}

/// A moment as a fact.
pub fn moment(name: &str, at: Timestamp) -> Fact {
    fact(name, Value::Time(at))
}

/// What a person types to go on with a session, in a shell.
pub fn resume(id: &str, cwd: Option<&str>) -> String {
    let resume = format!("kiro-cli chat --resume-id {id}");
    match cwd {
        Some(cwd) => format!("cd {} && {resume}", quoted(cwd)),
        None => resume,
    }
}

fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::table;

    #[test]
    fn shapes() {
        let of = |roles: &[Role]| shape(&roles.iter().copied().collect());
        assert_eq!(of(&[Role::Launcher, Role::Wrapper, Role::Backend]), "acp");
        assert_eq!(of(&[Role::Wrapper, Role::Chat, Role::Terminal, Role::Backend]), "tui");
        assert_eq!(of(&[Role::Wrapper, Role::Chat, Role::Terminal, Role::Server]), "v3");
        assert_eq!(of(&[Role::Wrapper, Role::Headless]), "headless");
        assert_eq!(of(&[Role::Launcher, Role::Wrapper]), "launcher");
        assert_eq!(of(&[Role::Wrapper]), "wrapper");
    }

    #[test]
    fn what_a_tree_says() {
        let table = table(&[(10, 1, 9, "kiro-cli acp"), (11, 10, 9, "kiro-cli-chat acp")]);
        let tree = Tree { root: 10, pids: [10, 11].into() };
        let facts = of_tree("acp", &tree, &table, &Owner::Gone("why".to_owned()));
        let value = |name: &str| facts.iter().find(|fact| fact.name == name).map(|fact| fact.value.clone());
        assert_eq!(value(SHAPE), Some(Value::Text("acp".to_owned())));
        assert_eq!(value(OWNER), Some(Value::Text("gone".to_owned())));
        assert_eq!(value(OWNER_REASON), Some(Value::Text("why".to_owned())));
        assert_eq!(value(CPU), Some(Value::Span(2_000)));
        assert_eq!(value(UP), Some(Value::Span(3_600_000)));
        assert_eq!(value(CPU_PERCENT), Some(Value::Number(0)));
        assert_eq!(value(EMPTY), Some(Value::Flag(false)));
        let waits = of_tree("wrapper", &Tree { root: 10, pids: [10].into() }, &table, &Owner::Intact(9));
        assert!(waits.contains(&fact(EMPTY, true)));
    }

    /// The documentation names all of them, and no other.
    #[test]
    fn the_facts_are_those_of_the_page() {
        let (_, table) =
            include_str!("../../../docs/kiro-cli.md").split_once("| fact | meaning |").expect("the table");
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let names = rows.flat_map(|row| row.split('|').nth(1).expect("a cell").split(','));
        let names: BTreeSet<&str> = names.map(|name| name.trim().trim_matches('`')).collect();
        let [stdin, stdout] = PEERS;
        let known = [
            SHAPE,
            OWNER,
            OWNER_REASON,
            stdin,
            stdout,
            LOCK,
            LOCK_PID,
            LOCK_SINCE,
            SHARED_WITH,
            RESUME,
            CPU,
            CPU_PERCENT,
            UP,
            LOWER_BOUND,
            SESSION_CREATED,
            ENGINE,
            EMPTY,
            SESSION_ID,
            SIDECAR,
            TRANSCRIPT,
            MCP_SERVER,
            MCP_CONFIG,
        ];
        assert_eq!(names, known.into());
    }

    #[test]
    fn resuming() {
        assert_eq!(resume("a-1", Some("/w/x")), "cd /w/x && kiro-cli chat --resume-id a-1");
        assert_eq!(resume("a-1", Some("/it's")), r"cd '/it'\''s' && kiro-cli chat --resume-id a-1");
        assert_eq!(resume("a-1", None), "kiro-cli chat --resume-id a-1");
    }
}
