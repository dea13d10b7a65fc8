//! Answers of the hub, to the machine that asked.

use postern_api::{
    account::Account,
    growth::Word,
    locker::Sites,
    problem::Code,
    reservation::Assets,
    reservation::{Reservation, ShareOffer, State},
    resident::HomeInvitation,
    sync::{Changes, ReceiptResult, ReceiptResults},
    token::{Bulletins, Grants},
};

use super::{Core, env, picture::opened_by_guess};
use crate::{
    cx::Cx,
    desk::Errand,
    effect::NotificationKind,
    event::{HttpFailure, HttpResponse, Payload, Ticket},
    homes,
    line::{Call, Miss, Purpose, outcome, parse},
    outbox::{Entry, Settled, What},
    session::News,
    sharing::IN_PERSON,
    store::Kept,
    sync::Page,
    view::{NoticeCode, ProblemCode, ProblemView},
};

/// Where the end of the account was asked for and no answer came, one may still be on its way for so many seconds.
const DELETION_S: u64 = 60;

impl Core {
    pub(super) fn on_http(
        &mut self,
        ticket: Ticket,
        result: Result<HttpResponse, HttpFailure>,
        cx: &mut Cx<'_>,
    ) {
        let date = result.as_ref().ok().and_then(|response| response.date);
        if self.sign_in.owns(ticket) {
            let claim = self.sign_in.claim().map(|(_, claim)| claim.to_owned());
            if let Some(live) = self.sign_in.on_http(result, cx) {
                self.network.heard(date, cx.now);
                self.revoked = false;
                self.session.begin(live, cx);
                // The hub took a claim link with the sign-in; an invitation to a flat is to be looked at first.
                self.claim = claim.filter(|claim| homes::code_in(claim).is_some());
                self.sync.start(cx);
            }
        } else if self.session.owns(ticket) {
            let news = self.session.on_renewal(ticket, result, cx);
            self.on_session(news, cx);
        } else if let Some(call) = self.line.take(ticket) {
            let answer = outcome(result);
            match answer {
                Ok(_) | Err(Miss::Refused { .. }) => self.network.heard(date, cx.now),
                Err(_) => {}
            }
            if let Err(miss) = answer {
                self.network.missed(miss);
            }
            match answer {
                Err(Miss::Refused { code: Code::DeviceRevoked, .. }) => self.revoke(cx),
                Err(Miss::Refused { code: Code::Unauthenticated, .. }) if !call.renewed => {
                    self.session.distrust_access_token();
                    self.line.again(call);
                }
                answer => self.on_answer(call, answer, cx),
            }
        }
    }

    fn on_session(&mut self, news: News, cx: &mut Cx<'_>) {
        match news {
            News::None | News::Renewed => {}
            News::Stuck(miss) => {
                self.network.missed(miss);
                self.answer_waiting(miss, cx);
            }
            News::Ended if self.kept.deleting.is_some() => {
                // The hub knows of neither session nor account any more, as was asked of it.
                self.wipe(cx);
                self.revoked = false;
            }
            News::Ended => {
                let miss = Miss::Refused { code: Code::Unauthenticated, wait: None };
                self.answer_waiting(miss, cx);
                self.sync.pause(cx);
            }
            News::Revoked => self.revoke(cx),
        }
    }

    /// Answers that are awaited no longer: whoever asked is told that nobody answered.
    pub(super) fn give_up_late(&mut self, cx: &mut Cx<'_>) {
        let miss = Miss::NoNetwork;
        if self.session.drive(cx) {
            self.on_session(News::Stuck(miss), cx);
        }
        for call in self.line.overdue(cx.now.monotonic_ms) {
            self.network.missed(miss);
            self.on_answer(call, Err(miss), cx);
        }
    }

    /// Calls that cannot go now: whoever asked backs off by itself.
    fn answer_waiting(&mut self, miss: Miss, cx: &mut Cx<'_>) {
        for call in self.line.give_up_waiting() {
            self.on_answer(call, Err(miss), cx);
        }
    }

