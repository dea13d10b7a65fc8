//! What the customer wants, to the machine that does it.

use postern_api::{
    locker::Size,
    reservation::{Action, Kind, NewClaim, ProblemKind, Reservation, State},
};
use serde::de::{DeserializeOwned, value::StrDeserializer};
use url::Url;

use super::{Core, Vault, env};
use crate::{
    cx::Cx,
    effect::Effect,
    homes,
    intent::{Intent, Setting},
    line::{Call, Purpose},
    outbox::What,
    text,
    unlock::{Env, Unlock},
    view::{AddressSite, NoticeCode, ProblemCode},
};

/// Longest name of a customer, in characters (the contract).
const NAME: usize = 64;
/// Longest note of a problem report, in characters (the contract).
const NOTE: usize = 2_000;
/// Most photos of a problem report, and the most characters of each (2 MiB in base64url).
const PHOTOS: (usize, usize) = (4, 2_796_203);

impl Core {
    /// Every intent has its arm: a new one does not compile until it does something.
    pub(super) fn on_intent(&mut self, intent: Intent, cx: &mut Cx<'_>) {
        match intent {
            Intent::SignIn { hub } => self.sign_in(hub, cx),
            Intent::CancelSignIn => self.sign_in.cancel(cx),
            Intent::SignOut => {
                self.wipe(cx);
                self.revoked = false;
            }
            Intent::UseMemoryOnly => self.open_vault(true, cx),
            Intent::RetryKeyring => self.open_vault(false, cx),
            Intent::Refresh => {
                self.sync.refresh(cx);
                self.kept.wallet.wake();
                self.kept.outbox.wake();
            }
            Intent::Set { setting } => self.set(setting, cx),
            Intent::WatchNearby { on, asked } => self.nearby.watch(on, asked),
            Intent::FollowLink { url } => self.on_deep_link(url.trim(), cx),
            Intent::ForgetHabits => {
                self.kept.habits.erase();
                cx.out.save_now();
            }
            Intent::DismissOutbox { id } => self.kept.outbox.dismiss(id, cx),
            Intent::DismissNotice { id } => self.notices.dismiss(id),

            Intent::Open { reservations } => {
                reservations.iter().for_each(|id| self.kept.wallet.unsay(id));
                self.at_the_door(|unlock, env, cx| unlock.open(&reservations, env, cx), cx);
            }
            Intent::Reopen { reservation } => {
                self.at_the_door(|unlock, env, cx| unlock.reopen(&reservation, env, cx), cx);
            }
            Intent::CancelOpening => self.unlock.cancel(cx),
            Intent::ContinueOpening => {
                self.at_the_door(Unlock::continue_opening, cx);
            }
            Intent::ResolveOpening { reservation } => {
                self.at_the_door(|unlock, env, cx| unlock.resolve(reservation.as_deref(), env, cx), cx);
            }
            Intent::DismissOpening => self.unlock.dismiss(cx),
            Intent::ShowOpening { reservation } => drop(self.unlock.show(&reservation)),
            Intent::ConfirmClosed { reservation } => self.confirm_closed(&reservation, cx),
            Intent::ConfirmTaken { reservation, taken } => self.confirm_taken(reservation, taken, cx),
            Intent::ConfirmPlaced { reservation, inside } => self.confirm_placed(reservation, inside, cx),
            Intent::ShowOpeningCode { reservation } => self.show_code(reservation, cx),
            Intent::HideOpeningCode => self.opening_code.hide(),

            Intent::DismissShareOffer => self.sharing.dismiss_offer(),
            Intent::ShowMyInvitation => {
                if let Vault::Open { key, .. } = &self.vault {
                    self.sharing.show_invitation(key);
                }
            }
            Intent::HideMyInvitation => self.sharing.hide_invitation(),
            Intent::AcceptInvitation { reservation, invitation, name, until } => {
                let revocable = self.session.exists();
                let wallet = &self.kept.wallet;
                self.sharing.accept(&reservation, &invitation, name, until, revocable, wallet, cx);
            }
            Intent::TakeDelegation { text } => self.take_delegation(&text, cx),

            Intent::FindSites { latitude, longitude, size, parcel } => {
                let size = size.as_deref().and_then(named::<Size>);
                let parcel = parcel.filter(|id| self.kept.wallet.reservation(id).is_some());
                self.finder.find(latitude.zip(longitude), size, parcel.as_deref(), cx);
            }
            Intent::CloseSites => self.finder.close(),
            Intent::FindThings => self.lending.find(cx),
            Intent::CloseThings => self.lending.close(),

            Intent::Extend { reservation, until } => self.tell(reservation, What::Extend { until }, cx),
            Intent::Share { reservation, name, until } => {
                let name = text::clipped(name, 64);
                self.tell(reservation, What::Share { name, until }, cx);
            }
            Intent::RevokeShare { reservation, share } => {
                if text::is_id(&share) {
                    self.sharing.taken_back(&reservation, &share);
                    self.tell(reservation, What::RevokeShare { share }, cx);
                }
            }
            Intent::Report { reservation, kind, note, photos } => {
                self.report(reservation, &kind, &note, photos, cx);
            }
            Intent::Hold { reservation, until } => self.tell(reservation, What::Hold { until }, cx),
            Intent::HoldAll { until } => {
                let holds = |it: &&Reservation| it.actions.contains(&Action::Hold);
                let all: Vec<_> =
                    self.kept.wallet.reservations().filter(holds).map(|it| it.id.clone()).collect();
                for reservation in all {
                    self.tell(reservation, What::Hold { until }, cx);
                }
            }
            Intent::Cancel { reservation } => self.tell(reservation, What::Cancel, cx),
            Intent::ChangeLocker { reservation, site } => {
                self.tell(reservation, What::ChangeLocker { site }, cx);
            }
            Intent::Release { reservation, confirmed } => {
                let opening = self.kept.wallet.last_opening(&reservation);
                self.tell(reservation, What::Release { empty: confirmed, opening }, cx);
            }
            Intent::HandOver { reservation, unit } => {
                let unit = text::clipped(unit, text::NAME);
                self.tell(reservation, What::HandOver { unit }, cx);
            }
            Intent::BookReturn { code, site, size } => {
                if let Some(size) = named::<Size>(&size) {
                    let code = text::clipped(code, text::ADDRESS);
                    self.ask(What::BookReturn { code, site, size }, cx);
                }
            }
            Intent::BookStorage { title, site, size, until } => {
                if let Some(size) = named::<Size>(&size) {
                    let title = text::clipped(title, text::NAME);
                    self.ask(What::BookStorage { title, site, size, until }, cx);
                }
            }
            Intent::Borrow { thing } => {
                if text::is_id(&thing) {
                    self.ask(What::Borrow { thing }, cx);
                }
            }
            Intent::ChooseAddressSite { site, name, address } => {
                if text::is_id(&site) {
                    let (name, address) =
                        (text::clipped(name, text::NAME), text::clipped(address, text::ADDRESS));
                    self.kept.settings.address_site = Some(AddressSite { id: site, name, address });
                    cx.out.save_now();
                }
            }
            Intent::ShowAccount if self.owns_account() => self.desk.open(cx),
            Intent::CloseAccount => self.desk.close(),
            Intent::SetName { name } if self.owns_account() => {
                self.desk.rename(text::clipped(name, NAME), cx);
            }
            Intent::SetEmail { email, language } if self.owns_account() => {
                let language = language.filter(|language| text::is_id(language));
                self.desk.email(text::clipped(email, text::ADDRESS + NAME), language, cx);
            }
            Intent::ConfirmEmail { code } if self.owns_account() => {
                self.desk.confirm(text::clipped(code, text::ID), cx);
            }
            Intent::ForgetEmail if self.owns_account() => self.desk.forget_email(cx),
            Intent::RemovePasskey { passkey } if self.owns_account() => {
                self.desk.remove_passkey(&passkey, cx);
            }
            Intent::JoinHome => self.homes.join(cx),
            Intent::DismissHome => {
                self.homes.dismiss();
                if self.claim.as_deref().and_then(homes::code_in).is_some() {
                    self.claim = None;
                }
            }
            Intent::LeaveHome { site } if self.owns_account() => self.desk.leave(&site, cx),
            Intent::MakeRecoveryCodes if self.owns_account() => self.desk.make_codes(cx),
            Intent::DismissRecoveryCodes => self.desk.dismiss_codes(),
            Intent::ExportAccount if self.owns_account() => self.desk.fetch_export(cx),
            Intent::DismissExport => self.desk.dismiss_export(),
            Intent::DeleteAccount if self.owns_account() => {
                // Whoever is asked may have done it, and the app end before it hears so.
                self.kept.deleting = Some(cx.now.unix());
                cx.out.save_now();
                self.desk.delete(cx);
            }
            Intent::AddPasskey if self.owns_account() => {
                if let Some(hub) = self.session.hub() {
                    let hub = hub.base.clone();
                    self.sign_in.add_passkey(&hub, cx);
                }
            }
            // Guests have no account to look after.
            Intent::ShowAccount
            | Intent::SetName { .. }
            | Intent::SetEmail { .. }
            | Intent::ConfirmEmail { .. }
            | Intent::ForgetEmail
            | Intent::AddPasskey
            | Intent::RemovePasskey { .. }
            | Intent::LeaveHome { .. }
            | Intent::MakeRecoveryCodes
            | Intent::ExportAccount
            | Intent::DeleteAccount => {}
            Intent::RemoveDevice { device } => {
                if text::is_id(&device) {
                    self.ask(What::RemoveDevice { device }, cx);
                }
            }
        }
    }

