//! `reap policy new`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use reap::core::ids::PluginName;

use crate::cli::error::{CliError, Exit};
use crate::cli::output::Ui;

/// Begins a new policy in this folder: a script with its golden cases.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name
    name: String,
    /// Begin with a copy of this script, one that comes with Reap
    #[arg(long, value_name = "POLICY", conflicts_with = "rust")]
    from: Option<String>,
    /// Begin a component in Rust instead, in a folder of its own
    #[arg(long)]
    rust: bool,
}

pub fn run(args: &Args, ui: &mut Ui) -> Result<Exit, CliError> {
    let name =
        PluginName::new(args.name.as_str()).map_err(|error| CliError::new(Exit::Usage, error.to_string()))?;
    let files = match &args.from {
        _ if args.rust => component(&name),
        None => script(&name),
        Some(from) => copy(&name, from)?,
    };
    for (path, text) in &files {
        write(path, text)?;
    }
    for (path, _) in &files {
        ui.print(&format!("wrote {}\n", path.display()));
    }
    ui.print(&format!("{}\n", next(&name, args.rust)));
    Ok(Exit::Done)
}

type Files = Vec<(PathBuf, String)>;

fn script(name: &PluginName) -> Files {
    pair(
        name,
        include_str!("../../../templates/rule.star"),
        include_str!("../../../templates/rule.cases.toml"),
    )
}

fn copy(name: &PluginName, from: &str) -> Result<Files, CliError> {
    let Some((script, cases)) = reap::authoring::example(from) else {
        let known = reap::authoring::examples().join(", ");
        return Err(CliError::new(
            Exit::NotFound,
            format!("no script {from} comes with Reap; there are: {known}"),
        ));
    };
    Ok(pair(name, script, &cases.replace(from, name.as_str())))
}

fn pair(name: &PluginName, script: &str, cases: &str) -> Files {
    let named = |text: &str| text.replace("NAME", name.as_str());
    vec![
        (PathBuf::from(format!("{name}.star")), named(script)),
        (PathBuf::from(format!("{name}.cases.toml")), named(cases)),
    ]
}

fn component(name: &PluginName) -> Files {
    let named = |text: &str| text.replace("NAME", name.as_str());
    let folder = Path::new(name.as_str());
    vec![
        (folder.join("Cargo.toml"), named(include_str!("../../../templates/rust/manifest.toml"))),
        (folder.join("src/lib.rs"), named(include_str!("../../../templates/rust/lib.rs.txt"))),
        (folder.join(format!("{name}.toml")), named(include_str!("../../../templates/rust/plugin.toml"))),
    ]
}

/// Never over a file that is there: it may be somebody's work.
fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let wrong = |error: io::Error| {
        CliError::new(Exit::Error, format!("{} cannot be written: {error}", path.display()))
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(wrong)?;
    }
    let mut file = fs::File::create_new(path).map_err(wrong)?;
    io::Write::write_all(&mut file, text.as_bytes()).map_err(wrong)
}

fn next(name: &PluginName, rust: bool) -> String {
    if rust {
        return format!(
            "Build it in {name} with: cargo build --release --target wasm32-wasip2\n\
             Then put {name}.toml, and the component as {name}.wasm, into a folder of [plugins] folders."
        );
    }
    format!(
        "Write what must hold into {name}.cases.toml, and try it with: reap policy test {name}\n\
         It votes once it lies in the folder `policies` beside reap.toml."
    )
}