    fn on_answer(&mut self, call: Call, answer: Result<Payload, Miss>, cx: &mut Cx<'_>) {
        match call.purpose {
            Purpose::Me => {
                let account = self.checked(parse::<Account>(answer));
                self.sync.on_account(account.is_ok(), cx);
                if let Ok(account) = account {
                    self.on_account(account, cx);
                }
            }
            Purpose::Changes => {
                let changes = self.checked(parse::<Changes>(answer));
                let first = self.sync.cursor().is_none();
                if let Some(page) = self.sync.on_changes(changes, cx) {
                    self.on_page(page, first, cx);
                }
            }
            Purpose::Grants(asked) => {
                let grants = self.checked(parse::<Grants>(answer));
                self.kept.wallet.on_grants(&asked, grants, cx);
            }
            Purpose::FreshGrant => {
                let grants = self.checked(parse::<Grants>(answer));
                if self.unlock.fetches_for_any_session()
                    && let Ok(grants) = &grants
                {
                    for grant in &grants.grants {
                        self.kept.wallet.keep_grant(grant.clone(), cx.now);
                    }
                    cx.out.save_soon();
                }
                let env = env(&self.kept, &self.session, self.adapter, &self.network);
                self.unlock.on_grant(grants, &env, cx);
            }
            Purpose::Bulletins => {
                let bulletins = self.checked(parse::<Bulletins>(answer));
                self.kept.wallet.on_bulletins(bulletins, cx);
            }
            Purpose::Outbox => self.on_told(answer, cx),
            Purpose::Sites(asked) => {
                let sites = self.checked(parse::<Sites>(answer));
                self.finder.on_sites(asked, sites);
            }
            Purpose::Assets(asked) => {
                let assets = self.checked(parse::<Assets>(answer));
                self.lending.on_assets(asked, assets);
            }
            Purpose::Desk(errand) => self.on_errand(errand, answer, cx),
            Purpose::Home(step, asked) => {
                let answer = self.checked(parse::<HomeInvitation>(answer));
                if self.homes.on_answer(step, asked, answer) {
                    self.claim = None;
                    cx.out.call(Call::get(Purpose::Desk(Errand::Account), "/v1/me".into()));
                    self.sync.wake(cx);
                }
            }
            Purpose::Claim => match answer {
                Ok(taken) => {
                    self.claim = None;
                    let taken = taken.peek::<Reservation>().map(|reservation| reservation.id);
                    self.notices.tell(NoticeCode::AccessTaken, taken);
                    self.sync.wake(cx);
                }
                Err(miss) if miss.passes() => {
                    // It goes again with the next good answer.
                }
                Err(_) => {
                    self.claim = None;
                    self.notices.tell(NoticeCode::InvitationInvalid, None);
                }
            },
        }
    }

    /// What became of an errand about the account.
    fn on_errand(&mut self, errand: Errand, answer: Result<Payload, Miss>, cx: &mut Cx<'_>) {
        let miss = match errand {
            Errand::Passkeys => {
                self.checked(parse(answer)).map(|passkeys| self.desk.on_passkeys(passkeys)).err()
            }
            Errand::Deletion => {
                self.checked(parse(answer)).map(|deletion| self.desk.on_deletion(deletion)).err()
            }
            Errand::Codes => self.checked(parse(answer)).map(|codes| self.desk.on_codes(codes)).err(),
            Errand::Export => {
                self.checked(parse::<serde_json::Value>(answer)).map(|all| self.desk.on_export(&all)).err()
            }
            Errand::Account | Errand::Name | Errand::Email | Errand::Confirm | Errand::Forget => {
                self.checked(parse::<Account>(answer)).map(|account| self.on_account(account, cx)).err()
            }
            Errand::RemovePasskey => answer.err(),
            Errand::Leave => {
                self.sync.wake(cx);
                answer.err()
            }
            Errand::Delete => match answer {
                Ok(_) => {
                    self.desk.close();
                    self.wipe(cx);
                    self.revoked = false;
                    return;
                }
                Err(miss) => {
                    if !miss.passes() {
                        self.kept.deleting = None;
                        cx.out.save_soon();
                    }
                    Some(miss)
                }
            },
        };
        self.desk.done(errand, miss, cx);
    }

    /// A success that is not of the contract was not the hub's.
    fn checked<T>(&mut self, answer: Result<T, Miss>) -> Result<T, Miss> {
        if let Err(Miss::NotTheHub) = answer {
            self.network.missed(Miss::NotTheHub);
        }
        answer
    }

    fn on_account(&mut self, account: Account, cx: &mut Cx<'_>) {
        let hub = self.session.hub().map(|hub| hub.id.clone());
        let same =
            self.kept.hub == hub && self.kept.account.as_ref().is_some_and(|known| known.id == account.id);
        if !same {
            // Somebody else's things stay with nobody.
            let settings = self.kept.settings.clone();
            let had_none = self.kept.account.is_none();
            if !had_none {
                self.unlock.clear(cx);
                self.kept = Kept::default();
                self.kept.settings = settings;
                self.kept.settings.address_site = None;
                self.desk.close();
                self.sync.stop(cx);
                self.sync.start(cx);
            }
            self.kept.hub = hub;
        }
        // Said on another device; what was said here and waits goes before.
        let waits =
            |entry: &Entry| matches!(entry.what, What::PreferLowDoors { .. }) && entry.refused.is_none();
        if !self.kept.outbox.entries().iter().any(waits) {
            self.kept.settings.prefer_low_doors = account.prefers_low_doors;
        }
        self.session.set_account(account);
        self.kept.account = self.session.account().cloned();
        cx.out.save_soon();
    }

