//! The window: cold start and memory against an empty window; long lists; the sealed store; idle; sizes.

use anyhow::Result;

use crate::bench::Bench;

pub(crate) fn measure(_bench: &mut Bench) -> Result<()> {
    Ok(())
}
