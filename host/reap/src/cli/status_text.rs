//! How Reap is, for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use reap::Cost;
use reap::core::clean;
use reap::core::time::Timestamp;
use reap::view::{CycleStatus, DaemonStatus, JournalStatus, MarkStatus, PluginStatus, Status};

use super::doubts;
use super::output::Style;
use super::plan_text::count;
use super::table::{Cell, Table};
use super::when::{ago, ahead};

/// Everything at a glance.
pub fn render(status: &Status, now: Timestamp, colours: bool) -> String {
    let mut text = lines(&overview(status, now), colours);
    section(&mut text, "Sessions on record", &backends(status), colours);
    section(&mut text, "Not known", &unknown(status), colours);
    section(&mut text, "Waiting for `reap approve`", &held(status, now), colours);
    section(&mut text, "Marked as orphans", &marks(&status.marks, now), colours);
    section(&mut text, "Plugins", &plugins(&status.plugins), colours);
    text
}

/// A part of the answer: a table, or lines of its own. One without rows is left out.
enum Part {
    Table(Option<Table>),
    Lines(Vec<String>),
}

fn section(text: &mut String, heading: &str, part: &Part, colours: bool) {
    let shown = match part {
        Part::Table(table) => table.as_ref().map_or_else(String::new, |table| table.render("  ", colours)),
        Part::Lines(lines) => lines.iter().map(|line| format!("  {}\n", clean::line(line))).collect(),
    };
    if !shown.is_empty() {
        let _ = write!(text, "\n{}\n{shown}", Style::Strong.paint(heading, colours)); // a String takes everything
    }
}

fn lines(fields: &[(&str, String)], colours: bool) -> String {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| {
        let name = Style::Dim.paint(&format!("{name:<width$}"), colours);
        format!("{name}  {}\n", clean::line(value))
    };
    fields.iter().map(line).collect()
}

