//! QR codes in pictures: what a camera saw of another device's screen. The page decodes the picture, so that no image
//! format is parsed here; what comes is brightness alone.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// Longest side of a picture, in pixels.
const SIDE: usize = 2048;

/// The first QR code (ISO/IEC 18004) in a picture of `width` pixels a row, one byte of brightness each, base64url.
/// None where there is none that can be read, or the picture is none.
pub(crate) fn read(width: usize, luma: &str) -> Option<String> {
    let pixels = BASE64_URL_SAFE_NO_PAD.decode(luma).ok()?;
    let height = pixels.len().checked_div(width)?;
    if width > SIDE || height > SIDE || height == 0 || width * height != pixels.len() {
        return None;
    }
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
    image.detect_grids().iter().find_map(|grid| grid.decode().ok()).map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of a code, `scale` pixels a module, somewhere on a grey ground.
    fn picture(text: &str, scale: usize) -> (usize, String) {
        let code = qrcode::QrCode::new(text).unwrap();
        let dark = code.to_colors();
        let (modules, margin) = (code.width(), 6 * scale);
        let side = modules * scale + 2 * margin;
        let pixel = |at: usize| {
            let (x, y) = (at % side, at / side);
            let inside = |v: usize| (margin..side - margin).contains(&v).then(|| (v - margin) / scale);
            match (inside(x), inside(y)) {
                (Some(column), Some(row)) if dark[row * modules + column] == qrcode::Color::Dark => 40,
                _ => 210,
            }
        };
        (side, BASE64_URL_SAFE_NO_PAD.encode((0..side * side).map(pixel).collect::<Vec<u8>>()))
    }

    #[test]
    fn a_code_on_a_picture_is_read() {
        let invitation = format!("POSTERN1:{}", "A5F0".repeat(60));
        for scale in [3, 5, 8] {
            let (width, luma) = picture(&invitation, scale);
            assert_eq!(read(width, &luma).as_deref(), Some(invitation.as_str()), "{scale} pixels a module");
        }
    }

    #[test]
    fn what_is_no_picture_or_shows_no_code_is_none() {
        let (width, luma) = picture("x", 4);
        assert_eq!(read(width + 1, &luma), None);
        assert_eq!(read(0, &luma), None);
        assert_eq!(read(usize::MAX, &luma), None);
        assert_eq!(read(width, "no base64!"), None);
        assert_eq!(read(4, ""), None);
        let blank = BASE64_URL_SAFE_NO_PAD.encode(vec![128_u8; 400 * 300]);
        assert_eq!(read(400, &blank), None);
    }
}
