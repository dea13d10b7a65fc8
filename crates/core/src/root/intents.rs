//! What the customer wants, to the machine that does it.

use postern_api::{
    locker::Size,
    reservation::{Kind, NewClaim, ProblemKind},
};
use serde::de::{DeserializeOwned, value::StrDeserializer};
use url::Url;

use super::{Core, Vault, env};
use crate::{
    cx::Cx,
    effect::Effect,
    intent::{Intent, Setting},
    line::{Call, Purpose},
    outbox::What,
    text,
    view::{NoticeCode, ProblemCode},
};

/// Longest note of a problem report, in characters (the contract).
const NOTE: usize = 2_000;
/// Most photos of a problem report, and the most characters of each (2 MiB in base64url).
const PHOTOS: (usize, usize) = (4, 2_796_203);

impl Core {
    pub(super) fn on_intent(&mut self, intent: Intent, cx: &mut Cx<'_>) {
        match intent {
            Intent::SignIn { hub } => self.sign_in(hub, cx),
            Intent::CancelSignIn => self.sign_in.cancel(cx),
            Intent::SignOut => {
                self.wipe(cx);
                self.revoked = false;
            }
            Intent::UseMemoryOnly => {
                if matches!(self.vault, Vault::Absent | Vault::Locked) {
                    self.vault = Vault::Opening;
                    cx.out.push(Effect::OpenVault { memory_only: true });
                }
            }
            Intent::RetryKeyring => {
                if matches!(self.vault, Vault::Absent | Vault::Locked) {
                    self.vault = Vault::Opening;
                    cx.out.push(Effect::OpenVault { memory_only: false });
                }
            }
            Intent::Refresh => {
                self.sync.refresh(cx);
                self.kept.wallet.wake();
                self.kept.outbox.wake();
            }
            Intent::Open { .. }
            | Intent::Reopen { .. }
            | Intent::CancelOpening
            | Intent::ContinueOpening
            | Intent::ResolveOpening { .. }
            | Intent::DismissOpening => self.on_opening_intent(intent, cx),
            Intent::WatchNearby { on, asked } => self.nearby.watch(on, asked),
            Intent::Set { setting } => {
                let settings = &mut self.kept.settings;
                match setting {
                    Setting::Nearby(on) => settings.nearby = on,
                    Setting::Reminders(on) => settings.reminders = on,
                    Setting::Habits(on) => settings.habits = on,
                    Setting::ConfirmOpening(on) => settings.confirm_opening = on,
                    Setting::PreferLowDoors(on) => {
                        settings.prefer_low_doors = on;
                        // The hub assigns doors, so it must know.
                        if self.session.exists() {
                            self.kept.outbox.put(None, What::PreferLowDoors { on }, cx);
                        }
                    }
                }
                cx.out.save_now();
            }
            Intent::ShowOpeningCode { reservation } => self.opening_code.show(reservation, cx),
            Intent::HideOpeningCode => self.opening_code.hide(),
            Intent::DismissShareOffer
            | Intent::ShowMyInvitation
            | Intent::HideMyInvitation
            | Intent::AcceptInvitation { .. }
            | Intent::TakeDelegation { .. } => self.on_sharing_intent(intent, cx),
            Intent::FollowLink { url } => self.on_deep_link(url.trim(), cx),
            Intent::FindSites { latitude, longitude, size } => {
                let size = size.as_deref().and_then(named::<Size>);
                self.finder.find(latitude.zip(longitude), size, cx);
            }
            Intent::CloseSites => self.finder.close(),
            Intent::FindThings => self.lending.find(cx),
            Intent::CloseThings => self.lending.close(),
            Intent::ForgetHabits => {
                self.kept.habits.erase();
                cx.out.save_now();
            }
            Intent::DismissOutbox { id } => self.kept.outbox.dismiss(id, cx),
            Intent::DismissNotice { id } => self.notices.dismiss(id),
            told => self.on_telling_intent(told, cx),
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
            self.sign_in.start(&hub, None, cx);
        } else {
            self.sign_in.explain(Some(Self::hub_problem(ProblemCode::WrongHub)));
        }
    }

    fn on_sharing_intent(&mut self, intent: Intent, cx: &mut Cx<'_>) {
        let Vault::Open { key, .. } = &self.vault else { return };
        match intent {
            Intent::DismissShareOffer => self.sharing.dismiss_offer(),
            Intent::ShowMyInvitation => self.sharing.show_invitation(key),
            Intent::HideMyInvitation => self.sharing.hide_invitation(),
            Intent::AcceptInvitation { reservation, invitation, name, until } => {
                let wallet = &self.kept.wallet;
                self.sharing.accept(&reservation, &invitation, name, until, wallet, cx);
            }
            Intent::TakeDelegation { text } => {
                match self.sharing.take(&text, key, &mut self.kept.wallet, cx) {
                    Some(id) => self.notices.tell(NoticeCode::AccessTaken, Some(id)),
                    None => self.notices.tell(NoticeCode::InvitationInvalid, None),
                }
            }
            _ => {}
        }
    }

    /// A link that reached the app from outside. Only claim links of the hub in use are followed: a link must not be
    /// able to send the customer to sign in somewhere else.
    pub(super) fn on_deep_link(&mut self, url: &str, cx: &mut Cx<'_>) {
        let hub = self.session.hub().map_or(self.config.hub.as_str(), |hub| hub.base.as_str());
        let Some(claim) = claim_of(url, hub) else {
            self.notices.tell(NoticeCode::InvitationInvalid, None);
            return;
        };
        if self.session.is_usable() {
            self.claim = Some(claim);
            self.send_claim(cx);
        } else if matches!(self.vault, Vault::Open { .. }) {
            let hub = hub.to_owned();
            self.sign_in.start(&hub, Some(claim), cx);
        } else {
            self.claim = Some(claim);
        }
    }

