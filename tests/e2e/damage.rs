//! What Reap remembers is damaged, gone, or cannot be written: a clear error, no
//! end without an intent on the disk, nothing made anew in its place. Whoever only
//! looks is served all the same, and told what is not known.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Daemon, Gate, Intent, Ran, Step, World, holds};

/// A cycle begins when the test asks for it, and an orphan is due at the second.
fn rules(mode: &str) -> String {
    format!(
        "[policies.idle-shell]\nafter = \"0s\"\n[marks]\ntimes = 2\ngrace = \"0s\"\n[records]\nspacing = \"0s\"\n\
         [daemon]\nmode = \"{mode}\"\nevery = \"1h\"\n"
    )
}

/// A world with an orphan, `work`, and a session that is none. A daemon that ends
/// nothing has looked at them once.
fn remembered() -> World {
    let world = World::with(&rules("observe"));
    let server = world.server("main");
    server.shell("work");
    server.sleeper("stays");
    look(&world);
    world
}

/// Lets a daemon look once.
#[track_caller]
fn look(world: &World) {
    let daemon = world.daemon();
    first_cycle(&daemon);
    assert_eq!(daemon.stop(), 0);
    world.gather_database();
}

#[track_caller]
fn first_cycle(daemon: &Daemon<'_>) {
    holds("the first cycle", || !daemon.http().get("/v1/status").is(200).json().at("/cycle").is_null());
}

/// What would end something is refused with these words, and a look is not.
#[track_caller]
fn only_looks(world: &World, said: &str) -> Ran {
    let before = files(world);
    for words in [&["kill", "--yes", "work"][..], &["cleanup", "--yes"]] {
        world.reap(words).exits(1).says(&["nothing was ended", said]);
    }
    world.reap(&["daemon"]).exits(1).says(&[said]);
    let listed = world.reap(&["ls", "--json"]).exits(0);
    assert_eq!(listed.json().each("/title"), ["stays", "work"]);
    assert_eq!(world.server("main").ids().len(), 2, "both live");
    assert_eq!(files(world), before, "it is left as it is");
    listed
}

/// What is kept, byte by byte.
fn files(world: &World) -> [Option<Vec<u8>>; 2] {
    ["reap.db", "journal.head"].map(|name| fs::read(world.state_file(name)).ok())
}

const FORGOTTEN: &str = "what Reap remembers of these sessions could not be read";

#[test]
fn a_damaged_memory_is_told_and_left_as_it_is() {
    type Damage = fn(&World);
    let cases: [(&str, Damage, &str, bool); 5] = [
        (
            "removed",
            |world| fs::remove_file(world.state_file("reap.db")).expect("removed"),
            "there is no database",
            true,
        ),
        (
            "emptied",
            |world| fs::write(world.state_file("reap.db"), "").expect("emptied"),
            "there is no database",
            true,
        ),
        (
            "garbage",
            |world| fs::write(world.state_file("reap.db"), "garbage ".repeat(9000)).expect("written"),
            "is damaged",
            true,
        ),
        (
            "a head that is cut",
            |world| {
                let head = fs::read(world.state_file("journal.head")).expect("a head");
                fs::write(world.state_file("journal.head"), &head[..30]).expect("cut");
            },
            "does not hold the head of a journal",
            false,
        ),
        (
            "an older copy",
            |world| {
                let older = fs::read(world.state_file("reap.db")).expect("a database");
                look(world);
                fs::write(world.state_file("reap.db"), older).expect("put back");
            },
            "ends before its noted head",
            false,
        ),
    ];
    for (what, damage, said, forgotten) in cases {
        let world = remembered();
        damage(&world);
        let listed = only_looks(&world, said);
        assert_eq!(listed.stderr.contains(FORGOTTEN), forgotten, "{what}: {listed}");
    }
}

/// A daemon reads all of it before it begins. A command that ends something opens
/// it only, which costs the same for any size.
#[test]
fn a_changed_byte_is_found_at_the_start_of_the_daemon() {
    for (place, said) in [
        ("SELECT payload FROM journal ORDER BY length(payload) DESC LIMIT 1", "is not as it was written"),
        ("SELECT body FROM memory ORDER BY length(body) DESC LIMIT 1", "is damaged"),
    ] {
        let world = remembered();
        let text: String = world.database().query_row(place, [], |row| row.get(0)).expect(place);
        change_a_byte(&world.state_file("reap.db"), text.as_bytes());
        world.reap(&["daemon"]).exits(1).says(&[said]);
        if place.contains("journal") {
            world.reap(&["journal", "verify"]).exits(1).says(&[said]);
        }
        assert_eq!(world.server("main").ids().len(), 2);
        assert_eq!(world.reap(&["ls", "--json"]).exits(0).json().each("/title"), ["stays", "work"]);
    }
}

