//! Tables for people: columns aligned by the width that a terminal shows.

use reap::core::clean;
use unicode_width::UnicodeWidthStr;

use super::output::Style;

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
        Self { text: clean::line(text.as_ref()), style }
    }

    /// The same field cut to so many columns.
    pub fn cut(mut self, columns: usize) -> Self {
        if self.text.width() > columns {
            while self.text.width() >= columns && self.text.pop().is_some() {}
            self.text.push('…');
        }
        self
    }
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

    /// The table as text, each line with this before it. The last column is not
    /// padded, so that no line ends in spaces.
    pub fn render(&self, indent: &str, colours: bool) -> String {
        let lines = || std::iter::once(&self.heading).chain(&self.rows);
        let widths: Vec<usize> = (0..self.heading.len())
            .map(|column| {
                lines().filter_map(|line| line.get(column)).map(|cell| cell.text.width()).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for line in lines() {
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
            assert_eq!(Cell::new(text).cut(columns).text, cut, "{text} in {columns}");
        }
    }
}
