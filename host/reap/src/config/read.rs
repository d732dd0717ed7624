//! The tables of `reap.toml`, one function each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reap_core::guard::GuardRules;
use reap_core::ids::PluginName;
use reap_core::selector::Selector;
use reap_runtime::Limits;
use sha2::{Digest, Sha256};

use super::document::{Document, Entry, Section};
use super::error::{ConfigError, choices};
use super::{BackendConfig, Config, Mode, PolicyConfig, RawSetting, daemon, network, rules};

/// By which two readings of a file are compared.
fn digest(text: &str) -> String {
    use std::fmt::Write;
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // a String takes everything
        hex
    })
}

pub(super) fn config(text: &str, file: &Path) -> Result<Config, ConfigError> {
    let mut root = Document { file, text }.root()?;
    let guard = guard(root.section("guard")?)?;
    let records = rules::records(root.section("records")?)?;
    let (sweep, limit_lines) = rules::sweep(&mut root)?;
    let locks = rules::locks(root.section("locks")?)?;
    let keep = rules::keep(root.section("store")?)?;
    let daemon = daemon::read(root.section("daemon")?, file)?;
    let folders = folders(root.section("plugins")?, file)?;
    let backends =
        each_plugin(root.section("backends")?.rest(), |section, line| backend(section, line, file))?;
    let policies = each_plugin(root.section("policies")?.rest(), policy)?;
    root.finish()?;
    Ok(Config {
        file: Some(file.to_owned()),
        digest: Some(digest(text)),
        guard,
        records,
        lifetime: sweep.lifetime,
        sweep,
        limit_lines,
        locks,
        keep,
        daemon,
        folders,
        backends,
        policies,
    })
}

fn guard(mut section: Section<'_>) -> Result<GuardRules, ConfigError> {
    let mut rules = GuardRules::default();
    section.set("start_grace", &mut rules.start_grace, |entry| entry.span())?;
    section.set("active_within", &mut rules.active_within, |entry| entry.span())?;
    section.set("protect", &mut rules.protect, selectors)?;
    section.finish()?;
    Ok(rules)
}

pub(super) fn selectors(entry: Entry<'_>) -> Result<Vec<Selector>, ConfigError> {
    entry.texts()?.iter().map(selector).collect()
}

fn selector(entry: &Entry<'_>) -> Result<Selector, ConfigError> {
    Selector::parse_plain(entry.text()?).map_err(|error| entry.error(format!("bad selector\n{error}")))
}

fn folders(mut section: Section<'_>, file: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let entries = section.take("folders").map(Entry::texts).transpose()?.unwrap_or_default();
    section.finish()?;
    entries.iter().map(|entry| Ok(from_config(entry.text()?, file))).collect()
}

/// `~/` is the home folder; other relative paths start at the file's folder,
/// because the folder that Reap happens to be started in means nothing.
pub(super) fn from_config(path: &str, file: &Path) -> PathBuf {
    if let (Some(below), Some(home)) = (path.strip_prefix("~/"), std::env::home_dir()) {
        return home.join(below);
    }
    file.parent().unwrap_or(Path::new("")).join(path)
}

