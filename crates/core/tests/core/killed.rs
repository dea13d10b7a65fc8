//! The process ends before each effect in turn: nothing that the customer said is lost, nothing is done twice, and nothing is
//! left of what was to go.

use std::collections::{BTreeMap, BTreeSet};

use postern_api::{account::PHONE_REDIRECT, problem::Code, reservation::State};
use postern_core::{
    effect::Method,
    event::Event,
    intent::Intent,
    view::{SessionView, StateView},
};

use crate::rig::{HUB, Rig, START_MS, redirect_for, reservation};

/// Longer than any answer is awaited, and than any pause before another try at first.
const LONG: u64 = 120_000;

fn is_signed_in(rig: &Rig) -> bool {
    matches!(rig.view().session, SessionView::SignedIn { .. })
}

fn is_empty(rig: &Rig) -> bool {
    let view = rig.view();
    matches!(view.session, SessionView::SignedOut { problem: None })
        && view.reservations.is_empty()
        && view.receipts.is_empty()
        && view.outbox.is_empty()
        && rig.session.is_none()
}

/// Does `act` in a process that ends before its effect number `at`, and starts another one. False where it did not come to that.
fn killed(rig: &mut Rig, at: u32, act: impl FnOnce(&mut Rig)) -> bool {
    rig.effects_done = 0;
    rig.die_at = Some(at);
    act(rig);
    let dead = rig.dead;
    rig.restart();
    dead
}

/// Signed out or not, and never something between. Who finds the app as it was signs out once more.
#[test]
fn signing_out_is_done_whole_or_not_at_all() {
    let mut steps = 0;
    for at in 0.. {
        let mut rig = Rig::with_parcels(800, &[3]);
        rig.hub.online = false;
        rig.open(&["r3"]);
        rig.close_door(3);
        rig.intent(Intent::ConfirmTaken { reservation: "r3".into(), taken: true });
        let dead = killed(&mut rig, at, |rig| rig.intent(Intent::SignOut));
        if rig.wiped == 0 {
            assert!(is_signed_in(&rig), "step {at}");
            assert_eq!(rig.reservation("r3").state, StateView::Collected, "step {at}");
            assert_eq!(rig.view().outbox.len(), 3, "step {at}: nothing of it is lost");
            rig.intent(Intent::SignOut);
        }
        assert!(is_empty(&rig), "step {at}: {:?}", rig.view().session);
        rig.hub.online = true;
        rig.advance(LONG);
        assert!(is_empty(&rig), "step {at}: nothing comes back");
        assert!(rig.hub.calls("/v1/receipts").is_empty());
        steps += u32::from(dead);
        if !dead {
            break;
        }
    }
    assert!(steps >= 2, "{steps}");
}

/// The hub has ended the account and the app never heard so: what it kept goes all the same, and nobody is asked to sign in again.
#[test]
fn a_deleted_account_is_gone_whenever_the_process_ended() {
    let mut outcomes = BTreeSet::new();
    for at in 0.. {
        let mut rig = Rig::with_parcels(801, &[3]);
        let dead = killed(&mut rig, at, |rig| rig.intent(Intent::DeleteAccount));
        rig.advance(LONG);
        outcomes.insert((rig.hub.deleted, rig.wiped));
        if rig.hub.deleted {
            assert!(is_empty(&rig), "step {at}: {:?}", rig.view().session);
        } else {
            assert!(is_signed_in(&rig), "step {at}");
            assert_eq!(rig.reservation("r3").state, StateView::Ready, "step {at}");
            // It was never asked; and it is asked by nobody but the customer.
            rig.intent(Intent::DeleteAccount);
            assert!(rig.hub.deleted && is_empty(&rig), "step {at}");
        }
        let asked = rig.hub.seen.iter().filter(|seen| seen.method == Method::Delete).count();
        assert_eq!(asked, 1, "step {at}");
        assert_eq!(rig.wiped, 1, "step {at}");
        if !dead {
            break;
        }
    }
    assert_eq!(outcomes.len(), 2, "before the hub had heard of it, and after");
}

