//! Reading columns by name.

use sqlx::{Row, any::AnyRow};

use crate::error::Result;

/// Columns by name, for the few types that the schema uses.
pub trait RowExt {
    /// A TEXT column.
    ///
    /// # Errors
    /// When there is no such column or it is null or of another type. The same holds for the others.
    fn text(&self, name: &str) -> Result<String>;
    /// A TEXT column that may be null.
    fn maybe_text(&self, name: &str) -> Result<Option<String>>;
    /// A BIGINT column.
    fn int(&self, name: &str) -> Result<i64>;
    /// A BIGINT column that may be null.
    fn maybe_int(&self, name: &str) -> Result<Option<i64>>;
    /// A byte column.
    fn bytes(&self, name: &str) -> Result<Vec<u8>>;
    /// A byte column that may be null.
    fn maybe_bytes(&self, name: &str) -> Result<Option<Vec<u8>>>;
    /// A DOUBLE PRECISION column that may be null.
    fn maybe_float(&self, name: &str) -> Result<Option<f64>>;
}

impl RowExt for AnyRow {
    fn text(&self, name: &str) -> Result<String> {
        Ok(self.try_get(name)?)
    }
    fn maybe_text(&self, name: &str) -> Result<Option<String>> {
        Ok(self.try_get(name)?)
    }
    fn int(&self, name: &str) -> Result<i64> {
        Ok(self.try_get(name)?)
    }
    fn maybe_int(&self, name: &str) -> Result<Option<i64>> {
        Ok(self.try_get(name)?)
    }
    fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        Ok(self.try_get(name)?)
    }
    fn maybe_bytes(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.try_get(name)?)
    }
    fn maybe_float(&self, name: &str) -> Result<Option<f64>> {
        Ok(self.try_get(name)?)
    }
}