pub(super) fn each_plugin<'d, T>(
    tables: Vec<(String, Entry<'d>)>,
    read: impl Fn(Section<'d>, Option<usize>) -> Result<T, ConfigError>,
) -> Result<BTreeMap<PluginName, T>, ConfigError> {
    let mut all = BTreeMap::new();
    for (name, entry) in tables {
        let name = PluginName::new(name).map_err(|error| entry.error(error))?;
        let line = Some(entry.place().line());
        all.insert(name, read(entry.section()?, line)?);
    }
    Ok(all)
}

fn backend(mut section: Section<'_>, line: Option<usize>, file: &Path) -> Result<BackendConfig, ConfigError> {
    let enabled = section.take("enabled").map(|entry| entry.flag()).transpose()?.unwrap_or(true);
    let limits = limits(section.take("limits"), &Limits::for_backend())?;
    let network = network::read(&mut section, file)?;
    Ok(BackendConfig { enabled, limits, network, settings: settings(section)?, line })
}

fn policy(mut section: Section<'_>, line: Option<usize>) -> Result<PolicyConfig, ConfigError> {
    let mode = section
        .take("mode")
        .map(|entry| entry.mode(Mode::ALL, Mode::word))
        .transpose()?
        .unwrap_or(Mode::Active);
    let select = section.take("select").map(|entry| selector(&entry)).transpose()?;
    let limits = limits(section.take("limits"), &Limits::for_policy())?;
    Ok(PolicyConfig { mode, select, limits, settings: settings(section)?, line })
}

fn settings(section: Section<'_>) -> Result<Vec<RawSetting>, ConfigError> {
    section.rest().into_iter().map(|(name, entry)| entry.raw(name)).collect()
}

/// The defaults with the operator's numbers put over them.
fn limits(entry: Option<Entry<'_>>, defaults: &Limits) -> Result<Limits, ConfigError> {
    let Some(entry) = entry else { return Ok(defaults.clone()) };
    let names: Vec<&str> = defaults.table().into_iter().map(|(name, ..)| name).collect();
    let mut limits = defaults.clone();
    for (name, number) in entry.section()?.rest() {
        if !names.contains(&name.as_str()) {
            return Err(number.error(format!("there is no such limit; valid are {}", choices(names))));
        }
        // One at a time, so that an error is told at its own line.
        let one = toml::Table::from_iter([(name, toml::Value::Integer(number.number()?))]);
        limits = limits.overridden(&one).map_err(|error| number.error(error.message()))?;
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use reap_core::time::Span;

    use super::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        config(text, Path::new("/etc/reap.toml"))
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        let config = read("").expect("good");
        assert_eq!((config.guard, config.lifetime), (GuardRules::default(), Config::default().lifetime));
        assert!(config.folders.is_empty() && config.backends.is_empty() && config.policies.is_empty());
    }

    #[test]
    fn everything_can_be_said() {
        let config = read(
            r#"
            [guard]
            start_grace = "5m"
            active_within = "30s"
            protect = ["title:prod-*", "kind:cron label:team=x"]
            [plan]
            lifetime = "1h"
            [plugins]
            folders = ["plugins", "/opt/reap"]
            [backends.tmux]
            enabled = false
            sockets = ["/run/tmux"]
            [backends.tmux.limits]
            run_ms = 7
            [policies.idle-shell]
            mode = "shadow"
            select = "backend:tmux"
            after = "24h"
            limits = { memory_bytes = 0x100000 }
            "#,
        )
        .expect("good");
        assert_eq!(config.guard.start_grace, Span::from_secs(300));
        assert_eq!(config.guard.active_within, Span::from_secs(30));
        assert_eq!(config.guard.protect.len(), 2);
        assert_eq!(config.lifetime, Span::from_secs(3600));
        assert_eq!(config.folders, [Path::new("/etc/plugins"), Path::new("/opt/reap")]);
        let tmux = config.backend(&PluginName::new("tmux").expect("a name"));
        assert!(!tmux.enabled);
        assert_eq!(tmux.limits, Limits { run_ms: 7, ..Limits::for_backend() });
        assert_eq!((tmux.settings[0].name.as_str(), tmux.settings[0].line), ("sockets", Some(12)));
        let idle = config.policy(&PluginName::new("idle-shell").expect("a name"));
        assert_eq!((idle.mode, idle.settings.len()), (Mode::Shadow, 1));
        assert_eq!(idle.select, Some(Selector::parse("backend:tmux").expect("a selector")));
        assert_eq!(idle.limits, Limits { memory_bytes: 0x10_0000, ..Limits::for_policy() });
    }

    #[test]
    fn each_mistake_says_where_it_is_and_what_is_valid() {
        let cases = [
            (
                "\n[gaurd]",
                2,
                "unknown key `gaurd` here; valid keys are `guard`, `records`, `marks`, `limits`, `plan`, \
                 `retry`, `locks`, `store`, `daemon`, `plugins`, `backends`, `policies`",
            ),
            ("[guard]\nstart = 1\nx = 2", 2, "unknown key `start` in [guard]; valid keys are `start_grace`"),
            ("guard = 1", 1, "`guard`: expected a table [guard], found the number 1"),
            ("[guard]\nstart_grace = 3", 2, "`guard.start_grace`: expected a length of time such as \"30m\""),
            ("[guard]\nstart_grace = \"3\"", 2, "3 has no unit"),
            ("[guard]\nprotect = [\n\"title:a\",\n\"titel:b\"]", 4, "did you mean `title:b`?"),
            ("[guard]\nprotect = [\"orphaned\"]", 2, "`orphaned` cannot be used here"),
            ("[guard]\nprotect = [\"\"]", 2, "the selector is empty"),
            (
                "[guard]\nprotect = \"title:a\"",
                2,
                "expected a list of texts such as [\"a\", \"b\"], found the text",
            ),
            (
                "[plugins]\nfolders = [1]",
                2,
                "`plugins.folders`: expected a text in quotes, found the number 1",
            ),
            ("[backends.tmux]\nenabled = \"no\"", 2, "`backends.tmux.enabled`: expected true or false"),
            ("[backends]\ntmux = true", 2, "`backends.tmux`: expected a table [backends.tmux], found true"),
            ("[backends.Tmux]", 1, "\"Tmux\" is no plugin name: use lower-case letters"),
            ("[backends.tmux.limits]\nrun = 1", 2, "there is no such limit; valid are `run_ms`, `call_ms`"),
            (
                "[backends.tmux.limits]\nrun_ms = -1",
                2,
                "a whole number that is not negative, found the number -1",
            ),
            (
                "[backends.tmux.limits]\ncall_ms = 9\n\nrun_ms = 0",
                4,
                "`backends.tmux.limits.run_ms`: run_ms must be more than 0",
            ),
            ("[policies.x]\nlimits = {\ncall_ms = 9,\nrun_ms = 0 }", 4, "run_ms must be more than 0"),
            ("[policies.x]\nmode = \"on\"", 2, "\"on\" is no mode; valid are `active`, `shadow`, `off`"),
            (
                "[policies.x]\nafter = 2026-01-01",
                2,
                "expected a text, a number, true or false, or a list of texts",
            ),
            ("[policies.x]\nafter = { a = 1 }", 2, "`policies.x.after`: expected a text"),
            ("[guard]\n[guard]", 2, "duplicate key"),
            ("[guard", 1, "unclosed table"),
        ];
        for (text, line, words) in cases {
            let error = read(text).expect_err(text);
            assert_eq!(error.line, Some(line), "{text}: {error}");
            let shown = error.to_string();
            assert!(shown.starts_with(&format!("/etc/reap.toml, line {line}: ")), "{shown}");
            assert!(shown.contains(words), "{text}: {shown}");
        }
    }
}
