//! Reads what the `scan` command of the manifest prints, and believes none of it
//! that is not exactly as it must be.
//!
//! A folder whose name held a line end and `$9 %9 1 0` once added a session with
//! pid 1 to a reaper's list. Here every row says its kind, ids and numbers are
//! digits and nothing else, texts come with their length in bytes or without any
//! space, and a row that does not fit is reported instead of guessed at.

use std::collections::BTreeSet;
use std::fmt;

/// A session's id inside its server, which tmux writes `$3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionNumber(pub u32);

impl fmt::Display for SessionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.0)
    }
}

/// `H`: the server itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its clock in seconds since 1970, read with the rows.
    pub now: u64,
    /// Its pid, in its own PID namespace.
    pub pid: u32,
    /// When it started, by the same clock.
    pub started: u64,
    /// Its version, such as `3.3a`.
    pub version: String,
}

/// `S`: a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub number: SessionNumber,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When a client last did something in it.
    pub activity: u64,
    /// When somebody last attached to it, if ever.
    pub last_attached: Option<u64>,
    /// How many clients are attached.
    pub attached: u32,
    /// Whether the tag `@reap-protect` is on.
    pub protected: bool,
    /// The group it belongs to, as far as it can be written in visible ASCII. It
    /// is for people: two groups can look the same.
    pub group: Option<String>,
    /// Its name.
    pub name: String,
    /// The tag `@reap-owner`.
    pub owner: Option<OwnerTag>,
    /// The panes that it shows, of all its windows; one at least.
    pub panes: Vec<Pane>,
}

/// The tag `@reap-owner` as it was printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerTag {
    /// What was printed: printable ASCII.
    pub text: String,
    /// Whether that is all of it, unchanged.
    pub exact: bool,
}

/// `C`: a client that is attached to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The session.
    pub session: SessionNumber,
    /// Whether it is a program that speaks control mode (iTerm2 does, for a person).
    pub control: bool,
}

/// A pane as one session shows it, written `@3%5:1234:0:1795164213;`. A window
/// that several sessions show appears in each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pane {
    /// The window, which tmux writes `@3`.
    pub window: u32,
    /// The pane itself, which tmux writes `%3`. Never given twice by one server.
    pub id: u32,
    /// When something last happened in the window, in seconds since 1970.
    pub window_activity: u64,
    /// What lives in the pane.
    pub state: PaneState,
}

/// What lives in a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaneState {
    /// A process tree with this leader.
    Live(u32),
    /// What ran in it has ended; `remain-on-exit` keeps the pane.
    Dead,
    /// It never had a process: another program writes into it.
    Empty,
}

/// All that one server printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The server.
    pub server: Server,
    /// Its sessions.
    pub sessions: Vec<SessionRow>,
    /// The clients attached to them.
    pub clients: Vec<Client>,
    /// What was not understood, or does not fit together.
    pub flaws: Vec<String>,
}

/// Reads the rows. Without the server's own row nothing is worth anything, and
/// the error says what stood there.
pub fn parse(stdout: &[u8]) -> Result<Rows, String> {
    let (stdout, ended) = stdout.strip_suffix(b"\n").map_or((stdout, false), |stdout| (stdout, true));
    let mut lines = stdout.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let server = text(first).and_then(server_row).ok_or_else(|| flaw("its first row", first))?;
    let mut rows = Rows { server, sessions: Vec::new(), clients: Vec::new(), flaws: Vec::new() };
    for line in lines {
        if rows.take(line).is_none() {
            rows.flaws.push(flaw("the row", line));
        }
    }
    if !ended {
        rows.flaws.push("its output breaks off".to_owned());
    }
    rows.check();
    Ok(rows)
}

impl Rows {
    fn take(&mut self, line: &[u8]) -> Option<()> {
        let (kind, rest) = text(line)?.split_at_checked(2)?;
        match kind {
            "S " => self.sessions.push(session_row(rest)?),
            "C " => self.clients.push(client_row(rest)?),
            _ => return None,
        }
        Some(())
    }

    /// A row can be well-formed and still be wrong: an id stands for one session,
    /// and nothing belongs to a session not listed.
    fn check(&mut self) {
        let mut known = BTreeSet::new();
        for SessionRow { number, .. } in &self.sessions {
            if !known.insert(*number) {
                self.flaws.push(format!("the session {number} is there twice"));
            }
        }
        let named: BTreeSet<_> = self.clients.iter().map(|client| client.session).collect();
        for stray in named.difference(&known) {
            self.flaws.push(format!("there are rows of a session {stray} that is not listed"));
        }
    }
}

