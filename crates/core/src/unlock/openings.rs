//! What outlives an opening's screen, and the process: operations of unknown outcome, doors that were opened and not yet
//! seen to be closed, and lockers that something pretended to be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Pending;
use crate::view::OpenDoorView;

/// A door that stands open for longer is worth a warning.
pub(super) const LEFT_OPEN_MS: u64 = 60_000;
/// A closed door whose closing receipt has not come is asked about for so long, seconds.
const CLOSING_WANTED_S: i64 = 15 * 60;
/// A door of which nothing more was heard counts as open for so long, seconds.
const FORGOTTEN_S: i64 = 24 * 3600;
/// Something pretended to be the locker: what it could be told is held back for so long, seconds.
const SUSPECTED_S: i64 = 15 * 60;

/// A door that this device opened.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct OpenDoor {
    /// The operation that opened it.
    pub(crate) asked: Pending,
    /// What is painted on the door; untrusted text.
    pub(crate) label: String,
    /// When its receipt came, UNIX seconds of this device.
    pub(crate) since: i64,
    /// It was closed; the locker's receipt for that has not come yet.
    #[serde(default)]
    pub(crate) closed: bool,
    /// That it was left open has been said.
    #[serde(default)]
    pub(crate) told: bool,
    /// From when on it is known to be open, on the monotonic clock of this process.
    #[serde(skip)]
    pub(crate) open_at: Option<u64>,
}

/// All of that; stored.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Openings {
    /// Operations of unknown outcome, by reservation.
    #[serde(default)]
    pub(crate) pendings: BTreeMap<String, Pending>,
    /// Doors that are open, as far as is known, by reservation.
    #[serde(default)]
    pub(crate) doors: BTreeMap<String, OpenDoor>,
    /// When something pretended to be a locker, by locker id; UNIX seconds of this device.
    #[serde(default)]
    suspects: BTreeMap<String, i64>,
}

impl Openings {
    /// Something answered in this locker's name that is not the locker.
    pub(super) fn suspect(&mut self, locker: &str, now: i64) {
        self.suspects.insert(locker.to_owned(), now);
    }

    /// The locker itself answered.
    pub(super) fn trust(&mut self, locker: &str) {
        self.suspects.remove(locker);
    }

    /// Something may pretend to be this locker.
    pub(crate) fn is_suspected(&self, locker: &str, now: i64) -> bool {
        self.suspects.get(locker).is_some_and(|at| (0..SUSPECTED_S).contains(&(now - at)))
    }

    /// What is asked about by itself at this locker: a reservation, and since when there is something to ask, UNIX
    /// seconds.
    pub(super) fn open_questions(&self, now: i64) -> impl Iterator<Item = (&str, &Pending)> {
        let unknown = self.pendings.iter().filter(move |(_, pending)| !pending.is_past_asking(now));
        let doors = self.doors.iter().map(|(id, door)| (id, &door.asked));
        unknown.chain(doors).map(|(id, pending)| (id.as_str(), pending))
    }

    /// The door at this place that is open, as far as is known.
    pub(super) fn door_at(&mut self, locker: &str, door: u16) -> Option<(&String, &mut OpenDoor)> {
        self.doors.iter_mut().find(|(_, open)| open.asked.locker == locker && open.asked.door == door)
    }

    /// What need not be known any more.
    pub(crate) fn forget_over(&mut self, now: i64) -> bool {
        let before = self.doors.len() + self.suspects.len();
        self.doors.retain(|_, door| {
            let longest = if door.closed { CLOSING_WANTED_S } else { FORGOTTEN_S };
            now - door.since < longest
        });
        self.suspects.retain(|_, at| now - *at < SUSPECTED_S);
        self.doors.len() + self.suspects.len() != before
    }

    /// For the window: the one that was opened first comes first.
    pub(crate) fn view(&self) -> Vec<OpenDoorView> {
        let open = self.doors.iter().filter(|(_, door)| !door.closed);
        let mut views: Vec<OpenDoorView> = open
            .map(|(reservation, door)| OpenDoorView {
                reservation: reservation.clone(),
                locker: door.asked.locker.clone(),
                door: door.asked.door,
                label: door.label.clone(),
                since: door.since,
                left_open: door.told,
            })
            .collect();
        views.sort_by_key(|view| view.since);
        views
    }
}