    fn owns_account(&self) -> bool {
        self.session.is_usable() && self.session.account().is_some_and(|account| !account.guest)
    }

    fn open_vault(&mut self, memory_only: bool, cx: &mut Cx<'_>) {
        if matches!(self.vault, Vault::Absent | Vault::Locked) {
            self.vault = Vault::Opening;
            cx.out.push(Effect::OpenVault { memory_only });
        }
    }

    fn set(&mut self, setting: Setting, cx: &mut Cx<'_>) {
        let settings = &mut self.kept.settings;
        match setting {
            Setting::Nearby(on) => settings.nearby = on,
            Setting::Reminders(on) => settings.reminders = on,
            Setting::Habits(on) => settings.habits = on,
            Setting::ConfirmOpening(on) => settings.confirm_opening = on,
            Setting::PreferLowDoors(on) => {
                settings.prefer_low_doors = on;
                // The hub assigns doors, so it must know.
                self.ask(What::PreferLowDoors { on }, cx);
            }
        }
        cx.out.save_now();
    }

    /// Something that the machine for doors does with what the rest knows.
    fn at_the_door(&mut self, what: impl FnOnce(&mut Unlock, &Env<'_>, &mut Cx<'_>), cx: &mut Cx<'_>) {
        let env = env(&self.kept, &self.session, self.adapter, &self.network);
        what(&mut self.unlock, &env, cx);
    }

