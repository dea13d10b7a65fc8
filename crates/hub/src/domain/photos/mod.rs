//! Photos without anything but the picture: position, camera, time and thumbnails are cut out, not blanked. Which way up
//! it is shown stays.
//!
//! Segments and chunks are copied one by one, and only those that a decoder needs. Nothing is decoded, so a picture made
//! to harm a decoder harms nobody here.

mod orientation;

/// Most bytes of one photo.
pub const LARGEST: usize = 2 * 1024 * 1024;

/// What Exif in a JPEG begins with.
const EXIF: &[u8] = b"Exif\0\0";

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
/// some pictures show wrong colours; of Exif (APP1) the orientation stays.
fn strip_jpeg(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0xff, 0xd8];
    let mut upright = true;
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
                } else if marker == 0xe1
                    && let Some(tiff) = segment[4..].strip_prefix(EXIF)
                    && let Some(turned) = orientation::read(tiff).filter(|turned| upright && *turned != 1)
                {
                    let tiff = orientation::write(turned);
                    out.extend([0xff, 0xe1, 0, (2 + EXIF.len() + tiff.len()) as u8]);
                    out.extend(EXIF);
                    out.extend(tiff);
                    upright = false;
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

/// PNG (ISO/IEC 15948). Only chunks that change how the picture looks stay, and of `eXIf` the orientation.
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
        } else if kind == b"eXIf"
            && let Some(turned) = orientation::read(&chunk[8..chunk.len() - 4]).filter(|turned| *turned != 1)
        {
            let tiff = orientation::write(turned);
            let body = [b"eXIf", tiff.as_slice()].concat();
            out.extend((tiff.len() as u32).to_be_bytes());
            out.extend(&body);
            out.extend(crc(&body).to_be_bytes());
        }
        if kind == b"IEND" {
            return Some(out);
        }
        at = end;
    }
}

/// CRC-32 of a chunk's type and data (ISO/IEC 15948 section 5.5).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::{orientation::tests::camera, *};

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
    fn which_way_up_a_photo_is_stays_and_nothing_else_of_its_camera() {
        for turned in 1..=8_u8 {
            for little in [true, false] {
                let exif = camera(turned.into(), little);
                let scan = [&segment(0xda, b"scan")[..], &[1, 2, 0xff, 0xd9]].concat();
                let jpeg = [&[0xff, 0xd8][..], &segment(0xe1, &[EXIF, &exif].concat()), &scan].concat();
                let (_, stripped) = strip(&jpeg).unwrap();
                let kept = segment(0xe1, &[EXIF, &orientation::write(turned)].concat());
                // As it is without being told: then nothing is said.
                let kept = if turned == 1 { Vec::new() } else { kept };
                assert_eq!(stripped, [&[0xff, 0xd8][..], &kept, &scan].concat(), "{turned}");

                let head = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &[0; 13])].concat();
                let png = [head.clone(), chunk(b"eXIf", &exif), chunk(b"IEND", b"")].concat();
                let (_, stripped) = strip(&png).unwrap();
                let mut kept = chunk(b"eXIf", &orientation::write(turned));
                let end = kept.len() - 4;
                let sum = crc(&kept[4..end]).to_be_bytes();
                kept[end..].copy_from_slice(&sum);
                let kept = if turned == 1 { Vec::new() } else { kept };
                assert_eq!(stripped, [head, kept, chunk(b"IEND", b"")].concat(), "{turned}");
            }
        }
        // The example of the standard: the end of every PNG.
        assert_eq!(crc(b"IEND"), 0xae42_6082);
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
