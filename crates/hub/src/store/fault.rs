//! What a failure of the database means to whoever asked.

use sqlx::{postgres::PgDatabaseError, sqlite::SqliteError};

/// What a failure of the database means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Two changes were in each other's way and this one gave in: from its beginning, it comes through.
    Crossed,
    /// What this change had found was changed before it could build on it: from its beginning, it finds what there is now.
    Moved,
    /// It passes without the hub: no connection, no descriptor, no memory, an I/O error, a lock that somebody else holds.
    Passing,
    /// No space is left.
    Full,
    /// A mistake of the hub's own.
    Ours,
}

impl Fault {
    /// What `error` means.
    #[must_use]
    pub fn of(error: &sqlx::Error) -> Self {
        use sqlx::Error;
        match error {
            Error::Database(told) => {
                let code = told.code();
                let code = code.as_deref().unwrap_or_default();
                if told.try_downcast_ref::<PgDatabaseError>().is_some() {
                    Self::of_postgres(code)
                } else if told.try_downcast_ref::<SqliteError>().is_some() {
                    code.parse().map_or(Self::Ours, Self::of_sqlite)
                } else {
                    Self::Ours
                }
            }
            Error::RowNotFound => Self::Moved,
            Error::Io(_)
            | Error::Tls(_)
            | Error::Protocol(_)
            | Error::PoolTimedOut
            | Error::PoolClosed
            | Error::WorkerCrashed
            | Error::BeginFailed
            // A connection that another failure left unusable; it is thrown away.
            | Error::InvalidSavePointStatement => Self::Passing,
            _ => Self::Ours,
        }
    }

    /// By SQLSTATE (PostgreSQL's manual, appendix A).
    fn of_postgres(code: &str) -> Self {
        match code {
            "40001" | "40P01" => Self::Crossed,
            "23503" | "23505" => Self::Moved,
            "53100" => Self::Full,
            // Read-only (a standby), lock not available, cancelled by the server's settings.
            "25006" | "55P03" | "57014" | "25P03" => Self::Passing,
            // Connections, resources, operator intervention, the system around.
            _ if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => Self::Passing,
            _ => Self::Ours,
        }
    }

    /// By extended result code (<https://sqlite.org/rescode.html>), whose lowest byte is the primary one.
    fn of_sqlite(code: i32) -> Self {
        match (code & 0xff, code) {
            // BUSY_SNAPSHOT, CONSTRAINT_FOREIGNKEY, CONSTRAINT_PRIMARYKEY, CONSTRAINT_UNIQUE
            (_, 517) => Self::Crossed,
            (_, 787 | 1555 | 2067) => Self::Moved,
            (13, _) => Self::Full,
            // BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, CANTOPEN, PROTOCOL, NOTADB
            (5..=11 | 14 | 15 | 26, _) => Self::Passing,
            _ => Self::Ours,
        }
    }

    /// How often the change is worth being made again from its beginning.
    #[must_use]
    pub fn other_tries(self) -> usize {
        match self {
            Self::Crossed => 8,
            Self::Moved => 2,
            Self::Passing | Self::Full | Self::Ours => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn codes_mean_what_the_manuals_say() {
        for (code, fault) in [
            ("40P01", Fault::Crossed),
            ("40001", Fault::Crossed),
            ("23505", Fault::Moved),
            ("53100", Fault::Full),
            ("53300", Fault::Passing),
            ("57P03", Fault::Passing),
            ("08006", Fault::Passing),
            ("58030", Fault::Passing),
            ("42P01", Fault::Ours),
            ("23514", Fault::Ours),
        ] {
            assert_eq!(Fault::of_postgres(code), fault, "{code}");
        }
        for (code, fault) in [
            (5, Fault::Passing),
            (517, Fault::Crossed),
            (10, Fault::Passing),
            (778, Fault::Passing),
            (13, Fault::Full),
            (14, Fault::Passing),
            (787, Fault::Moved),
            (2067, Fault::Moved),
            (1, Fault::Ours),
            (275, Fault::Ours),
        ] {
            assert_eq!(Fault::of_sqlite(code), fault, "{code}");
        }
    }
}
