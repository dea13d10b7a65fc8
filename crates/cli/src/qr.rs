//! QR codes on a terminal and in a file.

use std::{fs::File, io, path::Path};

use qrcode::{Color, EcLevel, QrCode};

/// Modules of light around it (ISO/IEC 18004).
const QUIET: usize = 4;
/// Pixels of a module in a file.
const SCALE: usize = 8;

/// Modules with their quiet zone; true is dark.
pub(crate) struct Code {
    size: usize,
    dark: Vec<bool>,
}

impl Code {
    /// None where the text is too long for any QR code.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let inner = code.width();
        let size = inner + 2 * QUIET;
        let mut dark = vec![false; size * size];
        for (i, color) in code.to_colors().into_iter().enumerate() {
            let (x, y) = (i % inner + QUIET, i / inner + QUIET);
            dark[y * size + x] = color == Color::Dark;
        }
        Some(Self { size, dark })
    }

    fn at(&self, x: usize, y: usize) -> bool {
        y < self.size && self.dark[y * self.size + x]
    }

    /// Two modules a character, black on white whatever the colours of the terminal.
    pub(crate) fn terminal(&self) -> String {
        let mut text = String::new();
        for y in (0..self.size).step_by(2) {
            text.push_str("\x1b[38;5;16;48;5;231m");
            for x in 0..self.size {
                text.push(match (self.at(x, y), self.at(x, y + 1)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                });
            }
            text.push_str("\x1b[0m\n");
        }
        text
    }

    /// 8-bit greyscale PNG, replaced whole or not at all.
    pub(crate) fn write_png(&self, path: &Path) -> io::Result<()> {
        let side = self.size * SCALE;
        let pixels: Vec<u8> = (0..side * side)
            .map(|i| if self.at(i % side / SCALE, i / side / SCALE) { 0 } else { 255 })
            .collect();
        let beside = path.with_extension("png.new");
        let edge = u32::try_from(side).map_err(io::Error::other)?;
        let mut encoder = png::Encoder::new(io::BufWriter::new(File::create(&beside)?), edge, edge);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(io::Error::other)?;
        writer.write_image_data(&pixels).map_err(io::Error::other)?;
        writer.finish().map_err(io::Error::other)?;
        std::fs::rename(beside, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_quiet_zone_and_finders() {
        let code = Code::new("https://id.example/00/340123450000000018").unwrap();
        assert!((0..code.size).all(|i| !code.at(i, 0) && !code.at(0, i) && !code.at(i, QUIET - 1)));
        assert!((0..7).all(|i| code.at(QUIET + i, QUIET)), "the edge of the first finder pattern");
        assert!(!code.at(QUIET + 7, QUIET));
        let lines = code.terminal().lines().count();
        assert_eq!(lines, code.size.div_ceil(2));
    }

    #[test]
    fn what_fits_no_code_is_none() {
        assert!(Code::new(&"x".repeat(5_000)).is_none());
    }
}
