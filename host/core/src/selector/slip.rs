//! Finds slips: words that would be read as a glob over key and title and were
//! hardly meant as one. `bakend:tmux` in a protect rule would protect nobody.

use super::parse::{FIELDS, Problem, example_of, is_field, problem};
use super::value;
use crate::clean;
use crate::session::{Activity, Kind};

/// The terms that are a single word.
pub(super) const WORDS: [&str; 2] = ["orphaned", "inactive"];
const JOINTS: [&str; 8] = ["and", "or", "not", "&&", "||", "&", "|", "!"];

/// Refuses a word that looks like a slip. `plain` is what stands of it before
/// any quotes: nothing in quotes is a slip.
pub(super) fn check(plain: &str, text: &str) -> Result<(), Problem> {
    let shown = value(&clean::line(text));
    let meant = format!("if a key or title is meant, write key:{shown} or title:{shown}");
    negation(plain, &meant)?;
    if let Some((field, _)) = plain.split_once('=')
        && is_field(field)
    {
        let rest = value(&clean::line(&text[field.len() + 1..]));
        return problem(
            format!("`{field}` is followed by `=` instead of `:`"),
            format!("did you mean `{field}:{rest}`? {meant}"),
        );
    }
    match plain.split_once(':') {
        Some((name, _)) => near_field(name, &text[name.len() + 1..], &meant),
        None => lone_word(plain, &meant),
    }
}

fn negation(plain: &str, meant: &str) -> Result<(), Problem> {
    let Some(negated) = plain.strip_prefix(['!', '-']) else { return Ok(()) };
    let name = negated.split_once(':').map_or(negated, |(name, _)| name);
    if !is_field(name) && !WORDS.contains(&name) {
        return Ok(());
    }
    problem("a term cannot be negated", format!("say what is wanted instead; {meant}"))
}

fn near_field(name: &str, rest: &str, meant: &str) -> Result<(), Problem> {
    match FIELDS.iter().find(|(field, _)| near(name, field, slips_in(field))) {
        Some((field, _)) => problem(
            format!("there is no field `{}`", clean::line(name)),
            format!("did you mean `{field}:{}`? {meant}", value(&clean::line(rest))),
        ),
        None => Ok(()),
    }
}

fn lone_word(word: &str, meant: &str) -> Result<(), Problem> {
    if JOINTS.contains(&word.to_ascii_lowercase().as_str()) {
        let help = format!("write the terms one after the other: all of them must hold; {meant}");
        return problem(format!("`{word}` joins no terms"), help);
    }
    if is_field(word) {
        return problem(
            format!("`{word}` is a field and needs a value"),
            format!("{}; {meant}", example_of(word)),
        );
    }
    // `protect = ["cron"]` would protect a session of that title, and no cron job.
    let kind = Kind::ALL.iter().any(|kind| kind.word() == word).then_some("kind");
    let activity = Activity::ALL.iter().any(|activity| activity.word() == word).then_some("activity");
    if let Some(field) = kind.or(activity) {
        let help = format!("did you mean `{field}:{word}`? {meant}");
        return problem(format!("`{word}` is a value of `{field}:` and might be a title"), help);
    }
    match WORDS.iter().find(|known| near(word, known, 2)) {
        Some(known) => problem(
            format!("there is no word `{}`", clean::line(word)),
            format!("did you mean `{known}`? {meant}"),
        ),
        None => Ok(()),
    }
}

/// How many letters of a field's name may be wrong for it to be meant all the
/// same. Of a short one hardly any: `k8s:*` and `ci:*` are globs, and no slips
/// for `key:` and `cwd:`.
fn slips_in(field: &str) -> usize {
    if field.len() <= 4 { 1 } else { 2 }
}

/// Whether the text is hardly another word than `known`: the same first letter
/// and at most so many letters wrong, left out, added or changed round. What
/// holds `*` or `?` was meant as a glob.
fn near(text: &str, known: &str, most: usize) -> bool {
    let lower = text.to_lowercase();
    let first_is_same = lower.chars().next() == known.chars().next();
    !text.contains(['*', '?']) && first_is_same && distance_within(&lower, known, most)
}

/// Whether at most `most` edits lead from `a` to `b`, where two letters changed
/// round are one edit.
fn distance_within(a: &str, b: &str, most: usize) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most {
        return false;
    }
    // table[i][j] is the distance between the first i letters of a and j of b.
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                table[i][j] = i + j;
                continue;
            }
            let wrong = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (table[i - 1][j] + 1).min(table[i][j - 1] + 1).min(table[i - 1][j - 1] + wrong);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(table[i - 2][j - 2] + 1);
            }
            table[i][j] = least;
        }
    }
    table[a.len()][b.len()] <= most
}

#[cfg(test)]
mod tests {
    use crate::selector::Selector;

    #[test]
    fn slips_are_errors_that_say_what_to_write() {
        let cases = [
            ("bakend:tmux", "there is no field `bakend`", "did you mean `backend:tmux`?"),
            ("bakend:tmux", "there is no field `bakend`", "write key:bakend:tmux or title:bakend:tmux"),
            ("titel:x", "there is no field `titel`", "did you mean `title:x`?"),
            ("Title:x", "there is no field `Title`", "did you mean `title:x`?"),
            ("kye:$3", "there is no field `kye`", "did you mean `key:$3`?"),
            ("titel:\"a b\"", "there is no field `titel`", "did you mean `title:\"a b\"`?"),
            ("knd:cron", "there is no field `knd`", "did you mean `kind:cron`?"),
            ("cdw:/home", "there is no field `cdw`", "did you mean `cwd:/home`?"),
            ("lable:team=x", "there is no field `lable`", "did you mean `label:team=x`?"),
            ("kind=cron", "`kind` is followed by `=`", "did you mean `kind:cron`?"),
            ("orphan", "there is no word `orphan`", "did you mean `orphaned`?"),
            ("Orphaned", "there is no word `Orphaned`", "did you mean `orphaned`?"),
            ("inactiv", "there is no word `inactiv`", "did you mean `inactive`?"),
            ("attached", "`attached` is a field and needs a value", "attached:no"),
            ("cron", "`cron` is a value of `kind:`", "did you mean `kind:cron`?"),
            ("idle", "`idle` is a value of `activity:`", "title:idle"),
            ("!kind:main", "cannot be negated", "title:!kind:main"),
            ("-orphaned", "cannot be negated", "title:-orphaned"),
            ("AND", "joins no terms", "one after the other"),
        ];
        for (text, message, help) in cases {
            let error = Selector::parse(text).expect_err(text);
            assert!(error.message.contains(message), "{text}: {}", error.message);
            assert!(error.help.contains(help), "{text}: {}", error.help);
        }
    }

    #[test]
    fn what_is_no_slip_is_a_glob() {
        let texts = [
            "cron:*",
            "agent:main:*",
            "hook:abc",
            "ci:*",
            "ci:build",
            "k8s:*",
            "kids:x",
            "a=b",
            "orphan*",
            "ti*:x",
            "-x",
            "!x",
            "app-10",
            "$0",
            "日本:x",
            "\"cron\"",
            "\"bakend:tmux\"",
            "\"AND\"",
            ":x",
        ];
        for text in texts {
            let selector = Selector::parse(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(Selector::parse(&selector.to_string()), Ok(selector), "{text}");
        }
    }
}
