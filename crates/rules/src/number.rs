//! The customer number: what a person gives a shop, a carrier or a landlord instead of an internal id.
//!
//! Nine digits and a check digit by Damm's method, which notices every wrong digit and every two neighbours that changed
//! places. Printed in groups (`482 915 0636`), typed in any.

use std::fmt;

/// Digits, the check digit included.
pub const DIGITS: usize = 10;
/// Characters of the longest text that is looked at.
const LONGEST: usize = 40;

/// H. Michael Damm, "Total anti-symmetrische Quasigruppen" (2004): the quasigroup of order 10.
const DAMM: [[u8; 10]; 10] = [
    [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
    [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
    [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
    [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
    [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
    [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
    [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
    [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
    [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
    [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

/// A number whose check digit is right. Whether anybody has it is another matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Number([u8; DIGITS]);

/// Why a text is no customer number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Other characters than digits and what groups them.
    Characters,
    /// Not ten digits, or a zero in front.
    Length,
    /// A digit is wrong, or two changed places.
    CheckDigit,
}

impl Fault {
    /// In words, for engineers.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Characters => "a customer number has ten digits, in any groups",
            Self::Length => "a customer number has ten digits and does not begin with 0",
            Self::CheckDigit => "not a customer number: a digit is wrong, or two changed places",
        }
    }
}

impl Number {
    /// The number that begins with these nine digits; `seed` is any number, of which the last nine digits are taken, without a
    /// zero in front.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut digits = [0; DIGITS];
        let mut rest = 100_000_000 + seed % 900_000_000;
        for place in digits[..DIGITS - 1].iter_mut().rev() {
            *place = (rest % 10) as u8;
            rest /= 10;
        }
        digits[DIGITS - 1] = interim(&digits[..DIGITS - 1]);
        Self(digits)
    }

    /// A number as a person types it: spaces, dashes, dots and slashes between the digits do not count.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(typed: &str) -> Result<Self, Fault> {
        let mut digits = [0; DIGITS];
        let mut count = 0;
        for c in typed.chars().take(LONGEST + 1) {
            match c {
                '0'..='9' => {
                    *digits.get_mut(count).ok_or(Fault::Length)? = c as u8 - b'0';
                    count += 1;
                }
                '-' | '.' | '/' | '\u{2010}'..='\u{2015}' => {}
                c if c.is_whitespace() => {}
                _ => return Err(Fault::Characters),
            }
        }
        if count != DIGITS || digits[0] == 0 || typed.chars().nth(LONGEST).is_some() {
            return Err(Fault::Length);
        }
        if interim(&digits) == 0 { Ok(Self(digits)) } else { Err(Fault::CheckDigit) }
    }

    /// As the database holds it: digits alone.
    #[must_use]
    pub fn stored(self) -> String {
        self.0.iter().map(|digit| char::from(b'0' + digit)).collect()
    }
}

/// As it is printed.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.stored();
        write!(f, "{} {} {}", &digits[..3], &digits[3..6], &digits[6..])
    }
}

/// The digit that makes the whole come to 0.
fn interim(digits: &[u8]) -> u8 {
    digits.iter().fold(0, |sum, digit| DAMM[usize::from(sum)][usize::from(*digit)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_digit_and_every_swap_of_neighbours_is_noticed() {
        for seed in [0, 1, 7, 382_915_063, 899_999_999, 123_456_789, u64::MAX] {
            let right = Number::of(seed).stored();
            assert_eq!(Number::read(&right), Ok(Number::of(seed)));
            for place in 0..DIGITS {
                for digit in '0'..='9' {
                    let mut typed: Vec<char> = right.chars().collect();
                    let wrong = typed[place] != digit;
                    typed[place] = digit;
                    let typed: String = typed.into_iter().collect();
                    assert_eq!(Number::read(&typed).is_err(), wrong, "{typed}");
                }
                let mut typed: Vec<char> = right.chars().collect();
                if place + 1 < DIGITS && typed[place] != typed[place + 1] {
                    typed.swap(place, place + 1);
                    let typed: String = typed.into_iter().collect();
                    assert!(Number::read(&typed).is_err(), "{right} {typed}");
                }
            }
        }
    }

    #[test]
    fn it_is_printed_in_groups_and_read_in_any() {
        let number = Number::of(382_915_063);
        let printed = number.to_string();
        assert_eq!(printed.split(' ').map(str::len).collect::<Vec<_>>(), [3, 3, 4]);
        let digits = number.stored();
        for typed in [
            printed.clone(),
            digits.clone(),
            format!("  {digits}\n"),
            printed.replace(' ', "-"),
            printed.replace(' ', "\u{a0}"),
            digits.chars().map(|c| format!("{c}.")).collect(),
            format!("{}/{}", &digits[..5], &digits[5..]),
            printed.replace(' ', " \u{2013} "),
        ] {
            assert_eq!(Number::read(&typed), Ok(number), "{typed:?}");
        }
        for (typed, fault) in [
            ("", Fault::Length),
            ("48291", Fault::Length),
            (&*format!("{digits}0"), Fault::Length),
            ("0829150637", Fault::Length),
            (&*" ".repeat(50), Fault::Length),
            ("PL 482 915 0636", Fault::Characters),
            ("01m8m6rf7xacc0000000000001", Fault::Characters),
            ("٤٨٢٩١٥٠٦٣٧", Fault::Characters),
        ] {
            assert_eq!(Number::read(typed), Err(fault), "{typed:?}");
        }
    }
}
