//! Nobody waits for ever: not for an answer that got lost, and not for a process that was ended behind the browser.

use std::collections::BTreeSet;

use postern_api::{account::PHONE_REDIRECT, reservation::Action};
use postern_core::{
    event::{Event, HttpFailure},
    intent::Intent,
    view::{NetworkView, ProblemCode, SessionView},
};

use crate::rig::{Rig, core, redirect_for};

/// Longer than any answer is awaited.
const LONG: u64 = 50_000;

fn problem(rig: &Rig) -> Option<ProblemCode> {
    match rig.view().session {
        SessionView::SignedOut { problem } | SessionView::InBrowser { problem, .. } => {
            problem.map(|it| it.code)
        }
        _ => None,
    }
}

fn is_signed_in(rig: &Rig) -> bool {
    matches!(rig.view().session, SessionView::SignedIn { .. })
}

/// A phone: the browser comes back by a link, and each code is good once.
fn phone(seed: u64) -> Rig {
    let mut rig = Rig::new(seed);
    rig.redirect = PHONE_REDIRECT;
    rig.hub.codes = Some(BTreeSet::new());
    rig
}

#[test]
fn a_sign_in_whose_answer_gets_lost_ends_with_words() {
    let mut rig = Rig::new(400);
    rig.swallow = Some("/.well-known/postern");
    rig.intent(Intent::SignIn { hub: None });
    rig.advance(LONG);
    assert_eq!(problem(&rig), Some(ProblemCode::HubUnreachable));
    // And an answer that comes after all sends nobody to a browser.
    let late = rig.swallowed.remove(0);
    rig.event(late);
    assert!(rig.browser.is_none());

    let mut rig = Rig::new(401);
    rig.intent(Intent::SignIn { hub: None });
    let page = rig.browser.take().unwrap();
    rig.swallow = Some("/oauth/token");
    rig.event(Event::Redirected { url: redirect_for(&page, "code") });
    rig.advance(LONG);
    assert_eq!(problem(&rig), Some(ProblemCode::HubUnreachable));
    rig.swallow = None;
    rig.sign_in();
    assert!(is_signed_in(&rig));
}

#[test]
fn without_a_way_back_the_sign_in_ends_at_once() {
    let mut rig = Rig::new(402);
    rig.redirect = "http://192.168.1.5/callback";
    rig.queue.push_back(Event::Intent(Intent::SignIn { hub: None }));
    rig.settle();
    assert_eq!(problem(&rig), Some(ProblemCode::BrowserFailed));
}

#[test]
fn a_fetch_whose_answer_gets_lost_is_made_again() {
    let mut rig = Rig::with_parcels(403, &[3]);
    rig.swallow = Some("/v1/changes");
    rig.intent(Intent::Refresh);
    let asked = rig.hub.calls("/v1/changes").len();
    rig.advance(LONG);
    assert!(matches!(rig.view().network, NetworkView::Offline { .. }), "{:?}", rig.view().network);
    rig.swallow = None;
    rig.advance(LONG);
    assert!(rig.hub.calls("/v1/changes").len() > asked);
    assert_eq!(rig.view().network, NetworkView::Online);
}

#[test]
fn every_call_to_the_hub_is_given_up_and_made_again() {
    for path in ["/v1/me", "/v1/tokens", "/v1/receipts", "/v1/assets"] {
        let mut rig = Rig::with_parcels(404, &[3]);
        rig.swallow = Some(path);
        rig.open(&["r3"]);
        rig.intent(Intent::FindThings);
        rig.advance(61_000);
        rig.intent(Intent::Refresh);
        rig.advance(3_600_000);
        let asked = rig.hub.calls(path).len();
        assert!(asked > 0, "{path} was never asked for");
        rig.swallow = None;
        rig.intent(Intent::FindThings);
        rig.intent(Intent::Refresh);
        rig.advance(86_400_000);
        assert!(rig.hub.calls(path).len() > asked, "{path} is asked for no more");
        assert_eq!(rig.view().network, NetworkView::Online, "{path}");
    }
}

#[test]
fn a_renewal_whose_answer_gets_lost_holds_nothing_up() {
    let mut rig = Rig::with_parcels(405, &[3]);
    rig.advance(890_000);
    rig.swallow = Some("/oauth/token");
    rig.intent(Intent::Refresh);
    assert_eq!(rig.swallowed.len(), 1);
    rig.advance(LONG);
    assert!(matches!(rig.view().network, NetworkView::Offline { .. }), "{:?}", rig.view().network);
    // The hub took the refresh token: the next one is in the answer that comes late.
    let late = rig.swallowed.remove(0);
    rig.swallow = None;
    rig.event(late);
    rig.intent(Intent::Refresh);
    assert_eq!(rig.view().network, NetworkView::Online);
    assert!(is_signed_in(&rig));
    // A late refusal says nothing about the renewal that was begun after it.
    rig.advance(890_000);
    rig.swallow = Some("/oauth/token");
    rig.intent(Intent::Refresh);
    rig.advance(46_000);
    let Event::Http { ticket, .. } = rig.swallowed.remove(0) else { panic!("no answer") };
    rig.swallow = None;
    rig.event(Event::Http { ticket, result: Err(HttpFailure::TimedOut) });
    rig.advance(LONG);
    assert_eq!(rig.view().network, NetworkView::Online);
}

