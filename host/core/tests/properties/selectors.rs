//! Selectors never panic, never lose their meaning, and have no empty one.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use reap_core::selector::Selector;

use crate::world::{config, worlds};

/// A value in quotes, whatever it holds.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What selectors are made of.
const FRAGMENTS: [&str; 23] = [
    "backend:",
    "kind:",
    "cron",
    "key",
    ":",
    "=",
    "\"",
    "\\",
    " ",
    "\n",
    "*",
    "?",
    "label:team=",
    "older:",
    "30m",
    "orphaned",
    "inactive",
    "!",
    "attached:yes",
    "ü",
    "日",
    "\u{1b}",
    "x",
];

fn fragments() -> impl Strategy<Value = String> {
    vec(select(&FRAGMENTS[..]), 0..8).prop_map(|words| words.concat())
}

/// Selectors that can be read, in odd ways of writing.
fn readable() -> impl Strategy<Value = String> {
    let value = "[ -~ü日\n]{1,12}".prop_map(|value| quoted(&value));
    let field = select(&["", "instance:", "key:", "title:", "cwd:", "label:team=", "cron:"][..]);
    let plain = select(
        &[
            "*",
            "**",
            "kind:hook",
            "activity:stopped",
            "attached:no",
            "older:1h5ms",
            "orphaned",
            "inactive",
            "backend:t*",
        ][..],
    );
    let term = prop_oneof![
        plain.prop_map(str::to_owned),
        (field, value).prop_map(|(field, value)| format!("{field}{value}")),
    ];
    vec(term, 1..5).prop_map(|terms| terms.join("  "))
}

fn check_round_trip(text: &str) -> Result<(), TestCaseError> {
    match Selector::parse(text) {
        Ok(selector) => prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector)),
        Err(error) => {
            // Shown without a panic, and the range is one of the text.
            prop_assert!(!error.to_string().is_empty());
            prop_assert!(error.text.get(error.range.clone()).is_some());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_read_or_refused(text in ".*") {
        check_round_trip(&text)?;
    }

    #[test]
    fn fragments_are_read_or_refused(text in fragments()) {
        check_round_trip(&text)?;
    }

    #[test]
    fn what_can_be_read_comes_back_the_same(text in readable()) {
        let selector = Selector::parse(&text).expect("readable");
        prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
    }

    #[test]
    fn blanks_select_nothing_and_everything_is_written(text in "\\s*") {
        prop_assert!(Selector::parse(&text).is_err());
        prop_assert_eq!(Selector::parse(&format!("*{text}")), Ok(Selector::everything()));
    }

    #[test]
    fn terms_must_all_hold(world in worlds(), a in readable(), b in readable()) {
        let read = |text: &str| Selector::parse(text).expect("readable");
        let (first, second, both) = (read(&a), read(&b), read(&format!("{a} {b}")));
        for judged in &world.judged() {
            prop_assert_eq!(both.matches(judged), first.matches(judged) && second.matches(judged));
        }
    }

    #[test]
    fn what_is_decided_before_the_votes_stays_so(world in worlds(), text in readable()) {
        let selector = Selector::parse(&text).expect("readable");
        for judged in &world.judged() {
            let before = selector.matches_subject(&judged.subject);
            prop_assert!(before.is_none_or(|before| before == selector.matches(judged)));
            if Selector::parse_plain(&text).is_ok() {
                prop_assert!(before.is_some());
            }
        }
    }
}
