//! Fair shares: no account takes more than its share of a site, and customers' bookings leave room for parcels.

/// What is kept at a site and by an account, what is settling or was reported included.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Doors that the account has booked, or had taken out of service, anywhere.
    pub by_account: i64,
    /// The same at this site.
    pub by_account_here: i64,
    /// Doors that customers have booked, or had taken out of service, at this site.
    pub by_customers_here: i64,
    /// Doors of the site that are in service, or were taken out of it by customers.
    pub doors_here: i64,
}

/// The operator's limits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Doors that an account may have booked at once.
    pub bookings: i64,
    /// Percent of a site's doors that customers' bookings may take.
    pub booking_share: i64,
}

/// Why another door would be more than a fair share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfair {
    /// The account has as many as it may.
    Account,
    /// The account has its share of this site.
    AccountHere,
    /// Customers together have theirs.
    Site,
}

/// Most doors of a site with so many that one account may have at once, booked or taken out of service.
#[must_use]
pub const fn of_account(doors_here: i64) -> i64 {
    let quarter = doors_here / 4;
    if quarter > 1 { quarter } else { 1 }
}

/// Whether the account may book another door.
///
/// # Errors
/// Why not.
pub fn another(kept: Kept, limits: Limits) -> Result<(), Unfair> {
    if kept.by_account >= limits.bookings {
        Err(Unfair::Account)
    } else if kept.by_account_here >= of_account(kept.doors_here) {
        Err(Unfair::AccountHere)
    } else if kept.by_customers_here >= (kept.doors_here * limits.booking_share / 100).max(1) {
        Err(Unfair::Site)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_a_share_and_so_have_all_customers_together() {
        let limits = Limits { bookings: 5, booking_share: 50 };
        let none = Kept { by_account: 0, by_account_here: 0, by_customers_here: 0, doors_here: 16 };
        assert_eq!(another(none, limits), Ok(()));
        assert_eq!(another(Kept { by_account: 5, ..none }, limits), Err(Unfair::Account));
        let here = Kept { by_account: 4, by_account_here: 4, by_customers_here: 4, ..none };
        assert_eq!(another(here, limits), Err(Unfair::AccountHere));
        assert_eq!(another(Kept { by_customers_here: 8, ..none }, limits), Err(Unfair::Site));
        let single = Kept { doors_here: 1, ..none };
        assert_eq!(another(single, limits), Ok(()), "a site of one door can be used");
    }
}
