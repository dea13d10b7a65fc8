//! The hub: sync, token, book, receipt on SQLite and PostgreSQL, against the bare statement; memory; time to start.

use anyhow::Result;

use crate::bench::Bench;

pub(crate) fn measure(_bench: &mut Bench) -> Result<()> {
    Ok(())
}