    /// Tells the hub something about a reservation, at once or when there is a network again. Of access that was given
    /// in person the hub knows nothing.
    fn tell(&mut self, reservation: String, what: What, cx: &mut Cx<'_>) {
        let wallet = &self.kept.wallet;
        if wallet.reservation(&reservation).is_some() && !wallet.is_delegated(&reservation) {
            self.kept.outbox.put(Some(reservation), what, cx);
        }
    }

    /// Asks the hub for something, where there is one.
    fn ask(&mut self, what: What, cx: &mut Cx<'_>) {
        if self.session.exists() {
            self.kept.outbox.put(None, what, cx);
        }
    }

    fn report(
        &mut self,
        reservation: String,
        kind: &str,
        note: &str,
        mut photos: Vec<String>,
        cx: &mut Cx<'_>,
    ) {
        let Some(kind) = named::<ProblemKind>(kind) else { return };
        let (count, len) = PHOTOS;
        photos.truncate(count);
        photos.retain(|photo| photo.len() <= len && !photo.is_empty());
        // A tab is as good as a blank, and the hub takes neither it nor its like.
        let plain = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
        let note: String = note.chars().map(plain).take(NOTE).collect();
        self.tell(reservation, What::Report { kind, note, photos }, cx);
    }

    /// Nothing that opens is shown to what may pretend to be the locker.
    fn show_code(&mut self, reservation: String, cx: &mut Cx<'_>) {
        let Some(found) = self.kept.wallet.reservation(&reservation) else { return };
        if self.code_would_open(found, self.state(found)) {
            self.unlock.code_was_shown(&reservation, cx);
            self.opening_code.show(reservation, cx);
        } else {
            self.opening_code.hide();
        }
    }

