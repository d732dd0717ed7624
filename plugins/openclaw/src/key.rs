//! What the shape of a key says: `agent:ID:REST`.

use reap_plugin::Kind;

/// What the key of a background command begins with. No key of the gateway does.
pub const TASK: &str = "task:";

/// What follows the agent.
pub fn rest(key: &str) -> &str {
    match key.split_once(':') {
        Some(("agent", rest)) => rest.split_once(':').map_or(rest, |(_, rest)| rest),
        _ => key,
    }
}

/// The cron job of a job's own session, or of one of its runs.
pub fn job(key: &str) -> Option<&str> {
    let job = rest(key).strip_prefix("cron:")?.split(':').next()?;
    (!job.is_empty()).then_some(job)
}

/// Whether it is a run of a cron job, which the gateway's list hides.
pub fn is_cron_run(key: &str) -> bool {
    let mut words = rest(key).split(':');
    words.next() == Some("cron")
        && words.next().is_some_and(|job| !job.is_empty())
        && words.next() == Some("run")
        && words.next().is_some_and(|run| !run.is_empty())
}

/// The id of a background command's task.
pub fn task(key: &str) -> Option<&str> {
    key.strip_prefix(TASK)
}

/// What a session is for, by what the gateway takes it for.
pub fn kind(class: &str) -> Kind {
    match class {
        "main" => Kind::Main,
        "cron" => Kind::Cron,
        "subagent" | "acp" => Kind::Subagent,
        "hook" => Kind::Hook,
        "direct" | "group" | "channel" | "thread" | "dashboard" | "tui" | "voice" => Kind::Interactive,
        "heartbeat" | "node" | "harness" | "dreaming" | "system" => Kind::Worker,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_keys() {
        let cases = [
            ("agent:main:cron:j1:run:r1", Some("j1"), true),
            ("agent:main:cron:j1:run:r1:thread:5", Some("j1"), true),
            ("agent:main:cron:j1", Some("j1"), false),
            ("agent:main:cron:j1:run", Some("j1"), false),
            ("agent:main:cron:j1:run:", Some("j1"), false),
            ("agent:main:cron::run:r", None, false),
            ("agent:cron:main:cron:x", None, false),
            ("agent:main:hook:cron:j1:run:r1", None, false),
            ("agent:main:main", None, false),
            ("global", None, false),
            ("cron:j1:run:r1", Some("j1"), true),
        ];
        for (key, of, run) in cases {
            assert_eq!((job(key), is_cron_run(key)), (of, run), "{key}");
        }
        assert_eq!(rest("agent:main:telegram:direct:5"), "telegram:direct:5");
        assert_eq!((task("task:t-1"), task("agent:main:task:x")), (Some("t-1"), None));
    }
}
