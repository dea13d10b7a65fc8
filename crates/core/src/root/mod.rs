//! The core itself: hands each event to the machine that it concerns, carries news from one machine to the next, and
//! composes the view.

mod answers;
mod glance;
mod intents;
mod picture;

pub use glance::{Glance, Offer};

use std::collections::BTreeMap;

use postern_api::reservation::State;
use postern_protocol::receipt::{Outcome, Receipt};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};

use crate::{
    cx::{Cx, Item, Outlet, earlier},
    desk::Desk,
    effect::{CareNote, Effect, Notification, NotificationKind, RadioCommand, Reminder},
    event::{Adapter, DeviceKey, Event, Opened, RadioEvent, VaultState},
    finder::Finder,
    homes::{self, Homes},
    lending::Lending,
    line::Line,
    nearby::Nearby,
    network::Network,
    notices::Notices,
    opening_code::OpeningCode,
    outbox::What,
    session::{HubAddress, Session},
    sharing::Sharing,
    sign_in::SignIn,
    store::{Claim, Kept},
    sync::Sync,
    time::Now,
    unlock::{At, Env, News, Unlock},
    view::{NoticeCode, QrView},
};

/// Identification codes kept drawn: those of what is not over.
const MAX_CODES: usize = 200;

/// Changes that nothing depends on at once are written after this time, several in one.
const SAVE_MS: u64 = 800;

/// What the core is told once, when it is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// Base URL of the hub that is used where the customer names none.
    pub hub: String,
    /// What this device is to be called in the customer's list of devices, such as `Pixel 9`; at most 64 characters.
    pub device_name: String,
}

/// What is known of secrets on this device.
enum Vault {
    Opening,
    Open { memory_only: bool, thumbprint: String, key: DeviceKey },
    Absent,
    Locked,
}

/// All that the app thinks. Deterministic: the same events, times and random numbers give the same effects and views.
pub struct Core {
    config: Config,
    now: Now,
    out: Outlet,
    vault: Vault,
    adapter: Adapter,
    /// Which radio is in use; none while nobody knows whose lockers are meant.
    air: Option<Option<String>>,
    network: Network,
    sign_in: SignIn,
    session: Session,
    revoked: bool,
    line: Line,
    sync: Sync,
    unlock: Unlock,
    opening_code: OpeningCode,
    sharing: Sharing,
    finder: Finder,
    lending: Lending,
    desk: Desk,
    nearby: Nearby,
    notices: Notices,
    kept: Kept,
    /// Identification codes, drawn, by reservation.
    codes: BTreeMap<String, QrView>,
    /// A claim link that waits for the sign-in to end, or an invitation to a flat that waits for the customer's word.
    claim: Option<String>,
    homes: Homes,
    /// The state on disk is not the one here; it is written then.
    save_at: Option<u64>,
    /// The app is seen.
    foreground: bool,
    /// A deadline passes then, and the view with it, as of the last event.
    deadline_at: Option<u64>,
    /// Digest of the reminders that the platform was told last.
    planned: Option<[u8; 32]>,
    /// The next tokens are to be fetched then, and the next reminder is due, as of the last event.
    fetch_at: Option<u64>,
    remind_at: Option<u64>,
}

