//! The view: what all machines know, as one picture. Nothing is decided here that a machine has not decided.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeSet};

use postern_api::{
    growth::Word,
    locker::{LockerDescriptor, Reach, Size},
    reservation::{Action, Kind, Reservation, Role, State, TimelineEvent},
    token::NoPin,
};
use postern_protocol::LockerId;

use super::{Core, Vault};
use crate::{
    event::Adapter,
    outbox::{Entry, What},
    sharing::IN_PERSON,
    sign_in::Picture,
    text,
    view::{
        AccessView, AccountProblemView, AccountView, ActionView, BluetoothView, DeviceView, DoorView,
        EmailView, HomeView, KindView, LockerView, Name, NearbyView, NetworkView, NewerView, NoPinView,
        ReleaseView, ReservationView, SessionView, ShareView, SiteView, StateView, TimelineView, VaultView,
        View,
    },
    wallet::Trace,
};

/// What waits in the outbox, looked up once for all reservations.
struct Waiting<'a> {
    reservations: BTreeSet<&'a str>,
    shares: BTreeSet<&'a str>,
    devices: BTreeSet<&'a str>,
    /// Reservations of which everything given in person is being taken back.
    in_person: BTreeSet<&'a str>,
}

impl Core {
    /// Everything that is to be seen, as of the last event.
    pub fn view(&self) -> View {
        let waiting = self.waiting();
        let reservations = self.reservations(&waiting);
        let (share_offer, share_problem, invitation) = self.sharing.view();
        View {
            session: self.session_view(&waiting),
            hub: self.session.hub().map_or_else(|| self.config.hub.clone(), |hub| hub.base.clone()),
            test_network: self.session.hub().is_some_and(|hub| hub.air_port.is_some()),
            network: self.network_view(),
            bluetooth: match self.adapter {
                Adapter::Unknown => BluetoothView::Unknown,
                Adapter::On => BluetoothView::On,
                Adapter::Off => BluetoothView::Off,
                Adapter::Absent => BluetoothView::Absent,
                Adapter::Denied => BluetoothView::Denied,
                Adapter::LocationOff => BluetoothView::LocationOff,
            },
            vault: match &self.vault {
                Vault::Opening => VaultView::Opening,
                Vault::Open { memory_only: false, .. } => VaultView::Keyring,
                Vault::Open { memory_only: true, .. } => VaultView::MemoryOnly,
                Vault::Absent => VaultView::Absent,
                Vault::Locked => VaultView::Locked,
            },
            loaded: self.sync.cursor().is_some() || !self.kept.wallet.is_empty(),
            account: self.account_view(),
            home_offer: self.homes.picture(),
            nearby: self.nearby_view(&reservations),
            notices: self
                .notices
                .view(|id| reservations.iter().any(|view| view.id == id && view.state == StateView::Ready)),
            reservations,
            newer: self
                .kept
                .wallet
                .newer()
                .map(|(id, newer)| NewerView { id: id.to_owned(), title: newer.title.clone() })
                .collect(),
            lockers: self.kept.wallet.lockers().map(locker_view).collect(),
            opening: self.unlock.view(&self.kept.wallet, self.now),
            open_doors: self.unlock.openings().view(),
            receipts: self.kept.receipts.view(),
            outbox: self.kept.outbox.view(),
            settings: self.kept.settings.clone(),
            opening_code: self.opening_code.view(),
            share_offer,
            share_problem,
            invitation,
            sites: self.finder.view(),
            lending: self.lending.view(),
            habits: self.kept.habits.learnt(self.now.unix()),
            now: self.now.unix(),
        }
    }

