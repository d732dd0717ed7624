//! The one place that writes to the terminal and reads from it.
//!
//! A reader that goes away (`reap ls | head`) is no error: what is written then
//! goes nowhere and the command runs to its end, because one that was told
//! `--yes` must not stop half-way through its work for it.

use std::ffi::OsStr;
use std::future::Future;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::time::Duration;

use reap::core::clean;
use reap::runtime::{Level, LogLine};
use serde::Serialize;

use super::error::{CliError, Exit};
use super::harmless;
use super::stop::Stop;

/// How a piece of text is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// A heading.
    Strong,
    /// Of less weight.
    Dim,
    /// All is well.
    Good,
    /// To be looked at.
    Warn,
    /// Something is wrong, or will be gone.
    Bad,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Warn => "\x1b[33m",
            Self::Bad => "\x1b[31m",
        }
    }

    /// The text in this style, where there are colours.
    pub fn paint(self, text: &str, colours: bool) -> String {
        if colours && self != Self::Plain { format!("{}{text}\x1b[0m", self.code()) } else { text.to_owned() }
    }
}

/// What an answer is seen on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Screen {
    /// Its width, where a person reads it: there long lines do harm.
    pub columns: Option<usize>,
    /// Whether it shows colours.
    pub colours: bool,
}

/// What the commands write to and ask.
pub struct Ui {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    input: Box<dyn BufRead>,
    screen: Screen,
    colours_on_stderr: bool,
    /// Whether somebody can be asked.
    interactive: bool,
    /// Whether somebody watches standard error.
    progress: bool,
    /// The reader of standard output is gone.
    closed: bool,
    /// Standard output could not be written.
    broken: Option<io::Error>,
}

/// How long something may take before it is worth a word.
const PATIENCE: Duration = Duration::from_millis(400);

impl Ui {
    /// The standard streams.
    pub fn of_process() -> Self {
        let variable = |name| std::env::var_os(name);
        let (colours, erasing) = abilities(variable("TERM").as_deref(), variable("NO_COLOR").as_deref());
        let (out, err) = (io::stdout(), io::stderr());
        Self {
            screen: Screen {
                columns: out.is_terminal().then(|| columns(&out)),
                colours: colours && out.is_terminal(),
            },
            colours_on_stderr: colours && err.is_terminal(),
            interactive: io::stdin().is_terminal(),
            progress: erasing && err.is_terminal(),
            input: Box::new(BufReader::new(io::stdin())),
            out: Box::new(BufWriter::new(out)),
            err: Box::new(err),
            closed: false,
            broken: None,
        }
    }

    /// What standard output is seen on.
    pub fn screen(&self) -> Screen {
        self.screen
    }

    /// Whether standard output shows colours.
    pub fn colours(&self) -> bool {
        self.screen.colours
    }

    /// Whether standard error shows colours.
    pub fn colours_on_stderr(&self) -> bool {
        self.colours_on_stderr
    }

    /// Whether there is somebody to ask.
    pub fn interactive(&self) -> bool {
        self.interactive
    }

    /// Writes a message to standard output. What is not ours in it is harmless
    /// there.
    pub fn say(&mut self, message: &str) {
        self.print(&harmless::message(message));
    }

    /// Writes an answer to standard output, as it is: the colours in it are
    /// ours, and all that came from outside has been cleaned.
    pub fn print(&mut self, text: &str) {
        if !self.closed && self.broken.is_none() {
            let written = self.out.write_all(text.as_bytes());
            self.keep(written);
        }
    }

