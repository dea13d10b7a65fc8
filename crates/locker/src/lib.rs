//! locker
