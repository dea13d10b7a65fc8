//! The code of an invitation to a flat: short enough to be typed from a letter, too long to be guessed.
//!
//! Eleven characters and a check character, of an alphabet without look-alikes, in groups of four (`7QFM-3K9T-XWB4`). The check
//! notices every wrong character and every two neighbours that changed places: it is a weighted sum modulo a prime, 31.

/// No `0`, `1`, `I`, `L` or `O`.
const ALPHABET: &[u8; 31] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";
/// Characters, the check character included.
pub const LENGTH: usize = 12;
/// Characters of the longest text that is looked at.
const LONGEST: usize = 64;
/// Most people of one invitation.
pub const MOST_PEOPLE: u32 = 20;
/// Days for which an invitation is good where nobody says otherwise.
pub const USUAL_DAYS: i64 = 30;
/// Most days for which an invitation is good.
pub const MOST_DAYS: i64 = 365;

/// Why a text is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Other characters than those of codes, or another number of them.
    Form,
    /// A character is wrong, or two changed places.
    CheckCharacter,
}

/// The check character of these values: one that makes the weighted sum of all a multiple of 31.
fn check(values: &[usize]) -> usize {
    let weights = (2..).zip(values.iter().rev());
    let sum: usize = weights.map(|(weight, value)| weight * value).sum();
    (31 - sum % 31) % 31
}

/// The code of these random numbers, without its groups. Each number below 248 has an equal share of the alphabet; larger ones
/// are passed over, and there must be enough that are not.
#[must_use]
pub fn of(random: &[u8]) -> Option<String> {
    let even = random.iter().filter(|byte| **byte < 248).map(|byte| usize::from(*byte % 31));
    let mut values: Vec<usize> = even.take(LENGTH - 1).collect();
    if values.len() < LENGTH - 1 {
        return None;
    }
    values.push(check(&values));
    Some(values.into_iter().map(|value| char::from(ALPHABET[value])).collect())
}

/// The code in groups, as it is printed.
#[must_use]
pub fn grouped(code: &str) -> String {
    let characters: Vec<char> = code.chars().collect();
    characters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

/// A code as it was typed: case, spaces and dashes do not count.
///
/// # Errors
/// Why it is none.
pub fn read(typed: &str) -> Result<String, Fault> {
    if typed.chars().count() > LONGEST {
        return Err(Fault::Form);
    }
    let between = |c: &char| !c.is_whitespace() && !matches!(c, '-' | '–' | '.' | '\u{2010}'..='\u{2012}');
    let code: String = typed.chars().filter(between).map(|c| c.to_ascii_uppercase()).collect();
    let value = |c: u8| ALPHABET.iter().position(|known| *known == c);
    let values: Vec<usize> = code.bytes().map(value).collect::<Option<_>>().ok_or(Fault::Form)?;
    let (last, before) = values.split_last().filter(|_| values.len() == LENGTH).ok_or(Fault::Form)?;
    if check(before) == *last { Ok(code) } else { Err(Fault::CheckCharacter) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes() -> Vec<String> {
        let bytes =
            |seed: u8| (0..16_u8).map(|n| seed.wrapping_mul(37).wrapping_add(n.wrapping_mul(91))).collect();
        (0..200).filter_map(|seed| of(&Vec::<u8>::from_iter::<Vec<u8>>(bytes(seed)))).collect()
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        for code in codes() {
            assert_eq!(read(&code).as_ref(), Ok(&code));
            assert_eq!(read(&grouped(&code)).as_ref(), Ok(&code));
            assert_eq!(
                read(&format!(" {} ", grouped(&code).to_lowercase().replace('-', " – "))).as_ref(),
                Ok(&code)
            );
        }
        for none in ["", "7QFM", "0000-0000-0000", "https://hub.example/home/x", &"2".repeat(65)] {
            assert_eq!(read(none), Err(Fault::Form), "{none}");
        }
    }

    #[test]
    fn every_slip_of_one_character_and_every_exchange_of_two_is_noticed() {
        for code in codes().iter().take(20) {
            for at in 0..LENGTH {
                for other in ALPHABET {
                    let mut typed = code.clone().into_bytes();
                    if typed[at] == *other {
                        continue;
                    }
                    typed[at] = *other;
                    assert_eq!(read(&String::from_utf8(typed).unwrap()), Err(Fault::CheckCharacter));
                }
                let mut typed = code.clone().into_bytes();
                if at + 1 < LENGTH && typed[at] != typed[at + 1] {
                    typed.swap(at, at + 1);
                    assert_eq!(read(&String::from_utf8(typed).unwrap()), Err(Fault::CheckCharacter));
                }
            }
        }
    }

    #[test]
    fn what_is_not_random_enough_makes_no_code() {
        assert_eq!(of(&[255; 64]), None);
        assert_eq!(of(&[0; 10]), None);
        assert_eq!(of(&[0; 11]).as_deref(), Some("222222222222"));
    }
}
