//! Numbers for Prometheus, under the conventional names.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use reap_core::session::Activity;

use super::error::ApiError;
use super::exposition::{Exposition, Kind};
use super::process::Usage;
use super::wire::VERSION;
use super::{Api, answer};
use crate::apply::EndCounts;
use crate::cycle::Cost;
use crate::view::{BackendStatus, JournalStatus, PluginStatus, Status};

/// How sessions on record stand.
const STANDINGS: [&str; 4] = ["live", "missing", "stopped", "ended"];

/// Everything that is told.
struct Facts {
    status: Status,
    cycles: u64,
    errors: u64,
    skipped: u64,
    spent: Cost,
    ends: EndCounts,
    /// When the daemon was started, in seconds since 1970.
    started: f64,
    usage: Option<Usage>,
}

pub(super) async fn show(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    let service = &api.service;
    let last = service.last();
    let facts = Facts {
        status: api.status().await?,
        cycles: last.number,
        errors: last.errors,
        skipped: last.skipped,
        spent: last.spent,
        ends: service.reap.ends(),
        started: seconds(service.since.millis()),
        usage: Usage::now().ok(), // without /proc the rest is still worth telling
    };
    let text = page(&facts);
    Ok(answer::of(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text.into_bytes()))
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

fn page(facts: &Facts) -> String {
    let mut page = Exposition::default();
    let status = &facts.status;
    let mode = status.daemon.as_ref().map_or("", |daemon| daemon.mode.as_str());
    let help = "The daemon's version and mode; always 1.";
    page.family("reap_build_info", Kind::Gauge, help).sample(&[("version", VERSION), ("mode", mode)], 1);
    cycles(&mut page, facts);
    backends(&mut page, &status.backends);
    page.one("reap_marks", Kind::Gauge, "Sessions that were voted orphans.", status.marks.set);
    page.one("reap_marks_due", Kind::Gauge, "Marked sessions that may be ended.", status.marks.due.len());
    let help = "Sessions whose end failed and is tried again.";
    page.one("reap_retries", Kind::Gauge, help, status.marks.retries.len());
    page.one("reap_held_plans", Kind::Gauge, "Plans that wait for the operator.", status.held.len());
    page.one("reap_locks", Kind::Gauge, "Locked directories.", status.locks);
    let mut ends =
        page.family("reap_ends_total", Kind::Counter, "Sessions that were to be ended, by outcome.");
    let counts = facts.ends;
    for (outcome, count) in [("ended", counts.ended), ("skipped", counts.skipped), ("failed", counts.failed)]
    {
        ends.sample(&[("outcome", outcome)], count);
    }
    plugins(&mut page, &status.plugins);
    if let Some(journal) = &status.journal {
        kept(&mut page, journal);
    }
    process(&mut page, facts);
    page.finish()
}

fn cycles(page: &mut Exposition, facts: &Facts) {
    page.one("reap_cycles_total", Kind::Counter, "Cycles that were run.", facts.cycles);
    page.one("reap_cycle_errors_total", Kind::Counter, "Cycles that came to nothing.", facts.errors);
    let help = "Cycles that were left out because the one before took too long.";
    page.one("reap_cycles_skipped_total", Kind::Counter, help, facts.skipped);
    let help = "The time that the parts of the cycles took.";
    let mut durations = page.family("reap_cycle_duration_seconds", Kind::Summary, help);
    for (part, spent) in parts(&facts.spent) {
        durations.part("_sum", &[("part", part)], seconds(spent));
        durations.part("_count", &[("part", part)], facts.cycles.saturating_sub(facts.errors));
    }
    let Some(cycle) = &facts.status.cycle else { return };
    let help = "When the last cycle began, in seconds since 1970.";
    page.one("reap_last_cycle_timestamp_seconds", Kind::Gauge, help, seconds(cycle.at.millis()));
    if let Some(cost) = &cycle.cost {
        let help = "The time that the parts of the last cycle took.";
        let mut durations = page.family("reap_last_cycle_duration_seconds", Kind::Gauge, help);
        for (part, spent) in parts(cost) {
            durations.sample(&[("part", part)], seconds(spent));
        }
    }
}

fn parts(cost: &Cost) -> [(&'static str, u64); 5] {
    let Cost { observe, reconcile, vote, decide, act } = *cost;
    [("observe", observe), ("reconcile", reconcile), ("vote", vote), ("decide", decide), ("act", act)]
}

fn backends(page: &mut Exposition, backends: &[BackendStatus]) {
    let mut sessions = page.family("reap_sessions", Kind::Gauge, "Live sessions by what they do.");
    for backend in backends {
        for activity in Activity::ALL.map(Activity::word) {
            let count = backend.activity.get(activity).copied().unwrap_or(0);
            sessions.sample(&[("backend", backend.name.as_str()), ("activity", activity)], count);
        }
    }
    let mut records = page.family("reap_records", Kind::Gauge, "Sessions on record by how they stand.");
    for backend in backends {
        for standing in STANDINGS {
            let count = backend.records.get(standing).copied().unwrap_or(0);
            records.sample(&[("backend", backend.name.as_str()), ("standing", standing)], count);
        }
    }
}

/// The counters of plugins that are no plain counters: their name here, what
/// their value is divided by, and what they mean.
const PEAKS: [(&str, &str, f64, &str); 2] = [
    ("memory_peak", "reap_plugin_memory_peak_bytes", 1.0, "The most linear memory that a call held."),
    ("longest_call_ms", "reap_plugin_longest_call_seconds", 1000.0, "The longest call."),
];

fn plugins(page: &mut Exposition, plugins: &[PluginStatus]) {
    let help = "The state of each plugin: 1 for ready, 0 for any other.";
    let mut up = page.family("reap_plugin_up", Kind::Gauge, help);
    for plugin in plugins {
        let world = plugin.world.as_deref().unwrap_or("");
        let labels = [("plugin", plugin.name.as_str()), ("world", world), ("state", plugin.state.as_str())];
        up.sample(&labels, u8::from(plugin.state == "ready"));
    }
    let mut names: Vec<&str> =
        plugins.iter().flat_map(|plugin| plugin.counters.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let peak = PEAKS.iter().find(|(counter, ..)| *counter == name);
        let plain = format!("reap_plugin_{name}_total");
        let help = format!("The counter `{name}` of each plugin since it was loaded.");
        let mut family = match peak {
            Some((_, metric, _, help)) => page.family(metric, Kind::Gauge, help),
            None => page.family(&plain, Kind::Counter, &help),
        };
        for plugin in plugins {
            let Some(value) = plugin.counters.get(name) else { continue };
            let labels = [("plugin", plugin.name.as_str())];
            match peak {
                Some((.., unit, _)) => family.sample(&labels, *value as f64 / unit),
                None => family.sample(&labels, value),
            }
        }
    }
}

fn kept(page: &mut Exposition, journal: &JournalStatus) {
    page.one("reap_journal_entries", Kind::Gauge, "Entries of the journal.", journal.entries);
    page.one("reap_journal_bytes", Kind::Gauge, "What the entries say, in bytes.", journal.entry_bytes);
    page.one("reap_journal_open_intents", Kind::Gauge, "Intents without outcome.", journal.open_intents);
    page.one("reap_observations", Kind::Gauge, "Observations that are kept.", journal.passes);
    page.one("reap_observation_bytes", Kind::Gauge, "What they hold, in bytes.", journal.pass_bytes);
    page.one("reap_database_bytes", Kind::Gauge, "The whole database.", journal.database_bytes);
}

fn process(page: &mut Exposition, facts: &Facts) {
    let help = "When the daemon was started, in seconds since 1970.";
    page.one("process_start_time_seconds", Kind::Gauge, help, facts.started);
    let Some(usage) = &facts.usage else { return };
    page.one("process_cpu_seconds_total", Kind::Counter, "Processor time.", usage.cpu);
    page.one("process_resident_memory_bytes", Kind::Gauge, "Memory that is really there.", usage.resident);
    page.one("process_virtual_memory_bytes", Kind::Gauge, "Memory that has addresses.", usage.addressed);
    page.one("process_open_fds", Kind::Gauge, "Open files, sockets and the like.", usage.open);
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::json;

    use super::*;

    fn facts() -> Facts {
        let cost = json!({ "observe": 12, "reconcile": 1, "vote": 3, "decide": 4, "act": 0 });
        let status = json!({
            "version": VERSION,
            "daemon": {
                "process": { "pid": 7, "started": 9 }, "since": 1_700_000_000_500_u64, "mode": "observe",
                "every": 30_000, "socket": "/run/reap.sock", "listen": null
            },
            "config": null, "state": "/state",
            "cycle": { "number": 3, "at": 1_700_000_060_000_u64, "cost": cost, "error": null, "skipped": 1 },
            "backends": [{ "name": "tmux", "records": { "live": 2, "stopped": 1 }, "activity": { "idle": 2 } }],
            "unknown": [],
            "plugins": [
                {
                    "name": "tmux", "world": "backend", "state": "ready", "reason": null, "fault": null,
                    "counters": { "calls": 6, "longest_call_ms": 1250, "memory_peak": 65536 }
                },
                { "name": "odd", "world": null, "state": "failed", "reason": "x", "fault": null, "counters": {} }
            ],
            "marks": { "set": 2, "due": [], "retries": {} }, "held": [], "locks": 4,
            "journal": {
                "entries": 10, "entry_bytes": 2000, "passes": 3, "pass_bytes": 999, "database_bytes": 8192,
                "head": "0:00", "open_intents": 0
            }
        });
        Facts {
            status: serde_json::from_value(status).expect("a status"),
            cycles: 3,
            errors: 1,
            skipped: 1,
            spent: Cost { observe: 30, reconcile: 2, vote: 6, decide: 8, act: 2500 },
            ends: EndCounts { ended: 5, skipped: 1, failed: 2 },
            started: 1_700_000_000.5,
            usage: Some(Usage { cpu: 0.42, resident: 1 << 20, addressed: 1 << 30, open: 12 }),
        }
    }

    #[test]
    fn the_numbers_are_the_ones_of_the_status() {
        let page = page(&facts());
        let expected = [
            "reap_build_info{version=\"0.1.0\",mode=\"observe\"} 1",
            "reap_cycles_total 3",
            "reap_cycle_errors_total 1",
            "reap_cycles_skipped_total 1",
            "reap_cycle_duration_seconds_sum{part=\"act\"} 2.5",
            "reap_cycle_duration_seconds_count{part=\"act\"} 2",
            "reap_last_cycle_duration_seconds{part=\"observe\"} 0.012",
            "reap_sessions{backend=\"tmux\",activity=\"idle\"} 2",
            "reap_sessions{backend=\"tmux\",activity=\"running\"} 0",
            "reap_records{backend=\"tmux\",standing=\"stopped\"} 1",
            "reap_marks 2",
            "reap_locks 4",
            "reap_ends_total{outcome=\"failed\"} 2",
            "reap_plugin_up{plugin=\"odd\",world=\"\",state=\"failed\"} 0",
            "reap_plugin_calls_total{plugin=\"tmux\"} 6",
            "reap_plugin_longest_call_seconds{plugin=\"tmux\"} 1.25",
            "reap_plugin_memory_peak_bytes{plugin=\"tmux\"} 65536",
            "reap_journal_entries 10",
            "reap_journal_bytes 2000",
            "process_start_time_seconds 1700000000.5",
            "process_resident_memory_bytes 1048576",
        ];
        let lines: BTreeSet<&str> = page.lines().collect();
        for line in expected {
            assert!(lines.contains(line), "no {line} in\n{page}");
        }
    }

    /// As the format wants it: a family in one piece, its help and type before
    /// it, nothing twice, and names that say what they are.
    #[test]
    fn the_page_is_well_formed() {
        let page = page(&facts());
        assert!(page.ends_with('\n'));
        let (mut types, mut seen, mut current) = (BTreeMap::new(), BTreeSet::new(), "");
        for line in page.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, text) = help.split_once(' ').expect("a name and a text");
                assert!(!text.is_empty() && types.insert(name, "").is_none(), "{name} comes twice");
                current = name;
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name and a type");
                assert_eq!(name, current, "help and type belong together");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
                types.insert(name, kind);
            } else {
                let (series, value) = line.rsplit_once(' ').expect("a series and a value");
                let name = series.split('{').next().unwrap_or_default();
                let family = match types[current] {
                    "summary" => name.strip_suffix("_sum").or_else(|| name.strip_suffix("_count")),
                    _ => Some(name),
                };
                assert_eq!(family, Some(current), "{line}");
                assert!(value.parse::<f64>().is_ok() && seen.insert(series.to_owned()), "{line}");
            }
        }
    }
}