fn overview(status: &Status, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut fields = vec![("daemon", daemon(status.daemon.as_ref(), now))];
    if let Some(daemon) = &status.daemon {
        fields.push(("socket", path(&daemon.socket)));
        fields.extend(daemon.listen.clone().map(|address| ("listens at", address)));
    }
    let defaults = || "none: everything has its default".to_owned();
    fields.push(("version", status.version.clone()));
    fields.push(("configuration", status.config.as_deref().map_or_else(defaults, path)));
    fields.push(("state", path(&status.state)));
    fields.push((
        "last cycle",
        status.cycle.as_ref().map_or_else(|| "none yet".to_owned(), |it| cycle(it, now)),
    ));
    fields.push(("locks", status.locks.to_string()));
    fields.push(("journal", status.journal.as_ref().map_or_else(|| "none yet".to_owned(), journal)));
    fields
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn daemon(daemon: Option<&DaemonStatus>, now: Timestamp) -> String {
    let Some(daemon) = daemon else { return "no daemon runs".to_owned() };
    let does = match daemon.mode.as_str() {
        "observe" => "observe: it ends only what is approved",
        "enforce" => "enforce: it ends what is due",
        other => other,
    };
    let since = now.since(daemon.since);
    format!("{}, for {since}, mode {does}, every {}", daemon.process, daemon.every.exact())
}

fn cycle(cycle: &CycleStatus, now: Timestamp) -> String {
    let mut text = ago(Some(now.since(cycle.at)));
    if let Some(number) = cycle.number {
        text = format!("number {number}, {text}");
    }
    if let Some(cost) = &cycle.cost {
        let _ = write!(text, ", took {}", in_parts(cost)); // a String takes everything
    }
    if cycle.skipped > 0 {
        let _ = write!(text, "; {} left out, because one took too long", cycle.skipped);
    }
    if let Some(error) = &cycle.error {
        let _ = write!(text, "; with an error: {error}");
    }
    text
}

/// What a cycle cost, and which part most of it.
pub fn in_parts(cost: &Cost) -> String {
    let parts = [
        ("observe", cost.observe),
        ("reconcile", cost.reconcile),
        ("vote", cost.vote),
        ("decide", cost.decide),
        ("act", cost.act),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(_, millis)| *millis > 0)
        .map(|(name, millis)| format!("{name} {millis}"))
        .collect();
    let all = cost.total();
    if parts.is_empty() { format!("{all} ms") } else { format!("{all} ms ({})", parts.join(", ")) }
}

fn journal(journal: &JournalStatus) -> String {
    let mut text = format!(
        "{} entries ({}), {} observations ({}), {} on the disk",
        journal.entries,
        bytes(journal.entry_bytes),
        journal.passes,
        bytes(journal.pass_bytes),
        bytes(journal.database_bytes)
    );
    if journal.open_intents > 0 {
        let _ = write!(text, "; {} begun and not settled", journal.open_intents); // a String takes everything
    }
    text
}

/// "4.2 MiB".
fn bytes(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits = units.iter().find(|(shift, _)| bytes >> shift > 0);
    fits.map_or_else(
        || format!("{bytes} B"),
        |(shift, unit)| {
            let tenths = (u128::from(bytes) * 10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        },
    )
}

const STANDINGS: [&str; 4] = ["live", "missing", "stopped", "ended"];
const ACTIVITIES: [&str; 4] = ["running", "idle", "stopped", "unknown"];

fn backends(status: &Status) -> Part {
    let mut table = Table::new(&["BACKEND", "LIVE", "OF THESE", "MISSING", "STOPPED", "ENDED"]);
    for backend in &status.backends {
        let of = |name: &&str| Cell::new(number(&backend.records, name).to_string());
        let [live, gone @ ..] = STANDINGS.each_ref().map(of);
        let mut row = vec![
            Cell::styled(backend.name.as_str(), Style::Strong),
            live,
            Cell::new(at_work(&backend.activity)),
        ];
        row.extend(gone);
        table.row(row);
    }
    Part::Table((!status.backends.is_empty()).then_some(table))
}

fn number(counts: &BTreeMap<String, u64>, name: &str) -> u64 {
    counts.get(name).copied().unwrap_or(0)
}

/// "3 running, 1 idle".
fn at_work(activity: &BTreeMap<String, u64>) -> String {
    let there = ACTIVITIES.iter().map(|name| (name, number(activity, name))).filter(|(_, count)| *count > 0);
    let words: Vec<String> = there.map(|(name, count)| format!("{count} {name}")).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

fn unknown(status: &Status) -> Part {
    Part::Lines(status.unknown.iter().map(doubts::in_words).collect())
}

fn held(status: &Status, now: Timestamp) -> Part {
    let mut table = Table::new(&["PLAN", "BACKEND", "WOULD END", "SINCE", "EXPIRES", "MADE BY"]);
    for held in &status.held {
        table.row(vec![
            Cell::styled(held.plan.as_str(), Style::Warn),
            Cell::new(held.backend.as_str()),
            Cell::new(count(usize::try_from(held.items).unwrap_or(usize::MAX))),
            Cell::new(ago(Some(now.since(held.since)))),
            Cell::new(ahead(held.expires, now)),
            Cell::new(match held.made_by.as_str() {
                "cycle" => "a cycle",
                "command" => "a command",
                other => other,
            }),
        ]);
    }
    Part::Table((!status.held.is_empty()).then_some(table))
}

/// Handles that are named one by one.
const MOST_NAMED: usize = 20;

fn marks(marks: &MarkStatus, now: Timestamp) -> Part {
    let mut lines = Vec::new();
    if marks.set > 0 {
        lines.push(format!("{} marked, {} of them due", marks.set, marks.due.len()));
    }
    if !marks.due.is_empty() {
        let named: Vec<&str> = marks.due.iter().take(MOST_NAMED).map(|handle| handle.short()).collect();
        let more = marks.due.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        lines.push(format!("due: {}{more}", named.join(" ")));
    }
    let again = marks.retries.iter().take(MOST_NAMED);
    lines.extend(again.map(|(handle, at)| {
        format!("{} could not be ended, and is tried again {}", handle.short(), ahead(*at, now))
    }));
    Part::Lines(lines)
}

fn plugins(plugins: &[PluginStatus]) -> Part {
    let mut table = Table::new(&["NAME", "WORLD", "STATE", "COUNTERS", "TROUBLE"]);
    for plugin in plugins {
        let style = match plugin.state.as_str() {
            "ready" => Style::Good,
            "failed" => Style::Bad,
            "unapproved" => Style::Warn,
            _ => Style::Dim,
        };
        let counters: Vec<String> = plugin
            .counters
            .iter()
            .filter(|(_, value)| **value > 0)
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let trouble: Vec<&str> = plugin.reason.iter().chain(&plugin.fault).map(String::as_str).collect();
        table.row(vec![
            Cell::styled(&plugin.name, Style::Strong),
            Cell::new(plugin.world.as_deref().unwrap_or("-")),
            Cell::styled(&plugin.state, style),
            Cell::new(counters.join(" ")),
            Cell::styled(trouble.join("; "), Style::Bad),
        ]);
    }
    Part::Table((!plugins.is_empty()).then_some(table))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use reap::core::ids::{Handle, PluginName};
    use reap::core::listing::Unknown;
    use reap::core::plan::PlanId;
    use reap::core::session::ProcessId;
    use reap::core::time::Span;
    use reap::view::{BackendStatus, HeldStatus};

    use super::*;
    use crate::cli::sample::pass;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn before(seconds: u64) -> Timestamp {
        NOW.minus(Span::from_secs(seconds))
    }

    fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    fn alone() -> Status {
        Status {
            version: "0.1.0".to_owned(),
            daemon: None,
            config: None,
            state: PathBuf::from("/home/me/.local/state/reap"),
            cycle: None,
            backends: Vec::new(),
            unknown: Vec::new(),
            plugins: Vec::new(),
            marks: MarkStatus::default(),
            held: Vec::new(),
            locks: 0,
            journal: None,
        }
    }

    fn with_everything() -> Status {
        let tmux = PluginName::new("tmux").expect("a name");
        let handle = |place: usize| pass().judged[place].subject.handle.clone();
        let due: Vec<Handle> = vec![handle(0)];
        Status {
            daemon: Some(DaemonStatus {
                process: ProcessId { pid: 7, started: 99 },
                since: before(7200),
                mode: "enforce".to_owned(),
                every: Span::from_secs(30),
                socket: PathBuf::from("/run/user/1000/reap/reap.sock"),
                listen: Some("127.0.0.1:7317".to_owned()),
            }),
            config: Some(PathBuf::from("/etc/\u{1b}[2Jreap.toml")),
            cycle: Some(CycleStatus {
                number: Some(12),
                at: before(5),
                cost: Some(Cost { observe: 70, reconcile: 0, vote: 3, decide: 9, act: 0 }),
                error: Some("no\nroom".to_owned()),
                skipped: 2,
            }),
            backends: vec![BackendStatus {
                name: tmux.clone(),
                records: counts(&[("live", 4), ("ended", 2)]),
                activity: counts(&[("running", 3), ("idle", 1)]),
            }],
            unknown: vec![Unknown { backend: tmux.clone(), instance: None, reason: "it\nfailed".to_owned() }],
            plugins: vec![PluginStatus {
                name: "tmux".to_owned(),
                world: Some("backend".to_owned()),
                state: "ready".to_owned(),
                reason: None,
                fault: Some("it\u{7}trapped".to_owned()),
                counters: counts(&[("calls", 3), ("traps", 0)]),
            }],
            marks: MarkStatus { set: 3, due, retries: [(handle(1), NOW.plus(Span::from_secs(60)))].into() },
            held: vec![HeldStatus {
                plan: PlanId::default(),
                backend: tmux,
                items: 24,
                since: before(3600),
                expires: NOW.plus(Span::from_secs(3600)),
                made_by: "cycle".to_owned(),
            }],
            locks: 1,
            journal: Some(JournalStatus {
                entries: 1234,
                entry_bytes: 5 << 20,
                passes: 77,
                pass_bytes: 1536,
                database_bytes: 3 << 30,
                head: "12:ab".to_owned(),
                open_intents: 1,
            }),
            ..alone()
        }
    }

    #[test]
    fn with_nothing_to_tell_it_is_short() {
        insta::assert_snapshot!(render(&alone(), NOW, false), @r"
        daemon         no daemon runs
        version        0.1.0
        configuration  none: everything has its default
        state          /home/me/.local/state/reap
        last cycle     none yet
        locks          0
        journal        none yet
        ");
    }

    #[test]
    fn everything_is_told() {
        insta::assert_snapshot!(render(&with_everything(), NOW, false), @r"
        daemon         pid 7 (start 99), for 2h, mode enforce: it ends what is due, every 30s
        socket         /run/user/1000/reap/reap.sock
        listens at     127.0.0.1:7317
        version        0.1.0
        configuration  /etc/\u{1b}[2Jreap.toml
        state          /home/me/.local/state/reap
        last cycle     number 12, 5s ago, took 82 ms (observe 70, vote 3, decide 9); 2 left out, because one took too long; with an error: no\nroom
        locks          1
        journal        1234 entries (5.0 MiB), 77 observations (1.5 KiB), 3.0 GiB on the disk; 1 begun and not settled

        Sessions on record
          BACKEND  LIVE  OF THESE           MISSING  STOPPED  ENDED
          tmux     4     3 running, 1 idle  0        0        2

        Not known
          tmux: it\nfailed

        Waiting for `reap approve`
          PLAN  BACKEND  WOULD END    SINCE   EXPIRES  MADE BY
                tmux     24 sessions  1h ago  in 1h    a cycle

        Marked as orphans
          3 marked, 1 of them due
          due: 5cbf9316
          e5586c37 could not be ended, and is tried again in 1m

        Plugins
          NAME  WORLD    STATE  COUNTERS  TROUBLE
          tmux  backend  ready  calls=3   it\u{7}trapped
        ");
    }

    #[test]
    fn sizes_are_rounded_down() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (1 << 20, "1.0 MiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ];
        for (count, text) in cases {
            assert_eq!(bytes(count), text);
        }
    }
}
