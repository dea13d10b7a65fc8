//! Whom a carrier means by the recipient of a parcel, and whose a claim link makes it.

use super::number::{Fault, Number};

/// An e-mail address that has the form of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

/// Most characters of an address (RFC 5321 section 4.5.3.1.3, without the brackets).
const LONGEST: usize = 254;

impl Email {
    /// An address as a person types it. Only its form is looked at: whether mail arrives there is shown by mail alone.
    ///
    /// # Errors
    /// In words for engineers.
    pub fn read(typed: &str) -> Result<Self, &'static str> {
        const NONE: &str = "not an e-mail address";
        let typed = typed.trim();
        let (local, domain) = typed.rsplit_once('@').ok_or(NONE)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-.".contains(c);
        let dots = |text: &str| !text.starts_with('.') && !text.ends_with('.') && !text.contains("..");
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // Quoted names and addresses in brackets are addresses too, and in nobody's use; what they allow (line breaks, other
        // addresses) is not worth it.
        let sound = typed.len() <= LONGEST
            && (1..=64).contains(&local.len())
            && local.chars().all(plain)
            && dots(local)
            && domain.contains('.')
            && domain.split('.').all(label)
            && !domain.split('.').next_back().is_some_and(|top| top.bytes().all(|c| c.is_ascii_digit()));
        if sound { Ok(Self(format!("{local}@{}", domain.to_ascii_lowercase()))) } else { Err(NONE) }
    }

    /// To write to.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// By which it is found again: no provider of today tells capitals apart.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Whom a carrier means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// Whoever has this number.
    Number(Number),
    /// Whoever reads mail there.
    Email(Email),
}

impl Recipient {
    /// What a carrier was told by its customer. The verdict is about the text alone and says nothing of who has an account.
    ///
    /// # Errors
    /// In words for engineers.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        if text.contains('@') {
            Email::read(text).map(Self::Email)
        } else if text.trim_start().starts_with('+') {
            Err("this network takes no phone numbers: a customer number or an e-mail address")
        } else {
            Number::read(text).map(Self::Number).map_err(Fault::words)
        }
    }
}

/// Who takes up the claim link of a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// Has no account of their own.
    pub guest: bool,
    /// The parcel is in their own list already.
    pub owner: bool,
}

/// What a claim link does to the parcel that it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It was theirs already; the link has done its work.
    Theirs,
    /// It is theirs from now on.
    Own,
    /// They may collect it: it is somebody else's, or they have no account that it could belong to.
    Collect,
}

/// What the link makes of the parcel. `owned`: it is in somebody's list.
#[must_use]
pub fn claim(claimant: Claimant, owned: bool) -> Claimed {
    match (claimant.owner, owned || claimant.guest) {
        (true, _) => Claimed::Theirs,
        (false, false) => Claimed::Own,
        (false, true) => Claimed::Collect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_by_its_form() {
        for (typed, kept) in [
            ("ada@example.org", "ada@example.org"),
            (" Ada.Lovelace+lockers@Example.ORG ", "Ada.Lovelace+lockers@example.org"),
            ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ] {
            assert_eq!(Email::read(typed).map(|email| email.as_str().to_owned()), Ok(kept.to_owned()));
        }
        assert_eq!(Email::read("Ada@example.org").unwrap().key(), "ada@example.org");
        for wrong in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.org",
            "ada@localhost",
            "ada@example..org",
            "ada@-example.org",
            "ada@127.0.0.1",
            "ada@[127.0.0.1]",
            "a da@example.org",
            ".ada@example.org",
            "ada.@example.org",
            "ada@example.org\r\nBcc: all@example.org",
            "ada@example.org, ben@example.org",
            "<ada@example.org>",
            "\"ada\"@example.org",
            "ada@b@example.org",
            &format!("{}@example.org", "a".repeat(65)),
            &format!("a@{}.org", "b".repeat(64)),
            &format!("a@{}org", "b.".repeat(130)),
        ] {
            assert!(Email::read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_recipient_is_a_number_or_an_address() {
        let number = Number::of(382_915_063);
        assert_eq!(Recipient::read(&number.to_string()), Ok(Recipient::Number(number)));
        assert!(matches!(Recipient::read("ada@example.org"), Ok(Recipient::Email(_))));
        for wrong in ["01m8m6rf7xacc0000000000001", "", "+49 30 123456", "482 915 063", "ada@"] {
            assert!(Recipient::read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_link_never_takes_a_parcel_out_of_somebodys_list() {
        let who = |guest, owner| Claimant { guest, owner };
        assert_eq!(claim(who(false, false), false), Claimed::Own);
        assert_eq!(claim(who(false, false), true), Claimed::Collect);
        assert_eq!(claim(who(true, false), false), Claimed::Collect);
        assert_eq!(claim(who(true, false), true), Claimed::Collect);
        assert_eq!(claim(who(false, true), true), Claimed::Theirs);
    }
}