#[test]
fn a_push_connection_that_never_stands_is_opened_again() {
    let mut rig = Rig::with_parcels(406, &[3]);
    rig.swallow = Some("/v1/events");
    rig.event(Event::Push(postern_core::event::PushEvent::Lost));
    rig.advance(5_000);
    assert!(rig.pushing, "it is being opened");
    rig.advance(44_000);
    rig.swallow = None;
    rig.advance(600_000);
    let fetched = rig.hub.calls("/v1/changes").len();
    rig.advance(600_000);
    assert_eq!(rig.hub.calls("/v1/changes").len(), fetched, "with a push connection nobody polls");
}

#[test]
fn a_sign_in_survives_the_end_of_the_process_at_every_step() {
    let mut outcomes = BTreeSet::new();
    for again in [true, false] {
        for at in 0.. {
            let mut rig = phone(410);
            rig.effects_done = 0;
            rig.die_at = Some(at);
            rig.intent(Intent::SignIn { hub: None });
            let page = rig.browser.take();
            if let (Some(page), false) = (&page, rig.dead) {
                rig.event(Event::Redirected { url: redirect_for(page, "the-code") });
            }
            let done = !rig.dead;
            rig.restart();
            // Ended before the browser opened: the page can be opened by hand from what is shown.
            let page = page.or(match rig.view().session {
                SessionView::InBrowser { url, .. } => Some(url),
                _ => None,
            });
            // Android gives the link to the new process, once more where the old one had it already; iOS does not.
            if let Some(page) = &page
                && (again || matches!(rig.view().session, SessionView::InBrowser { .. }))
            {
                rig.event(Event::Redirected { url: redirect_for(page, "the-code") });
            }
            rig.advance(LONG);
            let exchanges = rig.hub.calls("/oauth/token").len();
            match (&page, rig.view().session) {
                (Some(_), SessionView::SignedIn { .. }) => assert!((1..=2).contains(&exchanges), "step {at}"),
                // The hub had taken the code, and what it answered died with the process: said, and nothing is left over.
                (Some(_), SessionView::SignedOut { problem: Some(problem) }) => {
                    assert_eq!((problem.code, exchanges), (ProblemCode::SignInRefused, 2), "step {at}");
                    outcomes.insert("refused");
                }
                (None, SessionView::SignedOut { problem: None }) => assert_eq!(exchanges, 0, "step {at}"),
                (page, session) => panic!("step {at}: {page:?}, {session:?}"),
            }
            if !is_signed_in(&rig) {
                assert!(rig.session.is_none(), "step {at}: nothing is kept of a sign-in that is over");
                rig.intent(Intent::SignIn { hub: None });
                let page = rig.browser.take().expect("a new attempt");
                rig.event(Event::Redirected { url: redirect_for(&page, "another-code") });
                assert!(is_signed_in(&rig), "step {at}: the next attempt succeeds");
            }
            let kept = String::from_utf8(rig.session.clone().unwrap()).unwrap();
            assert!(!kept.contains("verifier") && !kept.contains("the-code"), "step {at}: {kept}");
            if done {
                break;
            }
        }
    }
    assert!(outcomes.contains("refused"));
}

#[test]
fn what_came_back_before_the_secrets_were_open_is_not_lost() {
    let mut rig = phone(420);
    rig.intent(Intent::SignIn { hub: None });
    let page = rig.browser.take().unwrap();
    rig.core = core();
    rig.air = None;
    // Others can send links too, and keep nothing of ours out.
    rig.event(Event::Redirected { url: format!("{PHONE_REDIRECT}?code=evil&state=guessed") });
    rig.event(Event::Redirected { url: redirect_for(&page, "the-code") });
    assert!(rig.hub.calls("/oauth/token").is_empty());
    rig.open_vault();
    assert!(is_signed_in(&rig));
    assert!(rig.hub.calls("/oauth/token")[0].body.contains("code=the-code"));
}

