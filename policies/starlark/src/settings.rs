//! The settings of a script: what it declares, and `cfg`, through which it reads them.

use std::cell::RefCell;
use std::fmt;

use allocative::Allocative;
use reap_plugin::{Fact, Setting, SettingKind, Value as Known};
use starlark::starlark_simple_value;
use starlark::values::dict::DictRef;
use starlark::values::list::ListRef;
use starlark::values::{
    Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Value, ValueLike,
    starlark_value,
};

use crate::values::{Span, known};

/// What `setting(...)` gives: a default with its meaning and its bound.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct Declared {
    #[allocative(skip)]
    pub(crate) fallback: Known,
    pub(crate) help: String,
    /// The smallest number that it takes.
    pub(crate) least: Option<i64>,
}
starlark_simple_value!(Declared);

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "setting({})", self.help)
    }
}

#[starlark_value(type = "setting")]
impl<'v> StarlarkValue<'v> for Declared {}

/// A setting with its name.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) setting: Setting,
    least: Option<i64>,
}

/// Reads `settings = {...}`. The error says what would be right.
pub(crate) fn declared(value: Value<'_>) -> Result<Vec<Named>, String> {
    const SHAPE: &str = "settings must be a dict such as {\"after\": setting(hours(1), \"What it means.\")}";
    let table = DictRef::from_value(value).ok_or(SHAPE)?;
    table.iter().map(|(name, value)| one(name.unpack_str().ok_or(SHAPE)?, value)).collect()
}

/// The names that `[policies.NAME]` has already.
const TAKEN: [&str; 3] = ["mode", "select", "limits"];

fn one(name: &str, value: Value<'_>) -> Result<Named, String> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.chars().all(letters) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(format!("the setting {name:?} needs a name of a-z, 0-9 and _ that begins with a letter"));
    }
    if TAKEN.contains(&name) {
        return Err(format!("the setting {name} needs another name: every policy has a {name} of its own"));
    }
    let declared = match value.downcast_ref::<Declared>() {
        Some(declared) => declared.clone(),
        None => Declared { fallback: fallback(value)?, help: String::new(), least: None },
    };
    let kind = match &declared.fallback {
        Known::Text(_) => SettingKind::Text,
        Known::Number(_) => SettingKind::Number,
        Known::Flag(_) => SettingKind::Flag,
        Known::Span(_) => SettingKind::Span,
        Known::Texts(_) => SettingKind::Texts,
        Known::Real(_) | Known::Time(_) => return Err(kinds(value)),
    };
    let Declared { fallback, help, least } = declared;
    Ok(Named { setting: Setting { name: name.to_owned(), kind, fallback, help }, least })
}

/// The value of the contract that a default stands for.
pub(crate) fn fallback(value: Value<'_>) -> Result<Known, String> {
    if let Some(span) = value.downcast_ref::<Span>() {
        return Ok(Known::Span(span.0));
    }
    if let Some(flag) = value.unpack_bool() {
        return Ok(Known::Flag(flag));
    }
    if let Some(number) = value.unpack_i32() {
        return Ok(Known::Number(number.into()));
    }
    if let Some(text) = value.unpack_str() {
        return Ok(Known::Text(text.to_owned()));
    }
    let texts = ListRef::from_value(value)
        .and_then(|list| list.iter().map(|text| text.unpack_str().map(str::to_owned)).collect());
    texts.map(Known::Texts).ok_or_else(|| kinds(value))
}

fn kinds(value: Value<'_>) -> String {
    format!(
        "a setting's default is a text, a whole number, True or False, a length of time such as minutes(30), or a \
         list of texts; {} is none of these",
        value.to_repr()
    )
}

/// Checks what the host passes against what the script declared, and keeps it for `cfg`.
pub(crate) fn keep(declared: &[Named], settings: Vec<Fact>) -> Result<(), String> {
    for Named { setting, least } in declared {
        let given = settings.iter().find(|fact| fact.name == setting.name);
        match (given.map(|fact| &fact.value), least) {
            (None, _) => return Err(format!("the setting {} was not passed", setting.name)),
            (Some(Known::Number(number)), Some(least)) if number < least => {
                return Err(format!("the setting {} must not be below {least}, not {number}", setting.name));
            }
            _ => {}
        }
    }
    SETTINGS.set(settings);
    Ok(())
}

thread_local! {
    /// What the host passed last. It does so before every vote.
    static SETTINGS: RefCell<Vec<Fact>> = const { RefCell::new(Vec::new()) };
}

/// `cfg`: its attributes are the settings. Because they come after the script was
/// loaded, they can be read in functions only, and `check` sees to that.
#[derive(Debug, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct Cfg;
starlark_simple_value!(Cfg);

impl fmt::Display for Cfg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cfg")
    }
}

#[starlark_value(type = "cfg")]
impl<'v> StarlarkValue<'v> for Cfg {
    fn get_attr(&self, name: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        SETTINGS.with_borrow(|settings| {
            settings.iter().find(|fact| fact.name == name).map(|fact| known(&fact.value, heap))
        })
    }
}
