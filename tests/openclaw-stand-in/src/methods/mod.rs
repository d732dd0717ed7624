//! The methods of the gateway: what each takes, which scope it needs, what it does.

mod cron;
mod runs;
mod sessions;
mod tasks;
mod writes;

use serde_json::Value;

use crate::failure::Failure;
use crate::state::State;

/// What a method gives.
pub type Answer = Result<Value, Failure>;

/// One method.
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// The scope that it needs at least.
    pub scope: Scope,
    /// The parameters that it knows. Others are refused, as by a real one.
    pub params: &'static [&'static str],
    /// Whether an old gateway has it too.
    pub old: bool,
    run: fn(&mut State, &Caller<'_>) -> Answer,
}

/// How much one may do. Each holds those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Look.
    Read,
    /// Change.
    Write,
    /// Everything.
    Admin,
}

impl Scope {
    /// Its name in the protocol.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "operator.read",
            Self::Write => "operator.write",
            Self::Admin => "operator.admin",
        }
    }
}

/// Who asks, and what.
pub struct Caller<'a> {
    /// The parameters.
    pub params: &'a Value,
    /// The highest scope that was granted.
    pub scope: Scope,
}

impl<'a> Caller<'a> {
    /// A parameter that must be there and a text.
    pub fn text(&self, name: &str) -> Result<&'a str, Failure> {
        self.optional(name).ok_or_else(|| Failure::invalid(format!("must have required property '{name}'")))
    }

    /// A parameter that may be there.
    pub fn optional(&self, name: &str) -> Option<&'a str> {
        self.params.get(name)?.as_str()
    }

    /// A number that may be there.
    pub fn number(&self, name: &str, fallback: usize) -> usize {
        let given = self.params.get(name).and_then(Value::as_u64);
        given.and_then(|number| usize::try_from(number).ok()).unwrap_or(fallback)
    }

    /// A flag that may be there.
    pub fn flag(&self, name: &str) -> bool {
        self.params.get(name).and_then(Value::as_bool).unwrap_or(false)
    }
}

const fn method(
    name: &'static str,
    scope: Scope,
    params: &'static [&'static str],
    run: fn(&mut State, &Caller<'_>) -> Answer,
) -> Method {
    Method { name, scope, params, old: false, run }
}

const fn ancient(method: Method) -> Method {
    Method { old: true, ..method }
}

/// All of them.
pub static METHODS: &[Method] = &[
    ancient(method(
        "sessions.list",
        Scope::Read,
        &[
            "limit",
            "offset",
            "archived",
            "includeGlobal",
            "includeUnknown",
            "agentId",
            "search",
            "spawnedBy",
            "label",
            "sortBy",
        ],
        sessions::list,
    )),
    method("sessions.usage", Scope::Read, &["agentScope", "range", "limit", "agentId"], sessions::usage),
    method("sessions.describe", Scope::Read, &["key", "agentId"], sessions::describe),
    ancient(method("chat.history", Scope::Read, &["sessionKey", "limit", "agentId"], sessions::history)),
    ancient(method(
        "sessions.resolve",
        Scope::Read,
        &["key", "sessionId", "allowMissing"],
        sessions::resolve,
    )),
    method("sessions.create", Scope::Write, &["key", "label", "parentSessionKey", "agentId"], writes::create),
    ancient(method(
        "sessions.patch",
        Scope::Write,
        &["key", "expectedSessionId", "archived", "pinned", "label"],
        writes::patch,
    )),
    method("sessions.patchMany", Scope::Write, &["targets", "patch"], writes::patch_many),
    ancient(method(
        "sessions.delete",
        Scope::Write,
        &["key", "agentId", "deleteTranscript", "expectedSessionId", "archivedOnly"],
        writes::delete,
    )),
    method("sessions.abort", Scope::Write, &["key", "runId", "agentId", "clearQueued"], runs::abort),
    ancient(method("agent", Scope::Write, &["message", "sessionKey", "idempotencyKey"], runs::agent)),
    ancient(method("agent.wait", Scope::Read, &["runId", "timeoutMs"], runs::wait)),
    method("tasks.list", Scope::Read, &["status", "limit", "cursor", "sessionKey", "agentId"], tasks::list),
    method("tasks.cancel", Scope::Write, &["taskId", "reason"], tasks::cancel),
    ancient(method("cron.list", Scope::Read, &["includeDisabled", "limit", "offset", "compact"], cron::list)),
    ancient(method("cron.runs", Scope::Read, &["scope", "limit", "offset", "jobId"], cron::runs)),
    ancient(method(
        "cron.add",
        Scope::Admin,
        &["name", "enabled", "schedule", "sessionTarget", "wakeMode", "payload", "delivery"],
        cron::add,
    )),
    ancient(method("cron.run", Scope::Admin, &["id", "mode"], cron::run)),
    ancient(method("cron.remove", Scope::Admin, &["id"], cron::remove)),
];

/// Does what was asked.
pub fn call(state: &mut State, name: &str, params: &Value, scope: Option<Scope>, old: bool) -> Answer {
    let known = METHODS.iter().find(|method| method.name == name && (method.old || !old));
    let method = known.ok_or_else(|| Failure::invalid(format!("unknown method: {name}")))?;
    let scope = scope.filter(|scope| *scope >= method.scope);
    let scope = scope.ok_or_else(|| Failure::forbidden(method.scope.word()))?;
    let given = params.as_object().ok_or_else(|| Failure::invalid(format!("invalid {name} params")))?;
    if let Some(odd) = given.keys().find(|name| !method.params.contains(&name.as_str())) {
        return Err(Failure::invalid(format!("invalid {name} params: at root: unexpected property '{odd}'")));
    }
    state.settle();
    (method.run)(state, &Caller { params, scope })
}
