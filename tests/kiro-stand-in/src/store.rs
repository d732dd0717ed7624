//! The files that kiro-cli keeps: of the second engine three a session, one of them
//! a lock; of the third a folder a session, without any.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::moment;

fn home() -> PathBuf {
    match std::env::var_os("KIRO_HOME") {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".kiro"),
    }
}

fn file(id: &str, ending: &str) -> io::Result<PathBuf> {
    let folder = home().join("sessions/cli");
    fs::create_dir_all(&folder)?;
    Ok(folder.join(format!("{id}.{ending}")))
}

fn cwd() -> String {
    std::env::current_dir().unwrap_or_default().display().to_string()
}

/// Begins a session: its sidecar, its empty transcript, and last its lock.
pub fn open(id: &str, megabytes: usize) -> io::Result<()> {
    let (now, cwd, pid) = (moment::now(), cwd(), std::process::id());
    let filling = "x".repeat(megabytes << 20);
    let sidecar = format!(
        r#"{{"session_id":"{id}","cwd":"{cwd}","created_at":"{now}","updated_at":"{now}","title":"work on {id}","session_state":{{"version":"v1","conversation_metadata":{{"user_turn_metadatas":[],"filling":"{filling}"}},"rts_model_state":{{"conversation_id":"{id}"}},"agent_name":"default"}}}}"#
    );
    fs::write(file(id, "json")?, sidecar)?;
    fs::OpenOptions::new().create(true).append(true).open(file(id, "jsonl")?)?;
    fs::write(file(id, "lock")?, format!(r#"{{"pid":{pid},"started_at":"{now}"}}"#))
}

/// A turn, written in one go at its end.
pub fn write_turn(id: &str) -> io::Result<()> {
    let turn = concat!(
        r#"{"version":"v1","kind":"Prompt","data":{"message_id":"p","content":[{"kind":"text","data":"hello"}]}}"#,
        "\n",
        r#"{"version":"v1","kind":"AssistantMessage","data":{"message_id":"a","content":[{"kind":"text","data":"done"}]}}"#,
        "\n",
    );
    fs::OpenOptions::new().append(true).open(file(id, "jsonl")?)?.write_all(turn.as_bytes())
}

/// A clean end: the lock goes, the rest stays.
pub fn close(id: &str) -> io::Result<()> {
    fs::remove_file(file(id, "lock")?)
}

/// A session of the third engine.
pub fn open_third(id: &str) -> io::Result<()> {
    let folder = home().join("sessions/0123456789abcdef").join(format!("sess_{id}"));
    fs::create_dir_all(&folder)?;
    let (now, cwd) = (moment::now(), cwd());
    let session = format!(
        r#"{{"schemaVersion":"1.0.0","dataModelVersion":1,"id":"sess_{id}","title":"work on {id}","agentMode":"vibe","workspacePaths":["{cwd}"],"createdAt":"{now}","lastModifiedAt":"{now}","modelId":"auto","autopilot":true,"status":"idle"}}"#
    );
    fs::write(folder.join("session.json"), session)?;
    fs::write(folder.join("messages.jsonl"), "")
}
