//! Stands in for kiro-cli, which is closed source and needs a login.
//!
//! One program under several names, as the first argument says: the wrapper
//! `kiro-cli`, the backend `kiro-cli-chat`, `launcher`, `bun` and `node`, an MCP
//! server, and what may be around them: a `gateway` that hosts them, a process
//! that takes over orphans. The shapes and the store are those of public reports
//! about real ones; nothing here was measured on a real one.
//!
//! How it misbehaves stands in `STANDIN` (see [`modes`]); where its names are, in
//! `STANDIN_BIN`; where each process says that it is ready, in `STANDIN_READY`.

mod around;
mod backend;
mod kernel;
mod modes;
mod moment;
mod runtime;
mod store;

use std::io;

use modes::Modes;

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let name = words.first().and_then(|word| word.rsplit('/').next()).unwrap_or_default().to_owned();
    let rest = words.get(1..).unwrap_or_default();
    match name.as_str() {
        // What is around kiro-cli behaves.
        "init" => return around::init(),
        "systemd" | "supervisor" => return around::subreaper(rest),
        "gateway" => return around::gateway(rest),
        "crowd" => return around::crowd(rest),
        "editor" => return around::editor(rest),
        _ => {}
    }
    let modes = Modes::told()?;
    modes.ignore_signals();
    match name.as_str() {
        "launcher" => runtime::launcher(rest),
        "kiro-cli" => runtime::wrapper(rest),
        "kiro-cli-chat" if rest.first().is_some_and(|word| word == "acp") => backend::serve(&modes),
        "kiro-cli-chat" if rest.iter().any(|word| word == "--no-interactive") => backend::headless(&modes),
        "kiro-cli-chat" => runtime::chat(rest),
        "bun" => runtime::terminal(rest, &modes),
        "node" => backend::third_engine(&modes),
        "mcp-server" => runtime::mcp_server(rest, &modes),
        // The desktop companion, and a backend that gave itself another name.
        _ => runtime::stay(&name),
    }
}
