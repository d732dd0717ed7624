//! Text from outside, made safe to show.
//!
//! Titles, paths and reasons come from programs that nobody vouches for. A
//! terminal obeys escape sequences in them, and a newline in one can imitate a
//! row of a table.

/// The text with everything that a terminal might obey, and every character
/// that changes the direction or the place of what follows, made visible.
/// Line ends become visible too, so the answer is always one line.
pub fn line(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if dangerous(c) { clean.extend(c.escape_default()) } else { clean.push(c) }
    }
    clean
}

/// Like [`line()`], cut to at most `most` characters with an ellipsis.
pub fn line_of(text: &str, most: usize) -> String {
    let clean = line(text);
    if clean.chars().count() <= most {
        return clean;
    }
    let mut cut: String = clean.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

fn dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' // zero width, direction marks
            | '\u{2028}'..='\u{202e}' // line ends, direction overrides
            | '\u{2060}'..='\u{206f}' // invisible operators, direction isolates
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' // byte order mark, annotations
            | '\u{e0000}'..='\u{e007f}') // invisible tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_visible() {
        assert_eq!(line("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(line("a\nb\tc"), "a\\nb\\tc");
        assert_eq!(line("user\u{202e}txt"), "user\\u{202e}txt");
        assert_eq!(line("ünï — 日本"), "ünï — 日本");
    }

    #[test]
    fn cuts_by_characters() {
        assert_eq!(line_of("ünïcode", 4), "ünï…");
        assert_eq!(line_of("abc", 3), "abc");
    }
}
