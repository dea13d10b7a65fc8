//! What a phone's own half knows of its radio, and what btleplug has no word for.
//!
//! On Android btleplug says of every adapter that its state is unknown, never that it changed, and chooses no mode for a
//! scan. The app's Java half knows all of that. Its native half hands it down here ([`introduce`], [`changed`],
//! [`scan_failed`]); nothing of Java is known in this crate.

use std::sync::OnceLock;

use tokio::sync::watch;

use crate::AdapterState;

/// What the app's own half does for the radio.
pub trait Phone: Send + Sync {
    /// Asks the customer whether the radio may be used, with the reason first. What they say is told with [`changed`].
    /// False where nobody can be asked now: the app is not on the screen.
    fn ask(&self) -> bool;
    /// Chooses the mode of the scans that are started from now on: one that hears at once, or one that spares the battery.
    fn scan_eagerly(&self, eager: bool);
}

/// How things stand, as the phone says it. The numbers are those of `app.postern.Bluetooth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// 0: the customer was never asked.
    NotAsked,
    /// 1: it can be used.
    On,
    /// 2: Bluetooth is switched off.
    Off,
    /// 3: there is none.
    Absent,
    /// 4: the customer said no.
    Denied,
    /// 5: a search needs the location (up to Android 11), and that is switched off.
    LocationOff,
}

impl Told {
    /// From the number; an unknown one says nothing.
    #[must_use]
    pub fn from_code(code: i32) -> Option<Self> {
        Some(match code {
            0 => Self::NotAsked,
            1 => Self::On,
            2 => Self::Off,
            3 => Self::Absent,
            4 => Self::Denied,
            5 => Self::LocationOff,
            _ => return None,
        })
    }

    /// For the rest of the app. Who was never asked has no problem yet.
    #[must_use]
    pub fn state(self) -> AdapterState {
        match self {
            Self::NotAsked => AdapterState::Unknown,
            Self::On => AdapterState::On,
            Self::Off => AdapterState::Off,
            Self::Absent => AdapterState::Absent,
            Self::Denied => AdapterState::Denied,
            Self::LocationOff => AdapterState::LocationOff,
        }
    }
}

/// `ScanCallback.SCAN_FAILED_SCANNING_TOO_FREQUENTLY`.
const TOO_FREQUENTLY: i32 = 6;

/// A scan that the platform ended after it had begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "ble"), allow(dead_code, reason = "only Bluetooth scans"))]
pub(crate) struct ScanFailure {
    /// How many there were.
    pub(crate) count: u64,
    pub(crate) too_many: bool,
}

/// The phone's half and what it told last.
#[cfg_attr(not(feature = "ble"), allow(dead_code, reason = "only Bluetooth asks it"))]
pub(crate) struct Half {
    phone: Box<dyn Phone>,
    told: watch::Sender<Option<Told>>,
    failures: watch::Sender<ScanFailure>,
}

static HALF: OnceLock<Half> = OnceLock::new();

/// The app's own half, once, before the radio is used. A second one is not taken.
pub fn introduce(phone: impl Phone + 'static) {
    let _ = HALF.set(Half::new(phone));
}

/// How things stand from now on: see [`Told::from_code`].
pub fn changed(code: i32) {
    if let (Some(half), Some(told)) = (HALF.get(), Told::from_code(code)) {
        half.tell(told);
    }
}

/// A scan that had begun came to nothing: `ScanCallback.onScanFailed`.
pub fn scan_failed(code: i32) {
    if let Some(half) = HALF.get() {
        half.fail(code);
    }
}

/// The phone's half, where there is one.
#[cfg(feature = "ble")]
pub(crate) fn half() -> Option<&'static Half> {
    HALF.get()
}

#[cfg_attr(not(feature = "ble"), allow(dead_code, reason = "only Bluetooth asks it"))]
impl Half {
    pub(crate) fn new(phone: impl Phone + 'static) -> Self {
        let (told, failures) = (watch::channel(None).0, watch::channel(ScanFailure::default()).0);
        Self { phone: Box::new(phone), told, failures }
    }

    pub(crate) fn tell(&self, told: Told) {
        self.told.send_if_modified(|old| old.replace(told) != Some(told));
    }

    pub(crate) fn fail(&self, code: i32) {
        tracing::debug!(code, "the scan was refused");
        self.failures.send_modify(|failure| {
            *failure = ScanFailure { count: failure.count + 1, too_many: code == TOO_FREQUENTLY };
        });
    }

    pub(crate) fn state(&self) -> AdapterState {
        self.told.borrow().map_or(AdapterState::Unknown, Told::state)
    }

    /// A search would be refused where this is false, and where the customer was never asked.
    pub(crate) fn may_search(&self) -> bool {
        self.told.borrow().is_none_or(|told| told == Told::On)
    }

    pub(crate) fn states(&self) -> watch::Receiver<Option<Told>> {
        self.told.subscribe()
    }

    pub(crate) fn failures(&self) -> watch::Receiver<ScanFailure> {
        self.failures.subscribe()
    }

    pub(crate) fn scan_eagerly(&self, eager: bool) {
        self.phone.scan_eagerly(eager);
    }

    /// Asks whoever was never asked, and waits for what they say: for as long as they take.
    pub(crate) async fn ready(&self) {
        let mut told = self.states();
        if *told.borrow() != Some(Told::NotAsked) {
            return;
        }
        if self.phone.ask() {
            // The sender is here: this does not fail.
            let _ = told.wait_for(|told| *told != Some(Told::NotAsked)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::Duration,
    };

    use super::*;

    struct Screen {
        asked: Arc<AtomicU32>,
        shown: bool,
    }

    impl Phone for Screen {
        fn ask(&self) -> bool {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.shown
        }

        fn scan_eagerly(&self, _: bool) {}
    }

    fn half(shown: bool) -> (Arc<Half>, Arc<AtomicU32>) {
        let asked = Arc::<AtomicU32>::default();
        (Arc::new(Half::new(Screen { asked: asked.clone(), shown })), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_never_asked_is_asked_once_and_waited_for() {
        let (half, asked) = half(true);
        half.tell(Told::NotAsked);
        let waiting = tokio::spawn({
            let half = half.clone();
            async move { half.ready().await }
        });
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(!waiting.is_finished(), "reading takes as long as it takes");
        half.tell(Told::Denied);
        waiting.await.unwrap();
        half.ready().await;
        assert_eq!(asked.load(Ordering::SeqCst), 1, "who said no is not asked by every search");
        assert_eq!(half.state(), AdapterState::Denied);
    }

    #[tokio::test]
    async fn where_nobody_can_be_asked_nobody_waits() {
        let (half, _) = half(false);
        half.tell(Told::NotAsked);
        half.ready().await;
        assert_eq!(half.state(), AdapterState::Unknown);
        assert!(!half.may_search());
        half.tell(Told::On);
        assert!(half.may_search());
    }

    #[test]
    fn every_number_of_the_phone_has_a_meaning() {
        let states = [0, 1, 2, 3, 4, 5].map(|code| Told::from_code(code).unwrap().state());
        assert_eq!(
            states,
            [
                AdapterState::Unknown,
                AdapterState::On,
                AdapterState::Off,
                AdapterState::Absent,
                AdapterState::Denied,
                AdapterState::LocationOff
            ]
        );
        assert_eq!((Told::from_code(6), Told::from_code(-1)), (None, None));
    }
}