#[test]
fn a_deletion_whose_answer_got_lost_ends_the_wallet() {
    let mut rig = Rig::with_parcels(802, &[3]);
    rig.swallow = Some("/v1/me");
    rig.intent(Intent::DeleteAccount);
    rig.advance(LONG);
    rig.swallow = None;
    rig.intent(Intent::Refresh);
    assert!(rig.hub.deleted && is_empty(&rig), "{:?}", rig.view().session);
}

/// The hub never heard of it, or would not. A session that ends long after, for another reason, leaves the wallet as ever.
#[test]
fn an_account_that_was_not_deleted_keeps_its_wallet() {
    let sign_in_again = |rig: &mut Rig| {
        // Ended by its age, and not by the customer.
        rig.hub.deleted = true;
        rig.intent(Intent::Refresh);
        rig.advance(LONG);
        assert_eq!((rig.wiped, rig.view().reservations.len()), (0, 1));
    };
    let mut rig = Rig::with_parcels(803, &[3]);
    rig.hub.online = false;
    rig.intent(Intent::DeleteAccount);
    rig.advance(LONG);
    rig.hub.online = true;
    rig.intent(Intent::Refresh);
    rig.advance(1_000);
    sign_in_again(&mut rig);

    let mut rig = Rig::with_parcels(804, &[3]);
    rig.hub.refuse.insert("/v1/me".into(), (409, Code::WrongState));
    rig.intent(Intent::DeleteAccount);
    rig.hub.refuse.clear();
    sign_in_again(&mut rig);
}

fn claimable(rig: &mut Rig) {
    rig.hub.claimable = Some(reservation("r9", 2, State::Ready));
}

/// The link comes once: no phone brings it to the next process. It is taken up all the same, by whichever process there is.
#[test]
fn a_claim_link_is_taken_up_whenever_the_process_ended() {
    for online in [true, false] {
        claim_link_is_taken_up(online);
    }
}

