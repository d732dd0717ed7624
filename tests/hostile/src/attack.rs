//! Attacks that need no capability: on time, memory, stack, log and sense.

use reap_plugin::log::{self, Level};
use reap_plugin::{Description, Fact, Setting, SettingKind, Settings, Value};

/// What the plugin says of itself.
pub(crate) fn description(name: &str) -> Description {
    Description {
        name: name.to_owned(),
        version: "0.1.0".to_owned(),
        summary: "Attacks its host.".to_owned(),
        settings: vec![Setting {
            name: "attack".to_owned(),
            kind: SettingKind::Text,
            fallback: Value::Text(String::new()),
            help: "Which attack to make.".to_owned(),
        }],
    }
}

/// The attack that the operator asked for.
pub(crate) fn chosen(settings: &Settings) -> String {
    settings.text("attack").unwrap_or_default().to_owned()
}

/// Makes the attack, if it is one of these.
pub(crate) fn make(attack: &str) {
    match attack {
        "loop" => forever(),
        "memory" => eat_memory(),
        "recurse" => {
            std::hint::black_box(recurse(1));
        }
        "recurse-with-room" => {
            std::hint::black_box(recurse_with_room(1));
        }
        "panic" => panic!("a panic on purpose, with an escape: \u{1b}[2J"),
        "logs" => flood(),
        _ => {}
    }
}

fn forever() {
    let mut n = 0u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

fn eat_memory() {
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        all.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}

/// Fills the stack that the host keeps.
#[allow(unconditional_recursion, reason = "that is the attack")]
fn recurse(n: u64) -> u64 {
    recurse(std::hint::black_box(n + 1)) + n
}

/// Fills the stack in the guest's own memory first.
#[allow(unconditional_recursion, reason = "that is the attack")]
fn recurse_with_room(n: u64) -> u64 {
    let room = std::hint::black_box([n; 64]);
    recurse_with_room(n + 1) + room[(n % 64) as usize]
}

fn flood() {
    for n in 0..200_000u32 {
        log::write(Level::Error, &format!("flood {n} \u{1b}]0;owned\u{7}\nerror: forged line"));
    }
}

/// A fact of several texts.
#[allow(dead_code, reason = "the policy lists nothing")]
pub(crate) fn texts(name: &str, texts: &[&str]) -> Fact {
    let texts = texts.iter().map(|text| (*text).to_owned()).collect();
    Fact { name: name.to_owned(), value: Value::Texts(texts) }
}

/// A fact, so that listings have one.
#[allow(dead_code, reason = "the policy lists nothing")]
pub(crate) fn number(name: &str, number: i64) -> Fact {
    Fact { name: name.to_owned(), value: Value::Number(number) }
}