impl Core {
    /// A core that knows nothing yet; the first event should be `Event::Vault`.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            now: Now::default(),
            out: Outlet::default(),
            vault: Vault::Opening,
            adapter: Adapter::Unknown,
            air: None,
            network: Network::default(),
            sign_in: SignIn::default(),
            session: Session::default(),
            revoked: false,
            line: Line::default(),
            sync: Sync::default(),
            unlock: Unlock::default(),
            opening_code: OpeningCode::default(),
            sharing: Sharing::default(),
            finder: Finder::default(),
            lending: Lending::default(),
            desk: Desk::default(),
            nearby: Nearby::default(),
            notices: Notices::default(),
            kept: Kept::default(),
            codes: BTreeMap::new(),
            claim: None,
            homes: Homes::default(),
            save_at: None,
            foreground: true,
            deadline_at: None,
            planned: None,
            fetch_at: None,
            remind_at: None,
        }
    }

    /// Takes one event in. Afterwards `poll_effect` until it is empty, then look at `view` and `poll_timeout`.
    pub fn handle(&mut self, event: Event, now: Now, rng: &mut dyn CryptoRng) {
        self.now = now;
        let mut out = std::mem::take(&mut self.out);
        let mut cx = Cx { now, rng, out: &mut out };
        self.dispatch(event, &mut cx);
        self.drive(&mut cx);
        self.out = out;
    }

    /// The next thing to do, in the order in which they are to begin.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        loop {
            match self.out.next_item()? {
                Item::Effect(effect) => return Some(effect),
                // Nothing outlives this process.
                Item::Save if matches!(self.vault, Vault::Open { memory_only: true, .. }) => {}
                Item::Save => {
                    let saved = self.save();
                    if saved.is_some() {
                        return saved;
                    }
                }
            }
        }
    }

    /// When `Event::Tick` is due at the latest, on the monotonic clock of `Now`; none while nothing is waiting.
    pub fn poll_timeout(&self) -> Option<u64> {
        let mut due = earlier(self.sign_in.poll_timeout(), self.unlock.poll_timeout());
        due = earlier(due, self.save_at);
        due = earlier(due, self.nearby.poll_timeout());
        due = earlier(due, self.opening_code.poll_timeout());
        due = earlier(due, self.remind_at);
        due = earlier(due, self.deadline_at);
        due = earlier(due, earlier(self.line.poll_timeout(), self.session.poll_timeout()));
        if self.session.is_usable() {
            due = earlier(due, self.sync.poll_timeout());
            due = earlier(due, self.fetch_at);
            due = earlier(due, self.kept.outbox.poll_timeout());
        }
        due
    }

    /// The process is about to end: what would be written soon is written now. Afterwards `poll_effect` once more.
    pub fn finish(&mut self) {
        if self.out.is_dirty() {
            self.save_at = None;
            self.out.save_now();
        }
    }

    /// A claim link was followed that is neither taken up nor written down yet: whoever brought it keeps it until then.
    pub fn is_claiming(&self) -> bool {
        self.claim.is_some() || self.sign_in.is_claiming()
    }

    fn save(&mut self) -> Option<Effect> {
        self.kept.account = self.session.account().cloned().or(self.kept.account.take());
        self.kept.last_contact = self.network.last_contact();
        self.kept.skew = self.network.measured_skew();
        self.kept.cursor = self.sync.cursor().map(str::to_owned);
        self.kept.openings = self.unlock.openings().clone();
        self.kept.save()
    }

    fn dispatch(&mut self, event: Event, cx: &mut Cx<'_>) {
        match event {
            Event::Intent(intent) => self.on_intent(intent, cx),
            Event::Tick => {}
            Event::Http { ticket, result } => self.on_http(ticket, result, cx),
            Event::Push(event) => self.sync.on_push(event, &mut self.session, cx),
            Event::RedirectReady { redirect_uri } => {
                if let Vault::Open { thumbprint, .. } = &self.vault {
                    self.sign_in.on_listening(&redirect_uri, thumbprint, &mut self.session, cx);
                }
            }
            Event::Redirected { url } => match &self.vault {
                Vault::Open { .. } => {
                    let name = &self.config.device_name;
                    self.sign_in.on_redirected(&url, name, &mut self.session, cx);
                }
                Vault::Opening | Vault::Locked | Vault::Absent => self.sign_in.on_early(url),
            },
            Event::BrowserFailed => self.sign_in.on_browser_failed(cx),
            Event::Signed { ticket, signature } => {
                if self.unlock.owns(ticket) {
                    let env = env(&self.kept, &self.session, self.adapter, &self.network);
                    self.unlock.on_signed(signature, &env, cx);
                } else if self.opening_code.owns(ticket) {
                    self.opening_code.on_signed(signature, cx);
                } else if self.sharing.owns(ticket) {
                    let kept = &mut self.kept;
                    self.sharing.on_signed(signature, &kept.wallet, &mut kept.given, cx);
                }
            }
            Event::Radio(event) => self.on_radio(event, cx),
            Event::Vault(state) => self.on_vault(state, cx),
            Event::NotSaved => self.kept.not_saved(),
            Event::Foreground(foreground) => {
                self.foreground = foreground;
                self.sync.set_foreground(foreground, cx);
                self.kept.wallet.set_foreground(foreground);
            }
            Event::DeepLink { url } => self.on_deep_link(&url, cx),
        }
    }

    fn on_radio(&mut self, event: RadioEvent, cx: &mut Cx<'_>) {
        match &event {
            RadioEvent::Adapter(adapter) => {
                self.adapter = *adapter;
                if *adapter != Adapter::On {
                    self.nearby.clear();
                }
            }
            RadioEvent::Sighted { short_id, rssi } => self.nearby.sighted(*short_id, *rssi, cx),
            _ => {}
        }
        let env = env(&self.kept, &self.session, self.adapter, &self.network);
        self.unlock.on_radio(event, &env, cx);
    }

    fn on_vault(&mut self, state: VaultState, cx: &mut Cx<'_>) {
        match state {
            VaultState::Absent => self.vault = Vault::Absent,
            VaultState::Locked => self.vault = Vault::Locked,
            VaultState::Open(opened) => self.on_opened(opened, false, cx),
            VaultState::Damaged(opened) => self.on_opened(opened, true, cx),
        }
    }

    /// What was stored, or a beginning. A document that cannot be read is rebuilt from the hub.
    fn on_opened(&mut self, opened: Opened, mut damaged: bool, cx: &mut Cx<'_>) {
        let read = Kept::read(&opened.state);
        damaged |= read.is_none() && !opened.state.is_empty();
        self.kept = read.unwrap_or_default();
        self.session.restore(opened.session.as_deref().map(Vec::as_slice), self.kept.account.clone());
        self.network.restore(self.kept.last_contact, self.kept.skew);
        self.unlock.restore(std::mem::take(&mut self.kept.openings));
        self.sync.restore(self.kept.cursor.take());
        self.vault = Vault::Open {
            memory_only: opened.memory_only,
            thumbprint: opened.device_thumbprint,
            key: opened.device_key,
        };
        self.kept.given.forget_over(cx.now.unix());
        if self.kept.wallet.drop_ended(cx.now) | self.unlock.forget_over(cx.now.unix()) {
            cx.out.save_soon();
        }
        self.draw_codes();
        if damaged {
            self.notices.tell(NoticeCode::StoreHealed, None);
            cx.out.save_soon();
        }
        self.sign_in.resume(&self.config.device_name, &mut self.session, cx);
        // What a sign-in behind the browser takes up is in its address; an invitation to a flat is not.
        if !self.session.exists()
            && let Some(kept) = self.kept.claim.clone().filter(|kept| homes::code_in(&kept.code).is_some())
            && self.sign_in.claim().is_none()
        {
            self.sign_in.remember_claim(&kept.hub, kept.code);
        }
        if self.session.exists() {
            self.claim = self.claim.take().or_else(|| self.kept_claim());
            self.sync.start(cx);
        } else if let Some(claim) = self.claim.take() {
            let hub = self.config.hub.clone();
            self.begin_claim(&hub, claim, cx);
        } else if self.session.kept_sign_in().is_none()
            && let Some(claim) = self.kept.claim.clone()
        {
            self.sign_in.remember_claim(&claim.hub, claim.code);
        }
    }

    /// The claim link of an earlier process, where it is of the hub in use.
    fn kept_claim(&self) -> Option<String> {
        let base = &self.session.hub()?.base;
        self.kept.claim.as_ref().filter(|claim| claim.hub == *base).map(|claim| claim.code.clone())
    }

    /// The claim link that waits is written down for as long as it does: the process may end at any moment.
    fn keep_claim(&mut self, cx: &mut Cx<'_>) {
        if !matches!(self.vault, Vault::Open { .. }) {
            return;
        }
        let here = self.session.hub().map_or(self.config.hub.as_str(), |hub| hub.base.as_str());
        let waits = self.claim.as_deref().map(|claim| (here, claim)).or_else(|| self.sign_in.claim());
        let waits = waits.map(|(hub, code)| Claim { hub: hub.to_owned(), code: code.to_owned() });
        if self.kept.claim != waits {
            self.kept.claim = waits;
            cx.out.save_now();
        }
    }

    /// Everything goes: session, wallet, device key.
    fn wipe(&mut self, cx: &mut Cx<'_>) {
        self.sign_in.cancel(cx);
        self.unlock.clear(cx);
        self.sync.stop(cx);
        cx.out.forget();
        self.line.clear();
        self.session.clear();
        self.notices.clear();
        self.opening_code = OpeningCode::default();
        self.sharing = Sharing::default();
        self.finder = Finder::default();
        self.lending = Lending::default();
        self.desk = Desk::default();
        self.codes.clear();
        self.claim = None;
        self.homes.dismiss();
        self.kept = Kept::default();
        self.save_at = None;
        cx.out.push(Effect::Wipe);
        self.vault = Vault::Opening;
    }

    /// The hub says that this device was removed from the account.
    fn revoke(&mut self, cx: &mut Cx<'_>) {
        if self.revoked {
            return;
        }
        self.wipe(cx);
        self.revoked = true;
        cx.out.notify(Notification {
            kind: NotificationKind::Revoked,
            reservation: None,
            title: None,
            door: None,
            care: None,
        });
    }

    /// Lets every machine do what is due, and carries what came of it on.
    fn drive(&mut self, cx: &mut Cx<'_>) {
        self.kept.wallet.set_skew(self.network.skew());
        self.sign_in.drive(cx);
        self.sign_in.tidy(&mut self.session, cx);
        self.keep_claim(cx);
        self.give_up_late(cx);
        let air = self.session.hub().and_then(HubAddress::air);
        if !matches!(self.vault, Vault::Opening) && self.air.as_ref() != Some(&air) {
            if self.air.replace(air.clone()).is_some() {
                // The radio of before says nothing of this one.
                self.adapter = Adapter::Unknown;
            }
            cx.out.push(Effect::Radio(RadioCommand::Use(air)));
        }
        let question = self.foreground && self.unlock.wants_to_listen(&self.kept.wallet, self.adapter, cx);
        self.nearby.drive(self.kept.settings.nearby, question, cx);
        if self.session.is_usable() {
            self.sync.drive(&mut self.session, cx);
            self.fetch_at = self.kept.wallet.drive(cx);
            self.kept.outbox.drive(&self.kept.receipts, cx);
        }
        let env = env(&self.kept, &self.session, self.adapter, &self.network);
        self.unlock.drive(&env, cx);
        self.carry_on(cx);
        self.opening_code.drive(&self.kept.wallet, cx);
        self.remind(cx);
        self.deadline_at = self.kept.wallet.next_deadline(cx.now);
        self.line.pump(&mut self.session, cx);
        let now = cx.now.monotonic_ms;
        if !cx.out.is_dirty() {
            self.save_at = None;
        } else if self.save_at.is_some_and(|at| at <= now) {
            self.save_at = None;
            cx.out.save_now();
        } else {
            self.save_at.get_or_insert(now + SAVE_MS);
        }
    }

    /// What the unlock machine has to say: receipts move reservations on, and go to the hub.
    fn carry_on(&mut self, cx: &mut Cx<'_>) {
        let all = self.unlock.take_news();
        if all.is_empty() {
            return;
        }
        for news in all {
            match news {
                News::Receipt { at, bytes, receipt, carried } => {
                    self.kept.wallet.acknowledged(&at.locker, receipt.news, carried.as_deref());
                    self.on_receipt(&at, &bytes, &receipt, cx);
                }
                News::Closed { reservation } => {
                    self.kept.wallet.closed(&reservation, None);
                    cx.out.save_soon();
                }
                News::LeftOpen { reservation } => {
                    let notification =
                        self.notification(NotificationKind::DoorLeftOpen, &reservation, cx.now.unix());
                    cx.out.notify(notification);
                }
                News::TokenRefused { reservation, token_id } => {
                    self.kept.wallet.refused(&reservation, token_id, cx.now);
                    cx.out.save_soon();
                }
            }
        }
        self.fetch_at = self.kept.wallet.next_fetch(cx.now);
    }

    /// A receipt that was verified: it is kept, goes to the hub, and says what the door did.
    fn on_receipt(&mut self, at: &At, bytes: &[u8], receipt: &Receipt, cx: &mut Cx<'_>) {
        let id = &at.reservation;
        let word = self.kept.wallet.word_without_receipt(id);
        let told = self.kept.wallet.trace(id).told;
        let kept = self.kept.receipts.keep(at, receipt, bytes, &self.kept.wallet);
        // What is known already says nothing new.
        let Some(kept) = kept else { return };
        match receipt.outcome {
            Outcome::Opened => self.kept.wallet.opened(id, receipt, cx.now),
            Outcome::AlreadyOpen => self.kept.wallet.stood_open(id, receipt, cx.now),
            Outcome::Closed => self.kept.wallet.closed(id, None),
            Outcome::ClosedPresent => self.kept.wallet.closed(id, Some(true)),
            Outcome::ClosedAbsent => self.kept.wallet.closed(id, Some(false)),
            // What was said while the locker still tried was said too soon: the door did not move. Unless it was opened since.
            Outcome::Jammed if !told && self.kept.wallet.last_opening(id) <= Some(receipt.sequence) => {
                self.kept.wallet.unsay(id);
            }
            Outcome::Jammed | Outcome::Unknown => {}
        }
        // A guest without an account has nobody to tell; the owner's devices hear of it from the locker.
        if self.session.exists() || !self.kept.wallet.is_delegated(id) {
            self.kept.outbox.put(Some(id.clone()), What::Receipt { receipt: kept }, cx);
            if self.session.is_usable() {
                self.kept.outbox.drive(&self.kept.receipts, cx);
            }
        }
        if let Some(taken) = word.filter(|_| receipt.outcome.may_be_open()) {
            self.word_made_good(id.clone(), taken, told, cx);
        }
    }

    /// The receipt came for what the customer had said already, and the hub may have been told.
    fn word_made_good(&mut self, id: String, taken: bool, told: bool, cx: &mut Cx<'_>) {
        self.kept.wallet.confirmed(&id, taken);
        self.unlock.settle(&id);
        self.unlock.dismiss(cx);
        if !told && !self.kept.wallet.is_delegated(&id) {
            self.kept.outbox.put(Some(id), What::Taken { taken }, cx);
        }
    }

    /// When the next reminder is due, on the monotonic clock.
    fn reminder_due(&self) -> Option<u64> {
        let habits = self.kept.settings.habits.then_some(&self.kept.habits);
        let now = self.now.unix();
        let at = self.kept.reminders.next(&self.kept.wallet, habits, now)?;
        let wait = at.saturating_sub(now).max(0).unsigned_abs().saturating_mul(1000);
        Some(self.now.monotonic_ms.saturating_add(wait))
    }

    /// Tells the platform what is to come, where that is not what it was told before.
    fn plan(&mut self, cx: &mut Cx<'_>) {
        if !matches!(self.vault, Vault::Open { .. }) {
            return;
        }
        let settings = &self.kept.settings;
        let habits = settings.habits.then_some(&self.kept.habits);
        let planned = match settings.reminders {
            true => self.kept.reminders.planned(&self.kept.wallet, habits, cx.now.unix()),
            false => Vec::new(),
        };
        let mut digest = Sha256::new();
        for (at, _, id, bit) in &planned {
            digest.update(at.to_be_bytes());
            digest.update([*bit]);
            digest.update(id);
        }
        let digest = Some(<[u8; 32]>::from(digest.finalize()));
        if std::mem::replace(&mut self.planned, digest) == digest {
            return;
        }
        let reminder = |(at, kind, id, bit): &(i64, NotificationKind, &str, u8)| {
            let digest = Sha256::new().chain_update([*bit]).chain_update(id).finalize();
            let number = i32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
            let notification = self.notification(*kind, id, *at);
            Reminder { id: (number & i32::MAX).max(1), at: *at, notification }
        };
        let reminders = planned.iter().map(reminder).collect();
        cx.out.push(Effect::Remind(reminders));
    }

    fn remind(&mut self, cx: &mut Cx<'_>) {
        self.plan(cx);
        self.remind_at = self.reminder_due();
        if self.remind_at.is_none_or(|due| due > cx.now.monotonic_ms) {
            return;
        }
        let habits = self.kept.settings.habits.then_some(&self.kept.habits);
        let spoken = self.kept.settings.reminders;
        let due = self.kept.reminders.due(&self.kept.wallet, habits, cx.now.unix(), spoken);
        for due in due {
            let notification = self.notification(due.kind, &due.reservation, cx.now.unix());
            cx.out.notify(notification);
        }
        cx.out.save_soon();
        self.remind_at = self.reminder_due();
    }

    /// Draws the identification codes of what is not over, once.
    fn draw_codes(&mut self) {
        let wallet = &self.kept.wallet;
        self.codes.retain(|id, code| {
            let kept = wallet.reservation(id).and_then(|reservation| reservation.identification.as_ref());
            kept.is_some_and(|kept| kept.text == code.text)
        });
        for reservation in wallet.reservations() {
            let Some(identification) = &reservation.identification else { continue };
            if self.codes.len() >= MAX_CODES {
                break;
            }
            if !is_over(reservation.state)
                && !self.codes.contains_key(&reservation.id)
                && let Some(code) = crate::qr::draw(&identification.text)
            {
                self.codes.insert(reservation.id.clone(), code);
            }
        }
    }

    /// As it is shown at `at`.
    fn notification(&self, kind: NotificationKind, id: &str, at: i64) -> Notification {
        let reservation = self.kept.wallet.reservation(id);
        let told =
            matches!(kind, NotificationKind::Ready | NotificationKind::Deadline | NotificationKind::Habit);
        let care = reservation.and_then(|reservation| reservation.care).filter(|_| told);
        Notification {
            kind,
            reservation: Some(id.to_owned()),
            title: reservation.map(|reservation| reservation.title.clone()),
            door: reservation.and_then(|reservation| Some(reservation.compartment.as_ref()?.label.clone())),
            care: care.map(|care| CareNote {
                chilled: care.chilled,
                frozen: care.frozen,
                fragile: care.fragile,
                keeps_minutes: care
                    .keeps_until
                    .and_then(|until| u32::try_from((until - at) / 60).ok())
                    .filter(|minutes| *minutes > 0),
            }),
        }
    }
}

fn is_over(state: State) -> bool {
    matches!(
        state,
        State::Collected
            | State::Returned
            | State::Accepted
            | State::Refused
            | State::Released
            | State::Cancelled
    )
}

/// What an opening needs of the rest. A function of parts, so that the unlock machine can be borrowed beside it.
fn env<'a>(kept: &'a Kept, session: &Session, adapter: Adapter, network: &Network) -> Env<'a> {
    Env { wallet: &kept.wallet, online: session.is_usable() && !network.is_known_offline(), adapter }
}
