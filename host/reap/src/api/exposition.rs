//! Prometheus' text format: families of numbers, each with its help and type.

use std::fmt::{Display, Write};

/// What kind of numbers a family holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grow, and begin anew with the process.
    Counter,
    /// Go up and down.
    Gauge,
    /// Sums and counts of durations.
    Summary,
}

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// A name and a value for it.
pub(super) type Label<'a> = (&'a str, &'a str);

impl Exposition {
    /// A family of numbers. The samples follow it.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) -> Family<'_> {
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        };
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {word}\n"); // a String takes everything
        Family { page: self, name: name.to_owned() }
    }

    /// A family of a single number.
    pub fn one(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// The page.
    pub fn finish(self) -> String {
        self.0
    }
}

/// A family whose samples are being written.
pub(super) struct Family<'p> {
    page: &'p mut Exposition,
    name: String,
}

impl Family<'_> {
    /// A number.
    pub fn sample(&mut self, labels: &[Label<'_>], value: impl Display) {
        self.part("", labels, value);
    }

    /// A number under the family's name with something behind it: `_sum`, `_count`.
    pub fn part(&mut self, behind: &str, labels: &[Label<'_>], value: impl Display) {
        let page = &mut self.page.0;
        let _ = write!(page, "{}{behind}", self.name);
        for (place, (name, value)) in labels.iter().enumerate() {
            let _ = write!(page, "{}{name}=\"{}\"", if place == 0 { '{' } else { ',' }, escaped(value));
        }
        let _ = writeln!(page, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_out() {
        let mut page = Exposition::default();
        let mut family = page.family("reap_x_total", Kind::Counter, "What \\ is\ncounted.");
        family.sample(&[("a", "plain"), ("b", "quote \" back \\ line\nend")], 3);
        family.sample(&[], 0.25);
        page.family("reap_d_seconds", Kind::Summary, "How long.").part("_sum", &[("part", "act")], 1.5);
        insta::assert_snapshot!(page.finish(), @r#"
        # HELP reap_x_total What \\ is\ncounted.
        # TYPE reap_x_total counter
        reap_x_total{a="plain",b="quote \" back \\ line\nend"} 3
        reap_x_total 0.25
        # HELP reap_d_seconds How long.
        # TYPE reap_d_seconds summary
        reap_d_seconds_sum{part="act"} 1.5
        "#);
    }
}
