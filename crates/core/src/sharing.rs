//! Giving access: over the hub by a link, and in person from device to device with no network (PROTOCOL.md,
//! delegation). In person it is two codes: the guest shows its invitation, the owner scans it and shows the access, the
//! guest scans that. Both are useless to anyone else: an invitation is a public key, and the access is bound to it.

use postern_api::{
    locker::LockerDescriptor,
    reservation::{Action, Carrier, Compartment, Kind, Reservation, Role, ShareOffer, State},
    token::{Grant, Operation},
};
use postern_protocol::{
    DeviceKey, Door, Operations, Timestamp, TokenId,
    delegation::{self, Delegation},
    in_person::{self, Access},
};
use serde::{Deserialize, Serialize};

use crate::{
    cx::Cx,
    effect::Effect,
    event::{self, Ticket},
    qr::draw,
    text,
    unlock::{on_air, problem},
    view::{ProblemCode, ProblemView, QrView, ShareOfferView, ShareView},
    wallet::{self, Wallet},
};

/// The `RevokeShare` id of everything that was given in person: it ends together.
pub(crate) const IN_PERSON: &str = "in-person";

/// Access given in person by this device; stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Given {
    reservation: String,
    name: String,
    until: i64,
}

/// All that was given in person.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct GivenInPerson(Vec<Given>);

impl GivenInPerson {
    /// As shares, for the owner to see and to end.
    pub(crate) fn shares(&self, reservation: &str) -> impl Iterator<Item = ShareView> {
        self.0.iter().filter(move |given| given.reservation == reservation).map(|given| ShareView {
            id: IN_PERSON.to_owned(),
            name: given.name.clone(),
            until: given.until,
            state: "offered".to_owned(),
            revoking: false,
        })
    }

    /// The hub ended all of a reservation.
    pub(crate) fn ended(&mut self, reservation: &str) {
        self.0.retain(|given| given.reservation != reservation);
    }

    /// What ended by itself.
    pub(crate) fn forget_over(&mut self, now: i64) {
        self.0.retain(|given| given.until > now);
    }
}

/// A delegation that the device key is signing.
struct Signing {
    ticket: Ticket,
    reservation: String,
    name: String,
    delegation: Delegation,
    revocable: bool,
}

/// The machine.
#[derive(Default)]
pub(crate) struct Sharing {
    invitation: Option<QrView>,
    signing: Option<Signing>,
    offer: Option<ShareOfferView>,
    problem: Option<ProblemView>,
}

/// The key of this device, as the protocol has it.
fn own(key: &event::DeviceKey) -> DeviceKey {
    match key {
        event::DeviceKey::Ed25519(bytes) => DeviceKey::Ed25519(*bytes),
        event::DeviceKey::P256(bytes) => DeviceKey::P256(*bytes),
    }
}

impl Sharing {
    /// Shows this device's invitation.
    pub(crate) fn show_invitation(&mut self, key: &event::DeviceKey) {
        self.invitation = draw(&in_person::invitation(&own(key)));
    }

    /// Not any more.
    pub(crate) fn hide_invitation(&mut self) {
        self.invitation = None;
    }

    /// The offer was handed over.
    pub(crate) fn dismiss_offer(&mut self) {
        self.offer = None;
        self.problem = None;
        self.signing = None;
    }

    /// The share is being taken back: its link leads nowhere from now on.
    pub(crate) fn taken_back(&mut self, reservation: &str, share: &str) {
        if self.offer.as_ref().is_some_and(|offer| offer.reservation == reservation && offer.share == share) {
            self.dismiss_offer();
        }
    }

    /// The owner scanned a guest's invitation: sign a delegation of this reservation's token to it. `revocable` where
    /// this device can tell the hub to end it.
    #[allow(clippy::too_many_arguments, reason = "the fields of one intent")]
    pub(crate) fn accept(
        &mut self,
        id: &str,
        invitation: &str,
        name: String,
        until: i64,
        revocable: bool,
        wallet: &Wallet,
        cx: &mut Cx<'_>,
    ) {
        self.dismiss_offer();
        match prepare(id, invitation, until, wallet, cx) {
            Err(code) => self.problem = Some(problem(code)),
            Ok(delegation) => {
                let ticket = cx.out.ticket();
                cx.out.push(Effect::Sign { ticket, message: delegation::signing_input(&delegation) });
                let name = text::clipped(name, 64);
                self.signing =
                    Some(Signing { ticket, reservation: id.to_owned(), name, delegation, revocable });
            }
        }
    }

