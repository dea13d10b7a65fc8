//! The radio of a machine that has none.

use std::time::Instant;

use futures::stream::BoxStream;
use postern_protocol::LockerId;
use postern_radio::{AdapterState, Link, Progress, Radio, RadioError, Sighting};
use tokio::sync::watch;

/// Hears nobody, and says why.
pub(crate) struct AbsentRadio(watch::Sender<AdapterState>);

impl AbsentRadio {
    pub(crate) fn new() -> Self {
        Self(watch::channel(AdapterState::Absent).0)
    }
}

#[async_trait::async_trait]
impl Radio for AbsentRadio {
    fn adapter(&self) -> watch::Receiver<AdapterState> {
        self.0.subscribe()
    }

    async fn sightings(&self) -> Result<BoxStream<'static, Sighting>, RadioError> {
        Err(RadioError::Unavailable(AdapterState::Absent))
    }

    async fn connect(
        &self,
        _: LockerId,
        _: Instant,
        _: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Box<dyn Link>, RadioError> {
        Err(RadioError::Unavailable(AdapterState::Absent))
    }
}
