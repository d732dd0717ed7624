//! As much of Markdown as our own pages use.

use std::path::{Path, PathBuf};

/// One page.
pub struct Page {
    pub name: &'static str,
    pub text: &'static str,
}

/// All pages for users, and those for people who carry on the work.
pub const PAGES: [Page; 13] = [
    Page { name: "README.md", text: include_str!("../../../README.md") },
    Page { name: "docs/guide.md", text: include_str!("../../../docs/guide.md") },
    Page { name: "docs/configuration.md", text: include_str!("../../../docs/configuration.md") },
    Page { name: "docs/daemon.md", text: include_str!("../../../docs/daemon.md") },
    Page { name: "docs/kiro-cli.md", text: include_str!("../../../docs/kiro-cli.md") },
    Page { name: "docs/openclaw.md", text: include_str!("../../../docs/openclaw.md") },
    Page { name: "docs/api.md", text: include_str!("../../../docs/api.md") },
    Page { name: "docs/json.md", text: include_str!("../../../docs/json.md") },
    Page { name: "docs/architecture.md", text: include_str!("../../../docs/architecture.md") },
    Page { name: "docs/state.md", text: include_str!("../../../docs/state.md") },
    Page { name: "docs/store.md", text: include_str!("../../../docs/store.md") },
    Page { name: "docs/policies.md", text: include_str!("../../../docs/policies.md") },
    Page { name: "docs/incidents.md", text: include_str!("../../../docs/incidents.md") },
];

/// The page of that name.
#[track_caller]
pub fn page(name: &str) -> &'static Page {
    PAGES.iter().find(|page| page.name == name).unwrap_or_else(|| panic!("there is no page {name}"))
}

/// Where the repository is.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A table, by the heading above it.
pub struct Table {
    pub heading: String,
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The first cells of its rows, without the backticks.
    pub fn names(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row[0].trim_matches('`')).collect()
    }
}

impl Page {
    /// The fenced blocks of that language.
    pub fn blocks(&self, language: &str) -> Vec<String> {
        let fences: Vec<&str> = self.text.split("\n```").collect();
        assert!(fences.len() % 2 == 1, "{}: a block is not closed", self.name);
        let blocks = fences.into_iter().skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
        blocks.filter(|(word, _)| *word == language).map(|(_, text)| text.to_owned()).collect()
    }

    /// The lines outside of fenced blocks.
    pub fn prose(&self) -> impl Iterator<Item = &'static str> {
        let mut fenced = false;
        self.text.lines().filter(move |line| {
            let fence = line.starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
    }

    /// The headings, without their marks.
    pub fn headings(&self) -> Vec<&'static str> {
        self.prose()
            .filter(|line| line.starts_with('#'))
            .map(|line| line.trim_start_matches(['#', ' ']))
            .collect()
    }

    /// What stands in single backticks.
    pub fn codes(&self) -> Vec<&'static str> {
        self.prose().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
    }

    /// The tables.
    pub fn tables(&self) -> Vec<Table> {
        let mut tables: Vec<Table> = Vec::new();
        let (mut heading, mut inside) = (String::new(), false);
        for line in self.prose() {
            if line.starts_with('#') {
                line.trim_start_matches(['#', ' ']).clone_into(&mut heading);
            }
            let cells = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |"));
            match (cells, tables.last_mut()) {
                (Some(cells), Some(table)) if inside => table.rows.push(split(cells)),
                (Some(cells), _) => {
                    tables.push(Table { heading: heading.clone(), head: split(cells), rows: Vec::new() });
                }
                (None, _) => {}
            }
            inside = line.starts_with('|');
        }
        tables
    }

    /// The table under that heading.
    #[track_caller]
    pub fn table(&self, heading: &str) -> Table {
        let found = self.tables().into_iter().find(|table| table.heading == heading);
        found.unwrap_or_else(|| panic!("{}: there is no table under {heading:?}", self.name))
    }

    /// Where its links lead to: a path from the repository's root, and an anchor.
    pub fn links(&self) -> Vec<(String, String)> {
        let folder = Path::new(self.name).parent().unwrap_or(Path::new(""));
        let targets =
            self.prose().flat_map(|line| line.split("](").skip(1)).filter_map(|rest| rest.split_once(')'));
        let ours = targets.map(|(target, _)| target).filter(|target| !target.contains("://"));
        ours.map(|target| {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() { PathBuf::from(self.name) } else { folder.join(path) };
            (path.to_string_lossy().into_owned(), anchor.to_owned())
        })
        .collect()
    }
}

fn split(cells: &str) -> Vec<String> {
    cells.split(" | ").map(|cell| cell.trim().to_owned()).collect()
}

/// The anchor that a heading gets.
pub fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

/// The words of a shell command, up to a pipe, a redirection or a comment.
pub fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut quote, mut fresh) = (None, true);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '|' | '>' | '<' | '&' | ';' | '#') => break,
            (None, ' ') => fresh = true,
            (_, c) => {
                if std::mem::take(&mut fresh) {
                    words.push(String::new());
                }
                words.last_mut().expect("one was just pushed").push(c);
            }
        }
    }
    words
}
