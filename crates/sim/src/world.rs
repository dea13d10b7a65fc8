//! The cabinets of one simulator in real time: a clock, a driver, and the ways in for air, Bluetooth and panel.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use postern_protocol::{LockerId, LockerKeys, gatt::Advertisement};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tokio::sync::{Notify, mpsc, watch};

use crate::{
    cabinet::{Act, Cabinet, Setup, SetupError},
    machine::Now,
};

/// The longest that the driver sleeps: nothing is due for a long time, but the wall clock may be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// What is on the air of one cabinet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnAir {
    /// Index of the cabinet.
    pub cabinet: usize,
    /// Its address.
    pub address: [u8; 6],
    /// What it advertises.
    pub advertisement: Advertisement,
}

/// See the module.
pub struct World {
    origin: Instant,
    inner: Mutex<Inner>,
    wake: Notify,
    revision: watch::Sender<u64>,
    on_air: watch::Sender<Vec<OnAir>>,
}

struct Inner {
    cabinets: Vec<Slot>,
    links: HashMap<u16, (usize, mpsc::UnboundedSender<Act>)>,
    next_link: u16,
    rng: ChaCha20Rng,
}

struct Slot {
    cabinet: Cabinet,
    /// The cabinet that it pretends to be.
    impostor_of: Option<usize>,
}

/// A link that was let in: its number, and what the firmware does on it. Ends with [`Act::HangUp`], or by itself.
pub struct Admitted {
    /// Link number.
    pub link: u16,
    /// What to do.
    pub acts: mpsc::UnboundedReceiver<Act>,
}

impl World {
    /// Sets the cabinets up, on a good day.
    ///
    /// # Errors
    /// When one of them cannot be set up.
    pub fn new(setups: Vec<Setup>, seed: [u8; 32]) -> Result<Arc<Self>, SetupError> {
        let origin = Instant::now();
        let now = at(origin);
        let cabinets = setups
            .into_iter()
            .map(|setup| Ok(Slot { cabinet: Cabinet::new(setup, now)?, impostor_of: None }))
            .collect::<Result<Vec<_>, SetupError>>()?;
        let world = Arc::new(Self {
            origin,
            inner: Mutex::new(Inner {
                cabinets,
                links: HashMap::new(),
                next_link: 0,
                rng: ChaCha20Rng::from_seed(seed),
            }),
            wake: Notify::new(),
            revision: watch::channel(0).0,
            on_air: watch::channel(Vec::new()).0,
        });
        world.after(&mut world.lock());
        tokio::spawn(drive(Arc::downgrade(&world)));
        Ok(world)
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Now {
        at(self.origin)
    }

    /// Number of cabinets, impostors not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().cabinets.iter().filter(|slot| slot.impostor_of.is_none()).count()
    }

    /// Whether there is no cabinet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Index of the cabinet with this id.
    #[must_use]
    pub fn find(&self, id: LockerId) -> Option<usize> {
        self.lock().cabinets.iter().position(|slot| slot.impostor_of.is_none() && slot.cabinet.id() == id)
    }

    /// Does something with a cabinet, now. `None` without such a cabinet.
    pub fn with<T>(&self, cabinet: usize, f: impl FnOnce(&mut Cabinet, Now) -> T) -> Option<T> {
        let mut inner = self.lock();
        let now = self.now();
        let result = f(&mut inner.cabinets.get_mut(cabinet)?.cabinet, now);
        self.after(&mut inner);
        Some(result)
    }

    /// Looks at a cabinet without touching it.
    pub fn look<T>(&self, cabinet: usize, f: impl FnOnce(&mut Cabinet) -> T) -> Option<T> {
        self.lock().cabinets.get_mut(cabinet).map(|slot| f(&mut slot.cabinet))
    }

    /// A central wants to connect; `None` when it is turned away.
    pub fn connect(&self, cabinet: usize, mtu: u16) -> Option<Admitted> {
        let mut inner = self.lock();
        let link = inner.free_link();
        let now = self.now();
        let admitted = inner.cabinets.get_mut(cabinet)?.cabinet.connect(link, mtu, now);
        let (sender, acts) = mpsc::unbounded_channel();
        if admitted {
            inner.links.insert(link, (cabinet, sender));
        }
        self.after(&mut inner);
        admitted.then_some(Admitted { link, acts })
    }

    /// A link is gone.
    pub fn disconnected(&self, link: u16) {
        let mut inner = self.lock();
        let now = self.now();
        if let Some((cabinet, _)) = inner.links.remove(&link)
            && let Some(slot) = inner.cabinets.get_mut(cabinet)
        {
            slot.cabinet.disconnected(link, now);
            self.after(&mut inner);
        }
    }

