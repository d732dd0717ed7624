//! The words that scripts have besides Starlark's own.

use starlark::environment::{Globals, GlobalsBuilder, LibraryExtension};
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use crate::bindings::exports::reap::plugin::policy::Vote;
use crate::settings::{Cfg, Declared, fallback};
use crate::values::{Cast, Span, failed};

/// All words: Starlark's, `print` (to the plugin's log), and ours.
pub(crate) fn globals() -> Globals {
    let mut builder = GlobalsBuilder::extended_by(&[LibraryExtension::Print]).with(ours);
    builder.set("cfg", Cfg);
    builder.build()
}

fn span(count: i32, millis: u64) -> starlark::Result<Span> {
    let count = u64::try_from(count).map_err(|_| failed("a length of time cannot be below nothing"))?;
    Ok(Span(count * millis))
}

fn reason(text: &str) -> starlark::Result<String> {
    match text.trim() {
        "" => Err(failed("a vote needs a reason that a person can read")),
        text => Ok(text.to_owned()),
    }
}

#[starlark_module]
fn ours(builder: &mut GlobalsBuilder) {
    /// It must not be ended, and why.
    fn keep(#[starlark(require = pos)] text: &str) -> starlark::Result<Cast> {
        Ok(Cast(Vote::Keep(reason(text)?)))
    }

    /// Nobody needs it any more, and why.
    fn orphan(#[starlark(require = pos)] text: &str) -> starlark::Result<Cast> {
        Ok(Cast(Vote::Orphan(reason(text)?)))
    }

    /// Nothing to say.
    fn abstain() -> starlark::Result<Cast> {
        Ok(Cast(Vote::Abstain))
    }

    fn seconds(#[starlark(require = pos)] count: i32) -> starlark::Result<Span> {
        span(count, 1_000)
    }

    fn minutes(#[starlark(require = pos)] count: i32) -> starlark::Result<Span> {
        span(count, 60_000)
    }

    fn hours(#[starlark(require = pos)] count: i32) -> starlark::Result<Span> {
        span(count, 3_600_000)
    }

    fn days(#[starlark(require = pos)] count: i32) -> starlark::Result<Span> {
        span(count, 86_400_000)
    }

    /// A setting of `reap.toml`: its default, what it means, the smallest number it takes.
    fn setting<'v>(
        #[starlark(require = pos)] default: Value<'v>,
        #[starlark(require = pos, default = "")] help: &str,
        #[starlark(require = named, default = NoneOr::None)] least: NoneOr<i32>,
    ) -> starlark::Result<Declared> {
        let fallback = fallback(default).map_err(failed)?;
        Ok(Declared { fallback, help: help.to_owned(), least: least.into_option().map(i64::from) })
    }
}
