//! A pass as it might be, for tests of what is made from one: an orphan, and a
//! session that is protected, attached and at work; one policy that failed, one
//! that is only recorded.

use reap::core::guard::{GuardRules, Here};
use reap::core::ids::{Instance, PluginName};
use reap::core::judge::judge;
use reap::core::listing::Observation;
use reap::core::subject::survey;
use reap::core::vote::{Ballot, Fault, Vote};
use reap::{Absent, Pass, PolicyFault};

const OBSERVATION: &str = include_str!("observation.json");

pub fn pass() -> Pass {
    let observation: Observation = serde_json::from_str(OBSERVATION).expect("the observation is well-formed");
    let ballot = |policy: &str, shadow, votes| {
        let policy = PluginName::new(policy).expect("a plugin name");
        Ballot { policy, shadow, votes }
    };
    let orphan = |why: &str| Some(Ok(Vote::Orphan(why.to_owned())));
    let ballots = vec![
        ballot("idle-shell", false, vec![orphan("nothing but its shell for 2h"), orphan("idle")]),
        ballot("mine", false, vec![None, Some(Err(Fault("it trapped".to_owned())))]),
        ballot("trial", true, vec![Some(Ok(Vote::Keep("young".to_owned()))), Some(Ok(Vote::Abstain))]),
    ];
    let here = Here { ancestors: Vec::new() };
    let judged = judge(survey(&observation), &ballots, &GuardRules::default(), &here);
    let mine = PluginName::new("mine").expect("a plugin name");
    let faults = vec![PolicyFault { policy: mine, reason: "it trapped".to_owned() }];
    let backend = |name: &str| PluginName::new(name).expect("a plugin name");
    let absent = Absent {
        backend: backend("tmux"),
        instance: Instance::new("/tmp/tmux-1000/old"),
        reason: "no server at that socket".to_owned(),
    };
    Pass {
        at: observation.at,
        backends: vec![backend("kiro-cli"), backend("tmux")],
        unknown: observation.unknown(),
        absent: vec![absent],
        ballots,
        judged,
        faults,
        forgotten: None,
    }
}
