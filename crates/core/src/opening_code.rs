//! The opening code for lockers with a scanner: signed by the device key, renewed every 15 s while it is shown
//! (PROTOCOL.md, opening code). A screenshot of it dies in seconds.

use postern_protocol::{
    Door, OperationNonce, Timestamp,
    qr::{self, OpeningCode as Code, RENEW_AFTER},
};

use crate::{
    cx::Cx,
    effect::Effect,
    event::Ticket,
    qr::draw,
    unlock::on_air,
    view::{OpeningCodeView, ProblemCode, ProblemView, QrView},
    wallet::{self, Wallet},
};

/// What is shown.
struct Shown {
    reservation: String,
    /// The same for all codes of one showing: the locker takes the first only.
    nonce: [u8; 8],
    signing: Option<(Ticket, Code)>,
    qr: Option<QrView>,
    renews_at: u64,
    renews_at_ms: i64,
    problem: Option<ProblemView>,
}

/// The machine.
#[derive(Default)]
pub(crate) struct OpeningCode {
    shown: Option<Shown>,
}

/// How long the key may take to sign.
const SIGN_MS: u64 = 5_000;

impl OpeningCode {
    /// The customer holds the phone to the scanner: a gesture that stands as long as the code is shown.
    pub(crate) fn show(&mut self, reservation: String, cx: &mut Cx<'_>) {
        if self.shown.as_ref().is_some_and(|shown| shown.reservation == reservation) {
            return;
        }
        self.shown = Some(Shown {
            reservation,
            nonce: cx.random(),
            signing: None,
            qr: None,
            renews_at: cx.now.monotonic_ms,
            renews_at_ms: cx.now.unix_ms,
            problem: None,
        });
    }

    /// Not any more.
    pub(crate) fn hide(&mut self) {
        self.shown = None;
    }

    /// When something must happen.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.shown.as_ref().map(|shown| shown.renews_at)
    }

    /// Renews it when it is time.
    pub(crate) fn drive(&mut self, wallet: &Wallet, cx: &mut Cx<'_>) {
        let Some(shown) = &mut self.shown else { return };
        if cx.now.monotonic_ms < shown.renews_at {
            return;
        }
        let wait = if shown.signing.is_some() { 0 } else { 1000 * RENEW_AFTER };
        if wait == 0 {
            // The key did not answer: the code on the screen is too old to be shown.
            shown.qr = None;
            shown.signing = None;
        }
        shown.renews_at = cx.now.monotonic_ms + SIGN_MS;
        shown.renews_at_ms = cx.now.unix_ms + 5_000;
        let found = wallet.reservation(&shown.reservation).and_then(|reservation| {
            let grant = wallet.grant(&shown.reservation, cx.now)?;
            let operation = wallet::operation(reservation, grant)?;
            let token = wallet::decode(&grant.token)?;
            Some((reservation.compartment.as_ref()?.door, operation, token))
        });
        // A guest has no opening code (PROTOCOL.md): the token's own key must sign.
        let found = found.filter(|_| !wallet.is_delegated(&shown.reservation));
        let Some((door, operation, token)) = found else {
            shown.qr = None;
            shown.problem =
                Some(ProblemView { code: ProblemCode::TokenExpired, retry: true, wait_seconds: None });
            return;
        };
        let code = Code {
            token,
            door: Door(door),
            operation: on_air(operation),
            // A locker compares with its own clock, which the hub set.
            at: Timestamp(wallet.hub_time(cx.now).max(0).unsigned_abs()),
            nonce: OperationNonce(shown.nonce),
        };
        let ticket = cx.out.ticket();
        cx.out.push(Effect::Sign { ticket, message: qr::signing_input(&code) });
        shown.signing = Some((ticket, code));
    }

    /// Whether a signature is for this machine.
    pub(crate) fn owns(&self, ticket: Ticket) -> bool {
        matches!(self.shown.as_ref().and_then(|shown| shown.signing.as_ref()),
            Some((own, _)) if *own == ticket)
    }

    /// The device key signed, or refused.
    pub(crate) fn on_signed(&mut self, signature: Option<[u8; 64]>, cx: &Cx<'_>) {
        let Some(shown) = &mut self.shown else { return };
        let Some((_, code)) = shown.signing.take() else { return };
        match signature {
            Some(signature) => {
                shown.qr = draw(&qr::assemble(&code, signature));
                shown.problem = None;
                shown.renews_at = cx.now.monotonic_ms + 1000 * RENEW_AFTER;
                shown.renews_at_ms = cx.now.unix_ms + 15_000;
            }
            None => {
                shown.qr = None;
                shown.problem =
                    Some(ProblemView { code: ProblemCode::KeyRefused, retry: true, wait_seconds: None });
                // Asking a key that the customer declined again and again would be a nuisance.
                shown.renews_at = u64::MAX;
            }
        }
    }

    /// For the window.
    pub(crate) fn view(&self) -> Option<OpeningCodeView> {
        self.shown.as_ref().map(|shown| OpeningCodeView {
            reservation: shown.reservation.clone(),
            qr: shown.qr.clone(),
            renews_at_ms: shown.renews_at_ms,
            problem: shown.problem.clone(),
        })
    }
}