    fn take_delegation(&mut self, text: &str, cx: &mut Cx<'_>) {
        let Vault::Open { key, .. } = &self.vault else { return };
        match self.sharing.take(text, key, &mut self.kept.wallet, cx) {
            Some(id) => self.notices.tell(NoticeCode::AccessTaken, Some(id)),
            None => self.notices.tell(NoticeCode::InvitationInvalid, None),
        }
    }

    fn sign_in(&mut self, hub: Option<String>, cx: &mut Cx<'_>) {
        if !matches!(self.vault, Vault::Open { .. }) || self.session.is_usable() {
            return;
        }
        // A session that the hub ended is renewed where it was; another hub would make the wallet somebody else's.
        let hub =
            self.session.hub().map(|hub| hub.base.clone()).or(hub).unwrap_or_else(|| self.config.hub.clone());
        if text::clipped(hub.clone(), 2048) == hub {
            let claim = self.sign_in.unfinished_claim(&hub);
            self.sign_in.start(&hub, claim, cx);
        } else {
            self.sign_in.explain(Some(Self::hub_problem(ProblemCode::WrongHub)));
        }
    }

    /// A link that reached the app from outside. Only claim links of the hub in use are followed: a link must not be
    /// able to send the customer to sign in somewhere else.
    pub(super) fn on_deep_link(&mut self, url: &str, cx: &mut Cx<'_>) {
        let hub = self.session.hub().map_or(self.config.hub.as_str(), |hub| hub.base.as_str());
        let Some(claim) = homes::kept_of(url, hub).or_else(|| claim_of(url, hub)) else {
            self.notices.tell(NoticeCode::InvitationInvalid, None);
            return;
        };
        if self.session.is_usable() {
            self.claim = Some(claim);
            self.keep_claim(cx);
            self.send_claim(cx);
        } else if matches!(self.vault, Vault::Open { .. }) {
            let hub = hub.to_owned();
            self.begin_claim(&hub, claim, cx);
        } else {
            self.claim = Some(claim);
        }
    }

    /// Signs in to take up a claim link, which is written down before the hub is asked for anything.
    pub(super) fn begin_claim(&mut self, hub: &str, claim: String, cx: &mut Cx<'_>) {
        self.sign_in.remember_claim(hub, claim.clone());
        self.keep_claim(cx);
        self.sign_in.start(hub, Some(claim), cx);
    }

    /// Takes up a claim link that waits.
    pub(super) fn send_claim(&mut self, cx: &mut Cx<'_>) {
        if let Some(claim) = &self.claim
            && self.session.is_usable()
        {
            if let Some(code) = homes::code_in(claim) {
                return self.homes.look(code, cx);
            }
            let key = hex::encode(cx.random::<16>());
            let call = Call::post(Purpose::Claim, "/v1/claims".into(), &NewClaim { claim: claim.clone() });
            cx.out.call(Call { key: Some(key), ..call });
        }
    }

