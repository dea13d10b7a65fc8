//! One attempt to reach one locker: search, connect, discover, subscribe, and the link's life after that.

use std::{sync::Arc, time::Duration};

use btleplug::{
    api::{Central, CentralEvent, Peripheral as _},
    platform::{Peripheral, PeripheralId},
};
use futures::StreamExt;
use tokio::{
    sync::{Mutex, mpsc},
    time::{Instant, timeout_at},
};

use super::{
    gatt::{BleGatt, Events},
    leaving::Leaving,
    scan::Scanner,
};
use crate::{
    Progress, RadioError,
    link::{Notifications, Worker},
    memory::Memory,
};

/// Least time between two attempts to connect that failed at once.
const BREATH: Duration = Duration::from_millis(50);

pub(super) enum Step {
    Progress(Progress),
    Failed(RadioError),
    Ready,
}

pub(super) struct Dial {
    scanner: Arc<Scanner>,
    short_id: [u8; 4],
    deadline: Instant,
    memory: Arc<Memory<PeripheralId>>,
    leaving: Leaving,
    steps: mpsc::Sender<Step>,
    /// What must be let go of when the attempt is given up, whatever was under way.
    held: Mutex<Option<Peripheral>>,
}

type Connected = (PeripheralId, BleGatt, Notifications);

impl Dial {
    pub(super) fn new(
        scanner: Arc<Scanner>,
        short_id: [u8; 4],
        deadline: Instant,
        memory: Arc<Memory<PeripheralId>>,
        leaving: Leaving,
        steps: mpsc::Sender<Step>,
    ) -> Self {
        Self { scanner, short_id, deadline, memory, leaving, steps, held: Mutex::new(None) }
    }

    /// Connects, tells how it went, and carries the link.
    pub(super) async fn run(self, worker: Worker) {
        let mut why = RadioError::NotFound;
        let result = tokio::select! {
            result = timeout_at(self.deadline, self.reach(&mut why)) => result,
            () = worker.abandoned() => return self.give_up().await,
        };
        let (id, gatt, notifications) = match result {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => return self.fail(error).await,
            Err(_) => return self.fail(why).await,
        };
        if self.steps.send(Step::Ready).await.is_err() {
            return self.give_up().await;
        }
        let small = self.memory.careful(self.short_id);
        let summary = worker.run(&gatt, notifications, small).await;
        self.memory.ended(self.short_id, id, summary);
    }

    async fn fail(&self, error: RadioError) {
        self.give_up().await;
        let _ = self.steps.send(Step::Failed(error)).await;
    }

    async fn give_up(&self) {
        if let Some(peripheral) = self.held.lock().await.take() {
            self.leaving.let_go(&peripheral).await;
        }
    }

    async fn report(&self, stage: Progress) {
        let _ = self.steps.send(Step::Progress(stage)).await;
    }

    /// Until the deadline, which the caller watches. `why` is what to say when it passes.
    async fn reach(&self, why: &mut RadioError) -> Result<Connected, RadioError> {
        let mut sighted = false;
        let mut choice = self.memory.choice(self.short_id);
        loop {
            let id = self.search(&mut sighted, &mut choice, why).await?;
            tracing::debug!(?id, "calling");
            let attempt = Instant::now();
            match self.connect(&id).await {
                Ok(connected) => return Ok(connected),
                Err(error) => {
                    tracing::debug!(%error, "attempt to connect failed");
                    self.give_up().await;
                    *why = error;
                    tokio::time::sleep_until(attempt + BREATH).await;
                }
            }
        }
    }

    async fn search(
        &self,
        sighted: &mut bool,
        choice: &mut crate::memory::Choice<PeripheralId>,
        why: &mut RadioError,
    ) -> Result<PeripheralId, RadioError> {
        let mut ear = self.scanner.listen(true).await?;
        loop {
            let gone = || RadioError::Lost("adapter gone".into());
            let (id, sighting) = ear.next().await.ok_or_else(gone)?;
            if sighting.advertisement.short_id != self.short_id {
                continue;
            }
            if !std::mem::replace(sighted, true) {
                self.report(Progress::Sighted).await;
            }
            if !sighting.advertisement.accepting {
                *why = RadioError::Busy;
            } else if choice.take(&id) {
                return Ok(id);
            }
        }
    }

    async fn connect(&self, id: &PeripheralId) -> Result<Connected, RadioError> {
        let lost = |error: btleplug::Error| RadioError::Lost(error.to_string());
        self.leaving.over(id).await;
        let _pause = self.scanner.pause().await;
        let peripheral = self.scanner.adapter().peripheral(id).await.map_err(lost)?;
        let mut events = self.scanner.adapter().events().await.map_err(lost)?;
        *self.held.lock().await = Some(peripheral.clone());
        tokio::select! {
            connected = peripheral.connect() => connected.map_err(lost)?,
            () = disconnected(&mut events, id) => return Err(RadioError::Lost("disconnected".into())),
        }
        self.report(Progress::Connected).await;
        let (gatt, notifications) = BleGatt::start(peripheral, events, self.leaving.clone()).await?;
        self.report(Progress::Subscribed).await;
        Ok((id.clone(), gatt, notifications))
    }
}

async fn disconnected(events: &mut Events, id: &PeripheralId) {
    while let Some(event) = events.next().await {
        if matches!(&event, CentralEvent::DeviceDisconnected(gone) if gone == id) {
            return;
        }
    }
}
