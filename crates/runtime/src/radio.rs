//! Carries out the core's radio commands.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use postern_core::{
    effect::RadioCommand,
    event::{Adapter, DialStage, EndReason, Event, RadioEvent},
};
use postern_protocol::LockerId;
use postern_radio::{AdapterState, Progress, Radio, RadioError, Sighting, air::AirRadio};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::task::{Task, or_panicked};

/// One locker is reported at most this often: the core wants to know who is near, not every advertisement.
const SIGHTING_INTERVAL: Duration = Duration::from_secs(1);
/// Lockers remembered for that; in a street of beacons the memory starts anew.
const SIGHTINGS: usize = 256;
/// Pause after a scan that ended by itself with the adapter on.
const SCAN_PAUSE: Duration = Duration::from_secs(5);
/// Messages that may wait for the link. The protocol has one in flight.
const QUEUE: usize = 4;
/// The most that a new dial waits for the old connection to be let go.
const LET_GO: Duration = Duration::from_secs(3);

/// A radio that is not ready after so long waits for a customer who reads what the system asks.
const UNASKED: Duration = Duration::from_millis(250);

/// The radio and what is under way on it.
pub(crate) struct RadioDesk {
    /// The device's, or the one that was asked for.
    own: Arc<dyn Radio>,
    /// It was asked for, and stays.
    chosen: bool,
    /// In use.
    radio: Arc<dyn Radio>,
    events: mpsc::Sender<Event>,
    watch: Option<Task>,
    dial: Option<Dial>,
    /// None until it is known which radio is in use.
    adapter: Option<Task>,
}

struct Dial {
    attempt: u64,
    /// Dropping it hangs up.
    outgoing: mpsc::Sender<Vec<u8>>,
    task: JoinHandle<()>,
}

impl RadioDesk {
    /// `chosen` where the radio was asked for by name, so that no network decides on another.
    pub(crate) fn new(own: Arc<dyn Radio>, chosen: bool, events: mpsc::Sender<Event>) -> Self {
        Self { radio: own.clone(), own, chosen, events, watch: None, dial: None, adapter: None }
    }

    pub(crate) fn carry_out(&mut self, command: RadioCommand) {
        match command {
            RadioCommand::Use(Some(endpoint)) if !self.chosen => {
                self.change_to(Arc::new(AirRadio::new(endpoint)));
            }
            RadioCommand::Use(_) => self.change_to(self.own.clone()),
            RadioCommand::Watch(true) => {
                let (radio, events) = (self.radio.clone(), self.events.clone());
                self.watch.get_or_insert_with(|| Task::spawn(or_panicked(watch(radio, events), ())));
            }
            RadioCommand::Watch(false) => self.watch = None,
            RadioCommand::Dial { attempt, locker, timeout_ms } => self.dial(attempt, locker, timeout_ms),
            RadioCommand::Send { attempt, bytes } => {
                // A link that is gone has said so, or is about to.
                if let Some(dial) = self.dial.as_ref().filter(|dial| dial.attempt == attempt)
                    && dial.outgoing.try_send(bytes).is_err()
                {
                    self.dial = None;
                }
            }
            RadioCommand::HangUp { attempt } => {
                if self.dial.as_ref().is_some_and(|dial| dial.attempt == attempt) {
                    self.dial = None;
                }
            }
        }
    }

    fn change_to(&mut self, radio: Arc<dyn Radio>) {
        self.dial = None;
        // The old one first, so that it has the last word no more.
        self.adapter = None;
        let follow = follow_adapter(radio.clone(), self.events.clone());
        self.adapter = Some(Task::spawn(or_panicked(follow, ())));
        if self.watch.is_some() {
            self.watch = Some(Task::spawn(or_panicked(watch(radio.clone(), self.events.clone()), ())));
        }
        self.radio = radio;
    }

    fn dial(&mut self, attempt: u64, locker: [u8; 8], timeout_ms: u64) {
        // Dropping the old dial's sender hangs it up.
        let old = self.dial.take().map(|dial| dial.task);
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let (radio, events) = (self.radio.clone(), self.events.clone());
        let task = tokio::spawn(async move {
            if let Some(old) = old {
                // Most adapters and lockers hold one connection of ours.
                let _ = tokio::time::timeout(LET_GO, old).await;
            }
            let timeout = Duration::from_millis(timeout_ms);
            let call = call(radio.as_ref(), attempt, LockerId(locker), timeout, queue, &events);
            let reason = or_panicked(call, EndReason::Lost).await;
            let _ = events.send(Event::Radio(RadioEvent::Ended { attempt, reason })).await;
        });
        self.dial = Some(Dial { attempt, outgoing, task });
    }