#[test]
fn a_sign_in_is_kept_for_ten_minutes_and_no_longer() {
    let mut rig = phone(421);
    rig.intent(Intent::SignIn { hub: None });
    let page = rig.browser.take().unwrap();
    assert!(rig.session.is_some());
    rig.now.unix_ms += 9 * 60_000;
    rig.restart();
    let SessionView::InBrowser { url, .. } = rig.view().session else { panic!("nobody waits any more") };
    assert_eq!(url, page, "the same page can be opened again");
    rig.advance(61_000);
    assert_eq!(problem(&rig), Some(ProblemCode::SignInAbandoned));
    assert!(rig.session.is_none());

    let mut rig = phone(422);
    rig.intent(Intent::SignIn { hub: None });
    let page = rig.browser.take().unwrap();
    rig.now.unix_ms += 11 * 60_000;
    rig.restart();
    assert_eq!(rig.view().session, SessionView::SignedOut { problem: None });
    assert!(rig.session.is_none(), "what is over is not kept");
    // Whoever comes back from the browser now is told why nothing happens.
    rig.event(Event::Redirected { url: redirect_for(&page, "code") });
    assert_eq!(problem(&rig), Some(ProblemCode::SignInAbandoned));
    assert!(rig.hub.calls("/oauth/token").is_empty());

    // A clock that was set back makes it no longer.
    let mut rig = phone(423);
    rig.intent(Intent::SignIn { hub: None });
    rig.now.unix_ms -= 86_400_000;
    rig.restart();
    rig.advance(601_000);
    assert_eq!(problem(&rig), Some(ProblemCode::SignInAbandoned));
}

#[test]
fn a_desktop_keeps_nothing_of_a_sign_in() {
    let mut rig = Rig::new(424);
    rig.intent(Intent::SignIn { hub: None });
    assert!(rig.session.is_none(), "its listener ends with the process");
    rig.restart();
    assert_eq!(rig.view().session, SessionView::SignedOut { problem: None });
}

#[test]
fn giving_up_forgets_what_was_kept_and_an_ended_session_stays() {
    let mut rig = phone(425);
    rig.intent(Intent::SignIn { hub: None });
    assert!(rig.session.is_some());
    rig.intent(Intent::CancelSignIn);
    assert!(rig.session.is_none());

    let mut rig = Rig::with_parcels(426, &[3]);
    rig.redirect = PHONE_REDIRECT;
    rig.hub.oauth_error =
        Some(postern_api::account::OAuthError { error: "invalid_grant".into(), error_description: None });
    rig.advance(900_000);
    rig.intent(Intent::Refresh);
    assert_eq!(rig.view().network, NetworkView::SignInAgain);
    rig.intent(Intent::SignIn { hub: None });
    let page = rig.browser.take().unwrap();
    rig.hub.oauth_error = None;
    rig.restart();
    assert_eq!(rig.view().reservations.len(), 1, "what was fetched is still there");
    rig.event(Event::Redirected { url: redirect_for(&page, "a-code") });
    rig.advance(2_000);
    assert!(is_signed_in(&rig));
    assert_eq!(rig.view().network, NetworkView::Online);
}

#[test]
fn a_page_of_the_hub_signs_in_in_its_own_tab() {
    // The tab goes to the sign-in page, and the page that comes back begins anew.
    let mut rig = Rig::new(427);
    rig.redirect = "http://localhost:9000/app/";
    rig.hub.codes = Some(BTreeSet::new());
    rig.intent(Intent::SignIn { hub: None });
    let page = rig.browser.take().unwrap();
    assert!(rig.session.is_some(), "what must come back is kept before the tab goes");
    rig.core = core();
    rig.air = None;
    rig.event(Event::Redirected { url: redirect_for(&page, "a-code") });
    rig.open_vault();
    assert!(is_signed_in(&rig));

    // No other page of the hub's, and no other hub's page.
    for elsewhere in
        ["https://localhost:9000/app/", "https://evil.example/app/", "https://localhost:9000/app/elsewhere"]
    {
        let mut rig = Rig::new(428);
        rig.redirect = elsewhere;
        rig.queue.push_back(Event::Intent(Intent::SignIn { hub: None }));
        rig.settle();
        assert_eq!(problem(&rig), Some(ProblemCode::BrowserFailed), "{elsewhere}");
    }
}

/// A holiday: one word keeps everything that can be kept, and nothing else.
#[test]
fn everything_is_kept_at_once() {
    let mut rig = Rig::with_parcels(981, &[3, 4, 5]);
    for (id, actions) in [
        ("r3", vec![Action::Open, Action::Hold]),
        ("r4", vec![Action::Open]),
        ("r5", vec![Action::Open, Action::Hold]),
    ] {
        rig.change(id, |it| it.actions = actions);
    }
    rig.advance(60_000);
    rig.intent(Intent::Refresh);
    rig.hub.online = false;
    let until = rig.now.unix() + 10 * 86_400;
    rig.intent(Intent::HoldAll { until });
    let waiting: Vec<_> =
        rig.view().outbox.into_iter().map(|entry| (entry.what, entry.reservation)).collect();
    assert_eq!(
        waiting,
        [("hold".to_owned(), Some("r3".to_owned())), ("hold".to_owned(), Some("r5".to_owned()))]
    );
}
