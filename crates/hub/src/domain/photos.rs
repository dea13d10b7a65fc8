//! Photos without anything but the picture: position, camera, time and thumbnails are cut out, not blanked.
//!
//! Segments and chunks are copied one by one, and only those that a decoder needs. Nothing is decoded, so a picture made
//! to harm a decoder harms nobody here.

/// Most bytes of one photo.
pub const LARGEST: usize = 2 * 1024 * 1024;

/// Media type and stripped bytes. None where it is neither JPEG nor PNG, or not whole.
#[must_use]
pub fn strip(bytes: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    if bytes.starts_with(&[0xff, 0xd8]) {
        strip_jpeg(bytes).map(|stripped| ("image/jpeg", stripped))
    } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        strip_png(bytes).map(|stripped| ("image/png", stripped))
    } else {
        None
    }
}

/// ITU-T T.81 Annex B. Application segments and comments go, except APP14 (colour transform of Adobe), without which
/// some pictures show wrong colours.
fn strip_jpeg(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0xff, 0xd8];
    let mut at = 2;
    loop {
        while *bytes.get(at)? == 0xff && *bytes.get(at + 1)? == 0xff {
            at += 1;
        }
        if *bytes.get(at)? != 0xff {
            return None;
        }
        let marker = *bytes.get(at + 1)?;
        match marker {
            0xd9 => {
                out.extend([0xff, 0xd9]);
                // What follows the end (other pictures, maps of depth, trailers of vendors) is dropped.
                return Some(out);
            }
            0x01 | 0xd0..=0xd7 => {
                out.extend([0xff, marker]);
                at += 2;
            }
            _ => {
                let length = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
                let segment = bytes.get(at..at + 2 + length).filter(|_| length >= 2)?;
                let dropped = matches!(marker, 0xe0..=0xed | 0xef | 0xfe) || (marker == 0xee && length > 14);
                if !dropped {
                    out.extend(segment);
                }
                at += segment.len();
                if marker == 0xda {
                    // Entropy-coded data run until a marker that is neither a stuffed zero nor a restart.
                    let rest = bytes.get(at..)?;
                    let end = rest
                        .windows(2)
                        .position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff | 0xd0..=0xd7))?;
                    out.extend(&rest[..end]);
                    at += end;
                }
            }
        }
    }
}

/// PNG (ISO/IEC 15948). Only chunks that change how the picture looks stay.
fn strip_png(bytes: &[u8]) -> Option<Vec<u8>> {
    const KEPT: [&[u8; 4]; 10] =
        [b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD"];
    let mut out = bytes[..8].to_vec();
    let mut at = 8;
    loop {
        let length = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
        let end = at.checked_add(12)?.checked_add(usize::try_from(length).ok()?)?;
        let chunk = bytes.get(at..end)?;
        let kind = &chunk[4..8];
        if KEPT.iter().any(|kept| kept.as_slice() == kind) {
            out.extend(chunk);
        }
        if kind == b"IEND" {
            return Some(out);
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], length.as_slice(), body].concat()
    }

    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [length.as_slice(), kind, body, &[1, 2, 3, 4]].concat()
    }

    #[test]
    fn position_and_camera_are_cut_out_of_a_jpeg() {
        let picture =
            [segment(0xdb, b"quantisation"), segment(0xc0, b"frame"), segment(0xda, b"scan")].concat();
        let data = [1, 2, 0xff, 0, 3, 0xff, 0xd0, 4];
        let photo = [
            &[0xff, 0xd8][..],
            &segment(0xe0, b"JFIF"),
            &segment(0xe1, b"Exif\0\0 GPS 52.5 13.4"),
            &segment(0xe2, b"MPF"),
            &segment(0xfe, b"a comment"),
            &picture,
            &data,
            &[0xff, 0xd9],
            b"a trailer with GPS 52.5",
        ]
        .concat();
        let (kind, stripped) = strip(&photo).unwrap();
        assert_eq!(kind, "image/jpeg");
        assert_eq!(stripped, [&[0xff, 0xd8][..], &picture, &data, &[0xff, 0xd9]].concat());
    }

    #[test]
    fn text_is_cut_out_of_a_png() {
        let photo = [
            b"\x89PNG\r\n\x1a\n".to_vec(),
            chunk(b"IHDR", &[0; 13]),
            chunk(b"eXIf", b"GPS"),
            chunk(b"tEXt", b"Location"),
            chunk(b"IDAT", b"pixels"),
            chunk(b"IEND", b""),
            b"trailer".to_vec(),
        ]
        .concat();
        let (kind, stripped) = strip(&photo).unwrap();
        assert_eq!(kind, "image/png");
        let kept = [chunk(b"IHDR", &[0; 13]), chunk(b"IDAT", b"pixels"), chunk(b"IEND", b"")].concat();
        assert_eq!(stripped[8..], kept);
    }

    #[test]
    fn half_a_photo_and_other_things_are_none() {
        let whole = [&[0xff, 0xd8][..], &segment(0xda, b"x"), &[1, 2, 3], &[0xff, 0xd9]].concat();
        assert!(strip(&whole).is_some());
        for end in 0..whole.len() {
            assert!(strip(&whole[..end]).is_none(), "{end}");
        }
        assert!(strip(b"GIF89a").is_none());
        assert!(strip(b"<svg onload=alert(1)>").is_none());
        assert!(strip(b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR").is_none());
    }
}
