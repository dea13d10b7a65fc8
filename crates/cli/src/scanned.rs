//! Tracking numbers as scanners type them. A keyboard scanner sends what it reads: with the symbology's identifier before
//! it (ISO/IEC 15424: `]C1`), with the application identifier of GS1 (`00` before an SSCC), in brackets where the label
//! prints them so (`(00)`), in blocks, or as a link (GS1 Digital Link).

/// The number itself, as two readings of the same label agree on it.
pub(crate) fn number(read: &str) -> String {
    let text: String =
        read.chars().filter(|c| !c.is_whitespace() && !c.is_control() && !is_invisible(*c)).collect();
    let text = without_symbology(&text);
    let text = text.split_once("://").and_then(|(_, rest)| of_link(rest)).unwrap_or(text);
    let text = text.strip_prefix("(00)").unwrap_or(text);
    let is_sscc = |text: &str| text.len() == 18 && text.bytes().all(|c| c.is_ascii_digit());
    let text = text.strip_prefix("00").filter(|rest| is_sscc(rest)).unwrap_or(text);
    text.to_uppercase()
}

/// Byte order marks, joiners and marks of direction: copied along with a number, seen by nobody.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Without `]`, a letter and a digit.
fn without_symbology(text: &str) -> &str {
    let mut chars = text.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some(']'), Some(code), Some(modifier))
            if code.is_ascii_alphabetic() && modifier.is_ascii_alphanumeric() =>
        {
            chars.as_str()
        }
        _ => text,
    }
}

/// The SSCC of a GS1 Digital Link: `…/00/NUMBER`.
fn of_link(rest: &str) -> Option<&str> {
    let path = rest.split(['?', '#']).next()?;
    let mut segments = path.split('/').skip_while(|segment| *segment != "00");
    segments.next()?;
    segments.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_label_is_one_number_however_it_is_read() {
        let sscc = "340400000000000017";
        for read in [
            "340400000000000017",
            "00340400000000000017",
            "(00)340400000000000017",
            "(00) 3404 0000 0000 0000 17",
            "]C100340400000000000017",
            "]C100340400000000000017\u{1d}",
            "]d200340400000000000017\r\n",
            "\u{feff}340400000000000017 ",
            "https://id.gs1.org/00/340400000000000017?linkType=x",
        ] {
            assert_eq!(number(read), sscc, "{read:?}");
        }
        assert_eq!(number("hx8123 "), "HX8123");
        assert_eq!(number("]Q3HX8123"), "HX8123");
        // What merely looks like it is left alone.
        assert_eq!(number("00123"), "00123");
        assert_eq!(number("0034040000000000001X"), "0034040000000000001X");
        assert_eq!(number("]"), "]");
        assert_eq!(number("https://shop.example/track/HX1"), "HTTPS://SHOP.EXAMPLE/TRACK/HX1");
        assert_ne!(number("HX-81"), number("HX81"), "a hyphen may tell two numbers apart");
    }
}