    fn waiting(&self) -> Waiting<'_> {
        let open = |entry: &&Entry| entry.refused.is_none();
        let entries = || self.kept.outbox.entries().iter().filter(open);
        Waiting {
            reservations: entries()
                // A receipt that waits is the app's business; the customer waits for nothing.
                .filter(|entry| !matches!(entry.what, What::Receipt { .. }))
                .filter_map(|entry| entry.reservation.as_deref())
                .collect(),
            shares: entries()
                .filter_map(|entry| match &entry.what {
                    What::RevokeShare { share } => Some(share.as_str()),
                    _ => None,
                })
                .collect(),
            in_person: entries()
                .filter(|entry| matches!(&entry.what, What::RevokeShare { share } if share == IN_PERSON))
                .filter_map(|entry| entry.reservation.as_deref())
                .collect(),
            devices: entries()
                .filter_map(|entry| match &entry.what {
                    What::RemoveDevice { device } => Some(device.as_str()),
                    _ => None,
                })
                .collect(),
        }
    }

    fn session_view(&self, waiting: &Waiting<'_>) -> SessionView {
        match self.sign_in.picture() {
            Picture::InBrowser(url, problem) => {
                return SessionView::InBrowser { url: url.to_owned(), problem: problem.cloned() };
            }
            Picture::Busy => return SessionView::Finishing,
            Picture::Idle(_) if self.session.exists() => {}
            Picture::Idle(_) if self.revoked => return SessionView::Revoked,
            Picture::Idle(problem) => return SessionView::SignedOut { problem: problem.cloned() },
        }
        let Some(account) = self.session.account() else { return SessionView::Finishing };
        SessionView::SignedIn {
            name: account.display_name.clone(),
            guest: account.guest,
            devices: account
                .devices
                .iter()
                .map(|device| DeviceView {
                    id: device.id.clone(),
                    name: device.name.clone(),
                    this: device.id == account.device_id,
                    last_seen_at: device.last_seen_at,
                    removing: waiting.devices.contains(device.id.as_str()),
                })
                .collect(),
            hub: self.session.hub().map(|hub| host(&hub.base)).unwrap_or_default(),
        }
    }

    fn account_view(&self) -> Option<AccountView> {
        let account = self.session.account().filter(|account| !account.guest && self.session.exists())?;
        let desk = self.desk.picture();
        Some(AccountView {
            number: account.number.clone(),
            site: self.kept.settings.address_site.clone(),
            email: account.email.as_ref().map(|email| EmailView {
                address: email.address.clone(),
                pending: email.pending.clone(),
                delivery: email.delivery.map(|delivery| Name(&delivery).to_string()),
            }),
            homes: account
                .homes
                .iter()
                .map(|home| HomeView {
                    site: home.site.clone(),
                    name: home.name.clone(),
                    address: home.address.clone(),
                    unit: home.unit.clone(),
                    hindered_by: home.hindered_by.clone(),
                })
                .collect(),
            finished: desk.finished,
            doing: desk.doing.map(str::to_owned),
            problem: desk
                .problem
                .map(|(of, problem)| AccountProblemView { of: of.to_owned(), problem: problem.clone() }),
            passkeys: desk.passkeys.to_vec(),
            recovery_codes_left: desk.codes_left,
            recovery_codes: desk.codes.iter().map(|code| code.to_string()).collect(),
            deletion_known: desk.deletion.is_some(),
            hindered_by: desk.deletion.map(|it| it.hindered_by.clone()).unwrap_or_default(),
            parcels: desk.deletion.map(|it| it.parcels.clone()).unwrap_or_default(),
            export: desk.export.map(str::to_owned),
        })
    }

    fn network_view(&self) -> NetworkView {
        if self.session.has_ended() { NetworkView::SignInAgain } else { self.network.view() }
    }

    /// All reservations in the order of a list: what can be done now, then what is to come, by deadline; what is over
    /// at the end, newest first.
    fn reservations(&self, waiting: &Waiting<'_>) -> Vec<ReservationView> {
        let mut views: Vec<ReservationView> = self
            .kept
            .wallet
            .reservations()
            .map(|reservation| self.reservation_view(reservation, waiting))
            .collect();
        views.sort_by_cached_key(|view| {
            (order(view.state, &view.actions, view.until, view.since), view.id.clone())
        });
        views
    }

    fn reservation_view(&self, reservation: &Reservation, waiting: &Waiting<'_>) -> ReservationView {
        let id = reservation.id.as_str();
        let compartment = reservation.compartment.as_ref();
        let state = self.state(reservation);
        let reopen_until = self.reopen_until(reservation);
        let (pin, no_pin) = self.pin(reservation, state);
        ReservationView {
            id: id.to_owned(),
            kind: match reservation.kind {
                Kind::Pickup => KindView::Pickup,
                Kind::Return => KindView::Return,
                Kind::Storage => KindView::Storage,
            },
            state,
            title: reservation.title.clone(),
            carrier: reservation.carrier.name.clone(),
            reference: reservation.reference.clone(),
            site: reservation.site.as_ref().map(|site| SiteView {
                name: site.name.clone(),
                address: site.address.clone(),
                latitude: site.latitude,
                longitude: site.longitude,
            }),
            locker: compartment.map(|compartment| compartment.locker.clone()),
            door: compartment.map(|compartment| compartment.door),
            label: compartment.map(|compartment| compartment.label.clone()),
            care: reservation.care.map(Into::into),
            until: reservation.until,
            since: reservation.since,
            flat: reservation.flat.clone(),
            guest: reservation.role == Role::Guest,
            in_person: self.kept.wallet.is_delegated(id).then(|| self.kept.wallet.uses(id)),
            pin,
            no_pin,
            code: self.code_would_open(reservation, state),
            suspected: self.is_suspected(reservation),
            unproven: self.is_unproven(reservation, state),
            checking: reservation.checking,
            inside: self.kept.wallet.trace(id).content,
            release: self.release(reservation),
            identification: self.codes.get(id).cloned(),
            reopen_until,
            actions: self.actions(reservation, state, reopen_until),
            access: self.access(reservation, state),
            shares: reservation
                .shares
                .iter()
                .map(|share| ShareView {
                    id: share.id.clone(),
                    name: share.name.clone(),
                    until: share.until,
                    state: text::clipped(Name(&share.state).to_string(), text::ID),
                    revoking: waiting.shares.contains(share.id.as_str()),
                })
                .chain(
                    self.kept
                        .given
                        .shares(id)
                        .map(|share| ShareView { revoking: waiting.in_person.contains(id), ..share }),
                )
                .collect(),
            timeline: reservation
                .timeline
                .iter()
                .map(|entry| TimelineView {
                    at: entry.at,
                    event: Name(&entry.event).to_string(),
                    by: entry.by.clone(),
                    proven: entry.proven,
                })
                .collect(),
            reports: reservation.reports.clone(),
            nearby: compartment.is_some_and(|compartment| self.strength(&compartment.locker).is_some()),
            waiting: waiting.reservations.contains(id),
        }
    }

    /// Until when its door may be opened again, where that is not over.
    pub(super) fn reopen_until(&self, reservation: &Reservation) -> Option<i64> {
        self.kept.wallet.reopen_until(reservation).filter(|until| self.now.unix() < *until)
    }

    /// Where a reservation stands: the hub's word, moved on by the receipts that this device verified and by what the
    /// customer said to them, never by hope.
    pub(super) fn state(&self, reservation: &Reservation) -> StateView {
        if self.unlock.is_pending(&reservation.id) && !self.unlock.is_being_asked(&reservation.id) {
            return StateView::MayBeOpen;
        }
        let hub = match reservation.state {
            State::Announced => StateView::Announced,
            State::InTransit => StateView::InTransit,
            State::Ready => StateView::Ready,
            State::Opened => StateView::Opened,
            State::Collected => StateView::Collected,
            State::Expired => StateView::Expired,
            State::Returned => StateView::Returned,
            State::Booked => StateView::Booked,
            State::Deposited => StateView::Deposited,
            State::Accepted => StateView::Accepted,
            State::Refused => StateView::Refused,
            State::Held => StateView::Held,
            State::Released => StateView::Released,
            State::Cancelled => StateView::Cancelled,
        };
        let trace = self.kept.wallet.trace(&reservation.id);
        let hub = if is_opened_again(reservation, &trace) { StateView::Booked } else { hub };
        if !matches!(hub, StateView::Ready | StateView::Booked | StateView::Opened) {
            return hub;
        }
        if trace.opened_at.is_none() && trace.taken != Some(true) && opened_by_guess(reservation) {
            return StateView::MayBeOpen;
        }
        let opened = (trace.opened_at.is_some() && !trace.uncertain) || hub == StateView::Opened;
        let waits =
            if self.kept.wallet.is_over_time(reservation, self.now) { StateView::Expired } else { hub };
        match reservation.kind {
            Kind::Storage => hub,
            Kind::Pickup if trace.taken == Some(true) => StateView::Collected,
            // Measured to lie inside as the door was closed: it is theirs to collect as before.
            Kind::Pickup if opened && trace.content == Some(true) => {
                if waits == StateView::Opened {
                    StateView::Ready
                } else {
                    waits
                }
            }
            // The hub has heard of that opening, and knows that it is to be collected all the same: it was closed with the
            // parcel inside, or there is more time for it.
            Kind::Pickup if opened && hub == StateView::Ready && hub_has_heard(reservation, &trace) => waits,
            Kind::Pickup if opened => StateView::Opened,
            Kind::Pickup => waits,
            Kind::Return => match trace.lies_inside() {
                Some(true) => StateView::Deposited,
                Some(false) => waits,
                None if opened && !hub_knows_inside(reservation, &trace) => StateView::Opened,
                None => waits,
            },
        }
    }

    /// The state rests on somebody's word: the hub says so, or it is the word that this customer just gave.
    fn is_unproven(&self, reservation: &Reservation, state: StateView) -> bool {
        let trace = self.kept.wallet.trace(&reservation.id);
        let here = match (reservation.kind, state) {
            (Kind::Pickup, StateView::Collected) => {
                reservation.state == State::Ready && trace.opened_at.is_none()
            }
            (Kind::Return, StateView::Deposited) => {
                reservation.state == State::Booked && trace.content != Some(true)
            }
            _ => false,
        };
        // What a receipt that this device verified has moved on rests on no word of before.
        let moved_on = match reservation.kind {
            Kind::Pickup => {
                trace.opened_at.is_some() && !trace.uncertain && reservation.state == State::Ready
            }
            Kind::Return => trace.content == Some(true) && state == StateView::Deposited,
            Kind::Storage => false,
        };
        here || (reservation.unproven && !moved_on)
    }

    /// The door was opened to put something in, it is closed, and neither the locker nor the customer has said what is
    /// inside.
    pub(super) fn asks_inside(&self, reservation: &Reservation) -> bool {
        let trace = self.kept.wallet.trace(&reservation.id);
        if trace.content.is_some() || trace.inside.is_some() || self.unlock.is_open(&reservation.id) {
            return false;
        }
        let is_put_in = match reservation.kind {
            Kind::Return => reservation.state == State::Booked || is_opened_again(reservation, &trace),
            // A thing that is lent is put back.
            Kind::Storage => reservation.lent && reservation.state == State::Held,
            Kind::Pickup => false,
        };
        let here = is_put_in && trace.opened_at.is_some() && !hub_knows_inside(reservation, &trace);
        here || reservation.actions.contains(&Action::ConfirmPlaced)
    }

    /// Something pretended to be its locker.
    fn is_suspected(&self, reservation: &Reservation) -> bool {
        let compartment = reservation.compartment.as_ref();
        compartment.is_some_and(|it| self.unlock.is_suspected(&it.locker, self.now.unix()))
    }

    /// The door may be opened now, as far as hub and receipts tell.
    fn may_be_opened(&self, reservation: &Reservation, state: StateView) -> bool {
        let hub = reservation.actions.iter().any(|action| matches!(action, Action::Open | Action::Reopen));
        let again = self.reopen_until(reservation).is_some();
        is_openable(state)
            && reservation.compartment.is_some()
            && (hub || again)
            && (again || !self.kept.wallet.is_over_time(reservation, self.now))
    }

    /// The PIN of this device, where it opens the door now; or why there is none.
    fn pin(&self, reservation: &Reservation, state: StateView) -> (Option<String>, Option<NoPinView>) {
        let id = reservation.id.as_str();
        // Who was given access in person has the phone alone.
        if self.kept.wallet.is_delegated(id) || !self.may_be_opened(reservation, state) {
            return (None, None);
        }
        let compartment = reservation.compartment.as_ref();
        let locker = compartment.and_then(|it| self.kept.wallet.locker(&it.locker));
        if locker.is_some_and(|locker| !locker.keypad) {
            return (None, Some(NoPinView::NoKeypad));
        }
        if self.is_suspected(reservation) {
            return (None, Some(NoPinView::Suspected));
        }
        let kept = self.kept.wallet.pin(id);
        match kept.and_then(|kept| kept.pin.clone()) {
            Some(pin) => (Some(pin), None),
            None => (None, Some(kept.and_then(|kept| kept.no_pin).map_or(NoPinView::NotHere, no_pin))),
        }
    }

    /// An opening code of this device would be taken by the scanner now.
    pub(super) fn code_would_open(&self, reservation: &Reservation, state: StateView) -> bool {
        let wallet = &self.kept.wallet;
        let id = reservation.id.as_str();
        let compartment = reservation.compartment.as_ref();
        let scanner =
            compartment.and_then(|it| wallet.locker(&it.locker)).is_some_and(|locker| locker.scanner);
        let token = wallet.grant(id, self.now).and_then(|grant| crate::wallet::operation(reservation, grant));
        // A guest in person has no opening code (PROTOCOL.md): the token's own key must sign.
        scanner
            && token.is_some()
            && self.may_be_opened(reservation, state)
            && !wallet.is_doubtful(id)
            && !wallet.is_spent(id)
            && !wallet.is_delegated(id)
            && !self.is_suspected(reservation)
    }

    /// What has to be said to give it back.
    fn release(&self, reservation: &Reservation) -> Option<ReleaseView> {
        reservation.actions.contains(&Action::Release).then_some(())?;
        let trace = self.kept.wallet.trace(&reservation.id);
        let compartment = reservation.compartment.as_ref()?;
        let measures =
            self.kept.wallet.locker(&compartment.locker).is_some_and(|locker| locker.content_sensors);
        // A door that nobody has seen closed is asked about as well: its sensor may stick.
        let measures = measures && (trace.closed || trace.opened_at.is_none());
        Some(match (reservation.lent, trace.content) {
            (true, Some(false)) => ReleaseView::NothingInside,
            (false, Some(true)) => ReleaseView::SomethingInside,
            (_, Some(_)) => ReleaseView::Measured,
            (_, None) if measures => ReleaseView::Measured,
            (true, None) => ReleaseView::AskInside,
            (false, None) => ReleaseView::AskEmpty,
        })
    }

    /// What can be done now. The first is the one that makes sense.
    pub(super) fn actions(
        &self,
        reservation: &Reservation,
        state: StateView,
        reopen_until: Option<i64>,
    ) -> Vec<ActionView> {
        let hub = |action: Action| reservation.actions.contains(&action);
        let mut actions = Vec::new();
        let taken = self.kept.wallet.trace(&reservation.id).taken;
        let reachable = self.access(reservation, state) != AccessView::NeedsNetwork;
        match state {
            StateView::MayBeOpen => {
                let asked = self.unlock.is_pending(&reservation.id);
                let past = asked && self.unlock.is_past_asking(&reservation.id, self.now.unix());
                let may = past || (!asked && hub(Action::Reopen));
                if may && reservation.compartment.is_some() {
                    actions.push(ActionView::Open);
                }
                if asked {
                    actions.push(ActionView::Resolve);
                }
                actions.extend((reservation.kind == Kind::Pickup).then_some(ActionView::ConfirmTaken));
            }
            StateView::Opened => {
                let question = match reservation.kind {
                    Kind::Pickup => Some(ActionView::ConfirmTaken),
                    _ => self.asks_inside(reservation).then_some(ActionView::ConfirmPlaced),
                };
                actions.extend(question.filter(|_| taken.is_none()));
                // The hub knows of openings that this device did not see, by PIN or another device.
                if reopen_until.is_some() || hub(Action::Reopen) {
                    actions.push(ActionView::Reopen);
                } else if hub(Action::Open)
                    && taken != Some(true)
                    && reachable
                    && self.may_be_opened(reservation, state)
                {
                    // It may have been left there.
                    actions.push(ActionView::Open);
                }
                if taken == Some(false) {
                    // It was not there, and somebody brought it since.
                    actions.push(ActionView::ConfirmTaken);
                }
            }
            _ if self.may_be_opened(reservation, state) => {
                if hub(Action::Open) && reachable {
                    actions.push(ActionView::Open);
                }
                if reopen_until.is_some() && reservation.kind != Kind::Storage {
                    actions.push(ActionView::Reopen);
                }
            }
            StateView::Collected | StateView::Deposited if reopen_until.is_some() => {
                actions.push(ActionView::Reopen);
            }
            _ => {}
        }
        if state != StateView::Opened && state != StateView::Deposited && self.asks_inside(reservation) {
            actions.push(ActionView::ConfirmPlaced);
        }
        // Opened by code or PIN, of which nothing is known yet.
        if matches!(state, StateView::Ready | StateView::Expired) && hub(Action::ConfirmTaken) {
            actions.push(ActionView::ConfirmTaken);
        }
        let over = matches!(state, StateView::Collected | StateView::Deposited | StateView::Opened);
        let told = [
            // Of what the hub knows to be opened it allows that where it may lie there still.
            (Action::Extend, ActionView::Extend, !over || reservation.state == State::Opened),
            (Action::Share, ActionView::Share, !over && state != StateView::Expired),
            (Action::Hold, ActionView::Hold, !over),
            (Action::ChangeLocker, ActionView::ChangeLocker, !over),
            (Action::Cancel, ActionView::Cancel, !over),
            (Action::Release, ActionView::Release, true),
            (Action::Report, ActionView::Report, true),
        ];
        actions.extend(
            told.into_iter().filter(|(action, _, fits)| *fits && hub(*action)).map(|(_, view, _)| view),
        );
        actions
    }

    fn access(&self, reservation: &Reservation, state: StateView) -> AccessView {
        let wanted = !reservation.checking
            && crate::wallet::wants_grant(reservation)
            && !matches!(state, StateView::Collected | StateView::Deposited)
            && !self.kept.wallet.is_over_time(reservation, self.now);
        if !wanted {
            return AccessView::None;
        }
        let doubtful = self.kept.wallet.is_doubtful(&reservation.id)
            // What it opened it opens again, for some minutes; then it opens nothing.
            || (self.kept.wallet.is_spent(&reservation.id) && self.reopen_until(reservation).is_none());
        if let Some(grant) = self.kept.wallet.grant(&reservation.id, self.now).filter(|_| !doubtful) {
            return AccessView::Ready { until: grant.expires };
        }
        if self.session.is_usable() && !self.network.is_known_offline() {
            AccessView::Fetching
        } else {
            AccessView::NeedsNetwork
        }
    }

    fn strength(&self, locker: &str) -> Option<i16> {
        if self.nearby.is_empty() {
            return None;
        }
        self.nearby.strength(locker.parse::<LockerId>().ok()?.short())
    }

    /// The strongest locker in range with something to collect or to drop off there now; with it, what of one's own is
    /// there. Each kind has a gesture of its own.
    fn nearby_view(&self, reservations: &[ReservationView]) -> Option<NearbyView> {
        let strongest = reservations
            .iter()
            .filter(|view| view.nearby && is_offered(view) && view.kind != KindView::Storage)
            .filter_map(|view| view.locker.as_deref())
            .max_by_key(|locker| (self.strength(locker), Reverse(*locker)))?;
        let here = |kind: KindView| {
            let fits = |view: &&ReservationView| {
                view.kind == kind && view.locker.as_deref() == Some(strongest) && is_offered(view)
            };
            reservations.iter().filter(fits).map(|view| view.id.clone()).collect()
        };
        Some(NearbyView {
            locker: strongest.to_owned(),
            name: self.kept.wallet.locker(strongest).map(|locker| locker.name.clone()).unwrap_or_default(),
            collect: here(KindView::Pickup),
            drop_off: here(KindView::Return),
            own: here(KindView::Storage),
        })
    }
}

