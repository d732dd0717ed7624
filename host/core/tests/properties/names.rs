//! Names that differ never mean the same, and lengths of time keep theirs.

use proptest::prelude::*;
use proptest::sample::select;
use reap_core::ids::{Address, Handle, Incarnation, Instance, Key, PluginName};
use reap_core::judge::Judged;
use reap_core::resolve::{ResolveError, resolve};
use reap_core::time::Span;

use crate::world::{config, worlds};

fn handle(instance: &str, key: &str, incarnation: &str) -> Handle {
    let backend = PluginName::new("tmux").expect("a plugin name");
    let address = Address { backend, instance: Instance::new(instance), key: Key::new(key) };
    Handle::of(&address, &Incarnation::new(incarnation))
}

/// All that a session is called exactly.
fn exact_names(judged: &Judged) -> [String; 4] {
    let subject = &judged.subject;
    [
        subject.handle.to_string(),
        subject.address.to_string(),
        subject.address.key.to_string(),
        subject.session.title.clone(),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn shifted_parts_make_other_handles(text in "[ab/]{3,8}", first in 0_usize..8, second in 0_usize..8) {
        let (first, second) = (first.min(text.len()), second.min(text.len()));
        let split = |at: usize| (&text[..at], &text[at..]);
        let ((instance, key), (other_instance, other_key)) = (split(first), split(second));
        let same = first == second;
        prop_assert_eq!(handle(instance, key, "i") == handle(other_instance, other_key, "i"), same);
        prop_assert_eq!(handle("s", instance, key) == handle("s", other_instance, other_key), same);
    }

    #[test]
    fn resolving_finds_exactly_what_is_called_so(world in worlds(), text in select(&["$1", "$2", "app-1", "app-10", "app", "/a/$1", "tmux//a/$1", "tmux//a/$1/$2"][..])) {
        let judged = world.judged();
        let called: Vec<&Judged> =
            judged.iter().filter(|judged| exact_names(judged).iter().any(|name| name == text)).collect();
        match (resolve(text, &judged), called.as_slice()) {
            (Ok(found), [one]) => prop_assert_eq!(found, *one),
            (Err(ResolveError::NotFound { .. }), []) => {}
            (Err(ResolveError::Ambiguous { candidates, .. }), several) => {
                prop_assert_eq!(candidates.len(), several.len());
                prop_assert!(several.len() > 1);
            }
            (answer, called) => prop_assert!(false, "{:?} of {}", answer, called.len()),
        }
    }

    #[test]
    fn no_beginning_of_a_name_is_enough(world in worlds(), cut in 1_usize..9) {
        let judged = world.judged();
        for name in judged.iter().flat_map(|judged| exact_names(judged).into_iter().skip(1)) {
            let Some(beginning) = name.get(..name.len().saturating_sub(cut)) else { continue };
            let exact = judged.iter().any(|judged| exact_names(judged).iter().any(|name| name == beginning));
            prop_assert!(exact || resolve(beginning, &judged).is_err());
        }
    }

    #[test]
    fn a_handle_is_enough(world in worlds(), digits in Handle::SHORTEST..=Handle::DIGITS) {
        let judged = world.judged();
        for one in &judged {
            let beginning = &one.subject.handle.as_str()[..digits];
            match resolve(beginning, &judged) {
                Ok(found) => prop_assert_eq!(found, one),
                Err(ResolveError::Ambiguous { .. }) => prop_assert!(digits < Handle::DIGITS),
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }

    #[test]
    fn lengths_of_time_keep_their_length(millis in any::<u64>(), shift in 0_u32..64) {
        let span = Span::from_millis(millis >> shift);
        prop_assert_eq!(span.exact().parse(), Ok(span));
        let shown: Span = span.to_string().parse().expect("what is shown can be read");
        prop_assert!(shown <= span);
        prop_assert_eq!(shown.to_string(), span.to_string());
    }

    #[test]
    fn any_text_is_a_length_of_time_or_none(text in "[0-9wdhms. -]{0,12}") {
        if let Ok(span) = text.parse::<Span>() {
            prop_assert_eq!(span.exact().parse(), Ok(span));
        }
    }
}
