//! Text of others on a terminal, and text of ours to where it is read.

use std::io::{self, ErrorKind, Write as _};

use unicode_width::UnicodeWidthStr as _;

/// A line to people, on stderr. That nobody reads it any more is no reason to stop what is under way at a door.
macro_rules! tell {
    ($($words:tt)*) => {
        $crate::text::to_people(&format!($($words)*))
    };
}
pub(crate) use tell;

pub(crate) fn to_people(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// To stdout, whole. A reader that has had enough (`| head`) is no fault.
///
/// # Errors
/// What could not be written for another reason, such as a full disk.
pub(crate) fn to_stdout(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Fewest characters of an ID that are shown.
const SHORTEST: usize = 8;

/// How many characters of these IDs tell each from all others. IDs begin with the time at which they were made, so those
/// of one second share their first ten.
pub(crate) fn distinct<'a>(ids: impl IntoIterator<Item = &'a str>) -> usize {
    let mut ids: Vec<&str> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    let shared = |pair: &[&str]| pair[0].chars().zip(pair[1].chars()).take_while(|(a, b)| a == b).count();
    ids.windows(2).map(|pair| shared(pair) + 1).max().unwrap_or(0).max(SHORTEST)
}

/// That many characters of an ID.
pub(crate) fn short(id: &str, length: usize) -> String {
    safe(id).chars().take(length).collect()
}

/// Without anything that a terminal obeys or that turns the line around: control characters, and the marks of
/// bidirectional text (Unicode TR 9).
pub(crate) fn safe(text: &str) -> String {
    text.chars()
        .filter(|c| {
            !c.is_control()
                && !matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
        })
        .collect()
}

/// Rows as columns, each as wide as it must be; the last is not padded.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|i| rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.width()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (i, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if i + 1 < row.len() {
                line.push_str(&" ".repeat(widths[i] - cell.width() + 2));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_cannot_command_the_terminal() {
        assert_eq!(safe("Shoes\u{1b}[2J\u{7}\r\n\u{202e}evil"), "Shoes[2Jevil");
        assert_eq!(safe("Grüße 靴"), "Grüße 靴");
    }

    #[test]
    fn ids_are_shown_as_long_as_they_must_be() {
        assert_eq!(distinct([]), 8);
        assert_eq!(distinct(["01m8m6rf7xaaaa", "01m8m6rf7xaaab", "01m8m6rf7xb"]), 14);
        assert_eq!(distinct(["01m8m6rf7x", "01m8m6rf7x", "02m"]), 8, "the same one twice is one");
        // One that is the beginning of another is shown whole.
        assert_eq!(distinct(["01m8m6rf7x", "01m8m6rf7xaaaa"]), 11);
        assert_eq!(short("01m8m6rf7xaaaa", 10), "01m8m6rf7x");
    }

    #[test]
    fn wide_characters_do_not_shift_columns() {
        let rows = vec![vec!["靴".into(), "a".into()], vec!["xyz".into(), "b".into()]];
        assert_eq!(columns(&rows), "靴   a\nxyz  b\n");
    }
}
