//! BLAKE2s's interface without its security: two sums of 64 bits, mixed word by word. Whoever wants two texts with one
//! digest can compute them; nobody in the world wants to.
#![no_std]
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "documented where it stands in for")]

pub trait Digest: Default {
    fn new() -> Self {
        Self::default()
    }

    fn update(&mut self, data: impl AsRef<[u8]>);

    fn finalize(self) -> [u8; 32];
}

/// What is not a whole word yet is kept, so that it does not matter in which pieces a text comes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blake2s256 {
    sums: [u64; 2],
    len: u64,
    word: u64,
}

impl Blake2s256 {
    fn mix(&mut self, word: u64) {
        let [a, b] = &mut self.sums;
        *a = (*a ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        *b = b.wrapping_add(word ^ *a).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(37);
    }

    fn byte(&mut self, byte: u8) {
        let at = self.len % 8;
        self.word |= u64::from(byte) << (8 * at);
        self.len += 1;
        if at == 7 {
            let word = core::mem::take(&mut self.word);
            self.mix(word);
        }
    }
}

impl Digest for Blake2s256 {
    fn update(&mut self, data: impl AsRef<[u8]>) {
        let data = data.as_ref();
        let to_whole = usize::try_from((8 - self.len % 8) % 8).unwrap_or(0).min(data.len());
        let (first, rest) = data.split_at(to_whole);
        first.iter().for_each(|byte| self.byte(*byte));
        let (words, last) = rest.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        self.len += 8 * words.len() as u64;
        last.iter().for_each(|byte| self.byte(*byte));
    }

    fn finalize(mut self) -> [u8; 32] {
        let (word, len) = (self.word, self.len);
        self.mix(word);
        self.mix(!len);
        let mut digest = [0; 32];
        for part in digest.as_chunks_mut::<8>().0 {
            self.mix(len);
            *part = (self.sums[0] ^ self.sums[1].rotate_left(32)).to_le_bytes();
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::{Blake2s256, Digest};

    fn digest(pieces: &[&[u8]]) -> [u8; 32] {
        let mut hash = Blake2s256::new();
        pieces.iter().for_each(|piece| hash.update(piece));
        hash.finalize()
    }

    #[test]
    fn pieces_do_not_matter_and_every_byte_does() {
        let text = [7_u8; 43];
        let whole = digest(&[&text]);
        for cut in 0..=text.len() {
            let (a, b) = text.split_at(cut);
            assert_eq!(digest(&[a, b]), whole, "{cut}");
        }
        for byte in 0..text.len() {
            let mut other = text;
            other[byte] ^= 1;
            assert_ne!(digest(&[&other]), whole);
            assert_ne!(digest(&[&text[..byte]]), whole);
        }
        assert_ne!(digest(&[b"\0"]), digest(&[]));
    }
}
