//! Asks servers and looks at their processes. The only module, with `end` and
//! `tag`, that calls the host while tmux is at work.

use reap_plugin::commands::{Running, argument, run, start};
use reap_plugin::processes::{Detail, inspect, snapshot};
use reap_plugin::{Error, Listing, Process, log};

use crate::answer::{self, Absence, Answer};
use crate::family::Table;
use crate::listing::listing;
use crate::session::Scene;
use crate::strays::Panes;

/// How many servers are asked at once. The host lets 64 commands run by default;
/// a folder full of stale sockets has more.
const AT_ONCE: usize = 32;

/// Looks at the servers at these sockets: one command each. What was `configured`
/// may be no socket.
pub fn servers(sockets: &[String], configured: &[String]) -> Vec<Listing> {
    let mut answers = Vec::with_capacity(sockets.len());
    let mut table = None;
    for group in sockets.chunks(AT_ONCE) {
        let asked: Vec<_> = group.iter().map(|socket| ask(socket)).collect();
        // While the servers work at their answers, the host reads /proc.
        table = table.or_else(process_table);
        let answered = group.iter().zip(asked);
        answers
            .extend(answered.map(|(socket, asked)| answer::read(socket, asked.and_then(|it| it.finish()))));
    }
    doubt(sockets, &mut answers, configured);
    if let Some(table) = &mut table {
        let (curious, outside) = seen(&answers, table);
        learn(table, curious);
        learn_places(table, &outside);
        table.strays.settle(&outside);
    }
    sockets.iter().zip(&answers).map(|(socket, answer)| listing(socket, answer, table.as_ref())).collect()
}

/// Looks at one server.
pub fn server(socket: &str) -> Listing {
    // One socket, one listing. It was found before, so that it is a socket.
    servers(&[socket.to_owned()], &[]).swap_remove(0)
}

fn ask(socket: &str) -> Result<Running, Error> {
    start("scan", &[argument("socket", socket)])
}

/// Asks what the configured paths are at which nobody listens. In the socket folder
/// sockets alone are looked at, but somebody may have written down anything.
fn doubt(sockets: &[String], answers: &mut [Answer], configured: &[String]) {
    for (socket, answer) in sockets.iter().zip(answers) {
        if *answer == Answer::Absent(Absence::NobodyListens) && configured.contains(socket) {
            *answer = answer::of_kind(run("kind", &[argument("socket", socket)]));
        }
    }
}

/// The process table, with all that can be guessed to be needed of it. Without
/// it the sessions are listed all the same, their activity unknown.
fn process_table() -> Option<Table> {
    match snapshot() {
        Ok(rows) => {
            let mut table = Table::new(rows);
            let likely = table.likely();
            learn(&mut table, likely);
            let outside = Panes::guess(&table).outside(&table);
            learn_places(&mut table, &outside);
            Some(table)
        }
        Err(error) => {
            warn(&format!("no session's activity can be told: {}", error.reason()));
            None
        }
    }
}

/// Now that the servers have said what their panes are: the processes of which
/// more is needed, and those that live in no pane.
fn seen(answers: &[Answer], table: &Table) -> (Vec<Process>, Vec<Process>) {
    let (mut curious, mut panes) = (Vec::new(), Panes::guess(table));
    for answer in answers {
        let Answer::Server(rows) = answer else { continue };
        let scene = Scene::new(rows, Some(table));
        curious.extend(scene.curious());
        if let Some(server) = scene.server() {
            panes.correct(table, server, &scene.leaders());
        }
    }
    (curious, panes.outside(table))
}

/// Reads working directories, and of shells the arguments, where they were not
/// read before. What is no shell is at work whatever its arguments are, and
/// reading them is most of the cost of a scan.
fn learn(table: &mut Table, wanted: Vec<Process>) {
    let (shells, others): (Vec<Process>, Vec<Process>) =
        table.unread(wanted).into_iter().partition(|process| table.is_shell(process.pid));
    for (wanted, what) in [(shells, Detail::ARGV | Detail::CWD), (others, Detail::CWD)] {
        if wanted.is_empty() {
            continue;
        }
        match inspect(&wanted, what) {
            Ok(details) => table.learn(&wanted, details),
            Err(error) => warn(&format!("no process's arguments can be read: {}", error.reason())),
        }
    }
}

/// Reads where processes were started, where it was not read before.
fn learn_places(table: &mut Table, of: &[Process]) {
    let wanted = table.strays.unread(of);
    if wanted.is_empty() {
        return;
    }
    match inspect(&wanted, Detail::ENVIRONMENT) {
        Ok(details) => table.strays.learn(&wanted, &details),
        Err(error) => warn(&format!("no process's environment can be read: {}", error.reason())),
    }
}

fn warn(message: &str) {
    log::write(log::Level::Warn, message);
}
