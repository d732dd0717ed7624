//! What a manifest asks for, in plain words, a sentence each.

use super::{Asks, RootProof, WebsocketAsk};

impl Asks {
    pub(super) fn is_empty(&self) -> bool {
        self.in_words().is_empty() && self.placeholders.is_empty()
    }

    pub(super) fn in_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if !self.settings.environment.is_empty() {
            words.push(format!(
                "Read these environment variables of Reap: {}.",
                self.settings.environment.join(", ")
            ));
        }
        if let Some(files) = &self.files {
            words.push(format!("Read files and folders at and below: {}.", files.paths.join(", ")));
        }
        if let Some(processes) = &self.processes {
            let which = match processes.executables.as_slice() {
                [all] if all == "*" => "all your processes".to_owned(),
                some => format!("your processes named {}", some.join(", ")),
            };
            words.push(format!("Look at {which}: arguments, working directory, processor time."));
            if !processes.environment.is_empty() {
                words.push(format!(
                    "Read these variables of those processes: {}.",
                    processes.environment.join(", ")
                ));
            }
        }
        if let Some(leftovers) = &self.leftovers {
            words.push(format!(
                "Learn which of your processes were left behind by whoever started them, of those with a \
                 command line under `{}` in: {}. Reap reads these files; the plugin does not get to see them.",
                leftovers.under,
                leftovers.files.join(", ")
            ));
        }
        for (name, command) in &self.commands {
            words.push(format!("Run `{}` ({name}).", command.run.join(" ")));
        }
        for (name, command) in &self.ending.commands {
            let when = if command.lifts.is_some() { ", also while somebody is attached" } else { "" };
            words.push(format!(
                "End a session that you agreed to end{when}: `{}` ({name}).",
                command.run.join(" ")
            ));
        }
        words.extend(self.websocket.iter().flat_map(WebsocketAsk::in_words));
        for (name, message) in &self.ending.messages {
            let when = if message.lifts.is_some() { ", also while somebody is attached" } else { "" };
            let each = match (&message.each, message.most) {
                (Some(fact), _) => format!(", for each of its {fact}"),
                (None, Some(most)) => format!(", up to {most} in one message"),
                (None, None) => String::new(),
            };
            words.push(format!(
                "End a session that you agreed to end{when}{each}: {} ({name}).",
                sent(&message.method, &message.params)
            ));
        }
        for (name, removal) in &self.ending.removals {
            words.push(format!(
                "Remove, with a session that you agreed to end, the file `{}`, once the process that it names \
                 has ended ({name}).",
                removal.file
            ));
        }
        if let Some(signals) = &self.ending.signals {
            let proof = match signals.root {
                RootProof::ChildOfServer => "children of its server, their descendants",
                RootProof::Program => {
                    "those that the plugin lists and that are its programs, their descendants"
                }
                RootProof::Listed => "those that the plugin lists, their descendants",
            };
            words.push(format!("End the processes of such a session with TERM, then KILL ({proof})."));
            if self.leftovers.is_some() {
                words
                    .push("End in the same way what was left behind as said above, as a session.".to_owned());
            }
            if !signals.programs.is_empty() {
                let lines: Vec<String> = signals.programs.iter().map(|words| words.join(" ")).collect();
                words.push(format!("Its programs are: {}.", lines.join("; ")));
            }
            if !signals.environment.is_empty() {
                let pairs: Vec<String> =
                    signals.environment.iter().map(|(name, pattern)| format!("{name}={pattern}")).collect();
                words.push(format!(
                    "End with it any process that carries in its environment {}.",
                    pairs.join(" and ")
                ));
            }
        }
        words
    }
}

impl WebsocketAsk {
    fn in_words(&self) -> Vec<String> {
        let mut words = vec![format!("Connect to gateways at: {}.", self.addresses.join(", "))];
        if !self.reads.is_empty() {
            words.push(format!("Ask them with any parameters: {}.", self.reads.join(", ")));
        }
        for (name, login) in &self.logins {
            words.push(format!("Log in to them: {} ({name}).", sent(&login.method, &login.params)));
        }
        for (name, variable) in &self.secrets {
            let from = match variable.as_str() {
                "" => "which you configure".to_owned(),
                variable => format!("from {variable} or as you configure it"),
            };
            words.push(format!("Have Reap fill in the secret {name} there, {from}; it does not see it."));
        }
        for (name, message) in &self.messages {
            words.push(format!("Send them {} ({name}).", sent(&message.method, &message.params)));
        }
        words
    }
}

/// A message as it would be sent.
fn sent(method: &str, params: &toml::Table) -> String {
    let params = serde_json::to_string(params).unwrap_or_else(|error| error.to_string());
    format!("`{method} {params}`")
}