    /// Writes an answer as JSON.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(value).map_err(no_json)?;
        self.print(&harmless::json(&text));
        self.print("\n");
        Ok(())
    }

    /// Writes a part of an answer as JSON, in one line.
    pub fn json_line(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(value).map_err(no_json)?;
        self.print(&harmless::json(&text));
        self.print("\n");
        Ok(())
    }

    /// Makes sure that what was printed is out.
    pub fn finish(&mut self) -> Result<(), CliError> {
        if !self.closed && self.broken.is_none() {
            let flushed = self.out.flush();
            self.keep(flushed);
        }
        match self.broken.take() {
            Some(error) => {
                Err(CliError::new(Exit::Error, format!("standard output cannot be written: {error}")))
            }
            None => Ok(()),
        }
    }

    fn keep(&mut self, written: io::Result<()>) {
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.closed = true,
            Err(error) => self.broken = Some(error),
        }
    }

    /// Says that something is not as it should be.
    pub fn warn(&mut self, message: &str) {
        self.labelled("warning", Style::Warn, message);
    }

    /// Says what went wrong and what could be done.
    pub fn error(&mut self, error: &CliError) {
        // First what is said on the other stream, so that on a terminal the error comes last.
        let flushed = self.out.flush();
        self.keep(flushed);
        self.labelled("error", Style::Bad, &error.message);
        for hint in &error.hints {
            self.labelled("hint", Style::Strong, hint);
        }
    }

    /// Says how it goes, on standard error.
    pub fn note(&mut self, message: &str) {
        self.complain(&format!("{}\n", harmless::message(message)));
    }

    /// Writes out what was printed so far, and tells whether anybody still reads it.
    pub fn is_read(&mut self) -> Result<bool, CliError> {
        self.finish()?;
        Ok(!self.closed)
    }

    /// Shows a line of a plugin's log.
    pub fn log_line(&mut self, line: &LogLine) {
        let (label, style) = match line.level {
            Level::Debug => ("debug", Style::Dim),
            Level::Info => ("info", Style::Dim),
            Level::Warn => ("warn", Style::Warn),
            Level::Error => ("error", Style::Bad),
        };
        let message = format!("{}: {}", line.plugin, clean::line(&line.text));
        self.labelled(&format!("log {label}"), style, &message);
    }

    fn labelled(&mut self, label: &str, style: Style, message: &str) {
        let label = style.paint(&format!("{label}:"), self.colours_on_stderr);
        self.complain(&format!("{label} {}\n", harmless::message(message)));
    }

    /// Writes to standard error, as it is. When even that fails there is nobody to tell.
    pub fn complain(&mut self, text: &str) {
        let _ = self.err.write_all(text.as_bytes());
    }

    /// Asks a question that only "y" or "yes" answers with yes. When the reader
    /// of what the question is about is gone, nobody has agreed to anything.
    pub fn ask(&mut self, question: &str) -> Result<bool, CliError> {
        self.finish()?;
        if self.closed {
            return Ok(false);
        }
        self.complain(&format!("{} [y/N] ", harmless::message(question)));
        let mut answer = String::new();
        let read = self.input.read_line(&mut answer);
        if !answer.ends_with('\n') {
            self.complain("\n"); // nobody pressed return, and what follows wants its own line
        }
        read.map_err(|error| CliError::new(Exit::Error, format!("the answer could not be read: {error}")))?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Waits for something, and says on a terminal what it is waiting for when
    /// it takes long.
    pub async fn during<T>(&mut self, what: &str, work: impl Future<Output = T>) -> T {
        if !self.progress {
            return work.await;
        }
        let mut work = std::pin::pin!(work);
        if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
            return done;
        }
        self.complain(&format!("{what}..."));
        let done = work.await;
        self.complain("\r\x1b[K"); // the line is cleared again: it was no result
        done
    }

    /// Waits for work that must not stop half-way, whatever the terminal says: an
    /// end that stops between its two signals leaves processes behind that no
    /// later run can find. It takes seconds at most.
    pub async fn unbroken<T>(&mut self, what: &str, work: impl Future<Output = T>) -> io::Result<T> {
        let mut stop = Stop::watch()?;
        let done = {
            let mut work = std::pin::pin!(self.during(what, work));
            tokio::select! {
                done = &mut work => return Ok(done),
                () = stop.asked() => work.await,
            }
        };
        self.complain("what had begun when Reap was told to stop was finished first\n");
        Ok(done)
    }
}

fn no_json(error: serde_json::Error) -> CliError {
    CliError::new(Exit::Error, format!("the answer could not be written as JSON: {error}"))
}

/// Whether a terminal shows colours that are wanted, and whether it can erase a
/// line.
fn abilities(term: Option<&OsStr>, no_color: Option<&OsStr>) -> (bool, bool) {
    let able = term.is_none_or(|term| term != "dumb");
    (able && no_color.is_none_or(OsStr::is_empty), able)
}

/// The width of a terminal. One that does not tell has as many as most.
fn columns(out: &io::Stdout) -> usize {
    let told = rustix::termios::tcgetwinsize(out).ok().filter(|size| size.ws_col > 0);
    told.map_or(80, |size| usize::from(size.ws_col))
}

#[cfg(test)]
mod test_support {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was written.
    pub struct Seen {
        out: Stream,
        err: Stream,
    }

