//! When a compartment or a lent thing may be given back.

use super::placed::Inside;

/// What is to be given back.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// A thing that was lent lies inside then; a compartment is empty.
    pub lent: bool,
    /// What is known since its last opening; none where it was never opened.
    pub inside: Option<Inside>,
    /// What the customer says now: that the compartment is empty.
    pub empty: Option<bool>,
}

/// Why it is not given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotYet {
    /// The compartment is said or measured to hold something.
    SomethingInside,
    /// The lent thing is not inside.
    NothingInside,
    /// It must be said first.
    Unsaid,
    /// No receipt says that the door is closed.
    StandsOpen,
}

/// How it was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// The locker measured it.
    Proven,
    /// The customer said it.
    Said,
    /// It was never opened.
    Untouched,
}

/// Whether it is given back.
///
/// # Errors
/// What is missing.
pub fn give_back(given: Given) -> Result<Back, NotYet> {
    match (given.lent, given.inside) {
        (_, None) => Ok(Back::Untouched),
        (_, Some(Inside::Open)) => Err(NotYet::StandsOpen),
        (true, Some(Inside::Present)) | (false, Some(Inside::Absent)) => Ok(Back::Proven),
        (true, Some(Inside::Absent | Inside::SaidOut)) => Err(NotYet::NothingInside),
        (true, Some(Inside::SaidIn)) | (false, Some(Inside::SaidOut)) => Ok(Back::Said),
        (true, Some(Inside::Unknown)) => Err(NotYet::Unsaid),
        (false, Some(Inside::Present)) => Err(NotYet::SomethingInside),
        (false, Some(Inside::Unknown | Inside::SaidIn)) => match given.empty {
            Some(true) => Ok(Back::Said),
            Some(false) => Err(NotYet::SomethingInside),
            None => Err(NotYet::Unsaid),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compartment_is_given_back_empty() {
        let give = |inside, empty| give_back(Given { lent: false, inside, empty });
        assert_eq!(give(None, None), Ok(Back::Untouched));
        assert_eq!(give(Some(Inside::Absent), None), Ok(Back::Proven));
        assert_eq!(
            give(Some(Inside::Present), Some(true)),
            Err(NotYet::SomethingInside),
            "the sensor counts"
        );
        assert_eq!(give(Some(Inside::Open), Some(true)), Err(NotYet::StandsOpen));
        assert_eq!(give(Some(Inside::Unknown), None), Err(NotYet::Unsaid));
        assert_eq!(give(Some(Inside::Unknown), Some(false)), Err(NotYet::SomethingInside));
        assert_eq!(give(Some(Inside::Unknown), Some(true)), Ok(Back::Said));
    }

    #[test]
    fn a_lent_thing_is_given_back_inside() {
        let give = |inside| give_back(Given { lent: true, inside, empty: Some(true) });
        assert_eq!(give(None), Ok(Back::Untouched), "never taken");
        assert_eq!(give(Some(Inside::Present)), Ok(Back::Proven));
        assert_eq!(give(Some(Inside::SaidIn)), Ok(Back::Said));
        assert_eq!(give(Some(Inside::Unknown)), Err(NotYet::Unsaid));
        assert_eq!(give(Some(Inside::Absent)), Err(NotYet::NothingInside));
    }
}
