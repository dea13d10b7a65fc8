//! Text and numbers from outside are bounded before anything keeps or draws them.

/// Titles, names of carriers, people, places and things.
pub(crate) const NAME: usize = 120;
/// Addresses and opening hours.
pub(crate) const ADDRESS: usize = 240;
/// Ids and codes.
pub(crate) const ID: usize = 64;
/// What is painted on a door.
pub(crate) const LABEL: usize = 12;
/// What people write to each other.
pub(crate) const NOTE: usize = 2000;

/// At most `limit` characters, on one line, without control characters and without the invisible marks that turn the
/// reading direction of what follows around (Unicode UAX 9 embeddings, overrides and isolates).
pub(crate) fn clip(text: &mut String, limit: usize) {
    let fine = |c: char| !c.is_control() && !matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    if text.len() <= limit && text.chars().all(fine) {
        return;
    }
    let mut clean = String::with_capacity(limit.min(text.len()));
    let mut rest = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| fine(*c));
    clean.extend(rest.by_ref().take(limit));
    if rest.next().is_some() {
        clean.pop();
        clean.push('…');
    }
    *text = clean;
}

/// As [`clip`], and its lines stay lines.
pub(crate) fn clip_lines(text: &mut String, limit: usize) {
    let mut left = limit;
    let mut lines = Vec::new();
    for line in text.lines() {
        if left == 0 {
            break;
        }
        let line = clipped(line.to_owned(), left);
        left = left.saturating_sub(line.chars().count() + 1);
        lines.push(line);
    }
    *text = lines.join("\n");
}

/// The same, by value.
pub(crate) fn clipped(mut text: String, limit: usize) -> String {
    clip(&mut text, limit);
    text
}

/// An id that can stand in a path: not empty, at most 64 characters of the unreserved set (RFC 3986).
pub(crate) fn is_id(text: &str) -> bool {
    (1..=ID).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~' | b':'))
        && text != "."
        && text != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_bounded_and_cannot_turn_the_line_around() {
        assert_eq!(clipped("Schuhe".into(), 10), "Schuhe");
        assert_eq!(clipped("a\u{202E}b\u{2066}c\0d\ne".into(), 20), "abcd e");
        assert_eq!(clipped("<b>markup</b>".into(), 20), "<b>markup</b>");
        let long = clipped("ж".repeat(10_000), NAME);
        assert_eq!(long.chars().count(), NAME);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn lines_stay_lines_within_the_same_bounds() {
        let lines = |text: &str, limit| {
            let mut text = text.to_owned();
            clip_lines(&mut text, limit);
            text
        };
        assert_eq!(lines("We looked.\r\nThe latch \u{202E}is new.\n", 100), "We looked.\nThe latch is new.");
        assert_eq!(lines("abc\ndefgh", 6), "abc\nd…");
        assert_eq!(lines("abc\ndef\nghi", 4), "abc");
        assert!(lines(&"x\n".repeat(10_000), NOTE).chars().count() <= NOTE);
    }

    #[test]
    fn ids_cannot_leave_their_path_segment() {
        assert!(is_id("res_01HZ-7"));
        for bad in ["", "..", "a/b", "a?b", "a%2fb", "ü", &"x".repeat(65)] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
