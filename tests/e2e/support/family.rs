//! Children of all kinds in one session. What tmux leaves alive when it ends a
//! session was measured with these: between five and seven of seven.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::process::Process;
use super::tmux::{Server, Session};
use super::world::World;

/// Each child writes its pid and becomes a sleeper. The last two ignore TERM and
/// have left everything that the kernel could tell them by.
const SCRIPT: &str = r#"
dir=$1
child='echo $$ >"$0/.$1" && mv "$0/.$1" "$0/$1" && exec sleep 600'
sh -c "$child" "$dir" plain &
nohup sh -c "$child" "$dir" nohup >/dev/null 2>&1 &
(trap '' HUP; exec sh -c "$child" "$dir" ignores-hup) &
set -m
sh -c "$child" "$dir" own-group &
set +m
setsid sh -c "$child" "$dir" setsid &
setsid sh -c 'sh -c "$0" "$1" daemon &' "$child" "$dir"
if [ "$2" = stubborn ]; then
    (trap '' HUP TERM; exec setsid sh -c "$child" "$dir" ignores-term) &
    (trap '' HUP TERM; setsid sh -c 'sh -c "$0" "$1" stubborn-daemon &' "$child" "$dir")
fi
"#;

const KINDS: [&str; 6] = ["plain", "nohup", "ignores-hup", "own-group", "setsid", "daemon"];
const STUBBORN: [&str; 2] = ["ignores-term", "stubborn-daemon"];

/// The children and their leader.
pub struct Family {
    pub leader: Process,
    pub children: BTreeMap<&'static str, Process>,
}

impl Family {
    /// A session whose leader is a script that goes on after it has started its
    /// children: `then` is the last thing it does.
    #[track_caller]
    pub fn start<'w>(server: &Server<'w>, name: &str, stubborn: bool, then: &str) -> (Session<'w>, Self) {
        let (folder, script) = script(server.world, name, then);
        let words = ["sh", &script, &folder, if stubborn { "stubborn" } else { "" }];
        let session = server.start(name, &words);
        let family = Self::wait(server.world, &session, Path::new(&folder), stubborn);
        (session, family)
    }

    /// The same children of a shell that waits for somebody to type.
    #[track_caller]
    pub fn in_shell<'w>(server: &Server<'w>, name: &str) -> (Session<'w>, Self) {
        let (folder, script) = script(server.world, name, "");
        let session = server.shell(name);
        session.types(&format!("set -- {folder}; . {script}"));
        let family = Self::wait(server.world, &session, Path::new(&folder), false);
        (session, family)
    }

    #[track_caller]
    fn wait(world: &World, session: &Session<'_>, folder: &Path, stubborn: bool) -> Self {
        let kinds = KINDS.iter().chain(stubborn.then_some(STUBBORN.iter()).into_iter().flatten());
        let children = kinds.map(|kind| (*kind, world.process_in(&folder.join(kind)))).collect();
        Self { leader: session.leader(), children }
    }

    /// Those that live, by kind.
    pub fn alive(&self) -> Vec<&str> {
        let leader = self.leader.lives().then_some("leader");
        let children = self.children.iter().filter(|(_, process)| process.lives()).map(|(kind, _)| *kind);
        leader.into_iter().chain(children).collect()
    }

    /// How many there are, with the leader.
    pub fn size(&self) -> usize {
        self.children.len() + 1
    }
}

fn script(world: &World, name: &str, then: &str) -> (String, String) {
    let folder: PathBuf = world.path(format!("family-{name}"));
    fs::create_dir(&folder).expect("a family of that name is new");
    let script = world.write(&format!("family-{name}.sh"), format!("{SCRIPT}{then}\n"));
    (folder.to_string_lossy().into_owned(), script.to_string_lossy().into_owned())
}
