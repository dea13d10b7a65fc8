//! QR codes as drawings: an SVG path that the window fills.

use qrcode::{Color, EcLevel, QrCode};

use crate::view::QrView;

/// Draws a text; none where it is too long for any QR code. Level L where much must fit, M otherwise.
pub(crate) fn draw(text: &str) -> Option<QrView> {
    let level = if text.len() > 300 { EcLevel::L } else { EcLevel::M };
    let code = QrCode::with_error_correction_level(text, level).ok()?;
    let size = code.width();
    let modules = code.into_colors();
    let mut path = String::new();
    for (y, row) in modules.chunks(size).enumerate() {
        let mut x = 0;
        while x < size {
            let run = row[x..].iter().take_while(|module| **module == Color::Dark).count();
            if run > 0 {
                use std::fmt::Write;
                write!(path, "M{x} {y}h{run}v1h-{run}z").expect("a string takes all that is written");
            }
            x += run.max(1);
        }
    }
    Some(QrView { size: u16::try_from(size).ok()?, path, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills the path back into modules.
    fn filled(view: &QrView) -> Vec<bool> {
        let size = usize::from(view.size);
        let mut modules = vec![false; size * size];
        for part in view.path.split('z').filter(|part| !part.is_empty()) {
            let (start, rest) = part.strip_prefix('M').unwrap().split_once('h').unwrap();
            let (x, y) = start.split_once(' ').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            let run: usize = rest.split_once('v').unwrap().0.parse().unwrap();
            modules[y * size + x..y * size + x + run].fill(true);
        }
        modules
    }

    #[test]
    fn the_path_is_the_code() {
        for text in ["A", "https://id.gs1.org/00/106141412345678908", &"PO1:ABC 123".repeat(60)] {
            let view = draw(text).unwrap();
            let level = if text.len() > 300 { EcLevel::L } else { EcLevel::M };
            let code = QrCode::with_error_correction_level(text, level).unwrap();
            let dark: Vec<bool> = code.to_colors().iter().map(|color| *color == Color::Dark).collect();
            assert_eq!(filled(&view), dark);
        }
    }

    #[test]
    fn what_fits_no_code_is_not_drawn() {
        assert!(draw(&"x".repeat(5_000)).is_none());
    }
}
