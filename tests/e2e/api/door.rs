//! Whom the API lets in: this user by the socket, and over TCP whoever shows the
//! token; web pages never.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use super::QUICK;
use crate::support::{Http, World, run, skip};

#[test]
fn only_this_user_is_let_in_by_the_socket() {
    let world = World::with(QUICK);
    let daemon = world.daemon();
    let mode = |path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(world.socket()), mode(world.path("run/reap"))), (0o600, 0o700));
    daemon.http().with("origin", "http://localhost").get("/v1/status").fails(403, "forbidden");
    daemon.http().with("origin", "null").post("/v1/cycle", "").fails(403, "forbidden");
    if !rustix::process::geteuid().is_root() {
        return skip("only root can ask as somebody else");
    }
    // As wide open as it could be, the kernel still tells who is there.
    world.open_to_all();
    for (path, mode) in [("run", 0o755), ("run/reap", 0o755), ("run/reap/reap.sock", 0o666)] {
        fs::set_permissions(world.path(path), fs::Permissions::from_mode(mode)).expect("our own");
    }
    let ask = |user: &str| {
        let mut curl = world.own_command("setpriv");
        curl.args([&format!("--reuid={user}"), "--clear-groups", "--", "curl", "-sS", "--unix-socket"]);
        curl.arg(world.socket()).arg("http://localhost/v1/about");
        run(&mut curl)
    };
    let own = ask("0");
    if own.code == 127 {
        return skip("there is no curl");
    }
    own.exits(0).says(&["\"version\""]);
    let other = ask("65534");
    assert!(other.code != 0 && other.stdout.is_empty(), "{other}");
}

#[test]
fn over_tcp_the_token_is_needed() {
    const TOKEN: &str = "a-token-of-some-length";
    let world = World::with("[daemon]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"token\"\n");
    let token = world.write("config/reap/token", format!("{TOKEN}\n"));
    let refused = world.reap(&["daemon"]).exits(1);
    refused.says(&["other users may use the token's file", "chmod 600"]);
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).expect("our own");

    let daemon = world.daemon();
    let about = daemon.http().get("/v1/about").is(200).json();
    let address: SocketAddr = about.at("/listen").text().parse().expect("an address");
    assert_ne!(address.port(), 0, "the one that it got");
    let status = daemon.http().get("/v1/status").json();
    assert_eq!(status.at("/daemon/listen").text(), address.to_string());

    let port = Http::port(address);
    let good = port.with("authorization", &format!("Bearer {TOKEN}"));
    good.get("/v1/status").is(200);
    good.get("/metrics").is(200);
    for (http, status, code) in [
        (port.clone(), 401, "no-token"),
        (port.with("authorization", "Bearer a-token-of-some-lengtH"), 401, "no-token"),
        (port.with("authorization", TOKEN), 401, "no-token"),
        (good.with("origin", "http://evil.example"), 403, "forbidden"),
        (good.with("host", "evil.example"), 403, "forbidden"),
    ] {
        for path in ["/v1/status", "/metrics", "/v1/openapi.json", "/nothing"] {
            http.get(path).fails(status, code);
        }
        http.post("/v1/cycle", "").fails(status, code);
    }
    good.with("reap-version", env!("CARGO_PKG_VERSION")).get("/v1/pass").fails(403, "forbidden");
    daemon.stop();
}
