//! Text of others on a terminal.

use unicode_width::UnicodeWidthStr as _;

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
    fn wide_characters_do_not_shift_columns() {
        let rows = vec![vec!["靴".into(), "a".into()], vec!["xyz".into(), "b".into()]];
        assert_eq!(columns(&rows), "靴   a\nxyz  b\n");
    }
}
