//! Builds the bundled guests and puts them where `src/bundled.rs` takes them
//! from, so that one `cargo build` gives a program that needs nothing beside it.

use std::env;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "guest";

/// The bundled guests: package, and the folder that holds its manifest.
const GUESTS: [(&str, &str); 9] = [
    ("reap-plugin-tmux", "plugins/tmux"),
    ("reap-plugin-kiro-cli", "plugins/kiro-cli"),
    ("reap-plugin-openclaw", "plugins/openclaw"),
    ("reap-policy-dead-panes", "policies/dead-panes"),
    ("reap-policy-idle-shell", "policies/idle-shell"),
    ("reap-policy-kiro-leaked-mcp", "policies/kiro-leaked-mcp"),
    ("reap-policy-kiro-orphans", "policies/kiro-orphans"),
    ("reap-policy-kiro-stale-locks", "policies/kiro-stale-locks"),
    ("reap-policy-openclaw-orphans", "policies/openclaw-orphans"),
];

/// The guest that runs scripts. It is no plugin by itself.
const ENGINE: &str = "reap-policy-starlark";

/// What the guests are made from. Folders that builds write into must not be
/// here: cargo looks at the newest file below each, and would start over for ever.
const SOURCES: [&str; 7] =
    ["wit", "plugins", "policies", "Cargo.toml", "Cargo.lock", ".cargo/config.toml", "rust-toolchain.toml"];

fn main() {
    if let Err(error) = build() {
        for line in error.to_string().lines() {
            println!("cargo::error={line}");
        }
        std::process::exit(1);
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    let workspace = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    println!("cargo::rerun-if-changed=build.rs");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    check_target()?;
    let guests = target_folder(&out).join("guests");
    compile_all(&workspace, &guests)?;
    embed(&workspace, &guests.join(TARGET).join(PROFILE), &out)
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}, which cargo sets for build scripts: {error}"))
}

/// Says what to install. Without this the first thing to be seen would be a
/// hundred errors about a missing `core`.
fn check_target() -> Result<(), Box<dyn Error>> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let answer = Command::new(&rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|error| format!("cannot run {}: {error}", rustc.display()))?;
    let folder = PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim());
    if answer.status.success() && folder.is_dir() {
        return Ok(());
    }
    Err(format!(
        "the Rust target {TARGET} is not installed; the plugins that Reap brings with it are built for it.\n\
         Install it with: rustup target add {TARGET}"
    )
    .into())
}

/// The target folder of the build under way, wherever it was put: the first
/// folder above OUT_DIR that cargo has tagged as one.
fn target_folder(out: &Path) -> &Path {
    out.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).unwrap_or(out)
}

/// The engine is built apart from the plugins: they share dependencies, and those of
/// the engine must not get features into theirs.
fn compile_all(workspace: &Path, guests: &Path) -> Result<(), Box<dyn Error>> {
    let plugins: Vec<&str> = GUESTS.iter().flat_map(|(package, _)| ["-p", package]).collect();
    compile(workspace, guests, &plugins)?;
    compile(workspace, guests, &["-p", ENGINE, "--features", "engine"])
}

fn compile(workspace: &Path, guests: &Path, packages: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut cargo = Command::new(variable("CARGO")?);
    cargo.current_dir(workspace).args(["build", "--locked", "--profile", PROFILE, "--target", TARGET]);
    cargo.arg("--target-dir").arg(guests);
    cargo.args(packages);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(belongs_to_outer_build) {
            cargo.env_remove(name);
        }
    }
    let status = cargo.status().map_err(|error| format!("cannot run cargo for the guests: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the guests did not compile ({status}); see above").into())
    }
}

/// Variables that shape the build of the host and must not shape that of the
/// guests: flags for the wrong processor, clippy in the place of the compiler,
/// another target. How to reach registries and how many jobs to run stays.
fn belongs_to_outer_build(name: &str) -> bool {
    const STAY: [&str; 7] = [
        "CARGO_HOME",
        "CARGO_MAKEFLAGS",
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
    ];
    const GO: [&str; 8] =
        ["CARGO", "RUSTFLAGS", "RUSTDOC", "RUSTC_", "TARGET", "PROFILE", "OPT_LEVEL", "__CARGO"];
    GO.iter().any(|start| name.starts_with(start)) && !STAY.iter().any(|start| name.starts_with(start))
}

/// Copies what was built and writes the table of it.
fn embed(workspace: &Path, built: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut table = String::from("&[\n");
    for (package, folder) in GUESTS {
        let name =
            Path::new(folder).file_name().and_then(|name| name.to_str()).ok_or("a guest without a name")?;
        let wasm = wasm_of(built, package);
        copy(&wasm, &out.join(format!("{name}.wasm")))?;
        copy(&workspace.join(folder).join(format!("{name}.toml")), &out.join(format!("{name}.toml")))?;
        writeln!(
            table,
            "    Bundled {{\n        \
             manifest: include_str!(concat!(env!(\"OUT_DIR\"), \"/{name}.toml\")),\n        \
             wasm: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.wasm\")),\n        \
             digest: \"{}\",\n    }},",
            digest(&wasm)?
        )?;
    }
    table.push_str("]\n");
    let engine = wasm_of(built, ENGINE);
    copy(&engine, &out.join("engine.wasm"))?;
    fs::write(out.join("engine.sha256"), digest(&engine)?)?;
    fs::write(out.join("bundled.rs"), table)?;
    Ok(())
}

/// Worked out here, so that no start of the program has to.
fn digest(file: &Path) -> Result<String, Box<dyn Error>> {
    Ok(Sha256::digest(fs::read(file)?).iter().map(|byte| format!("{byte:02x}")).collect())
}

fn wasm_of(built: &Path, package: &str) -> PathBuf {
    built.join(format!("{}.wasm", package.replace('-', "_")))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to)
        .map(drop)
        .map_err(|error| format!("cannot copy {} to {}: {error}", from.display(), to.display()))
}
