//! A small CBOR of the tests' own, that can also write what must be refused.

/// Any item of the kinds that the protocol uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Unsigned(u64),
    /// −1 − n.
    Negative(u64),
    Bytes(Vec<u8>),
    Text(Vec<u8>),
    Array(Vec<Item>),
    Map(Vec<(Item, Item)>),
    /// False, true, null.
    Simple(u8),
}

/// Major type and shortest argument.
pub(crate) fn head(major: u8, argument: u64) -> Vec<u8> {
    let major = major << 5;
    match argument {
        0..24 => vec![major | argument as u8],
        24..0x100 => vec![major | 24, argument as u8],
        0x100..0x1_0000 => [&[major | 25][..], &(argument as u16).to_be_bytes()].concat(),
        0x1_0000..0x1_0000_0000 => [&[major | 26][..], &(argument as u32).to_be_bytes()].concat(),
        _ => [&[major | 27][..], &argument.to_be_bytes()].concat(),
    }
}

/// The argument one size longer than needed, where there is a longer one.
fn long_head(major: u8, argument: u64) -> Option<Vec<u8>> {
    let major = major << 5;
    Some(match argument {
        0..24 => vec![major | 24, argument as u8],
        24..0x100 => [&[major | 25][..], &(argument as u16).to_be_bytes()].concat(),
        0x100..0x1_0000 => [&[major | 26][..], &(argument as u32).to_be_bytes()].concat(),
        0x1_0000..0x1_0000_0000 => [&[major | 27][..], &argument.to_be_bytes()].concat(),
        _ => return None,
    })
}

pub(crate) fn bstr(bytes: &[u8]) -> Vec<u8> {
    [head(2, bytes.len() as u64), bytes.to_vec()].concat()
}

/// Ways to write the same thing wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    LongHead,
    Indefinite,
    DuplicateKey,
    SwappedKeys,
    WrongSimple,
}

pub(crate) const FAULTS: [Fault; 5] =
    [Fault::LongHead, Fault::Indefinite, Fault::DuplicateKey, Fault::SwappedKeys, Fault::WrongSimple];

impl Item {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let item = Self::take(&mut rest);
        assert!(rest.is_empty(), "trailing bytes");
        item
    }

    fn take(rest: &mut &[u8]) -> Self {
        let (first, tail) = rest.split_first().expect("an item");
        *rest = tail;
        let major = first >> 5;
        let extra = match first & 31 {
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => 0,
        };
        let argument = if extra == 0 {
            u64::from(first & 31)
        } else {
            let (bytes, tail) = rest.split_at(extra);
            *rest = tail;
            bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
        };
        let mut string = || {
            let (bytes, tail) = rest.split_at(argument as usize);
            *rest = tail;
            bytes.to_vec()
        };
        match major {
            0 => Self::Unsigned(argument),
            1 => Self::Negative(argument),
            2 => Self::Bytes(string()),
            3 => Self::Text(string()),
            4 => Self::Array((0..argument).map(|_| Self::take(rest)).collect()),
            5 => Self::Map((0..argument).map(|_| (Self::take(rest), Self::take(rest))).collect()),
            7 => Self::Simple(first & 31),
            _ => panic!("tags are not used"),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut node = usize::MAX;
        self.write(&mut node, Fault::LongHead).expect("no fault is reached")
    }

    /// All encodings with one fault in one place, and those with a byte behind.
    pub(crate) fn faulty(&self) -> Vec<(String, Vec<u8>)> {
        let good = self.encode();
        let mut all = vec![("trailing byte".to_owned(), [&good[..], &[0xf6]].concat())];
        for fault in FAULTS {
            for place in 0..self.count() {
                let mut node = place;
                if let Some(bytes) = self.write(&mut node, fault).filter(|bytes| *bytes != good) {
                    all.push((format!("{fault:?} at item {place}"), bytes));
                }
            }
        }
        all
    }

    fn count(&self) -> usize {
        1 + match self {
            Self::Array(items) => items.iter().map(Self::count).sum(),
            Self::Map(pairs) => pairs.iter().map(|(k, v)| k.count() + v.count()).sum(),
            _ => 0,
        }
    }

    /// Counts `node` down; the item that meets 0 is written with the fault. None where it cannot be.
    fn write(&self, node: &mut usize, fault: Fault) -> Option<Vec<u8>> {
        let here = *node == 0;
        *node = node.wrapping_sub(1);
        let start = |major, argument| match fault {
            Fault::LongHead if here => long_head(major, argument),
            _ => Some(head(major, argument)),
        };
        let indefinite = here && fault == Fault::Indefinite;
        Some(match self {
            Self::Unsigned(n) => start(0, *n)?,
            Self::Negative(n) => start(1, *n)?,
            Self::Bytes(bytes) | Self::Text(bytes) => {
                let major = if matches!(self, Self::Bytes(_)) { 2 } else { 3 };
                if indefinite {
                    [&[major << 5 | 31][..], &head(major, bytes.len() as u64), bytes, &[0xff]].concat()
                } else {
                    [start(major, bytes.len() as u64)?, bytes.clone()].concat()
                }
            }
            Self::Array(items) => {
                let mut out = if indefinite { vec![0x9f] } else { start(4, items.len() as u64)? };
                for item in items {
                    out.extend(item.write(node, fault)?);
                }
                out.extend(indefinite.then_some(0xff));
                out
            }
            Self::Map(pairs) => {
                let duplicate = here && fault == Fault::DuplicateKey && !pairs.is_empty();
                let mut out = if indefinite {
                    vec![0xbf]
                } else {
                    start(5, pairs.len() as u64 + u64::from(duplicate))?
                };
                let mut order: Vec<_> = pairs.iter().collect();
                if here && fault == Fault::SwappedKeys && order.len() > 1 {
                    order.swap(0, 1);
                }
                if duplicate {
                    order.push(&pairs[pairs.len() - 1]);
                }
                for (key, value) in order {
                    out.extend(key.write(node, fault)?);
                    out.extend(value.write(node, fault)?);
                }
                out.extend(indefinite.then_some(0xff));
                out
            }
            // False as the integer 0, true as 1, null as undefined.
            Self::Simple(value) if here && fault == Fault::WrongSimple => match value {
                20 => vec![0x00],
                21 => vec![0x01],
                _ => vec![0xf7],
            },
            Self::Simple(value) if here && fault == Fault::LongHead => vec![0xf8, *value],
            Self::Simple(value) => vec![0xe0 | value],
        })
    }
}