/// Followed with a network, or without one that comes later.
fn claim_link_is_taken_up(online: bool) {
    for at in 0.. {
        let mut rig = Rig::with_parcels(805, &[3]);
        claimable(&mut rig);
        rig.hub.online = online;
        let link = || Event::DeepLink { url: format!("{HUB}/claim/abc123") };
        let dead = killed(&mut rig, at, |rig| rig.event(link()));
        rig.advance(LONG);
        rig.hub.online = true;
        rig.intent(Intent::Refresh);
        rig.advance(LONG);
        if at == 0 {
            assert!(rig.hub.claimed.is_empty(), "nothing had been done");
            rig.event(link());
            rig.advance(LONG);
        }
        assert_eq!(rig.reservation("r9").state, StateView::Ready, "step {at}");
        assert!((1..=2).contains(&rig.hub.claimed.len()), "step {at}: {:?}", rig.hub.claimed);
        assert!(rig.hub.claimed.iter().all(|one| one == r#"{"claim":"abc123"}"#));
        // And is over then.
        let claimed = rig.hub.claimed.len();
        rig.restart();
        rig.intent(Intent::Refresh);
        rig.advance(LONG);
        assert_eq!(rig.hub.claimed.len(), claimed, "step {at}");
        if !dead {
            break;
        }
    }
}

/// Who is not signed in yet signs in for it, in the process that got the link or in the next one.
#[test]
fn a_claim_link_waits_for_the_sign_in_over_the_end_of_the_process() {
    for at in 0.. {
        let mut rig = Rig::new(806);
        rig.redirect = PHONE_REDIRECT;
        let link = || Event::DeepLink { url: format!("{HUB}/claim/abc123") };
        let dead = killed(&mut rig, at, |rig| rig.event(link()));
        let mut page = rig.browser.take();
        if page.is_none() {
            page = match rig.view().session {
                SessionView::InBrowser { url, .. } => Some(url),
                _ => None,
            };
        }
        let page = page.unwrap_or_else(|| {
            assert!(rig.hub.calls("/oauth/token").is_empty());
            rig.intent(Intent::SignIn { hub: None });
            rig.browser.take().expect("the browser opens")
        });
        assert_eq!(page.contains("claim=abc123"), at > 0, "step {at}: {page}");
        rig.event(Event::Redirected { url: redirect_for(&page, "the-code") });
        assert!(is_signed_in(&rig), "step {at}");
        // The hub took it with the sign-in: it is not brought once more.
        rig.restart();
        rig.advance(LONG);
        assert!(rig.hub.claimed.is_empty(), "step {at}");
        if !dead {
            break;
        }
    }
}

/// Given up, it is given up for the next process as well; and so is one of another hub.
#[test]
fn a_claim_link_that_was_given_up_does_not_come_back() {
    let mut rig = Rig::new(807);
    rig.event(Event::DeepLink { url: format!("{HUB}/claim/abc123") });
    rig.browser = None;
    rig.intent(Intent::CancelSignIn);
    rig.advance(5_000);
    rig.restart();
    rig.intent(Intent::SignIn { hub: None });
    assert!(!rig.browser.take().unwrap().contains("claim"));

    let mut rig = Rig::new(808);
    rig.hub.online = false;
    rig.event(Event::DeepLink { url: format!("{HUB}/claim/abc123") });
    rig.restart();
    rig.hub.online = true;
    rig.intent(Intent::SignIn { hub: Some("http://localhost:9001".into()) });
    assert!(rig.browser.take().is_none_or(|page| !page.contains("abc123")), "another hub");
}

/// What the hub did of it, by path: the keys that it saw. The same key twice is the same wish.
fn wishes(rig: &Rig) -> BTreeMap<String, BTreeSet<String>> {
    let mut wishes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for seen in &rig.hub.seen {
        if let Some(key) = seen.key.clone().filter(|_| seen.path.starts_with("/v1/reservations/")) {
            wishes.entry(seen.path.clone()).or_default().insert(key);
        }
    }
    wishes
}

/// Every word reaches the hub, under one key however often it is said, and in its order; over two ends of the process.
#[test]
fn no_word_to_the_hub_is_lost_or_said_twice_over_ends_of_the_process() {
    let until = START_MS / 1000 + 5 * 86_400;
    let words = [
        Intent::ConfirmTaken { reservation: "r3".into(), taken: true },
        Intent::Extend { reservation: "r4".into(), until },
    ];
    let mut twice = 0;
    for at in 0.. {
        let mut ended = false;
        for again in 0..8 {
            let mut rig = Rig::with_parcels(809, &[3, 4]);
            rig.open(&["r3"]);
            rig.close_door(3);
            rig.advance(5_000);
            let mut said = 0;
            let first = killed(&mut rig, at, |rig| {
                for word in &words {
                    if !rig.dead {
                        rig.intent(word.clone());
                        said += 1;
                    }
                }
            });
            // What was said and not written is not shown as done either.
            let waiting = rig.view().outbox.len();
            let second = killed(&mut rig, again, |rig| rig.advance(5_000));
            rig.advance(LONG);
            assert!(rig.view().outbox.is_empty(), "ends {at}, {again}: {:?}", rig.view().outbox);
            let wishes = wishes(&rig);
            for (path, keys) in &wishes {
                assert_eq!(keys.len(), 1, "ends {at}, {again}: {path} was wished twice");
            }
            let calls = rig.hub.seen.iter().filter(|seen| wishes.contains_key(&seen.path)).count();
            twice += u32::from(calls > wishes.len());
            assert!(wishes.len() >= waiting, "ends {at}, {again}: {wishes:?}");
            if !first {
                assert_eq!((said, wishes.len()), (2, 2), "ends {at}, {again}");
            }
            let shown = rig.reservation("r3").state;
            let taken = wishes.contains_key("/v1/reservations/r3/taken");
            assert_eq!(shown == StateView::Collected, taken, "ends {at}, {again}: {shown:?}");
            ended |= !first;
            if !second {
                break;
            }
        }
        if ended {
            break;
        }
    }
    assert!(twice > 0, "an answer died with its process");
}
