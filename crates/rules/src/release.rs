//! When a compartment or a lent thing may be given back.

use super::placed::Inside;

/// What is to be given back.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// A thing that was lent lies inside then; a compartment is empty.
    pub lent: bool,
    /// What is known since its last opening; none where it was never opened.
    pub inside: Option<Inside>,
    /// What the customer says now of the last opening: that the compartment is empty, or that the lent thing lies inside.
    pub as_it_should_be: Option<bool>,
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
        // Where its sensor sticks, no receipt will say that the door is closed: who says what lies there stands before it.
        (_, Some(Inside::Open)) if given.as_it_should_be == Some(true) => Ok(Back::Said),
        (_, Some(Inside::Open)) => Err(NotYet::StandsOpen),
        (true, Some(Inside::Present)) | (false, Some(Inside::Absent)) => Ok(Back::Proven),
        (true, Some(Inside::SaidIn)) | (false, Some(Inside::SaidOut)) => Ok(Back::Said),
        (true, Some(Inside::Absent)) => Err(NotYet::NothingInside),
        (false, Some(Inside::Present)) => Err(NotYet::SomethingInside),
        (lent, Some(before @ (Inside::Unknown | Inside::SaidIn | Inside::SaidOut))) => {
            match (given.as_it_should_be, lent) {
                (Some(true), _) => Ok(Back::Said),
                (None, _) if before == Inside::Unknown || !lent => Err(NotYet::Unsaid),
                (Some(false) | None, true) => Err(NotYet::NothingInside),
                (Some(false) | None, false) => Err(NotYet::SomethingInside),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compartment_is_given_back_empty() {
        let give = |inside, empty| give_back(Given { lent: false, inside, as_it_should_be: empty });
        assert_eq!(give(None, None), Ok(Back::Untouched));
        assert_eq!(give(Some(Inside::Absent), None), Ok(Back::Proven));
        assert_eq!(
            give(Some(Inside::Present), Some(true)),
            Err(NotYet::SomethingInside),
            "the sensor counts"
        );
        assert_eq!(give(Some(Inside::Open), None), Err(NotYet::StandsOpen));
        assert_eq!(give(Some(Inside::Open), Some(true)), Ok(Back::Said), "its sensor may stick");
        assert_eq!(give(Some(Inside::Unknown), None), Err(NotYet::Unsaid));
        assert_eq!(give(Some(Inside::Unknown), Some(false)), Err(NotYet::SomethingInside));
        assert_eq!(give(Some(Inside::Unknown), Some(true)), Ok(Back::Said));
    }

    #[test]
    fn a_lent_thing_is_given_back_inside() {
        let give = |inside, said| give_back(Given { lent: true, inside, as_it_should_be: said });
        assert_eq!(give(None, None), Ok(Back::Untouched), "never taken");
        assert_eq!(give(Some(Inside::Present), None), Ok(Back::Proven));
        assert_eq!(give(Some(Inside::SaidIn), None), Ok(Back::Said));
        assert_eq!(give(Some(Inside::Unknown), None), Err(NotYet::Unsaid));
        assert_eq!(give(Some(Inside::Unknown), Some(false)), Err(NotYet::NothingInside));
        assert_eq!(give(Some(Inside::Unknown), Some(true)), Ok(Back::Said));
        assert_eq!(give(Some(Inside::SaidOut), None), Err(NotYet::NothingInside));
        assert_eq!(give(Some(Inside::SaidOut), Some(true)), Ok(Back::Said), "put in after all");
        assert_eq!(give(Some(Inside::Absent), Some(true)), Err(NotYet::NothingInside), "the sensor counts");
        assert_eq!(give(Some(Inside::Open), None), Err(NotYet::StandsOpen));
        assert_eq!(give(Some(Inside::Open), Some(true)), Ok(Back::Said), "its sensor may stick");
    }
}
