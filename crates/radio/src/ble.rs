//! `ble`: lockers over Bluetooth LE, through btleplug.
//!
//! # Troubles known, and what is done about them here
//!
//! | trouble | seen in | what is done |
//! |---|---|---|
//! | a notification sent while the subscription takes effect is lost | every platform | `tx` is read when no HELLO comes ([`crate::link`]) |
//! | a read value is delivered as a notification too | BlueZ signals the changed `Value` | the second HELLO is passed over ([`postern_protocol::inbox`]) |
//! | `start_scan` on Linux powers the adapter on | btleplug 0.13 (bluez-async sets `Powered`) | the state is looked at first; an adapter that is off stays off |
//! | `start_scan` twice fails with InProgress | btleplug issue 255 | one scan for all listeners, counted ([`scan`]); InProgress is answered by stopping and starting again |
//! | `stop_scan` fails with InProgress or NotReady although the scan has ended | BlueZ; bleak issue 2021 | the failure is passed over |
//! | controllers that cannot connect while they scan (`le-connection-abort-by-local`) | many; BlueZ issue 569 | the scan pauses while a connection is made; the attempt is repeated until its deadline |
//! | devices that were heard long ago are reported like new ones | btleplug's `events()` on BlueZ begins with the cache | cached devices count only when they are heard again |
//! | a link that ends is not the end of the notification stream | btleplug issue 256 | the adapter's events are watched for the disconnect |
//! | `connect` waits 30 s for ServicesResolved when the link breaks in between | bluez-async 0.9 | it is raced against the disconnect and our own deadline |
//! | services missing right after connecting (late discovery) | BlueZ, CoreBluetooth | discovery is repeated once, then the link is given up and made anew |
//! | handles of yesterday for a locker whose attributes have moved: the subscription is refused, or taken by another attribute | BlueZ with its default `Cache = always`, from files that outlive the device, where the peripheral has no Service Changed | a locker that shows no service, refuses the subscription or never greets is forgotten there ([`cache`]), and discovered anew the next time |
//! | the HELLO of the next link goes by unheard | BlueZ subscribes by itself whoever has not unsubscribed, as soon as it is connected | unsubscribed before each disconnect |
//! | a device without services, though it advertises them | BlueZ 5.66, after a link that broke while services were being resolved | what passed the scan's filter counts as a locker's ([`scan`]) |
//! | reads and writes fail with InProgress while another client uses the device | BlueZ; bleak issue 1282 | repeated within the deadline |
//! | a dropped `connect` leaves the platform connecting | BlueZ keeps a connection without its client | the task that connects outlives the future and disconnects |
//! | notifications overtake each other | BlueZ over enhanced bearers (EATT, on by default in 5.66): each bearer is a socket of its own | frames are put in order ([`postern_protocol::inbox`]) |
//! | a write of MTU - 3 bytes is refused at MTU 517 | an attribute has at most 512 bytes, of which BlueZ's server takes two for the handle (issue 570) | frames have at most 510 |
//! | `Disconnect` takes 2 s, and who connects meanwhile is given the link that is about to end | BlueZ (`DISCONNECT_TIMER`) | the next link begins with a scan meanwhile, and calls when the one before is over ([`leaving`]) |
//! | the app may not talk to the daemon (`AccessDenied` by the bus's policy) | Debian for users outside of the group `bluetooth`, sandboxes | told apart from "no adapter" ([`state`]) |
//! | bluetoothd is restarted | updates, crashes | the adapter is looked for anew at the next use |
//! | RSSI of 127 | HCI's "not available" | unknown |
//! | the adapter's state is unknown for ever, and never changes | btleplug 0.13 on Android | the app's own half tells it ([`crate::phone`]); without one, unknown counts as on |
//! | from the fifth start in 30 s on a scan hears nothing, and nobody says so | Android | starts are counted over the process, and some kept for dialling ([`pace`]) |
//! | a search hears little for seconds, in front of a good locker | Android's default mode listens a tenth of the time | the other mode while dialling |
//! | the next connection takes long after a link that was lost | btleplug 0.13 on Android keeps the old one | its Java half is patched to close it (src-tauri/gen/android/btleplug.patch) |
//! | the system asks for Bluetooth as soon as there is a central | CoreBluetooth | there is none before the first search, unless the question was answered already ([`state::was_answered`]) |
//!
//! Writes are with response: they arrive in order, they are not lost, and they hold the sender back. What the MTU is the
//! platform says (BlueZ from 5.62; before that, and where it says nothing, 23 is assumed).

mod cache;
mod dial;
mod gatt;
mod leaving;
mod pace;
mod scan;
mod state;

use std::{
    sync::{Arc, Mutex as StdMutex},
    time::{Duration, Instant},
};

use btleplug::platform::PeripheralId;
use futures::stream::BoxStream;
use postern_protocol::LockerId;
use tokio::{
    sync::{Mutex, mpsc, watch},
    task::JoinHandle,
};
use tokio_stream::wrappers::ReceiverStream;

use crate::{AdapterState, Link, Progress, Radio, RadioError, Sighting, link, memory::Memory, phone};
use scan::Scanner;

/// Sightings that may wait for their listener.
const QUEUE: usize = 64;
/// The longest wait for an answer to the system's own question.
const READING: Duration = Duration::from_secs(120);

