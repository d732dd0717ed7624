//! The tables that set the rules of the core and of the store: when a session is
//! gone, when an orphan is due, how much is ended at once, and how long what is
//! known is kept.
//!
//! A number or a length of time that would quietly take a protection away is
//! refused here; where none is a sensible choice, `docs/configuration.md` says so.

use std::collections::BTreeMap;

use reap_core::backoff::BackoffRules;
use reap_core::ids::PluginName;
use reap_core::limits::Limits;
use reap_core::locks::LockRules;
use reap_core::marks::MarkRules;
use reap_core::reconcile::RecordRules;
use reap_core::sweep::SweepRules;
use reap_core::time::Span;
use reap_store::retention;

use super::document::{Entry, Section};
use super::error::ConfigError;
use super::read::{each_plugin, selectors};

/// More makes no sense for anything that is counted here.
const MOST: i64 = 1_000_000;

/// Where the table of each begins.
type Lines = BTreeMap<PluginName, Option<usize>>;

const SECOND: Span = Span::from_secs(1);
const MINUTE: Span = Span::from_secs(60);
const HOUR: Span = Span::from_secs(3600);

pub(super) fn records(mut section: Section<'_>) -> Result<RecordRules, ConfigError> {
    let mut rules = RecordRules::default();
    section.set("confirmations", &mut rules.confirmations, |entry| entry.number_in(1..=MOST))?;
    section.set("unlisted_confirmations", &mut rules.unlisted_confirmations, |entry| {
        entry.number_in(1..=MOST)
    })?;
    section.set("spacing", &mut rules.spacing, |entry| entry.span())?;
    section.set("retention", &mut rules.retention, |entry| entry.span_from(SECOND))?;
    // With none, the jitter of a clock would be a jump; with a day, a jump of a
    // day would be none, and everything a day older.
    section.set("clock_tolerance", &mut rules.clock_tolerance, |entry| entry.span_in(SECOND..=HOUR))?;
    section.finish()?;
    Ok(rules)
}

/// Reads all that a sweep goes by, which is in several tables, and where those
/// of single backends begin.
pub(super) fn sweep(root: &mut Section<'_>) -> Result<(SweepRules, Lines), ConfigError> {
    let marks = marks(root.section("marks")?)?;
    let (limits, limits_of, lines) = limits(root.section("limits")?)?;
    let mut rules = SweepRules { marks, limits, limits_of, ..SweepRules::default() };
    plan(root.section("plan")?, &mut rules)?;
    rules.backoff = retry(root.section("retry")?)?;
    Ok((rules, lines))
}

fn marks(mut section: Section<'_>) -> Result<MarkRules, ConfigError> {
    let mut rules = MarkRules::default();
    section.set("times", &mut rules.times, |entry| entry.number_in(1..=MOST))?;
    section.set("grace", &mut rules.grace, |entry| entry.span())?;
    // With none, no time would ever count and nothing would become due.
    section.set("longest_gap", &mut rules.longest_gap, |entry| entry.span_from(SECOND))?;
    section.finish()?;
    Ok(rules)
}

/// The limits of all backends, and those of single ones, which start from them.
fn limits(mut section: Section<'_>) -> Result<(Limits, BTreeMap<PluginName, Limits>, Lines), ConfigError> {
    let all = numbers(&mut section, Limits::default())?;
    let tables = section.tables("; a table such as [limits.tmux] sets those of one backend")?;
    let of = each_plugin(tables, |mut section, line| {
        let own = numbers(&mut section, all)?;
        section.finish()?;
        Ok((own, line))
    })?;
    let lines = of.iter().map(|(name, (_, line))| (name.clone(), *line)).collect();
    Ok((all, of.into_iter().map(|(name, (limits, _))| (name, limits)).collect(), lines))
}

fn numbers(section: &mut Section<'_>, mut limits: Limits) -> Result<Limits, ConfigError> {
    section.set("per_cycle", &mut limits.per_cycle, |entry| entry.number_in(1..=MOST))?;
    section.set("percent", &mut limits.percent, |entry| entry.number_in(1..=100))?;
    section.set("floor", &mut limits.floor, |entry| entry.number_in(0..=MOST))?;
    Ok(limits)
}

fn plan(mut section: Section<'_>, rules: &mut SweepRules) -> Result<(), ConfigError> {
    section.set("lifetime", &mut rules.lifetime, |entry| entry.span())?;
    // Shorter, and nobody could approve it before it is gone.
    section.set("hold", &mut rules.hold, |entry| entry.span_from(MINUTE))?;
    section.finish()
}

fn retry(mut section: Section<'_>) -> Result<BackoffRules, ConfigError> {
    let mut rules = BackoffRules::default();
    let (first, longest) = (section.take("first"), section.take("longest"));
    section.finish()?;
    if let Some(first) = &first {
        rules.first = first.span_from(SECOND)?;
    }
    if let Some(longest) = &longest {
        rules.longest = longest.span_from(SECOND)?;
    }
    match longest.or(first) {
        Some(entry) if rules.longest < rules.first => Err(entry.error(format!(
            "the longest pause must be at least the first one; `first` is {}, and `longest` is {}",
            rules.first.exact(),
            rules.longest.exact()
        ))),
        _ => Ok(rules),
    }
}