    /// Hangs up and waits, not for ever, until the connection is let go.
    pub(crate) async fn close(mut self) {
        self.watch = None;
        if let Some(Dial { outgoing, task, .. }) = self.dial.take() {
            drop(outgoing);
            let _ = tokio::time::timeout(LET_GO, task).await;
        }
    }
}

/// Connects and carries messages both ways until somebody ends it.
async fn call(
    radio: &dyn Radio,
    attempt: u64,
    locker: LockerId,
    timeout: Duration,
    mut outgoing: mpsc::Receiver<Vec<u8>>,
    events: &mpsc::Sender<Event>,
) -> EndReason {
    let progress = |progress| {
        let stage = match progress {
            Progress::Searching => return,
            Progress::Sighted => DialStage::Sighted,
            Progress::Connected => DialStage::Connected,
            Progress::Subscribed => DialStage::Subscribed,
        };
        // Progress is for the eye: where the core is far behind, it can do without.
        let _ = events.try_send(Event::Radio(RadioEvent::Progress { attempt, stage }));
    };
    let connect = async {
        // The customer may be asked first, and reads for as long as that takes: the search begins afterwards.
        let mut ready = std::pin::pin!(radio.ready());
        if tokio::time::timeout(UNASKED, &mut ready).await.is_err() {
            let told = |stage| events.send(Event::Radio(RadioEvent::Progress { attempt, stage }));
            let _ = told(DialStage::Asking).await;
            ready.await;
            let _ = told(DialStage::Searching).await;
        }
        radio.connect(locker, Instant::now() + timeout, &progress).await
    };
    let connected = tokio::select! {
        biased;
        () = hung_up(&mut outgoing) => return EndReason::HungUp,
        connected = connect => connected,
    };
    let mut link = match connected {
        Ok(link) => link,
        Err(error) => return reason(error),
    };
    loop {
        tokio::select! {
            message = link.receive() => match message {
                Ok(bytes) => {
                    if events.send(Event::Radio(RadioEvent::Message { attempt, bytes })).await.is_err() {
                        return EndReason::HungUp;
                    }
                }
                Err(error) => return reason(error),
            },
            message = outgoing.recv() => match message {
                None => {
                    link.close().await;
                    return EndReason::HungUp;
                }
                Some(bytes) => {
                    if let Err(error) = link.send(&bytes).await {
                        return reason(error);
                    }
                }
            },
        }
    }
}

/// Resolves when the core hangs up. Nothing can be sent before there is a link.
async fn hung_up(outgoing: &mut mpsc::Receiver<Vec<u8>>) {
    while outgoing.recv().await.is_some() {
        tracing::warn!(
            code = "sent_without_link",
            "a message for a locker that is not connected was dropped"
        );
    }
}

fn reason(error: RadioError) -> EndReason {
    match error {
        RadioError::Unavailable(state) => EndReason::Adapter(adapter(state)),
        RadioError::NotFound => EndReason::NotFound,
        RadioError::Busy => EndReason::Busy,
        RadioError::Lost(_) => EndReason::Lost,
        RadioError::Frame(_) => EndReason::Frame,
    }
}

fn adapter(state: AdapterState) -> Adapter {
    match state {
        AdapterState::Unknown => Adapter::Unknown,
        AdapterState::On => Adapter::On,
        AdapterState::Off => Adapter::Off,
        AdapterState::Absent => Adapter::Absent,
        AdapterState::Denied => Adapter::Denied,
        AdapterState::LocationOff => Adapter::LocationOff,
    }
}

async fn follow_adapter(radio: Arc<dyn Radio>, events: mpsc::Sender<Event>) {
    let mut states = radio.adapter();
    loop {
        let state = adapter(*states.borrow_and_update());
        if events.send(Event::Radio(RadioEvent::Adapter(state))).await.is_err()
            || states.changed().await.is_err()
        {
            return;
        }
    }
}

/// Reports sightings until dropped, through every change of the adapter.
async fn watch(radio: Arc<dyn Radio>, events: mpsc::Sender<Event>) {
    let mut states = radio.adapter();
    let mut heard = Heard::default();
    loop {
        radio.ready().await;
        states.mark_unchanged();
        if let Ok(mut sightings) = radio.sightings().await {
            while let Some(sighting) = sightings.next().await {
                if let Some(event) = heard.hear(&sighting, Instant::now())
                    && events.send(Event::Radio(event)).await.is_err()
                {
                    return;
                }
            }
        }
        if *states.borrow() == AdapterState::On {
            let _ = tokio::time::timeout(SCAN_PAUSE, states.changed()).await;
        } else if states.changed().await.is_err() {
            return;
        }
    }
}

