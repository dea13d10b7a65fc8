//! How a parcel has to be kept: behind which doors it may lie, and until when.
//!
//! A chilled parcel lies behind a chilled door and nowhere else, a frozen one behind a door that freezes and nowhere else. What
//! needs neither lies behind a plain door; behind a chilled one only where no plain one is free, and never behind one that
//! freezes, which would spoil much of what people order.

/// What a door does to what lies behind it, and what a parcel needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Climate {
    /// Nothing.
    #[default]
    Plain,
    /// Chills it.
    Chilled,
    /// Freezes it.
    Frozen,
}

impl Climate {
    /// Of what is written of a parcel or a door; none where it is both.
    #[must_use]
    pub const fn of(chilled: bool, frozen: bool) -> Option<Self> {
        match (chilled, frozen) {
            (false, false) => Some(Self::Plain),
            (true, false) => Some(Self::Chilled),
            (false, true) => Some(Self::Frozen),
            (true, true) => None,
        }
    }

    /// Behind which doors it may lie, the first of which are tried first.
    #[must_use]
    pub const fn doors(self) -> &'static [Self] {
        match self {
            Self::Plain => &[Self::Plain, Self::Chilled],
            Self::Chilled => &[Self::Chilled],
            Self::Frozen => &[Self::Frozen],
        }
    }
}

/// How long a parcel keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeps {
    /// Hours from when it is put in.
    pub hours: Option<i64>,
    /// Until when, UNIX seconds: known once it lies there.
    pub until: Option<i64>,
}

impl Keeps {
    /// As it is put in at `at`.
    #[must_use]
    pub fn put_in(self, at: i64) -> Self {
        Self { until: self.hours.map(|hours| at + hours * 3600), ..self }
    }

    /// A deadline, which is no later than that.
    #[must_use]
    pub fn by(self, until: i64) -> i64 {
        self.until.map_or(until, |keeps| until.min(keeps))
    }

    /// Whether it keeps until then. What is still on its way, and keeps for some hours only, waits for nobody.
    #[must_use]
    pub fn until(self, at: i64) -> bool {
        match self.until {
            Some(keeps) => at <= keeps,
            None => self.hours.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lies_behind_a_door_that_keeps_it() {
        use Climate::{Chilled, Frozen, Plain};
        assert_eq!(Plain.doors(), [Plain, Chilled], "a chilled one last, and none that freezes");
        assert_eq!(Chilled.doors(), [Chilled]);
        assert_eq!(Frozen.doors(), [Frozen]);
        assert_eq!(Climate::of(true, true), None);
    }

    #[test]
    fn it_keeps_from_when_it_was_put_in() {
        let salad = Keeps { hours: Some(8), until: None };
        assert!(!salad.until(1), "on its way it waits for nobody");
        assert_eq!(salad.by(i64::MAX), i64::MAX, "not known yet");
        let lies = salad.put_in(1000);
        assert_eq!(lies.until, Some(1000 + 8 * 3600));
        assert_eq!((lies.by(i64::MAX), lies.by(2000)), (1000 + 8 * 3600, 2000));
        assert!(lies.until(1000 + 8 * 3600) && !lies.until(1001 + 8 * 3600));
        let book = Keeps::default().put_in(1000);
        assert!(book.until(i64::MAX) && book.by(7) == 7);
    }
}