pub(super) fn locks(mut section: Section<'_>) -> Result<LockRules, ConfigError> {
    let mut rules = LockRules::default();
    section.set("automatic", &mut rules.automatic, selectors)?;
    section.finish()?;
    Ok(rules)
}

/// How much the store keeps.
pub(super) fn keep(mut section: Section<'_>) -> Result<retention::Limits, ConfigError> {
    let mut keep = retention::Limits::default();
    // A slip of the unit, `30s` for `30d`, must not empty what months have filled.
    section.set("journal_age", &mut keep.journal_age, |entry| entry.span_from(HOUR))?;
    section.set("journal_mib", &mut keep.journal_bytes, mebibytes)?;
    section.set("observation_age", &mut keep.observation_age, |entry| entry.span_from(HOUR))?;
    section.set("observation_mib", &mut keep.observation_bytes, mebibytes)?;
    section.set("tombstone_age", &mut keep.tombstone_age, |entry| entry.span_from(HOUR))?;
    section.finish()?;
    Ok(keep)
}

/// Bytes, written as mebibytes.
fn mebibytes(entry: Entry<'_>) -> Result<u64, ConfigError> {
    Ok(entry.number_in::<u64>(1..=MOST)? << 20)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use reap_core::selector::Selector;

    use super::*;
    use crate::Config;

    fn read(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("/etc/reap.toml"))
    }

    fn backend(name: &str) -> PluginName {
        PluginName::new(name).expect("a name")
    }

    #[test]
    fn everything_can_be_said() {
        let config = read(
            r#"
            records = { confirmations = 1, unlisted_confirmations = 3, spacing = "0s", retention = "2h", clock_tolerance = "1h" }
            marks = { times = 5, grace = "0s", longest_gap = "1m" }
            limits = { per_cycle = 7, percent = 100, floor = 0 }
            plan = { lifetime = "1h", hold = "7d" }
            retry = { first = "2m", longest = "2m" }
            locks = { automatic = ["backend:tmux", "cwd:/srv/*"] }
            [store]
            journal_age = "1h"
            journal_mib = 1
            observation_age = "2h"
            observation_mib = 2
            tombstone_age = "3h"
            "#,
        )
        .expect("good");
        let secs = Span::from_secs;
        let records = RecordRules {
            confirmations: 1,
            unlisted_confirmations: 3,
            spacing: secs(0),
            retention: secs(7200),
            clock_tolerance: secs(3600),
        };
        let sweep = SweepRules {
            marks: MarkRules { times: 5, grace: secs(0), longest_gap: secs(60) },
            limits: Limits { per_cycle: 7, percent: 100, floor: 0 },
            limits_of: BTreeMap::new(),
            backoff: BackoffRules { first: secs(120), longest: secs(120) },
            lifetime: secs(3600),
            hold: secs(7 * 24 * 3600),
        };
        let keep = retention::Limits {
            journal_age: secs(3600),
            journal_bytes: 1 << 20,
            observation_age: secs(7200),
            observation_bytes: 2 << 20,
            tombstone_age: secs(3 * 3600),
            ..retention::Limits::default()
        };
        assert_eq!((config.records, config.sweep, config.keep), (records, sweep, keep));
        assert_eq!(config.lifetime, secs(3600));
        let automatic = ["backend:tmux", "cwd:/srv/*"].map(|text| Selector::parse(text).expect("a selector"));
        assert_eq!(config.locks, LockRules { automatic: automatic.to_vec() });
    }

    #[test]
    fn a_backend_starts_from_the_limits_of_all() {
        let text =
            "[limits.tmux]\nper_cycle = 3\n[limits]\nfloor = 1\n[limits.openclaw]\npercent = 5\nfloor = 2\n";
        let sweep = read(text).expect("good").sweep;
        let all = Limits { floor: 1, ..Limits::default() };
        let cases = [
            ("tmux", Limits { per_cycle: 3, ..all }),
            ("openclaw", Limits { percent: 5, floor: 2, ..all }),
            ("kiro-cli", all),
        ];
        for (name, limits) in cases {
            assert_eq!(*sweep.limits_for(&backend(name)), limits, "{name}");
        }
    }

    #[test]
    fn each_mistake_says_where_it_is_and_what_is_valid() {
        let cases = [
            (
                "[records]\nconfirmation = 1",
                2,
                "valid keys are `confirmations`, `unlisted_confirmations`, `spacing`",
            ),
            (
                "[records]\nconfirmations = 0",
                2,
                "`records.confirmations`: expected a whole number from 1 to 1000000",
            ),
            ("[records]\nconfirmations = 5000000000", 2, "found the number 5000000000"),
            (
                "[records]\n\nunlisted_confirmations = -1",
                3,
                "expected a whole number from 1 to 1000000, found the number -1",
            ),
            ("[records]\nspacing = 10", 2, "`records.spacing`: expected a length of time such as \"30m\""),
            (
                "[records]\nretention = \"0s\"",
                2,
                "`records.retention`: expected a length of time of 1s or more, found the text \"0s\"",
            ),
            (
                "[records]\nclock_tolerance = \"0s\"",
                2,
                "`records.clock_tolerance`: expected a length of time from 1s to 1h",
            ),
            (
                "[records]\nclock_tolerance = \"1d\"",
                2,
                "expected a length of time from 1s to 1h, found the text \"1d\"",
            ),
            ("[marks]\ntimes = 0", 2, "`marks.times`: expected a whole number from 1 to 1000000"),
            ("[marks]\ntimes = \"2\"", 2, "expected a whole number from 1 to 1000000, found the text \"2\""),
            ("[marks]\ngrase = \"1m\"", 2, "valid keys are `times`, `grace`, `longest_gap`"),
            (
                "[marks]\nlongest_gap = \"0s\"",
                2,
                "`marks.longest_gap`: expected a length of time of 1s or more",
            ),
            ("[limits]\nper_cycle = 0", 2, "`limits.per_cycle`: expected a whole number from 1 to 1000000"),
            (
                "[limits]\npercent = 0",
                2,
                "`limits.percent`: expected a whole number from 1 to 100, found the number 0",
            ),
            ("[limits]\npercent = 101", 2, "expected a whole number from 1 to 100"),
            ("[limits]\nfloor = -1", 2, "`limits.floor`: expected a whole number from 0 to 1000000"),
            ("[limits]\nfloor = 0.5", 2, "expected a whole number from 0 to 1000000, found the number 0.5"),
            (
                "[limits.tmux]\n[limits]\npercents = 3",
                3,
                "unknown key `percents` in [limits]; valid keys are `per_cycle`, `percent`, `floor`; a table such as [limits.tmux]",
            ),
            ("[limits]\ntmux = 3", 2, "unknown key `tmux` in [limits]"),
            (
                "[limits.tmux]\n\npercent = 0",
                3,
                "`limits.tmux.percent`: expected a whole number from 1 to 100",
            ),
            (
                "[limits.tmux]\npercents = 0",
                2,
                "unknown key `percents` in [limits.tmux]; valid keys are `per_cycle`",
            ),
            ("\n[limits.Tmux]", 2, "`limits.Tmux`: \"Tmux\" is no plugin name: use lower-case letters"),
            ("[plan]\nholds = \"1m\"", 2, "unknown key `holds` in [plan]; valid keys are `lifetime`, `hold`"),
            ("[plan]\nhold = \"0s\"", 2, "`plan.hold`: expected a length of time of 1m or more"),
            ("[retry]\nfirst = \"0s\"", 2, "`retry.first`: expected a length of time of 1s or more"),
            (
                "[retry]\n\nfirst = \"7h\"",
                3,
                "`retry.first`: the longest pause must be at least the first one; `first` is 7h, and `longest` is 6h",
            ),
            (
                "[retry]\nlongest = \"59s\"",
                2,
                "`retry.longest`: the longest pause must be at least the first one; `first` is 1m, and `longest` is 59s",
            ),
            ("[retry]\nlongest = \"1m\"\nfirst = \"2m\"", 2, "`first` is 2m, and `longest` is 1m"),
            ("[retry]\nlast = \"1m\"", 2, "valid keys are `first`, `longest`"),
            ("[locks]\nautomatic = [\n\"titel:b\"]", 3, "did you mean `title:b`?"),
            ("[locks]\nautomatic = [\"orphaned\"]", 2, "`orphaned` cannot be used here"),
            ("[locks]\nautomatic = true", 2, "expected a list of texts"),
            ("[locks]\nauto = []", 2, "unknown key `auto` in [locks]; valid keys are `automatic`"),
            ("[store]\njournal_mib = 0", 2, "`store.journal_mib`: expected a whole number from 1 to 1000000"),
            (
                "[store]\nobservation_mib = 0",
                2,
                "`store.observation_mib`: expected a whole number from 1 to 1000000",
            ),
            (
                "[store]\njournal_age = \"30s\"",
                2,
                "`store.journal_age`: expected a length of time of 1h or more",
            ),
            (
                "[store]\nobservation_age = \"0s\"",
                2,
                "`store.observation_age`: expected a length of time of 1h or more",
            ),
            (
                "[store]\ntombstone_age = \"59m\"",
                2,
                "`store.tombstone_age`: expected a length of time of 1h or more",
            ),
            (
                "[store]\njournal = 1",
                2,
                "valid keys are `journal_age`, `journal_mib`, `observation_age`, `observation_mib`, `tombstone_age`",
            ),
        ];
        for (text, line, words) in cases {
            let error = read(text).expect_err(text);
            assert_eq!(error.line, Some(line), "{text}: {error}");
            assert!(error.message.contains(words), "{text}: {error}");
        }
    }
}
