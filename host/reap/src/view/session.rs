//! A session, and everything that is known of it.

use reap_core::ids::{Address, Generation, Handle, Incarnation, Instance, Key, PluginName};
use reap_core::judge::Judged;
use reap_core::session::{Activity, Fact, Kind, ProcessId};
use reap_core::subject::{Mark, ParentState};
use reap_core::time::Timestamp;
use reap_core::vote::{Decision, Verdict, Vote};
use serde::Serialize;

use crate::pass::Pass;

/// One session: an element of `reap ls --json`.
#[derive(Debug, Serialize)]
pub struct SessionView<'a> {
    handle: &'a Handle,
    backend: &'a PluginName,
    instance: &'a Instance,
    /// The short name of the instance.
    label: &'a str,
    key: &'a Key,
    incarnation: &'a Incarnation,
    generation: Option<&'a Generation>,
    title: &'a str,
    kind: Kind,
    activity: Activity,
    created: Option<Timestamp>,
    last_active: Option<Timestamp>,
    attached: bool,
    parent: Option<&'a Address>,
    cwd: Option<&'a str>,
    processes: &'a [ProcessId],
    tokens: Option<u64>,
    protected: Option<&'a str>,
    verdict: &'a Verdict,
    mark: Option<Mark>,
}

impl<'a> From<&'a Judged> for SessionView<'a> {
    fn from(judged: &'a Judged) -> Self {
        let subject = &judged.subject;
        let session = &subject.session;
        Self {
            handle: &subject.handle,
            backend: &subject.address.backend,
            instance: &subject.address.instance,
            label: &subject.label,
            key: &session.key,
            incarnation: &session.incarnation,
            generation: subject.generation.as_ref(),
            title: &session.title,
            kind: session.kind,
            activity: session.activity,
            created: session.created,
            last_active: session.last_active,
            attached: session.attached,
            parent: session.parent.as_ref(),
            cwd: session.cwd.as_deref(),
            processes: &session.processes,
            tokens: session.tokens,
            protected: session.protected.as_deref(),
            verdict: &judged.verdict,
            mark: subject.mark,
        }
    }
}

/// Everything known of one session: `reap show --json`.
#[derive(Debug, Serialize)]
pub struct DetailView<'a> {
    #[serde(flatten)]
    session: SessionView<'a>,
    /// What only its backend knows.
    extra: &'a [Fact],
    /// What was found out besides.
    facts: &'a [Fact],
    parent_state: ParentState,
    live_children: u32,
    /// What speaks against ending it.
    refusals: Vec<String>,
    votes: Vec<VoteView<'a>>,
}

/// What one policy says of one session.
#[derive(Debug, Serialize)]
pub struct VoteView<'a> {
    /// Which policy.
    pub policy: &'a PluginName,
    /// Its vote; nothing when it was not asked about this session.
    pub vote: Option<Decision>,
    /// Why.
    pub reason: Option<&'a str>,
    /// Recorded only, not counted.
    pub shadow: bool,
    /// The policy failed, and this stands in for its vote.
    pub fault: bool,
}

impl<'a> DetailView<'a> {
    /// Everything that the pass found out about this session of its own.
    pub fn of(pass: &'a Pass, judged: &'a Judged) -> Self {
        Self {
            session: judged.into(),
            extra: &judged.subject.session.extra,
            facts: &judged.subject.facts,
            parent_state: judged.subject.parent,
            live_children: judged.subject.live_children,
            refusals: judged.refusals.iter().map(ToString::to_string).collect(),
            votes: votes(pass, judged),
        }
    }
}

/// What each policy says of this session of the pass, abstentions included.
pub fn votes<'a>(pass: &'a Pass, judged: &Judged) -> Vec<VoteView<'a>> {
    let place = pass.judged.iter().position(|other| other.subject.address == judged.subject.address);
    let Some(index) = place else { return Vec::new() };
    pass.ballots
        .iter()
        .map(|ballot| {
            let (vote, reason, fault) = match ballot.votes.get(index) {
                Some(None) | None => (None, None, false),
                Some(Some(Ok(Vote::Keep(reason)))) => (Some(Decision::Keep), Some(reason.as_str()), false),
                Some(Some(Ok(Vote::Orphan(reason)))) => {
                    (Some(Decision::Orphan), Some(reason.as_str()), false)
                }
                Some(Some(Ok(Vote::Abstain))) => (Some(Decision::Abstain), None, false),
                Some(Some(Err(fault))) => (Some(Decision::Keep), Some(fault.0.as_str()), true),
            };
            VoteView { policy: &ballot.policy, vote, reason, shadow: ballot.shadow, fault }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::pass;

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string_pretty(value).expect("JSON")
    }

    #[test]
    fn a_session() {
        let pass = pass();
        insta::assert_snapshot!(json(&SessionView::from(&pass.judged[1])), @r#"
        {
          "handle": "e5586c375f0fa1b9",
          "backend": "tmux",
          "instance": "/tmp/tmux-1000/default",
          "label": "default",
          "key": "$2",
          "incarnation": "77.1699990000.1699990002",
          "generation": "77.1699990000",
          "title": "agent\u001b[2J",
          "kind": "worker",
          "activity": "running",
          "created": 1699990002000,
          "last_active": null,
          "attached": true,
          "parent": {
            "backend": "tmux",
            "instance": "/tmp/tmux-1000/default",
            "key": "$1"
          },
          "cwd": null,
          "processes": [],
          "tokens": 1200,
          "protected": "it is pinned",
          "verdict": {
            "vote": "keep",
            "reasons": [
              {
                "policy": "idle-shell",
                "vote": "orphan",
                "reason": "idle",
                "shadow": false,
                "fault": false
              },
              {
                "policy": "mine",
                "vote": "keep",
                "reason": "it trapped",
                "shadow": false,
                "fault": true
              }
            ]
          },
          "mark": null
        }
        "#);
    }

    #[test]
    fn everything_of_a_session() {
        let pass = pass();
        let whole = serde_json::to_value(DetailView::of(&pass, &pass.judged[1])).expect("JSON");
        let session = serde_json::to_value(SessionView::from(&pass.judged[1])).expect("JSON");
        let (mut more, session) = (whole.as_object().expect("an object").clone(), session);
        for (name, value) in session.as_object().expect("an object") {
            assert_eq!(more.remove(name).as_ref(), Some(value), "{name} is the same as in a list");
        }
        insta::assert_snapshot!(json(&more), @r#"
        {
          "extra": [],
          "facts": [],
          "live_children": 0,
          "parent_state": "alive",
          "refusals": [
            "it is protected: it is pinned",
            "somebody is attached",
            "something runs in it and it is not known when it was last active"
          ],
          "votes": [
            {
              "fault": false,
              "policy": "idle-shell",
              "reason": "idle",
              "shadow": false,
              "vote": "orphan"
            },
            {
              "fault": true,
              "policy": "mine",
              "reason": "it trapped",
              "shadow": false,
              "vote": "keep"
            },
            {
              "fault": false,
              "policy": "trial",
              "reason": null,
              "shadow": true,
              "vote": "abstain"
            }
          ]
        }
        "#);
    }
}
