//! The eye of the cabinet: finds the QR code in a screenshot.

use png::{ColorType, Decoder, Transformations};

/// Largest picture, in pixels.
const MAX_PIXELS: u64 = 40_000_000;

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// Not a PNG, or a broken one.
    #[error("not a PNG: {0}")]
    Picture(#[from] png::DecodingError),
    /// Too large.
    #[error("the picture is too large")]
    TooLarge,
    /// No QR code in it that can be read.
    #[error("no QR code in the picture")]
    NoCode,
}

/// The text of the first QR code in a PNG.
///
/// # Errors
/// See [`ScanError`].
pub fn read(picture: &[u8]) -> Result<String, ScanError> {
    let mut decoder = Decoder::new(std::io::Cursor::new(picture));
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info()?;
    let info = reader.info();
    let (width, height) = (info.width, info.height);
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(ScanError::TooLarge);
    }
    let mut pixels = vec![0; reader.output_buffer_size().ok_or(ScanError::TooLarge)?];
    let frame = reader.next_frame(&mut pixels)?;
    let samples = frame.color_type.samples();
    let grey = |x: usize, y: usize| {
        let at = (y * width as usize + x) * samples;
        match (frame.color_type, pixels.get(at..at + samples)) {
            (ColorType::Rgb | ColorType::Rgba, Some(&[r, g, b, ..])) => {
                ((299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b)) / 1000) as u8
            }
            (_, Some(&[value, ..])) => value,
            _ => 0xFF,
        }
    };
    // Light codes on dark ground are read as well: a scanner's camera sees both.
    for inverted in [false, true] {
        let seen = |x: usize, y: usize| if inverted { 255 - grey(x, y) } else { grey(x, y) };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width as usize, height as usize, seen);
        for grid in image.detect_grids() {
            if let Ok((_, text)) = grid.decode() {
                return Ok(text);
            }
        }
    }
    Err(ScanError::NoCode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_or_has_no_code_says_so() {
        assert!(matches!(read(b"not a picture"), Err(ScanError::Picture(_))));
        let mut blank = Vec::new();
        let mut encoder = png::Encoder::new(&mut blank, 64, 64);
        encoder.set_color(ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(&[255; 64 * 64]).unwrap();
        assert!(matches!(read(&blank), Err(ScanError::NoCode)));
    }

    #[test]
    fn a_code_is_read_dark_on_light_and_light_on_dark() {
        let code = qrcode::QrCode::new(b"HELLO LOCKER").unwrap();
        let modules = code.width();
        let (scale, quiet) = (4, 4);
        let side = (modules + 2 * quiet) * scale;
        for light_on_dark in [false, true] {
            let pixels: Vec<u8> = (0..side * side)
                .map(|index| {
                    let (x, y) = (index % side / scale, index / side / scale);
                    let inside =
                        (quiet..modules + quiet).contains(&x) && (quiet..modules + quiet).contains(&y);
                    let dark = inside && code[(x - quiet, y - quiet)] == qrcode::Color::Dark;
                    if dark == light_on_dark { 255 } else { 0 }
                })
                .collect();
            let mut picture = Vec::new();
            let mut encoder = png::Encoder::new(&mut picture, side as u32, side as u32);
            encoder.set_color(ColorType::Grayscale);
            encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
            assert_eq!(read(&picture).unwrap(), "HELLO LOCKER", "light on dark: {light_on_dark}");
        }
    }
}