/// The platform's Bluetooth LE.
pub struct BleRadio {
    /// Which adapter, by its name (`hci0`); the first when empty.
    wanted: Arc<str>,
    state: watch::Sender<AdapterState>,
    watching: StdMutex<Option<JoinHandle<()>>>,
    /// Looking at the adapter asks the customer nothing, or may ask now.
    may_look: watch::Sender<bool>,
    /// Made at first use, and again after the platform's side has gone.
    scanner: Mutex<Option<Arc<Scanner>>>,
    memory: Arc<Memory<PeripheralId>>,
    leaving: leaving::Leaving,
}

impl Drop for BleRadio {
    fn drop(&mut self) {
        if let Some(watching) = self.watching.get_mut().ok().and_then(Option::take) {
            watching.abort();
        }
    }
}

impl BleRadio {
    /// A radio on this adapter (`hci0`), or on the first there is.
    #[must_use]
    pub fn new(adapter: Option<&str>) -> Self {
        Self {
            wanted: adapter.unwrap_or_default().into(),
            state: watch::channel(AdapterState::Unknown).0,
            watching: StdMutex::new(None),
            may_look: watch::channel(state::was_answered()).0,
            scanner: Mutex::new(None),
            memory: Arc::default(),
            leaving: leaving::Leaving::default(),
        }
    }

    fn watch_adapter(&self) {
        let (Ok(mut watching), Ok(runtime)) = (self.watching.lock(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        watching.get_or_insert_with(|| {
            let (wanted, state, mut may_look) =
                (self.wanted.clone(), self.state.clone(), self.may_look.subscribe());
            runtime.spawn(async move {
                if let Some(half) = phone::half() {
                    return state::follow(half, state).await;
                }
                if may_look.wait_for(|may| *may).await.is_ok() {
                    state::watch(wanted, state).await;
                }
            })
        });
    }

    fn look(&self) {
        self.may_look.send_replace(true);
        self.watch_adapter();
    }

    /// The scanner of an adapter that is on.
    async fn scanner(&self) -> Result<Arc<Scanner>, RadioError> {
        self.look();
        let mut scanner = self.scanner.lock().await;
        if let Some(half) = phone::half()
            && !half.may_search()
        {
            return Err(RadioError::Unavailable(half.state()));
        }
        if let Some(scanner) = &*scanner {
            let state = match phone::half() {
                Some(half) => half.state(),
                None => state::of(scanner.adapter()).await,
            };
            self.state.send_if_modified(|old| std::mem::replace(old, state) != state);
            // One scanner for all who listen, also where the platform does not say how it is.
            if state.may_work() {
                return Ok(scanner.clone());
            }
        }
        // Unplugged and plugged in again, or a daemon that was restarted: look anew before giving up.
        *scanner = None;
        let (found, adapter) = state::find(&self.wanted).await;
        let state = phone::half().filter(|_| adapter.is_some()).map_or(found, phone::Half::state);
        self.state.send_if_modified(|old| std::mem::replace(old, state) != state);
        match adapter {
            Some(adapter) if state.may_work() => Ok(scanner.insert(Arc::new(Scanner::new(adapter))).clone()),
            _ => Err(RadioError::Unavailable(state)),
        }
    }
}

#[async_trait::async_trait]
impl Radio for BleRadio {
    fn adapter(&self) -> watch::Receiver<AdapterState> {
        self.watch_adapter();
        self.state.subscribe()
    }

    async fn ready(&self) {
        if let Some(half) = phone::half() {
            self.watch_adapter();
            return half.ready().await;
        }
        if *self.may_look.borrow() {
            return;
        }
        // The system asks as soon as somebody looks, and nothing is known before the customer has answered.
        self.look();
        let mut state = self.state.subscribe();
        let known = state.wait_for(|state| *state != AdapterState::Unknown);
        let _ = tokio::time::timeout(READING, known).await;
    }

    async fn sightings(&self) -> Result<BoxStream<'static, Sighting>, RadioError> {
        let scanner = self.scanner().await?;
        let mut ear = scanner.listen(false).await?;
        let (heard, sightings) = mpsc::channel(QUEUE);
        let mut state = self.state.subscribe();
        tokio::spawn(async move {
            let forward = async {
                while let Some((_, sighting)) = ear.next().await {
                    if heard.send(sighting).await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = forward => {}
                () = heard.closed() => {}
                () = switched_off(&mut state) => {}
            }
        });
        Ok(Box::pin(ReceiverStream::new(sightings)))
    }

    async fn connect(
        &self,
        locker: LockerId,
        deadline: Instant,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Box<dyn Link>, RadioError> {
        let scanner = self.scanner().await?;
        progress(Progress::Searching);
        let (handle, worker) = link::link();
        let (steps, mut step) = mpsc::channel(4);
        let (memory, leaving) = (self.memory.clone(), self.leaving.clone());
        let dial = dial::Dial::new(scanner, locker.short(), deadline.into(), memory, leaving, steps);
        tokio::spawn(dial.run(worker));
        loop {
            match step.recv().await {
                Some(dial::Step::Progress(stage)) => progress(stage),
                Some(dial::Step::Failed(error)) => return Err(error),
                Some(dial::Step::Ready) => return Ok(Box::new(handle)),
                None => return Err(RadioError::Lost("hung up".into())),
            }
        }
    }
}

async fn switched_off(state: &mut watch::Receiver<AdapterState>) {
    let off = |state: &AdapterState| !state.may_work();
    if state.wait_for(off).await.is_err() {
        std::future::pending::<()>().await;
    }
}