    /// Does something on the cabinet of a link.
    pub fn on_link(&self, link: u16, f: impl FnOnce(&mut Cabinet, Now)) {
        let cabinet = self.lock().links.get(&link).map(|(cabinet, _)| *cabinet);
        if let Some(cabinet) = cabinet {
            self.with(cabinet, f);
        }
    }

    /// Changes with everything that a panel would show.
    #[must_use]
    pub fn revision(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// What is on the air, and as it changes.
    #[must_use]
    pub fn on_air(&self) -> watch::Receiver<Vec<OnAir>> {
        self.on_air.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic in one request must not take the other cabinets with it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out what came of a change.
    fn after(&self, inner: &mut Inner) {
        inner.impostors(self.now());
        let Inner { cabinets, links, .. } = inner;
        for slot in cabinets.iter_mut() {
            for act in slot.cabinet.take_acts() {
                let (link, last) = match &act {
                    Act::HangUp { link } => (*link, true),
                    Act::Connected { link, .. }
                    | Act::Subscribed { link }
                    | Act::Value { link, .. }
                    | Act::Written { link, .. }
                    | Act::Notify { link, .. } => (*link, false),
                };
                if let Some((_, sender)) = links.get(&link) {
                    let _ = sender.send(act);
                }
                if last {
                    links.remove(&link);
                }
            }
        }
        let on_air: Vec<_> = cabinets
            .iter()
            .enumerate()
            .filter_map(|(cabinet, slot)| {
                let advertisement = slot.cabinet.advertisement()?;
                Some(OnAir { cabinet, address: slot.cabinet.address(), advertisement })
            })
            .collect();
        self.on_air.send_if_modified(|old| {
            let changed = *old != on_air;
            *old = on_air;
            changed
        });
        let revision = cabinets.iter().map(|slot| slot.cabinet.revision()).sum();
        self.revision.send_if_modified(|old| std::mem::replace(old, revision) != revision);
        self.wake.notify_one();
    }
}

impl Inner {
    fn free_link(&mut self) -> u16 {
        loop {
            self.next_link = self.next_link.wrapping_add(1);
            if !self.links.contains_key(&self.next_link) {
                return self.next_link;
            }
        }
    }

    /// Brings impostors into the world, and takes them out of the air again.
    fn impostors(&mut self, now: Now) {
        for index in 0..self.cabinets.len() {
            let slot = &self.cabinets[index];
            if slot.impostor_of.is_some() {
                continue;
            }
            let wanted = slot.cabinet.fate().air.impostor;
            let there = self.cabinets.iter().position(|slot| slot.impostor_of == Some(index));
            match (wanted, there) {
                (true, None) => {
                    let mut seed = [0; 32];
                    self.rng.fill_bytes(&mut seed);
                    let mut keys = self.cabinets[index].cabinet.keys().clone();
                    keys.locker = LockerKeys::from_seed(keys.locker.id, &seed);
                    let config = self.cabinets[index].cabinet.config().clone();
                    match Cabinet::new(Setup { config, keys, folder: None, seed, provisioned_at: 0 }, now) {
                        Ok(cabinet) => self.cabinets.push(Slot { cabinet, impostor_of: Some(index) }),
                        Err(error) => tracing::error!(%error, "no impostor"),
                    }
                }
                (_, Some(impostor)) => {
                    let cabinet = &mut self.cabinets[impostor].cabinet;
                    let mut fate = cabinet.fate().clone();
                    fate.air.silent = !wanted;
                    cabinet.set_fate(fate, now);
                }
                (false, None) => {}
            }
        }
    }
}

fn at(origin: Instant) -> Now {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Now {
        up: millis(origin.elapsed()),
        wall: SystemTime::now().duration_since(UNIX_EPOCH).map(millis).unwrap_or_default(),
    }
}

/// Ticks each cabinet when it is due.
async fn drive(world: std::sync::Weak<World>) {
    loop {
        let Some(strong) = world.upgrade() else { return };
        let sleep = {
            let mut inner = strong.lock();
            let now = strong.now();
            let mut ticked = false;
            for slot in &mut inner.cabinets {
                if slot.cabinet.due().is_some_and(|due| due <= now.up) {
                    slot.cabinet.tick(now);
                    ticked = true;
                }
            }
            if ticked {
                strong.after(&mut inner);
            }
            let due = inner.cabinets.iter_mut().filter_map(|slot| slot.cabinet.due()).min();
            let now = strong.now();
            // At least a millisecond, so that a firmware that wants to be ticked at once does not eat the machine.
            due.map_or(LONGEST_SLEEP, |due| Duration::from_millis(due.saturating_sub(now.up).max(1)))
        };
        let timer = tokio::time::sleep(sleep.min(LONGEST_SLEEP));
        tokio::select! {
            () = timer => {}
            () = strong.wake.notified() => {}
        }
    }
}
