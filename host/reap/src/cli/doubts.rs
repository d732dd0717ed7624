//! What a look could not find out.

use reap::core::clean;
use reap::core::listing::Unknown;
use reap::{Pass, PolicyFault};

use super::output::Ui;

/// Says what could not be looked at, which policies failed, and what was forgotten.
pub fn report(pass: &Pass, ui: &mut Ui) {
    for unknown in &pass.unknown {
        ui.warn(&in_words(unknown));
    }
    pass.faults.iter().for_each(|fault| ui.warn(&fault_in_words(fault)));
    if let Some(why) = &pass.forgotten {
        ui.warn(&format!("what Reap remembers of these sessions could not be read: {}", clean::line(why)));
    }
}

/// Which policy failed, and what that means.
pub fn fault_in_words(fault: &PolicyFault) -> String {
    let reason = clean::line(&fault.reason);
    format!("the policy {} failed, so it keeps what it was asked about: {reason}", fault.policy)
}

/// What could not be looked at, and why.
pub fn in_words(unknown: &Unknown) -> String {
    let instance = unknown.instance.as_ref().map(|instance| format!(" {}", clean::line(instance.as_str())));
    format!("{}{}: {}", unknown.backend, instance.unwrap_or_default(), clean::line(&unknown.reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample::pass;

    #[test]
    fn what_could_not_be_found_out_is_said() {
        let (mut ui, seen) = Ui::for_test();
        let pass = Pass { forgotten: Some("it is\nlocked".to_owned()), ..pass() };
        report(&pass, &mut ui);
        insta::assert_snapshot!(seen.err(), @r"
        warning: kiro-cli: it is not loaded
        warning: tmux /tmp/tmux-1000/slow: timed out
        warning: the policy mine failed, so it keeps what it was asked about: it trapped
        warning: what Reap remembers of these sessions could not be read: it is\nlocked
        ");
    }
}