/// Who was reported when.
#[derive(Default)]
struct Heard(HashMap<[u8; 4], Instant>);

impl Heard {
    fn hear(&mut self, sighting: &Sighting, now: Instant) -> Option<RadioEvent> {
        let short_id = sighting.advertisement.short_id;
        if self.0.get(&short_id).is_some_and(|last| now.duration_since(*last) < SIGHTING_INTERVAL) {
            return None;
        }
        if self.0.len() >= SIGHTINGS {
            self.0.clear();
        }
        self.0.insert(short_id, now);
        Some(RadioEvent::Sighted { short_id, rssi: sighting.rssi })
    }
}

#[cfg(test)]
mod tests {
    use futures::stream::BoxStream;
    use postern_radio::Link;
    use tokio::sync::watch as state;

    use super::*;

    /// A platform's half that was never introduced.
    struct Brittle;

    #[async_trait::async_trait]
    impl Radio for Brittle {
        fn adapter(&self) -> state::Receiver<AdapterState> {
            panic!("expected to be initialized")
        }

        async fn sightings(&self) -> Result<BoxStream<'static, Sighting>, RadioError> {
            panic!("expected to be initialized")
        }

        async fn connect(
            &self,
            _: LockerId,
            _: Instant,
            _: &(dyn Fn(Progress) + Send + Sync),
        ) -> Result<Box<dyn Link>, RadioError> {
            panic!("expected to be initialized")
        }
    }

    #[tokio::test]
    async fn a_radio_that_panics_is_a_link_that_was_lost() {
        let (events, mut heard) = mpsc::channel(8);
        let mut desk = RadioDesk::new(Arc::new(Brittle), false, events);
        desk.carry_out(RadioCommand::Watch(true));
        desk.carry_out(RadioCommand::Dial { attempt: 7, locker: [0; 8], timeout_ms: 20_000 });
        let ended = async {
            loop {
                if let Some(Event::Radio(RadioEvent::Ended { attempt, reason })) = heard.recv().await {
                    return (attempt, reason);
                }
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
        assert_eq!(ended, Ok((7, EndReason::Lost)));
        desk.close().await;
    }

    /// A phone whose system asks the customer first.
    struct Asked(state::Sender<bool>);

    #[async_trait::async_trait]
    impl Radio for Asked {
        fn adapter(&self) -> state::Receiver<AdapterState> {
            state::channel(AdapterState::Unknown).1
        }

        async fn ready(&self) {
            let _ = self.0.subscribe().wait_for(|answered| *answered).await;
        }

        async fn sightings(&self) -> Result<BoxStream<'static, Sighting>, RadioError> {
            Err(RadioError::NotFound)
        }

        async fn connect(
            &self,
            _: LockerId,
            deadline: Instant,
            _: &(dyn Fn(Progress) + Send + Sync),
        ) -> Result<Box<dyn Link>, RadioError> {
            tokio::time::sleep_until(deadline.into()).await;
            Err(RadioError::NotFound)
        }
    }

    /// The core hears that the customer is asked, and when they have answered; the search has all its time after that.
    #[tokio::test]
    async fn a_customer_who_reads_a_question_loses_no_time() {
        let (events, mut heard) = mpsc::channel(8);
        let answer = state::channel(false).0;
        let mut desk = RadioDesk::new(Arc::new(Asked(answer.clone())), false, events);
        desk.carry_out(RadioCommand::Dial { attempt: 1, locker: [0; 8], timeout_ms: 500 });
        let mut next = async || {
            loop {
                match heard.recv().await {
                    Some(Event::Radio(RadioEvent::Adapter(_))) => {}
                    Some(Event::Radio(event)) => return event,
                    other => panic!("{other:?}"),
                }
            }
        };
        let stage = |stage| RadioEvent::Progress { attempt: 1, stage };
        assert_eq!(next().await, stage(DialStage::Asking));
        tokio::time::sleep(Duration::from_millis(700)).await;
        answer.send_replace(true);
        assert_eq!(next().await, stage(DialStage::Searching));
        let began = tokio::time::Instant::now();
        assert_eq!(next().await, RadioEvent::Ended { attempt: 1, reason: EndReason::NotFound });
        assert!(began.elapsed() >= Duration::from_millis(490));
        desk.close().await;
    }
}