/// In the middle of the one place where the file holds this.
#[track_caller]
fn change_a_byte(file: &Path, text: &[u8]) {
    let mut bytes = fs::read(file).expect("a file");
    let places: Vec<usize> =
        bytes.windows(text.len()).enumerate().filter(|(_, part)| *part == text).map(|(at, _)| at).collect();
    let [at] = places[..] else { panic!("it is there {} times", places.len()) };
    let digit = at + text.iter().position(u8::is_ascii_digit).expect("a number");
    bytes[digit] = if bytes[digit] == b'1' { b'2' } else { b'1' };
    fs::write(file, bytes).expect("our own file");
}

/// The file lives on without its name for as long as the daemon has it open, and
/// what is written to it then is gone after a crash.
#[test]
fn a_database_that_is_taken_away_from_the_daemon() {
    let world = remembered();
    let gate = Gate::in_world(&world);
    world.configure(&rules("observe"));
    let daemon = world.daemon_as(&mut gate.command(&["daemon"]));
    first_cycle(&daemon);
    fs::remove_file(world.state_file("reap.db")).expect("removed");
    daemon.http().post("/v1/cycle", "").fails(503, "memory");
    let refused = world.reap(&["kill", "--yes", "work"]).exits(1);
    refused.says(&["nothing was ended", "it was removed or replaced"]);
    assert_eq!((gate.ends(), world.server("main").ids().len()), (0, 2));
    assert_eq!(world.reap(&["ls", "--json"]).exits(0).json().each("/title"), ["stays", "work"]);
}

#[test]
fn a_folder_that_is_read_only() {
    let world = World::of_nobody();
    world.configure(&rules("observe"));
    let server = world.server("main");
    server.shell("work");
    server.sleeper("stays");
    server.sleeper("first");
    world.reap(&["kill", "--yes", "first"]).exits(0);
    world.gather_database();
    let folder = world.path("state/reap");
    let permit = |folder_mode, file_mode| {
        for entry in fs::read_dir(&folder).expect("our own folder") {
            let path = entry.expect("an entry").path();
            fs::set_permissions(path, Permissions::from_mode(file_mode)).expect("our own file");
        }
        fs::set_permissions(&folder, Permissions::from_mode(folder_mode)).expect("our own folder");
    };
    permit(0o500, 0o400);
    only_looks(&world, "cannot be written to");
    permit(0o700, 0o600);
    world.reap(&["kill", "--yes", "work"]).exits(0);
    world.journal_is_sound();
}

/// Less than any write of the database needs.
const NO_ROOM: Option<u64> = Some(4096);

/// A daemon that has looked once, and an orphan that is due at the next look.
struct Stage<'w> {
    world: &'w World,
    gate: Gate<'w>,
    daemon: Daemon<'w>,
}

impl<'w> Stage<'w> {
    #[track_caller]
    fn in_world(world: &'w World) -> Self {
        let gate = Gate::in_world(world);
        let server = world.server("main");
        server.shell("work");
        server.sleeper("stays");
        let daemon = world.daemon_as(&mut gate.command(&["daemon"]));
        first_cycle(&daemon);
        Self { world, gate, daemon }
    }

    /// Whether both live, and tmux was not told to end any.
    fn untouched(&self) -> bool {
        self.gate.ends() == 0 && self.world.server("main").ids().len() == 2
    }

    /// Asks for a cycle, and takes the room away when it has come to this step.
    #[track_caller]
    fn no_room_from(&self, step: Step, passes: usize) -> (u16, String) {
        self.gate.shut(step, passes);
        let http = self.daemon.http();
        std::thread::scope(|scope| {
            let cycle = scope.spawn(|| http.post("/v1/cycle", ""));
            self.gate.reached(step, 1);
            self.daemon.process.limit_files(NO_ROOM);
            self.gate.open(step);
            let reply = cycle.join().expect("an answer");
            (reply.status, reply.body)
        })
    }