    /// Collected comes from a receipt and the customer. Where the opening was cut off before there was a receipt the
    /// locker is asked for it, and the word goes out behind it. Said once more, the word settles that nobody need ask
    /// the locker any more. Of an opening that nobody knows of, by code or PIN, the word alone is taken, and marked.
    fn confirm_taken(&mut self, id: String, taken: bool, cx: &mut Cx<'_>) {
        let Some(reservation) = self.kept.wallet.reservation(&id) else { return };
        if reservation.kind != Kind::Pickup {
            return;
        }
        let trace = self.kept.wallet.trace(&id);
        let opened =
            trace.opened_at.is_some() || reservation.state == State::Opened || self.unlock.has_receipt(&id);
        let pending = self.unlock.is_pending(&id);
        let without_opening = taken && reservation.actions.contains(&Action::ConfirmTaken);
        // Said by mistake, here or on another device.
        let takes_back = !taken && (reservation.state == State::Collected || trace.taken == Some(true));
        if !(opened || pending || without_opening || takes_back) {
            return;
        }
        if taken && self.kept.settings.habits && trace.taken != Some(true) {
            self.kept.habits.learn(trace.opened_at.unwrap_or_else(|| cx.now.unix()));
        }
        self.kept.wallet.confirmed(&id, taken);
        self.unlock.door_is_closed(&id, cx);
        if pending && !opened && trace.taken != Some(taken) {
            self.at_the_door(|unlock, env, cx| unlock.resolve(Some(&id), env, cx), cx);
            cx.out.save_now();
            return;
        }
        self.unlock.settle(&id);
        if (opened || without_opening || takes_back) && !self.kept.wallet.is_delegated(&id) {
            if !opened {
                self.kept.wallet.told(&id);
            }
            self.kept.outbox.put(Some(id), What::Taken { taken }, cx);
        } else {
            cx.out.save_now();
        }
    }

    /// Dropped off and given back come from a receipt and what the locker measured or, where it measures nothing, the
    /// customer's word at the door.
    fn confirm_placed(&mut self, id: String, inside: bool, cx: &mut Cx<'_>) {
        let Some(reservation) = self.kept.wallet.reservation(&id) else { return };
        if !self.asks_inside(reservation) {
            return;
        }
        let opening = self.kept.wallet.last_opening(&id);
        self.kept.wallet.placed(&id, inside);
        self.unlock.door_is_closed(&id, cx);
        self.unlock.settle(&id);
        match opening.filter(|_| !self.kept.wallet.is_delegated(&id)) {
            Some(opening) => self.kept.outbox.put(Some(id), What::Placed { inside, opening }, cx),
            None => cx.out.save_now(),
        }
    }

    fn confirm_closed(&mut self, id: &str, cx: &mut Cx<'_>) {
        if self.unlock.is_open(id) {
            self.unlock.door_is_closed(id, cx);
            self.kept.wallet.closed(id, None);
            cx.out.save_soon();
        }
    }
}

/// The code of a claim link of this hub: `/claim/CODE` there, or what that page leads to,
/// `postern://claim?hub=BASE&claim=CODE`.
fn claim_of(link: &str, hub: &str) -> Option<String> {
    let link = Url::parse(link).ok().filter(|_| link.len() <= 2048)?;
    let hub = Url::parse(hub).ok()?;
    let code = if link.scheme() == "postern" {
        (link.host_str() == Some("claim") && link.path().trim_matches('/').is_empty()).then_some(())?;
        let told = |name: &str| link.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
        let of = Url::parse(&told("hub")?).ok()?;
        (of.origin() == hub.origin()).then_some(())?;
        told("claim")?.into_owned()
    } else {
        (link.origin() == hub.origin()).then_some(())?;
        link.path().strip_prefix("/claim/")?.trim_end_matches('/').to_owned()
    };
    text::is_id(&code).then_some(code)
}

/// A value of the contract by its name there.
fn named<T: DeserializeOwned>(name: &str) -> Option<T> {
    T::deserialize(StrDeserializer::<serde::de::value::Error>::new(name)).ok()
}