    /// Whether a signature is for this machine.
    pub(crate) fn owns(&self, ticket: Ticket) -> bool {
        self.signing.as_ref().is_some_and(|signing| signing.ticket == ticket)
    }

    /// The device key signed the delegation, or refused.
    pub(crate) fn on_signed(
        &mut self,
        signature: Option<[u8; 64]>,
        wallet: &Wallet,
        given: &mut GivenInPerson,
        cx: &mut Cx<'_>,
    ) {
        let Some(signing) = self.signing.take() else { return };
        let Some(signature) = signature else {
            self.problem = Some(problem(ProblemCode::KeyRefused));
            return;
        };
        let bytes = delegation::assemble(&signing.delegation, signature);
        let until = i64::try_from(signing.delegation.expires.0).unwrap_or(i64::MAX);
        let offer = compose(&signing.reservation, bytes, wallet, cx)
            .and_then(|link| Some((draw(&link)?, link)))
            .map(|(qr, link)| ShareOfferView {
                reservation: signing.reservation.clone(),
                share: IN_PERSON.to_owned(),
                name: signing.name.clone(),
                link,
                qr,
                in_person: true,
                until,
                uses: Some(signing.delegation.uses),
                revocable: signing.revocable,
            });
        if offer.is_none() {
            self.problem = Some(problem(ProblemCode::TokenExpired));
            return;
        }
        self.offer = offer;
        given.0.push(Given { reservation: signing.reservation, name: signing.name, until });
        cx.out.save_now();
    }

    /// The hub made a link.
    pub(crate) fn offer(&mut self, reservation: String, name: String, offer: ShareOffer) {
        self.problem = None;
        let ShareOffer { share, link } = offer;
        self.offer = draw(&link).map(|qr| ShareOfferView {
            reservation,
            share: share.id,
            name,
            link,
            qr,
            in_person: false,
            until: share.until,
            uses: None,
            revocable: true,
        });
    }

    /// The guest scanned the owner's code. Gives the id of what was taken; none where the code is not for this device.
    pub(crate) fn take(
        &mut self,
        text: &str,
        own: &event::DeviceKey,
        wallet: &mut Wallet,
        cx: &mut Cx<'_>,
    ) -> Option<String> {
        let taken = read_access(text, own, wallet, cx);
        self.problem = taken.is_none().then(|| problem(ProblemCode::InvitationInvalid));
        if taken.is_some() {
            self.invitation = None;
            cx.out.save_now();
        }
        taken
    }

    /// For the window.
    pub(crate) fn view(&self) -> (Option<ShareOfferView>, Option<ProblemView>, Option<QrView>) {
        (self.offer.clone(), self.problem.clone(), self.invitation.clone())
    }
}

/// The delegation, if this may be passed on at all. A child never exceeds its parent; the locker checks that again.
fn prepare(
    id: &str,
    invitation: &str,
    until: i64,
    wallet: &Wallet,
    cx: &Cx<'_>,
) -> Result<Delegation, ProblemCode> {
    let to = in_person::read_invitation(invitation.trim()).ok_or(ProblemCode::InvitationInvalid)?;
    let reservation = wallet.reservation(id).ok_or(ProblemCode::ChangedMeanwhile)?;
    let compartment = reservation.compartment.as_ref().ok_or(ProblemCode::ChangedMeanwhile)?;
    let grant = wallet.grant(id, cx.now).ok_or(ProblemCode::TokenExpired)?;
    // Depth is one: what was given in person is not passed on.
    if !grant.delegable || wallet.is_delegated(id) {
        return Err(ProblemCode::NotDelegable);
    }
    let expires = until.min(grant.expires);
    let token: [u8; 16] = hex::decode(&grant.token_id)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(ProblemCode::NotDelegable)?;
    let usual = wallet::operation(reservation, grant).ok_or(ProblemCode::NotDelegable)?;
    let operations = [usual, Operation::Reopen, Operation::Status]
        .into_iter()
        .filter(|operation| grant.operations.contains(operation))
        .fold(Operations::NONE, |set, operation| set.with(on_air(operation)));
    if expires <= wallet.hub_time(cx.now) {
        return Err(ProblemCode::TokenExpired);
    }
    Ok(Delegation {
        token: TokenId(token),
        to,
        doors: vec![Door(compartment.door)],
        operations,
        not_before: Timestamp(grant.not_before.max(0).unsigned_abs()),
        expires: Timestamp(expires.unsigned_abs()),
        uses: 1,
    })
}