/// What is offered to somebody who walks up to its locker.
fn is_offered(view: &ReservationView) -> bool {
    view.actions.first() == Some(&ActionView::Open)
}

fn no_pin(reason: NoPin) -> NoPinView {
    match reason {
        NoPin::NoKeypad => NoPinView::NoKeypad,
        NoPin::KeypadBehind => NoPinView::KeypadBehind,
        NoPin::TooManyDevices => NoPinView::TooManyDevices,
        _ => NoPinView::NotHere,
    }
}

/// A return that the hub counts as dropped off, and this device has opened since: what was known of it before says nothing.
fn is_opened_again(reservation: &Reservation, trace: &Trace) -> bool {
    reservation.kind == Kind::Return
        && reservation.state == State::Deposited
        // Where a courier has been at it, it is no longer the customer's to say.
        && reservation.opening.is_some()
        && trace.opening > reservation.opening
}

/// The hub has heard of the opening that this device knows, and does not ask what lies inside: its locker has told, by way of
/// somebody else.
fn hub_knows_inside(reservation: &Reservation, trace: &Trace) -> bool {
    hub_has_heard(reservation, trace) && !reservation.actions.contains(&Action::ConfirmPlaced)
}

/// The hub has heard of the opening that this device knows, or of a later one.
pub(crate) fn hub_has_heard(reservation: &Reservation, trace: &Trace) -> bool {
    trace.opening.is_some() && reservation.opening >= trace.opening
}

