//! The one place that writes to the terminal and reads from it.
//!
//! A reader that goes away (`reap ls | head`) is no error: what is written then
//! goes nowhere and the command runs to its end, because one that was told
//! `--yes` must not stop half-way through its work for it.

use std::future::Future;
use std::io::{self, BufRead, BufWriter, IsTerminal, Write};
use std::time::Duration;

use reap::core::clean;
use reap::runtime::{Level, LogLine};
use serde::Serialize;

use super::error::{CliError, Exit};

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

/// What the commands write to and ask.
pub struct Ui {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    /// Whether a person reads standard output.
    terminal: bool,
    colours: bool,
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
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let (out, err) = (io::stdout(), io::stderr());
        Self {
            terminal: out.is_terminal(),
            colours: wanted && out.is_terminal(),
            colours_on_stderr: wanted && err.is_terminal(),
            interactive: io::stdin().is_terminal(),
            progress: err.is_terminal(),
            out: Box::new(BufWriter::new(out)),
            err: Box::new(err),
            closed: false,
            broken: None,
        }
    }

    /// Whether a person reads standard output, so that long lines do harm.
    pub fn terminal(&self) -> bool {
        self.terminal
    }

    /// Whether standard output shows colours.
    pub fn colours(&self) -> bool {
        self.colours
    }

    /// Whether standard error shows colours.
    pub fn colours_on_stderr(&self) -> bool {
        self.colours_on_stderr
    }

    /// Whether there is somebody to ask.
    pub fn interactive(&self) -> bool {
        self.interactive
    }

    /// Writes an answer to standard output.
    pub fn print(&mut self, text: &str) {
        if !self.closed && self.broken.is_none() {
            let written = self.out.write_all(text.as_bytes());
            self.note(written);
        }
    }

    /// Writes an answer as JSON.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(value).map_err(|error| {
            CliError::new(Exit::Error, format!("the answer could not be written as JSON: {error}"))
        })?;
        self.print(&harmless_json(&text));
        self.print("\n");
        Ok(())
    }

    /// Makes sure that what was printed is out.
    pub fn finish(&mut self) -> Result<(), CliError> {
        if !self.closed && self.broken.is_none() {
            let flushed = self.out.flush();
            self.note(flushed);
        }
        match self.broken.take() {
            Some(error) => {
                Err(CliError::new(Exit::Error, format!("standard output cannot be written: {error}")))
            }
            None => Ok(()),
        }
    }

    fn note(&mut self, written: io::Result<()>) {
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
        self.note(flushed);
        self.labelled("error", Style::Bad, &error.message);
        for hint in &error.hints {
            self.labelled("hint", Style::Strong, hint);
        }
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
        self.complain(&format!("{label} {message}\n"));
    }

    /// Writes to standard error. When even that fails there is nobody to tell.
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
        self.complain(&format!("{question} [y/N] "));
        let mut answer = String::new();
        io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(|error| CliError::new(Exit::Error, format!("the answer could not be read: {error}")))?;
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
}

/// The same JSON with every character that a terminal might obey written as an
/// escape. Those below 32 already are.
fn harmless_json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let (mut bytes, mut units) = ([0; 4], [0; 2]);
    for c in text.chars() {
        let harmless = c == '\n' || (c.is_ascii() && c != '\u{7f}');
        let shown = c.encode_utf8(&mut bytes);
        if harmless || clean::line(shown) == *shown {
            safe.push(c);
        } else {
            c.encode_utf16(&mut units).iter().for_each(|unit| safe.push_str(&format!("\\u{unit:04x}")));
        }
    }
    safe
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

        pub fn onto(out: impl Write + 'static, err: impl Write + 'static) -> Self {
            Self {
                out: Box::new(out),
                err: Box::new(err),
                terminal: false,
                colours: false,
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