fn compose(id: &str, delegation: Vec<u8>, wallet: &Wallet, cx: &Cx<'_>) -> Option<String> {
    let reservation = wallet.reservation(id)?;
    let compartment = reservation.compartment.as_ref()?;
    let locker = wallet.locker(&compartment.locker)?;
    let access = Access {
        token: wallet::decode(&wallet.grant(id, cx.now)?.token)?,
        delegation,
        locker: wallet::identity(locker)?,
        label: compartment.label.clone(),
        title: text::clipped(reservation.title.clone(), in_person::MAX_NAME),
        locker_name: text::clipped(locker.name.clone(), in_person::MAX_NAME),
        reopen_minutes: locker.reopen_minutes,
    };
    Some(access.text())
}

fn read_access(text: &str, key: &event::DeviceKey, wallet: &mut Wallet, cx: &Cx<'_>) -> Option<String> {
    let access = Access::read(text)?;
    let (delegation, _) = delegation::parse(&access.delegation).ok()?;
    let expires = i64::try_from(delegation.expires.0).ok()?;
    if delegation.to != own(key) || expires <= wallet.hub_time(cx.now) {
        return None;
    }
    let door = delegation.doors.first()?.0;
    let locker_id = access.locker.id.to_string();
    let token_id = hex::encode(delegation.token.0);
    // The guest's own name for it: the hub has none.
    let id = format!("in-person-{}-{door}", &token_id[..16]);
    let reservation = Reservation {
        id: id.clone(),
        version: 0,
        kind: Kind::Pickup,
        state: State::Ready,
        title: access.title,
        carrier: Carrier { id: String::new(), name: String::new() },
        reference: None,
        site: None,
        compartment: Some(Compartment { locker: locker_id.clone(), door, label: access.label.clone() }),
        role: Role::Guest,
        until: Some(expires),
        since: Some(cx.now.unix()),
        identification: None,
        unproven: false,
        checking: false,
        care: None,
        lent: false,
        flat: None,
        opening: None,
        actions: vec![Action::Open, Action::Reopen],
        shares: Vec::new(),
        timeline: Vec::new(),
        reports: Vec::new(),
    };
    let locker = LockerDescriptor {
        id: locker_id.clone(),
        name: access.locker_name,
        site: String::new(),
        static_key: wallet::encode(&access.locker.static_key),
        receipt_key: wallet::encode(&access.locker.receipt_key),
        scanner: false,
        keypad: false,
        content_sensors: false,
        reopen_minutes: access.reopen_minutes,
        doors: Vec::new(),
    };
    let operations =
        [Operation::Collect, Operation::Reopen, Operation::Deposit, Operation::Access, Operation::Status]
            .into_iter()
            .filter(|operation| delegation.operations.contains(on_air(*operation)))
            .collect();
    let grant = Grant {
        reservation: id.clone(),
        locker: locker_id,
        doors: vec![door],
        operations,
        not_before: i64::try_from(delegation.not_before.0).ok()?,
        expires,
        uses: delegation.uses,
        delegable: false,
        token_id,
        token: wallet::encode(&access.token),
        occupancy: 0,
        pin: None,
        no_pin: None,
        receipts_from: None,
    };
    let taken = wallet::is_plausible(&grant)
        && wallet.take_delegation(reservation, locker, grant, wallet::encode(&access.delegation));
    taken.then_some(id)
}