fn server_row(line: &str) -> Option<Server> {
    let mut fields = Fields::of(line.strip_prefix("H ")?);
    let (now, pid, started) = (fields.number()?, fields.number()?, fields.number()?);
    let version = fields.rest()?;
    (pid > 0 && !version.is_empty()).then(|| Server { now, pid, started, version: version.to_owned() })
}

fn session_row(rest: &str) -> Option<SessionRow> {
    let mut fields = Fields::of(rest);
    let number = fields.session()?;
    let (created, activity) = (fields.number()?, fields.number()?);
    let last_attached = match fields.next()? {
        "" => None,
        digits => Some(whole(digits)?),
    };
    let (attached, protected) = (fields.number()?, fields.flag()?);
    let owner_length = fields.number()?;
    let group = fields.visible()?;
    let panes = panes(fields.next()?)?;
    let name_length = fields.number()?;
    let name = fields.of_length(name_length)?;
    if name.is_empty() {
        return None;
    }
    Some(SessionRow {
        number,
        created,
        activity,
        last_attached,
        attached,
        protected,
        group: (!group.is_empty()).then(|| group.to_owned()),
        name: name.to_owned(),
        owner: owner_tag(fields.rest()?, owner_length)?,
        panes,
    })
}

/// tmux was asked to cut the tag and to replace what is not printable; then its
/// length tells whether anything was.
fn owner_tag(printed: &str, length: usize) -> Option<Option<OwnerTag>> {
    let printable = printed.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let tag = OwnerTag { text: printed.to_owned(), exact: printed.len() == length };
    (printable && printed.len() <= length).then(|| (!printed.is_empty()).then_some(tag))
}

fn client_row(rest: &str) -> Option<Client> {
    let mut fields = Fields::of(rest);
    let client = Client { session: fields.session()?, control: fields.flag()? };
    fields.end().then_some(client)
}

/// The panes of a session: every session has one.
fn panes(field: &str) -> Option<Vec<Pane>> {
    field.strip_suffix(';')?.split(';').map(pane).collect()
}

fn pane(text: &str) -> Option<Pane> {
    let mut parts = text.split(':');
    let (window, id) = parts.next()?.strip_prefix('@')?.split_once('%')?;
    let pid = whole(parts.next()?)?;
    let state = match (parts.next()?, pid) {
        ("0", 0) => return None,
        ("0", pid) => PaneState::Live(pid),
        ("1", 0) => PaneState::Empty,
        ("1", _) => PaneState::Dead,
        _ => return None,
    };
    let window_activity = whole(parts.next()?)?;
    let whole_text = parts.next().is_none();
    whole_text.then_some(Pane { window: whole(window)?, id: whole(id)?, window_activity, state })
}

/// What is left of a row's fields, one space between two of them. An empty field
/// shows as two spaces in a row, so nothing shifts.
struct Fields<'a>(Option<&'a str>);

impl<'a> Fields<'a> {
    fn of(row: &'a str) -> Self {
        Self(Some(row))
    }

    fn next(&mut self) -> Option<&'a str> {
        let left = self.0.take()?;
        let Some((field, rest)) = left.split_once(' ') else {
            return Some(left);
        };
        self.0 = Some(rest);
        Some(field)
    }

    fn number<N: std::str::FromStr>(&mut self) -> Option<N> {
        whole(self.next()?)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.next()? {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        }
    }

    fn id(&mut self, sign: char) -> Option<u32> {
        whole(self.next()?.strip_prefix(sign)?)
    }

    fn session(&mut self) -> Option<SessionNumber> {
        self.id('$').map(SessionNumber)
    }

    /// A text of visible ASCII, which tmux was asked to make of it.
    fn visible(&mut self) -> Option<&'a str> {
        self.next().filter(|field| field.bytes().all(|byte| byte.is_ascii_graphic()))
    }

    /// A text of so many bytes and the space behind it.
    fn of_length(&mut self, length: usize) -> Option<&'a str> {
        let (field, rest) = self.0?.split_at_checked(length)?;
        self.0 = Some(rest.strip_prefix(' ')?);
        Some(field)
    }

    fn rest(self) -> Option<&'a str> {
        self.0
    }

    fn end(&self) -> bool {
        self.0.is_none()
    }
}

/// Digits and nothing else: Rust reads `+5` as a number too.
pub(crate) fn whole<N: std::str::FromStr>(digits: &str) -> Option<N> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn text(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line).ok()
}

fn flaw(what: &str, line: &[u8]) -> String {
    const SHOWN: usize = 120;
    let shown: String = String::from_utf8_lossy(line).chars().take(SHOWN).collect();
    format!("{what} {shown:?} is not understood")
}

#[cfg(test)]
mod tests;
