//! What is never ended, whatever anybody votes.

use crate::row::Row;

/// What the gateway takes a session for that is people's, or its own.
const CLASSES: [(&str, &str); 13] = [
    ("main", "an agent's main session"),
    ("global", "the gateway's own"),
    ("direct", "a person's chat"),
    ("group", "a group's chat"),
    ("channel", "a channel's chat"),
    ("thread", "a thread of a chat"),
    ("dashboard", "a person's chat on the dashboard"),
    ("tui", "a person's chat in a terminal"),
    ("voice", "a person's voice chat"),
    ("node", "a node's own"),
    ("harness", "a harness keeps it"),
    ("system", "the gateway's own"),
    ("heartbeat", "an agent's heartbeat"),
];

/// Why it must never be ended, where that is so.
pub fn reason(row: &Row) -> Option<String> {
    let class = row.classification.as_deref().unwrap_or_default();
    let said = |flag: Option<bool>| flag == Some(true);
    let known = CLASSES.iter().find(|(name, _)| *name == class).map(|(_, why)| *why);
    let why = match () {
        () if said(row.is_main) => "an agent's main session",
        () if matches!(row.key.as_str(), "global" | "unknown") => "the gateway's own",
        () if said(row.pinned) => "somebody pinned it",
        () if said(row.model_selection_locked) => "the gateway lets nobody change it",
        () if row.created_via.as_deref() == Some("channel") => "a chat made it",
        () if class.is_empty() => "the gateway does not say what it is",
        () if row.session_id.is_none() => "the gateway does not say which session it is",
        () => return known.map(str::to_owned),
    };
    Some(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(class: &str) -> Row {
        Row {
            key: format!("agent:main:{class}:x"),
            classification: Some(class.to_owned()),
            session_id: Some("s".to_owned()),
            ..Row::default()
        }
    }

    #[test]
    fn people_and_the_gateway_keep_theirs() {
        for class in [
            "main",
            "global",
            "direct",
            "group",
            "channel",
            "thread",
            "dashboard",
            "tui",
            "voice",
            "node",
            "harness",
            "system",
            "heartbeat",
        ] {
            assert!(reason(&row(class)).is_some(), "{class}");
        }
        for class in ["cron", "subagent", "acp", "hook", "custom", "explicit", "dreaming"] {
            assert_eq!(reason(&row(class)), None, "{class}");
        }
        type Change = fn(&mut Row);
        let odd: [(&str, Change); 8] = [
            ("main", |row| row.is_main = Some(true)),
            ("pinned", |row| row.pinned = Some(true)),
            ("locked", |row| row.model_selection_locked = Some(true)),
            ("a chat made it", |row| row.created_via = Some("channel".to_owned())),
            ("global", |row| row.key = "global".to_owned()),
            ("unknown", |row| row.key = "unknown".to_owned()),
            ("no class", |row| row.classification = None),
            ("no id", |row| row.session_id = None),
        ];
        for (what, change) in odd {
            let mut row = row("cron");
            change(&mut row);
            assert!(reason(&row).is_some(), "{what}");
        }
    }
}
