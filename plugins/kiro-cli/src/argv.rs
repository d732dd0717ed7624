//! Which processes are kiro-cli's, by their arguments.
//!
//! The words are compared whole and at their place. A reaper that looked for
//! "goose" anywhere in a command line ended "mongoose"; kiro-cli's desktop
//! companion is `kiro_cli_desktop`, and none of it. The kernel's short name says
//! nothing: that of the third engine is `node`.

/// What a process does in a kiro-cli runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// `launcher --session-id ID`, of sandboxed installations.
    Launcher,
    /// `kiro-cli`: starts the next one, waits for it, and forwards no signal.
    Wrapper,
    /// `kiro-cli-chat chat`: starts the program that draws.
    Chat,
    /// `bun .../kiro-cli/tui.js`: draws.
    Terminal,
    /// `kiro-cli-chat acp`: holds the sessions and their locks.
    Backend,
    /// `kiro-cli-chat chat --no-interactive`: one run, which writes no session.
    Headless,
    /// `node .../acp-server.js`: the third engine.
    Server,
}

impl Role {
    /// Whether it does the work, and does not just start and wait for another.
    pub fn works(self) -> bool {
        matches!(self, Self::Backend | Self::Headless | Self::Server)
    }
}

const TERMINAL_SCRIPT: &str = "kiro-cli/tui.js";
const SERVER_SCRIPT: &str = "@kiro/agent/dist/server/acp-server.js";
const WITHOUT_TERMINAL: &str = "--no-interactive";

/// The role of the process with these arguments, where it is one of kiro-cli's.
pub fn role(argv: &[String]) -> Option<Role> {
    let word = |at: usize| argv.get(at).map(String::as_str).unwrap_or_default();
    match file_name(word(0)) {
        "kiro-cli" => Some(Role::Wrapper),
        "kiro-cli-chat" if word(1) == "acp" => Some(Role::Backend),
        "kiro-cli-chat" if argv.iter().any(|word| word == WITHOUT_TERMINAL) => Some(Role::Headless),
        "kiro-cli-chat" => Some(Role::Chat),
        "launcher" if word(1) == "--session-id" && is_id(word(2)) => Some(Role::Launcher),
        "bun" if has_tail(word(1), TERMINAL_SCRIPT) => Some(Role::Terminal),
        "node" if has_tail(word(1), SERVER_SCRIPT) => Some(Role::Server),
        _ => None,
    }
}

/// The session that the arguments of one of kiro-cli's processes name.
pub fn named_session(argv: &[String]) -> Option<&str> {
    let option = argv.iter().position(|word| word == "--session-id" || word == "--resume-id")?;
    argv.get(option + 1).map(String::as_str).filter(|id| is_id(id))
}

/// Whether a process that takes over orphans for a living has these arguments.
pub fn is_reaper(argv: &[String]) -> bool {
    const REAPERS: [&str; 9] = [
        "init",
        "tini",
        "dumb-init",
        "docker-init",
        "catatonit",
        "s6-svscan",
        "runsvdir",
        "containerd-shim",
        "containerd-shim-runc-v2",
    ];
    let name = argv.first().map(|word| file_name(word)).unwrap_or_default();
    name == "systemd" || REAPERS.contains(&name)
}

/// The last part of a path.
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn has_tail(path: &str, tail: &str) -> bool {
    path.strip_suffix(tail).is_some_and(|folder| folder.is_empty() || folder.ends_with('/'))
}

/// The form of the ids that kiro-cli gives: 32 hex digits in five groups.
fn is_id(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    const ID: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";

    fn argv(line: &str) -> Vec<String> {
        line.replace("ID", ID).split(' ').map(str::to_owned).collect()
    }

    const OURS: [(&str, Role); 12] = [
        ("kiro-cli acp", Role::Wrapper),
        ("/home/u/.local/bin/kiro-cli", Role::Wrapper),
        ("kiro-cli-chat acp", Role::Backend),
        ("/opt/kiro/kiro-cli-chat acp --agent x", Role::Backend),
        ("kiro-cli-chat chat", Role::Chat),
        ("kiro-cli-chat", Role::Chat),
        ("kiro-cli-chat chat --no-interactive hello", Role::Headless),
        ("launcher --session-id ID", Role::Launcher),
        ("/usr/bin/launcher --session-id ID more", Role::Launcher),
        ("bun /home/u/.local/share/kiro-cli/tui.js chat", Role::Terminal),
        ("/opt/bun kiro-cli/tui.js", Role::Terminal),
        ("node /x/node_modules/@kiro/agent/dist/server/acp-server.js --transport=stdio", Role::Server),
    ];

    const OTHERS: [&str; 14] = [
        "kiro_cli_desktop",
        "/usr/bin/kiro_cli_desktop --no-dashboard",
        "mykiro-cli acp",
        "kiro-cli-mcp",
        "vim kiro-cli",
        "bash -c kiro-cli acp",
        "node kiro-cli-chat acp",
        "node --inspect /x/@kiro/agent/dist/server/acp-server.js",
        "node /x/my@kiro/agent/dist/server/acp-server.js",
        "bun run /x/kiro-cli/tui.js",
        "bun /x/notkiro-cli/tui.js",
        "launcher --session-id x",
        "launcher -v --session-id ID",
        "grep -r kiro-cli/tui.js",
    ];

    #[test]
    fn words_count_whole_and_at_their_place() {
        for (line, expected) in OURS {
            assert_eq!(role(&argv(line)), Some(expected), "{line}");
        }
        for line in OTHERS {
            assert_eq!(role(&argv(line)), None, "{line}");
        }
        assert_eq!(role(&[]), None);
    }

    /// What the host would end must be what is listed here, and no more.
    #[test]
    fn the_manifest_says_the_same() {
        let manifest: toml::Table = include_str!("../kiro-cli.toml").parse().expect("TOML");
        let programs = manifest["asks"]["ending"]["signals"]["programs"].as_array().expect("a list").clone();
        let programs: Vec<Vec<Regex>> = programs
            .iter()
            .map(|words| {
                let words = words.as_array().expect("a list of words");
                let whole = |word: &toml::Value| format!("^(?:{})$", word.as_str().expect("a text"));
                words.iter().map(|word| Regex::new(&whole(word)).expect("a pattern")).collect()
            })
            .collect();
        let ended = |argv: &[String]| {
            programs.iter().any(|words| {
                argv.len() >= words.len() && words.iter().zip(argv).all(|(word, text)| word.is_match(text))
            })
        };
        for (line, _) in OURS {
            assert!(ended(&argv(line)), "{line}");
        }
        for line in OTHERS {
            assert!(!ended(&argv(line)), "{line}");
        }
    }

    #[test]
    fn sessions_that_are_named() {
        let cases = [
            ("launcher --session-id ID", Some(ID)),
            ("kiro-cli chat --resume-id ID --agent x", Some(ID)),
            ("kiro-cli chat --resume", None),
            ("kiro-cli chat --resume-id nonsense", None),
            ("kiro-cli chat --resume-id", None),
        ];
        for (line, id) in cases {
            assert_eq!(named_session(&argv(line)), id, "{line}");
        }
    }

    #[test]
    fn reapers() {
        for (line, reaper) in [
            ("/lib/systemd/systemd --user", true),
            ("/sbin/init", true),
            ("tini -- node x", true),
            ("node gateway.js", false),
            ("bash", false),
        ] {
            assert_eq!(is_reaper(&argv(line)), reaper, "{line}");
        }
    }
}
