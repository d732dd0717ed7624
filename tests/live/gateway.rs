//! A real gateway in a world of its own, and the model provider that it talks to.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use reap_openclaw_stand_in::{Client, Login};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cases::{Gateway, keys};
use crate::support::{Process, World, holds, until};

/// The first start took 16 s on two idle cores, and 25 s on busy ones.
const PATIENCE: Duration = Duration::from_secs(180);

/// Good for this gateway only.
const TOKEN: &str = "tok-of-the-live-tests";

/// What `tests/live/run` installed.
pub struct Installed {
    node: PathBuf,
    gateway: PathBuf,
}

impl Installed {
    /// Where that is. Nothing when nobody has said it.
    pub fn told() -> Option<Self> {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        Some(Self { node: path("REAP_LIVE_NODE")?, gateway: path("REAP_LIVE_GATEWAY")? })
    }
}

/// The gateway. All its processes end with the world.
pub struct Real<'w> {
    world: &'w World,
    installed: &'w Installed,
    port: u16,
    process: Process,
}

impl<'w> Real<'w> {
    /// Starts the provider and the gateway, and waits until it is ready.
    pub fn start(world: &'w World, installed: &'w Installed) -> Self {
        let provider = provider(world, installed);
        let port = free_port();
        for name in ["workspace", "gateway"] {
            fs::create_dir(world.path(name)).expect("a folder");
        }
        world.write("gateway.json", configuration(world, port, provider).to_string());
        let process = launch(world, installed, port);
        Self { world, installed, port, process }
    }

    /// Takes away what the last case left.
    pub fn clear(&self) {
        let mut client = Client::enter(&self.url(), &Login::with(TOKEN)).expect("the token is right");
        let jobs = ask(&mut client, "cron.list", json!({"includeDisabled": true, "limit": 200}));
        // Those with a declaration are the gateway's own.
        let ours =
            jobs["jobs"].as_array().into_iter().flatten().filter(|job| job.get("declarationKey").is_none());
        for job in ours {
            ask(&mut client, "cron.remove", json!({"id": job["id"]}));
        }
        let tasks = ask(&mut client, "tasks.list", json!({"status": ["running", "queued"], "limit": 500}));
        for task in keys(&tasks["tasks"], "id") {
            ask(&mut client, "tasks.cancel", json!({"taskId": task}));
        }
        let limit = 20_000 + std::time::UNIX_EPOCH.elapsed().map_or(0, |now| now.subsec_micros());
        let used =
            ask(&mut client, "sessions.usage", json!({"agentScope": "all", "range": "all", "limit": limit}));
        let listed = ask(&mut client, "sessions.list", json!({"limit": 1000, "archived": "all"}));
        let all = keys(&used["sessions"], "key").into_iter().chain(keys(&listed["sessions"], "key"));
        for key in all.filter(|key| key != "agent:main:main") {
            ask(&mut client, "sessions.delete", json!({"key": key, "deleteTranscript": false}));
        }
    }

    /// The end of what it wrote.
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(self.world.path("gateway.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Gateway for Real<'_> {
    fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    fn token(&self) -> &str {
        TOKEN
    }

    fn crash(&mut self) {
        // It would finish its runs for five minutes if it were asked.
        self.process.signal(Signal::KILL);
        holds("its end", || !self.process.lives());
        self.process = launch(self.world, self.installed, self.port);
    }
}

#[track_caller]
fn ask(client: &mut Client, method: &str, params: Value) -> Value {
    client.call(method, params).unwrap_or_else(|refused| panic!("{method}: {}", refused.error))
}

/// Starts the model provider, and gives its port.
fn provider(world: &World, installed: &Installed) -> u16 {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/live/provider.mjs");
    let told = world.path("provider.port");
    let mut command = world.command(&installed.node);
    command.arg(script).stdin(Stdio::null()).stdout(File::create(&told).expect("a file"));
    world.in_background(command);
    until("the provider's port", || fs::read_to_string(&told).ok()?.strip_suffix('\n')?.parse().ok())
}

/// Starts the gateway, and waits until it is ready.
fn launch(world: &World, installed: &Installed, port: u16) -> Process {
    let log = File::options().create(true).append(true).open(world.path("gateway.log")).expect("a file");
    let mut command = world.command(&installed.node);
    command.arg(&installed.gateway).args(["gateway", "run"]).stdin(Stdio::null());
    command.stdout(log.try_clone().expect("a second descriptor")).stderr(log);
    command.env("OPENCLAW_HOME", world.path("home")).env("OPENCLAW_STATE_DIR", world.path("gateway"));
    command.env("OPENCLAW_CONFIG_PATH", world.path("gateway.json"));
    // Worlds name a port at which nobody listens.
    command.env("OPENCLAW_GATEWAY_PORT", port.to_string());
    for (name, value) in [
        ("SKIP_CHANNELS", "1"),
        ("DISABLE_BONJOUR", "1"),
        ("NO_RESPAWN", "1"),
        ("NO_AUTO_UPDATE", "1"),
        ("OFFLINE", "1"),
        ("EXEC_SHELL_SNAPSHOT", "0"),
    ] {
        command.env(format!("OPENCLAW_{name}"), value);
    }
    let process = world.in_background(command);
    let since = Instant::now();
    while !is_ready(port) {
        assert!(
            process.lives(),
            "the gateway ended: {}",
            fs::read_to_string(world.path("gateway.log")).unwrap_or_default()
        );
        assert!(since.elapsed() < PATIENCE, "the gateway is not ready after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    process
}

/// Whether it takes logins. It answers on its port long before.
fn is_ready(port: u16) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let asked = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut answer = [0; 12];
    let limited = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let read = limited.and_then(|()| stream.write_all(asked)).and_then(|()| stream.read_exact(&mut answer));
    read.is_ok() && answer.ends_with(b" 200")
}

fn free_port() -> u16 {
    // Nobody else takes it so soon: the kernel hands ports out in turn.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it has an address").port()
}

/// As little as a gateway needs: no account, no channel, and a model that is a script.
fn configuration(world: &World, port: u16, provider: u16) -> Value {
    let cost = json!({"input": 1, "output": 1, "cacheRead": 0, "cacheWrite": 0});
    let model = json!({
        "id": "echo", "name": "echo", "reasoning": false, "input": ["text"], "contextWindow": 128_000,
        "maxTokens": 4096, "cost": cost,
    });
    json!({
        "gateway": {
            "mode": "local", "port": port, "bind": "loopback", "auth": {"mode": "token", "token": TOKEN},
            "controlUi": {"enabled": false},
        },
        "discovery": {"mdns": {"mode": "off"}}, "update": {"checkOnStart": false}, "tools": {"toolSearch": false},
        "agents": {"defaults": {
            "workspace": world.path("workspace"), "skipBootstrap": true, "model": {"primary": "fake/echo"},
        }},
        "models": {"mode": "replace", "providers": {"fake": {
            "baseUrl": format!("http://127.0.0.1:{provider}/v1"), "apiKey": "none", "api": "openai-completions",
            "models": [model],
        }}},
    })
}
