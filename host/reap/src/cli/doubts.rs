//! What a look could not find out.

use reap::Pass;
use reap::core::clean;
use reap::core::listing::Unknown;

use super::output::Ui;

/// Says what could not be looked at, and which policies failed.
pub fn report(pass: &Pass, ui: &mut Ui) {
    for unknown in &pass.unknown() {
        ui.warn(&in_words(unknown));
    }
    for fault in &pass.faults {
        let reason = clean::line(&fault.reason);
        ui.warn(&format!(
            "the policy {} failed, so it keeps what it was asked about: {reason}",
            fault.policy
        ));
    }
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
        report(&pass(), &mut ui);
        insta::assert_snapshot!(seen.err(), @r"
        warning: kiro-cli: it is not loaded
        warning: tmux /tmp/tmux-1000/slow: timed out
        warning: the policy mine failed, so it keeps what it was asked about: it trapped
        ");
    }
}