    /// Takes up a claim link that waits.
    pub(super) fn send_claim(&mut self, cx: &mut Cx<'_>) {
        if let Some(claim) = &self.claim
            && self.session.is_usable()
        {
            let key = hex::encode(cx.random::<16>());
            let call = Call::post(Purpose::Claim, "/v1/claims".into(), &NewClaim { claim: claim.clone() });
            cx.out.call(Call { key: Some(key), ..call });
        }
    }

    fn on_opening_intent(&mut self, intent: Intent, cx: &mut Cx<'_>) {
        if let Intent::Open { reservations } = &intent {
            reservations.iter().for_each(|id| self.kept.wallet.unsay(id));
        }
        let env = env(&self.kept, &self.session, self.adapter, &self.network);
        match intent {
            Intent::Open { reservations } => self.unlock.open(&reservations, &env, cx),
            Intent::Reopen { reservation } => self.unlock.reopen(&reservation, &env, cx),
            Intent::CancelOpening => self.unlock.cancel(cx),
            Intent::ContinueOpening => self.unlock.continue_opening(&env, cx),
            Intent::ResolveOpening { reservation } => {
                self.unlock.resolve(reservation.as_deref(), &env, cx);
            }
            Intent::DismissOpening => self.unlock.dismiss(cx),
            _ => {}
        }
    }

    /// What goes to the hub by the outbox, at once or when there is a network again.
    fn on_telling_intent(&mut self, intent: Intent, cx: &mut Cx<'_>) {
        let (reservation, what) = match intent {
            Intent::ConfirmTaken { reservation, taken } => {
                return self.confirm_taken(reservation, taken, cx);
            }
            Intent::Extend { reservation, until } => (reservation, What::Extend { until }),
            Intent::Share { reservation, name, until } => {
                (reservation, What::Share { name: text::clipped(name, 64), until })
            }
            Intent::RevokeShare { reservation, share } => {
                if !text::is_id(&share) {
                    return;
                }
                (reservation, What::RevokeShare { share })
            }
            Intent::Report { reservation, kind, note, mut photos } => {
                let Some(kind) = named::<ProblemKind>(&kind) else { return };
                let (count, len) = PHOTOS;
                photos.truncate(count);
                photos.retain(|photo| photo.len() <= len && !photo.is_empty());
                let note: String = note.chars().take(NOTE).collect();
                (reservation, What::Report { kind, note, photos })
            }
            Intent::Hold { reservation, until } => (reservation, What::Hold { until }),
            Intent::Cancel { reservation } => (reservation, What::Cancel),
            Intent::ChangeLocker { reservation, site } => (reservation, What::ChangeLocker { site }),
            Intent::Release { reservation } => (reservation, What::Release),
            Intent::HandOver { reservation, unit } => {
                (reservation, What::HandOver { unit: text::clipped(unit, text::NAME) })
            }
            Intent::BookStorage { title, site, size, until } => {
                if let Some(size) = named::<Size>(&size)
                    && self.session.exists()
                {
                    let title = text::clipped(title, text::NAME);
                    self.kept.outbox.put(None, What::BookStorage { title, site, size, until }, cx);
                }
                return;
            }
            Intent::Borrow { thing } => {
                if text::is_id(&thing) && self.session.exists() {
                    self.kept.outbox.put(None, What::Borrow { thing }, cx);
                }
                return;
            }
            Intent::RemoveDevice { device } => {
                if text::is_id(&device) && self.session.exists() {
                    self.kept.outbox.put(None, What::RemoveDevice { device }, cx);
                }
                return;
            }
            Intent::BookReturn { code, site, size } => {
                if let Some(size) = named::<Size>(&size)
                    && self.session.exists()
                {
                    let code = text::clipped(code, text::ADDRESS);
                    self.kept.outbox.put(None, What::BookReturn { code, site, size }, cx);
                }
                return;
            }
            _ => return,
        };
        // The hub knows nothing of access that was given in person.
        if self.kept.wallet.reservation(&reservation).is_some()
            && !self.kept.wallet.is_delegated(&reservation)
        {
            self.kept.outbox.put(Some(reservation), what, cx);
        }
    }

    /// Collected comes from a receipt and the customer: the hub takes the customer's word only with a receipt. Where the
    /// opening was cut off before there was one, the locker is asked for it, and the word goes out behind it. Said once
    /// more, the word settles that nobody need ask the locker any more.
    fn confirm_taken(&mut self, id: String, taken: bool, cx: &mut Cx<'_>) {
        let Some(reservation) = self.kept.wallet.reservation(&id) else { return };
        let kind = reservation.kind;
        let trace = self.kept.wallet.trace(&id);
        let opened = trace.opened_at.is_some()
            || reservation.state == postern_api::reservation::State::Opened
            || self.unlock.has_receipt(&id);
        if !(opened || self.unlock.is_pending(&id)) || kind == Kind::Storage {
            return;
        }
        if taken && kind == Kind::Pickup && self.kept.settings.habits && trace.taken != Some(true) {
            self.kept.habits.learn(trace.opened_at.unwrap_or_else(|| cx.now.unix()));
        }
        self.kept.wallet.confirmed(&id, taken);
        if !opened && trace.taken != Some(taken) {
            let env = env(&self.kept, &self.session, self.adapter, &self.network);
            self.unlock.resolve(Some(&id), &env, cx);
            cx.out.save_now();
            return;
        }
        self.unlock.settle(&id);
        if opened && !self.kept.wallet.is_delegated(&id) {
            self.kept.outbox.put(Some(id), What::Taken { taken }, cx);
        } else {
            cx.out.save_now();
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
