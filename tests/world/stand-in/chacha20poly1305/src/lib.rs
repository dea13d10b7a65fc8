//! ChaCha20-Poly1305's interface without its security: a stream of a small generator, and a sum of 64 bits twice as the
//! tag. Another key, nonce, text or byte beside it is refused.
#![no_std]
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "documented where it stands in for")]

use aead::{AeadInOut, inout::InOutBuf};

pub mod aead {
    use self::inout::InOutBuf;

    #[derive(Clone, Copy, Debug)]
    pub struct Error;

    pub trait AeadInOut {
        fn encrypt_inout_detached(
            &self,
            nonce: &[u8; 12],
            beside: &[u8],
            text: InOutBuf<'_, '_>,
        ) -> Result<[u8; 16], Error>;

        fn decrypt_inout_detached(
            &self,
            nonce: &[u8; 12],
            beside: &[u8],
            text: InOutBuf<'_, '_>,
            tag: &[u8; 16],
        ) -> Result<(), Error>;
    }

    pub mod inout {
        /// A text, and where what comes of it goes.
        #[derive(Debug)]
        pub struct InOutBuf<'i, 'o> {
            pub(crate) from: &'i [u8],
            pub(crate) to: &'o mut [u8],
        }

        impl<'i, 'o> InOutBuf<'i, 'o> {
            pub fn new(from: &'i [u8], to: &'o mut [u8]) -> Result<Self, super::Error> {
                if from.len() == to.len() { Ok(Self { from, to }) } else { Err(super::Error) }
            }
        }
    }
}

pub trait KeyInit {
    fn new(key: &[u8; 32]) -> Self;
}

#[derive(Clone, Copy, Debug)]
pub struct ChaCha20Poly1305(u64);

fn mix(sum: u64, word: u64) -> u64 {
    (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_add(word)
}

/// All words of a text, and its length.
fn sum_of(sum: u64, text: &[u8]) -> u64 {
    let (words, last) = text.as_chunks::<8>();
    let sum = words.iter().fold(sum, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    let mut word = [0; 8];
    word[..last.len()].copy_from_slice(last);
    mix(mix(sum, u64::from_le_bytes(word)), !(text.len() as u64))
}

impl KeyInit for ChaCha20Poly1305 {
    fn new(key: &[u8; 32]) -> Self {
        Self(sum_of(0x706f_7374, key))
    }
}

impl ChaCha20Poly1305 {
    fn stream(start: u64, from: &[u8], to: &mut [u8]) {
        let (words, last) = from.as_chunks::<8>();
        let (to, to_last) = to.as_chunks_mut::<8>();
        for (at, (from, to)) in words.iter().zip(to).enumerate() {
            *to = (u64::from_le_bytes(*from) ^ mix(start, at as u64)).to_le_bytes();
        }
        let pad = mix(start, words.len() as u64).to_le_bytes();
        for ((from, to), pad) in last.iter().zip(to_last).zip(pad) {
            *to = from ^ pad;
        }
    }

    fn tag(start: u64, beside: &[u8], sealed: &[u8]) -> [u8; 16] {
        let first = sum_of(sum_of(start, beside), sealed);
        let mut tag = [0; 16];
        tag[..8].copy_from_slice(&first.to_le_bytes());
        tag[8..].copy_from_slice(&mix(first, start).to_le_bytes());
        tag
    }
}

impl AeadInOut for ChaCha20Poly1305 {
    fn encrypt_inout_detached(
        &self,
        nonce: &[u8; 12],
        beside: &[u8],
        text: InOutBuf<'_, '_>,
    ) -> Result<[u8; 16], aead::Error> {
        let start = sum_of(self.0, nonce);
        Self::stream(start, text.from, text.to);
        Ok(Self::tag(start, beside, text.to))
    }

    fn decrypt_inout_detached(
        &self,
        nonce: &[u8; 12],
        beside: &[u8],
        text: InOutBuf<'_, '_>,
        tag: &[u8; 16],
    ) -> Result<(), aead::Error> {
        let start = sum_of(self.0, nonce);
        if Self::tag(start, beside, text.from) != *tag {
            return Err(aead::Error);
        }
        Self::stream(start, text.from, text.to);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{AeadInOut, ChaCha20Poly1305, InOutBuf, KeyInit};

    const TEXT: &[u8] = b"a text that is no multiple of eight bytes long";

    fn opened(key: u8, nonce: u8, beside: &[u8], sealed: &[u8], tag: [u8; 16]) -> Option<[u8; TEXT.len()]> {
        let mut text = [0; TEXT.len()];
        let buffer = InOutBuf::new(sealed, &mut text).ok()?;
        ChaCha20Poly1305::new(&[key; 32]).decrypt_inout_detached(&[nonce; 12], beside, buffer, &tag).ok()?;
        Some(text)
    }

    #[test]
    fn what_is_not_as_it_was_sealed_is_refused() {
        let mut sealed = [0; TEXT.len()];
        let buffer = InOutBuf::new(TEXT, &mut sealed).expect("of one length");
        let tag = ChaCha20Poly1305::new(&[1; 32])
            .encrypt_inout_detached(&[2; 12], b"beside", buffer)
            .expect("seals");
        assert_ne!(sealed, TEXT);
        assert_eq!(opened(1, 2, b"beside", &sealed, tag).as_ref().map(|text| &text[..]), Some(TEXT));
        assert!(opened(3, 2, b"beside", &sealed, tag).is_none(), "another key");
        assert!(opened(1, 3, b"beside", &sealed, tag).is_none(), "another nonce");
        assert!(opened(1, 2, b"besides", &sealed, tag).is_none(), "another text beside it");
        for byte in 0..sealed.len() {
            let mut other = sealed;
            other[byte] ^= 1;
            assert!(opened(1, 2, b"beside", &other, tag).is_none());
        }
        for byte in 0..tag.len() {
            let mut other = tag;
            other[byte] ^= 1;
            assert!(opened(1, 2, b"beside", &sealed, other).is_none());
        }
    }
}