/// The hub counts it as opened, by a receipt in which the locker says that it cannot tell.
pub(super) fn opened_by_guess(reservation: &Reservation) -> bool {
    let mut opened =
        reservation.timeline.iter().filter(|entry| entry.event == TimelineEvent::Opened).peekable();
    reservation.state == State::Opened && opened.peek().is_some() && opened.all(|entry| !entry.proven)
}

/// States in which the door may be opened.
fn is_openable(state: StateView) -> bool {
    matches!(
        state,
        StateView::Ready
            | StateView::Booked
            | StateView::Held
            | StateView::Opened
            | StateView::MayBeOpen
            | StateView::Expired
    )
}

/// The place in the list, of which the id decides what is alike.
pub(super) fn order(
    state: StateView,
    actions: &[ActionView],
    until: Option<i64>,
    since: Option<i64>,
) -> (u8, i64, Reverse<i64>) {
    let rank = rank(state, actions);
    let by_deadline = until.unwrap_or(i64::MAX);
    let newest = Reverse(if rank == 2 { since.or(until).unwrap_or(0) } else { 0 });
    (rank, if rank == 2 { 0 } else { by_deadline }, newest)
}

/// 0: can be done now; 1: to come; 2: over.
fn rank(state: StateView, actions: &[ActionView]) -> u8 {
    match state {
        StateView::Collected
        | StateView::Returned
        | StateView::Deposited
        | StateView::Accepted
        | StateView::Refused
        | StateView::Released
        | StateView::Cancelled => 2,
        _ if matches!(
            actions.first(),
            Some(
                ActionView::Open | ActionView::Resolve | ActionView::ConfirmTaken | ActionView::ConfirmPlaced
            )
        ) =>
        {
            0
        }
        _ => 1,
    }
}

