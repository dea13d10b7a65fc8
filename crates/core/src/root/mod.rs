//! The core itself: hands each event to the machine that it concerns, carries news from one machine to the next, and
//! composes the view.

mod answers;
mod intents;
mod picture;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    cx::{Cx, Item, Outlet, earlier},
    effect::{Effect, Notification, NotificationKind},
    event::{Adapter, Event, Opened, RadioEvent, VaultState},
    line::Line,
    nearby::Nearby,
    network::Network,
    notices::Notices,
    outbox::What,
    session::Session,
    sign_in::SignIn,
    store::Kept,
    sync::Sync,
    time::Now,
    unlock::{Env, News, Unlock},
    view::NoticeCode,
};

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
    Open { memory_only: bool, thumbprint: String },
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
    network: Network,
    sign_in: SignIn,
    session: Session,
    revoked: bool,
    line: Line,
    sync: Sync,
    unlock: Unlock,
    nearby: Nearby,
    notices: Notices,
    kept: Kept,
    /// The state on disk is not the one here; it is written then.
    save_at: Option<u64>,
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
            network: Network::default(),
            sign_in: SignIn::default(),
            session: Session::default(),
            revoked: false,
            line: Line::default(),
            sync: Sync::default(),
            unlock: Unlock::default(),
            nearby: Nearby::default(),
            notices: Notices::default(),
            kept: Kept::default(),
            save_at: None,
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
        Some(match self.out.next_item()? {
            Item::Effect(effect) => effect,
            Item::Save => Effect::Save(self.document()),
        })
    }

    /// When `Event::Tick` is due at the latest, on the monotonic clock of `Now`; none while nothing is waiting.
    pub fn poll_timeout(&self) -> Option<u64> {
        let mut due = earlier(self.sign_in.poll_timeout(), self.unlock.poll_timeout());
        due = earlier(due, self.save_at);
        due = earlier(due, self.nearby.poll_timeout());
        if self.session.is_usable() {
            due = earlier(due, self.sync.poll_timeout());
            due = earlier(due, self.kept.wallet.poll_timeout(self.now));
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

    fn document(&mut self) -> Zeroizing<Vec<u8>> {
        self.kept.account = self.session.account().cloned().or(self.kept.account.take());
        self.kept.last_contact = self.network.last_contact();
        self.kept.cursor = self.sync.cursor().map(str::to_owned);
        self.kept.pendings = self.unlock.pendings().clone();
        self.kept.write()
    }

    fn dispatch(&mut self, event: Event, cx: &mut Cx<'_>) {
        match event {
            Event::Intent(intent) => self.on_intent(intent, cx),
            Event::Tick => {}
            Event::Http { ticket, result } => self.on_http(ticket, result, cx),
            Event::Push(event) => self.sync.on_push(event, &mut self.session, cx),
            Event::RedirectReady { redirect_uri } => {
                if let Vault::Open { thumbprint, .. } = &self.vault {
                    self.sign_in.on_listening(&redirect_uri, thumbprint, cx);
                }
            }
            Event::Redirected { url } => self.sign_in.on_redirected(&url, &self.config.device_name, cx),
            Event::BrowserFailed => self.sign_in.on_browser_failed(),
            Event::Signed { ticket, signature } => {
                if self.unlock.owns(ticket) {
                    let env = env(&self.kept, &self.session, self.adapter, &self.network);
                    self.unlock.on_signed(signature, &env, cx);
                }
            }
            Event::Radio(event) => self.on_radio(event, cx),
            Event::Vault(state) => self.on_vault(state, cx),
            Event::Foreground(foreground) => {
                self.sync.set_foreground(foreground, cx);
                self.kept.wallet.set_foreground(foreground);
            }
            Event::DeepLink { .. } => {}
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
        let read = opened.state.as_deref().map(|bytes| Kept::read(bytes));
        damaged |= matches!(read, Some(None));
        self.kept = read.flatten().unwrap_or_default();
        self.session.restore(opened.session.as_deref().map(Vec::as_slice), self.kept.account.clone());
        self.network.restore(self.kept.last_contact);
        self.unlock.restore(std::mem::take(&mut self.kept.pendings));
        self.sync.restore(self.kept.cursor.take());
        self.vault = Vault::Open { memory_only: opened.memory_only, thumbprint: opened.device_thumbprint };
        if damaged {
            self.notices.tell(NoticeCode::StoreHealed, None);
            cx.out.save_soon();
        }
        if self.session.exists() {
            self.sync.start(cx);
        }
    }

    /// Everything goes: session, wallet, device key.
    fn wipe(&mut self, cx: &mut Cx<'_>) {
        self.sign_in.cancel(cx);
        self.unlock.clear(cx);
        self.sync.stop(cx);
        cx.out.drop_calls();
        self.line.clear();
        self.session.clear();
        self.notices.clear();
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
        });
    }

    /// Lets every machine do what is due, and carries what came of it on.
    fn drive(&mut self, cx: &mut Cx<'_>) {
        self.sign_in.drive(cx);
        self.nearby.drive(cx);
        if self.session.is_usable() {
            self.sync.drive(&mut self.session, cx);
            self.kept.wallet.drive(cx);
            self.kept.outbox.drive(&self.kept.receipts, cx);
        }
        let env = env(&self.kept, &self.session, self.adapter, &self.network);
        self.unlock.drive(&env, cx);
        self.carry_on(cx);
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
        use postern_protocol::receipt::Outcome;
        for news in self.unlock.take_news() {
            match news {
                News::Receipt { pending, bytes, receipt } => {
                    if matches!(receipt.outcome, Outcome::Opened | Outcome::AlreadyOpen) {
                        self.kept.wallet.opened(&pending.reservation, cx.now);
                    }
                    let kept = self.kept.receipts.keep(&pending, &receipt, &bytes, &self.kept.wallet);
                    if let Some(receipt) = kept {
                        let what = What::Receipt { receipt };
                        self.kept.outbox.put(Some(pending.reservation.clone()), what, cx);
                        if self.session.is_usable() {
                            self.kept.outbox.drive(&self.kept.receipts, cx);
                        }
                    }
                }
                News::LeftOpen { reservation } => {
                    let notification = self.notification(NotificationKind::DoorLeftOpen, &reservation);
                    cx.out.notify(notification);
                }
                News::BulletinDelivered { locker } => {
                    self.kept.wallet.bulletin_delivered(&locker);
                    cx.out.save_soon();
                }
            }
        }
    }

    fn notification(&self, kind: NotificationKind, id: &str) -> Notification {
        let reservation = self.kept.wallet.reservation(id);
        Notification {
            kind,
            reservation: Some(id.to_owned()),
            title: reservation.map(|reservation| reservation.title.clone()),
            door: reservation.and_then(|reservation| Some(reservation.compartment.as_ref()?.label.clone())),
        }
    }
}

/// What an opening needs of the rest. A function of parts, so that the unlock machine can be borrowed beside it.
fn env<'a>(kept: &'a Kept, session: &Session, adapter: Adapter, network: &Network) -> Env<'a> {
    Env { wallet: &kept.wallet, online: session.is_usable() && !network.is_known_offline(), adapter }
}