    /// A cycle that comes to nothing is told, and whoever looks is served.
    #[track_caller]
    fn is_told(&self) {
        self.daemon.http().post("/v1/cycle", "").fails(503, "memory");
        let status = self.daemon.status();
        assert!(!status.at("/cycle/error").is_null(), "{status}");
        let listed = self.world.reap(&["ls", "--json"]).exits(0).json();
        let there = ["main", "other"].map(|name| self.world.server(name).ids().len());
        assert_eq!(listed.list().len(), there.iter().sum::<usize>());
        self.world.reap(&["journal", "verify"]).exits(0);
    }

    /// With room again the session is ended, by one intent with one outcome.
    #[track_caller]
    fn recovers(self) {
        self.daemon.process.limit_files(None);
        holds("the end of the session, written down", || {
            self.daemon.cycle();
            let intents = self.world.intents();
            self.world.server("main").ids().len() == 1
                && intents.iter().all(|intent| !intent.outcomes.is_empty())
        });
        assert_eq!(self.daemon.stop(), 0);
        assert_eq!(self.world.intents(), [Intent::new("work", &["ended"])]);
        assert_eq!(self.gate.ends(), 1);
        self.world.journal_is_sound();
    }
}

#[test]
fn no_room_for_what_a_cycle_found() {
    let world = World::with(&rules("enforce"));
    let stage = Stage::in_world(&world);
    stage.daemon.process.limit_files(NO_ROOM);
    for _ in 0..3 {
        stage.is_told();
    }
    assert!(stage.untouched());
    assert_eq!(world.intents(), []);
    let came = world.server("other").sleeper("came").handle();
    stage.is_told();
    stage.recovers();
    let told = world.reap(&["journal", "--all", "--json", &came]).exits(0).json();
    assert_eq!(
        told.each("/kind"),
        ["session.seen"],
        "what was found without room is written when there is some"
    );
}

#[test]
fn no_room_for_the_intent() {
    let world = World::with(&rules("enforce"));
    let stage = Stage::in_world(&world);
    let (status, body) = stage.no_room_from(Step::Look, 1);
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("nothing was ended, since it could not be journalled"), "{body}");
    assert!(stage.untouched());
    assert_eq!(world.intents(), []);
    stage.is_told();
    assert!(stage.untouched());
    stage.recovers();
}

#[test]
fn no_room_for_the_outcome() {
    let world = World::with(&rules("enforce"));
    let stage = Stage::in_world(&world);
    let (status, body) = stage.no_room_from(Step::AfterEnd, 0);
    assert_eq!(status, 200, "{body}");
    assert!(stage.daemon.said().contains("this is not in the journal yet"), "{}", stage.daemon.said());
    assert_eq!(world.intents(), [Intent::new("work", &[])]);
    stage.is_told();
    assert_eq!(world.intents(), [Intent::new("work", &[])]);
    stage.recovers();
    let journal = world.reap(&["journal", "--all", "--json"]).exits(0);
    assert!(!journal.stdout.contains("Reap was stopped"), "what was seen then is what is told: {journal}");
}

/// The outcome was only in memory. The next daemon looks.
#[test]
fn a_crash_before_there_is_room_for_the_outcome() {
    let world = World::with(&rules("enforce"));
    let stage = Stage::in_world(&world);
    stage.no_room_from(Step::AfterEnd, 0);
    let Stage { gate, daemon, .. } = stage;
    daemon.crash();
    assert_eq!(world.intents(), [Intent::new("work", &[])]);
    let daemon = world.daemon_as(&mut gate.command(&["daemon"]));
    first_cycle(&daemon);
    Stage { world: &world, gate, daemon }.recovers();
}

/// The operator was told that it failed, so it must not be done later.
#[test]
fn no_room_for_an_approval() {
    let world = World::with(&format!("{}[limits]\nper_cycle = 1\nfloor = 0\n", rules("observe")));
    world.server("main").shell("more");
    let stage = Stage::in_world(&world);
    stage.daemon.cycle();
    let held = || stage.daemon.http().get("/v1/status").is(200).json().at("/held/0");
    let before = held();
    let approve = format!("/v1/plans/{}/approve", before.at("/plan").text());
    stage.daemon.process.limit_files(NO_ROOM);
    stage.daemon.http().post(&approve, "").is(503);
    stage.daemon.process.limit_files(None);
    stage.daemon.cycle();
    stage.daemon.cycle();
    assert_eq!((stage.gate.ends(), world.server("main").ids().len()), (0, 3));
    assert_eq!(held(), before, "it waits as before");
    stage.daemon.http().post(&approve, "").is(200);
    assert_eq!((stage.gate.ends(), world.server("main").ids().len()), (2, 1));
    assert_eq!(stage.daemon.stop(), 0);
    world.journal_is_sound();
}