/// The host of a base URL, which was checked and normalised when it came (`sign_in::base_url`).
fn host(base: &str) -> String {
    let Some((_, rest)) = base.split_once("://") else { return String::new() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let end =
        if authority.starts_with('[') { authority.find(']').map(|at| at + 1) } else { authority.find(':') };
    authority[..end.unwrap_or(authority.len())].to_owned()
}

fn locker_view(locker: &LockerDescriptor) -> LockerView {
    LockerView {
        id: locker.id.clone(),
        name: locker.name.clone(),
        scanner: locker.scanner,
        keypad: locker.keypad,
        doors: locker
            .doors
            .iter()
            .map(|door| DoorView {
                door: door.door,
                label: door.label.clone(),
                column: door.column,
                row: door.row,
                height: door.height,
                size: named(&door.size, Size::name),
                reach: named(&door.reach, Reach::name),
                chilled: door.chilled,
                frozen: door.frozen,
            })
            .collect(),
    }
}

/// A word's name; that of a newer one is untrusted text.
fn named<T: Copy>(word: &Word<T>, name: fn(T) -> &'static str) -> Cow<'static, str> {
    match word {
        Word::Known(word) => name(*word).into(),
        Word::Newer(text) => text::clipped(text.clone(), text::LABEL).into(),
    }
}
