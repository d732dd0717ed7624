//! Tables for people: columns aligned by the width that a terminal shows.

use reap::core::clean;
use unicode_width::UnicodeWidthStr;

use super::output::{Screen, Style};

/// The column that is cut where a line is too long.
const TITLE: &str = "TITLE";

/// Columns that every title gets.
const LEAST_OF_TITLE: usize = 16;

/// Columns of the last field for which titles are cut.
const LAST: usize = 24;

/// One field of a table.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A field with this text, made safe to show.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self::styled(text, Style::Plain)
    }

    /// A field that looks so.
    pub fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self { text: visible(text.as_ref()), style }
    }

    /// Cuts the field to so many columns.
    fn cut(&mut self, columns: usize) {
        if self.text.width() > columns {
            while self.text.width() >= columns && self.text.pop().is_some() {}
            self.text.push('…');
        }
    }
}

/// The text in one line, with every blank visible but a single space between
/// two words: with a run of blanks a title could imitate the columns beside it.
pub fn visible(text: &str) -> String {
    let chars: Vec<char> = clean::line(text).chars().collect();
    let word = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| !c.is_whitespace());
    let shown = |(at, c): (usize, &char)| {
        let between = *c == ' ' && word(at.checked_sub(1)) && word(Some(at + 1));
        if c.is_whitespace() && !between { '␣' } else { *c }
    };
    chars.iter().enumerate().map(shown).collect()
}

/// Rows under a heading.
#[derive(Debug)]
pub struct Table {
    heading: Vec<Cell>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty one with these columns.
    pub fn new(columns: &[&str]) -> Self {
        Self {
            heading: columns.iter().map(|column| Cell::styled(column, Style::Strong)).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// Cuts its titles so that the lines fit on the screen, as far as titles may
    /// be cut. A long last column may go on in the next line.
    pub fn fit(mut self, indent: &str, screen: Screen) -> Self {
        let title = self.heading.iter().position(|cell| cell.text == TITLE);
        let (Some(columns), Some(title)) = (screen.columns, title) else { return self };
        let mut widths = self.widths();
        if let Some(last) = widths.last_mut() {
            *last = (*last).min(LAST);
        }
        let line = indent.width() + widths.iter().sum::<usize>() + 2 * (widths.len() - 1);
        let most = widths[title].saturating_sub(line.saturating_sub(columns)).max(LEAST_OF_TITLE);
        self.rows.iter_mut().for_each(|row| row[title].cut(most));
        self
    }

    fn widths(&self) -> Vec<usize> {
        let lines = || std::iter::once(&self.heading).chain(&self.rows);
        (0..self.heading.len())
            .map(|column| {
                lines().filter_map(|line| line.get(column)).map(|cell| cell.text.width()).max().unwrap_or(0)
            })
            .collect()
    }

    /// The table as text, each line with this before it. The last column is not
    /// padded, so that no line ends in spaces.
    pub fn render(&self, indent: &str, colours: bool) -> String {
        let widths = self.widths();
        let mut text = String::new();
        for line in std::iter::once(&self.heading).chain(&self.rows) {
            let last = line.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or(0);
            text.push_str(indent);
            for (column, cell) in line.iter().enumerate().take(last + 1) {
                text.push_str(&cell.style.paint(&cell.text, colours));
                if column < last {
                    text.extend(std::iter::repeat_n(' ', widths[column] - cell.text.width() + 2));
                }
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["HANDLE", "TITLE", "WHY"]);
        table.row(vec![Cell::new("1a2b"), Cell::new("日本"), Cell::styled("idle", Style::Bad)]);
        table.row(vec![Cell::new("3c4d5e6f"), Cell::new("x\n1 2\u{1b}[2J"), Cell::new("")]);
        table
    }

    #[test]
    fn columns_stand_under_each_other() {
        insta::assert_snapshot!(table().render("  ", false), @r"
  HANDLE    TITLE            WHY
  1a2b      日本             idle
  3c4d5e6f  x\n1 2\u{1b}[2J
        ");
    }

    #[test]
    fn colours_shift_nothing() {
        let painted = table().render("", true);
        let mut plain = painted.clone();
        for code in ["\x1b[1m", "\x1b[31m", "\x1b[0m"] {
            plain = plain.replace(code, "");
        }
        assert_ne!(painted, plain);
        assert_eq!(plain, table().render("", false));
    }

    #[test]
    fn cuts_by_columns() {
        let cases = [("日本語", 4, "日…"), ("日本語", 6, "日本語"), ("abc", 3, "abc"), ("abcd", 3, "ab…")];
        for (text, columns, cut) in cases {
            let mut cell = Cell::new(text);
            cell.cut(columns);
            assert_eq!(cell.text, cut, "{text} in {columns}");
        }
    }

    #[test]
    fn no_text_imitates_columns() {
        let cases = [
            ("two words", "two words"),
            ("a  b", "a␣␣b"),
            (" a ", "␣a␣"),
            ("a\u{3000}b\u{a0}c", "a␣b␣c"),
            ("a\tb", "a\\tb"),
        ];
        for (text, shown) in cases {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn titles_are_cut_to_fit_the_screen() {
        let long = "a title of rather more columns than there are";
        let lines = |columns| {
            let mut table = Table::new(&["HANDLE", "TITLE", "WHY"]);
            table.row(vec![Cell::new("1a2b"), Cell::new(long), Cell::new("idle")]);
            table.fit("  ", Screen { columns, colours: false }).render("  ", false)
        };
        assert!(lines(None).contains(long));
        assert!(lines(Some(61)).contains(long), "it just fits");
        for (columns, title) in
            [(60, "a title of rather more columns than there a…"), (20, "a title of rath…")]
        {
            let shown = lines(Some(columns));
            assert!(shown.contains(&format!("1a2b    {title}  idle\n")), "{columns}: {shown}");
        }
    }
}