    fn on_page(&mut self, page: Page, first: bool, cx: &mut Cx<'_>) {
        if page.anew {
            for (receipt, reservation) in self.kept.receipts.offer_again() {
                self.kept.outbox.put(Some(reservation), What::Receipt { receipt }, cx);
            }
        }
        let arrivals = self.kept.wallet.apply(page);
        // An account that is still there long after its end was asked for does not end.
        if self.kept.deleting.is_some_and(|asked| cx.now.unix().abs_diff(asked) > DELETION_S) {
            self.kept.deleting = None;
        }
        // It answers again: what waited goes now.
        self.kept.outbox.wake();
        self.kept.wallet.wake();
        let settled: Vec<String> = self
            .unlock
            .pendings()
            .keys()
            .filter(|id| {
                // What this version cannot read may be open still.
                let unreadable = self.kept.wallet.is_newer(id);
                !unreadable
                    && self.kept.wallet.reservation(id).is_none_or(|reservation| {
                        !matches!(
                            reservation.state,
                            State::Ready | State::Booked | State::Held | State::InTransit | State::Expired
                        ) && !opened_by_guess(reservation)
                    })
            })
            .cloned()
            .collect();
        for id in settled {
            self.unlock.settle(&id);
        }
        for (id, taken) in self.kept.wallet.words_to_tell() {
            // Where the locker is still to be asked, its receipt makes the word good.
            if !self.unlock.is_pending(&id) {
                self.kept.wallet.told(&id);
                self.kept.outbox.put(Some(id), What::Taken { taken }, cx);
            }
        }
        self.draw_codes();
        self.kept.reminders.forget_gone(&self.kept.wallet);
        self.send_claim(cx);
        if !first {
            for id in arrivals.ready {
                let notification = self.notification(NotificationKind::Ready, &id, cx.now.unix());
                cx.out.notify(notification);
                self.notices.tell(NoticeCode::NewReady, Some(id));
            }
            for id in arrivals.answered {
                let notification = self.notification(NotificationKind::ReportAnswered, &id, cx.now.unix());
                cx.out.notify(notification);
                self.notices.tell(NoticeCode::ReportAnswered, Some(id));
            }
        }
        cx.out.save_soon();
    }

    fn on_told(&mut self, answer: Result<Payload, Miss>, cx: &mut Cx<'_>) {
        match self.kept.outbox.on_answer(answer, cx) {
            Settled::Waiting => {}
            Settled::Refused(entry) => {
                if let What::Receipt { receipt } = &entry.what {
                    self.kept.receipts.settled(receipt, false);
                    self.kept.outbox.dismiss(entry.id, cx);
                } else {
                    match (&entry.what, &entry.reservation) {
                        (What::Taken { .. }, Some(id)) => self.kept.wallet.not_taken(id),
                        (What::Placed { .. }, Some(id)) => self.kept.wallet.not_placed(id),
                        _ => {}
                    }
                    self.notices.tell(NoticeCode::Conflict, entry.reservation);
                }
                self.sync.wake(cx);
            }
            Settled::Taken(entries, body) => {
                let results = body.peek::<ReceiptResults>();
                let mut results = results.into_iter().flat_map(|results| results.results);
                let mut receipts = false;
                for entry in entries {
                    self.on_done(&entry, &body);
                    if let What::Receipt { receipt } = &entry.what {
                        receipts = true;
                        // A word that this version does not know is no refusal: the hub has it.
                        let refused = |result: Word<ReceiptResult>| {
                            matches!(result.known(), Some(ReceiptResult::Invalid | ReceiptResult::Fork))
                        };
                        let accepted = !results.next().is_some_and(refused);
                        self.kept.receipts.settled(receipt, accepted);
                        let all = |id: &&String| self.kept.receipts.has_delivered_all_of(id);
                        if let Some(id) = entry.reservation.as_ref().filter(all) {
                            self.kept.wallet.heard(id);
                        }
                    }
                }
                if receipts && self.kept.receipts.all_delivered() {
                    self.notices.tell(NoticeCode::Delivered, None);
                }
                self.sync.wake(cx);
            }
        }
    }

    /// What the hub's answer to one entry says beyond yes.
    fn on_done(&mut self, entry: &Entry, body: &Payload) {
        let Some(reservation) = &entry.reservation else { return };
        match &entry.what {
            What::Share { name, .. } => {
                if let Some(offer) = body.peek::<ShareOffer>()
                    && crate::sign_in::base_url(&offer.link).is_some()
                {
                    self.sharing.offer(reservation.clone(), name.clone(), offer);
                }
            }
            What::Placed { .. } => self.kept.wallet.heard(reservation),
            What::RevokeShare { share } if share == IN_PERSON => {
                self.kept.given.ended(reservation);
                // What is given from now on is of another token: every delegation of this one was ended.
                self.kept.wallet.drop_grant(reservation);
            }
            _ => {}
        }
    }

    /// A problem of the hub for the sign-in screen.
    pub(super) fn hub_problem(code: ProblemCode) -> ProblemView {
        ProblemView { code, retry: true, wait_seconds: None }
    }
}
