//! Which way up a photo is shown: the one thing of its Exif data that belongs to the picture.
//!
//! Exif is a TIFF file in a segment or chunk. Only its first directory is read, and what is written is a TIFF file anew with
//! one entry: nothing of the camera's is copied.

/// TIFF 6.0, and CIPA DC-008 (Exif 2.32) section 4.6.4 A.
const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;

/// 1 to 8, as Exif counts them. None where `tiff` names none.
pub(super) fn read(tiff: &[u8]) -> Option<u8> {
    let little = match tiff.get(..4)? {
        [b'I', b'I', 42, 0] => true,
        [b'M', b'M', 0, 42] => false,
        _ => return None,
    };
    let short = |at: usize| -> Option<u16> {
        let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let bytes = tiff.get(4..8)?.try_into().ok()?;
    let directory = if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) };
    let directory = usize::try_from(directory).ok()?;
    let entries = usize::from(short(directory)?);
    let entry = (0..entries)
        .map_while(|at| directory.checked_add(2 + 12 * at))
        .find(|entry| short(*entry) == Some(ORIENTATION))?;
    let value = (short(entry.checked_add(2)?)? == SHORT).then(|| short(entry + 8))??;
    u8::try_from(value).ok().filter(|value| (1..=8).contains(value))
}

/// A TIFF file that says `orientation` and nothing else.
pub(super) fn write(orientation: u8) -> [u8; 26] {
    let mut tiff = *b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    tiff[19] = orientation;
    tiff
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As cameras write it: other entries before and after, a second directory with a position.
    pub(in super::super) fn camera(orientation: u16, little: bool) -> Vec<u8> {
        let short = |n: u16| if little { n.to_le_bytes() } else { n.to_be_bytes() };
        let long = |n: u32| if little { n.to_le_bytes() } else { n.to_be_bytes() };
        let mut tiff = if little { b"II".to_vec() } else { b"MM".to_vec() };
        tiff.extend(short(42));
        tiff.extend(long(8));
        tiff.extend(short(3));
        for (tag, kind, count, value) in [
            (0x010f, 2, 4, *b"Cam\0"),
            (ORIENTATION, SHORT, 1, [short(orientation)[0], short(orientation)[1], 0, 0]),
            (0x8825, 4, 1, long(50)),
        ] {
            tiff.extend(short(tag));
            tiff.extend(short(kind));
            tiff.extend(long(count));
            tiff.extend(value);
        }
        tiff.extend(long(0));
        tiff.extend(b"GPS 52.5 13.4");
        tiff
    }

    #[test]
    fn each_of_the_eight_is_read_in_both_byte_orders_and_written() {
        for orientation in 1..=8_u8 {
            for little in [true, false] {
                assert_eq!(read(&camera(orientation.into(), little)), Some(orientation));
            }
            assert_eq!(read(&write(orientation)), Some(orientation));
        }
    }

    #[test]
    fn what_is_no_orientation_is_none() {
        for wrong in [0, 9, 256, u16::MAX] {
            assert_eq!(read(&camera(wrong, true)), None);
        }
        let whole = camera(6, false);
        for end in 0..32 {
            assert_eq!(read(&whole[..end]), None, "{end}");
        }
        // A directory that is nowhere, and one that never ends.
        assert_eq!(read(b"II*\0\xff\xff\xff\xff"), None);
        assert_eq!(read(b"II*\0\x08\0\0\0\xff\xff"), None);
    }
}