    #[derive(Clone, Default)]
    struct Stream(Arc<Mutex<Vec<u8>>>);

    impl Write for Stream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no test panics while writing").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stream {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no test panics while writing").clone()).expect("text")
        }
    }

    impl Seen {
        pub fn out(&self) -> String {
            self.out.text()
        }

        pub fn err(&self) -> String {
            self.err.text()
        }
    }

    impl Ui {
        /// One that keeps what is written, without colours and with nobody to ask.
        pub fn for_test() -> (Self, Seen) {
            let seen = Seen { out: Stream::default(), err: Stream::default() };
            (Self::onto(seen.out.clone(), seen.err.clone()), seen)
        }

        /// The same with colours.
        pub fn with_colours(mut self) -> Self {
            (self.screen.colours, self.colours_on_stderr) = (true, true);
            self
        }

        /// The same with somebody who answers so.
        pub fn with_answers(mut self, answers: &'static str) -> Self {
            self.input = Box::new(answers.as_bytes());
            self.interactive = true;
            self
        }

        pub fn onto(out: impl Write + 'static, err: impl Write + 'static) -> Self {
            Self {
                out: Box::new(out),
                err: Box::new(err),
                input: Box::new(io::empty()),
                screen: Screen::default(),
                colours_on_stderr: false,
                interactive: false,
                progress: false,
                closed: false,
                broken: None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error() {
        let mut ui = Ui::onto(Broken(io::ErrorKind::BrokenPipe), io::sink());
        ui.print("one");
        ui.print("two");
        assert!(ui.finish().is_ok());
        assert!(!ui.ask("End all?").expect("no error"), "nobody has seen what it is about");
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut ui = Ui::onto(Broken(io::ErrorKind::StorageFull), io::sink());
        ui.print("one");
        assert_eq!(ui.finish().expect_err("not written").exit, Exit::Error);
    }

    #[test]
    fn what_follows_a_question_has_its_own_line() {
        for (answers, agreed, seen_after) in [("y\n", true, ""), ("", false, "\n"), ("no", false, "\n")] {
            let (ui, seen) = Ui::for_test();
            assert_eq!(ui.with_answers(answers).ask("End all?").expect("an answer"), agreed, "{answers:?}");
            assert_eq!(seen.err(), format!("End all? [y/N] {seen_after}"), "{answers:?}");
        }
    }

    #[test]
    fn a_dumb_terminal_gets_neither_colours_nor_progress() {
        let cases = [
            (None, None, (true, true)),
            (Some("screen"), Some(""), (true, true)),
            (Some("screen"), Some("1"), (false, true)),
            (Some("dumb"), None, (false, false)),
        ];
        for (term, no_color, able) in cases {
            assert_eq!(abilities(term.map(OsStr::new), no_color.map(OsStr::new)), able, "{term:?}");
        }
    }

    #[test]
    fn messages_are_harmless() {
        let message = "one \u{1b}[31mX\r\ntwo\u{202e}";
        let shown = "one \\u{1b}[31mX\\r\ntwo\\u{202e}";
        let (mut ui, seen) = Ui::for_test();
        ui.say(message);
        ui.finish().expect("written");
        ui.warn(message);
        ui.error(&CliError::new(Exit::Error, message).hint(message));
        assert_eq!(seen.out(), shown);
        assert_eq!(seen.err(), format!("warning: {shown}\nerror: {shown}\nhint: {shown}\n"));
    }

    #[test]
    fn errors_come_with_hints() {
        let (mut ui, seen) = Ui::for_test();
        ui.error(&CliError::new(Exit::Usage, "no").hint("do this").hint("or that"));
        assert_eq!(seen.err(), "error: no\nhint: do this\nhint: or that\n");
    }

    #[test]
    fn json_is_exact_and_harmless() {
        let text = "a\u{1b}[2J\u{9b}\u{202e}\u{7f}\u{e0001}é日\n";
        let (mut ui, seen) = Ui::for_test();
        ui.json(&[text]).expect("JSON");
        ui.finish().expect("written");
        let json = seen.out();
        let shown = json.trim_end().replace('\n', "");
        assert_eq!(clean::line(&shown), shown);
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).expect("JSON"), [text]);
    }

    #[test]
    fn colours_only_where_there_are_any() {
        assert_eq!(Style::Bad.paint("x", true), "\x1b[31mx\x1b[0m");
        assert_eq!(Style::Bad.paint("x", false), "x");
    }
}
