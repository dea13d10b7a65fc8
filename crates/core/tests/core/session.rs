//! Signing in, staying signed in, and being removed.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use postern_api::{
    account::{HubInfo, OAuthError, TestNetwork},
    problem::Code,
    reservation::State,
};
use postern_core::{
    effect::NotificationKind,
    event::{Event, HttpFailure, VaultState},
    intent::Intent,
    view::{AccessView, NetworkView, NoticeCode, ProblemCode, SessionView, VaultView},
};
use sha2::{Digest, Sha256};
use url::Url;

use crate::rig::{HUB, Rig, redirect_for, reservation};

fn problem(rig: &Rig) -> Option<ProblemCode> {
    match rig.view().session {
        SessionView::SignedOut { problem } | SessionView::InBrowser { problem, .. } => {
            problem.map(|problem| problem.code)
        }
        _ => None,
    }
}

fn in_browser(seed: u64) -> (Rig, String) {
    let mut rig = Rig::new(seed);
    rig.intent(Intent::SignIn { hub: None });
    let url = rig.browser.take().unwrap();
    (rig, url)
}

#[test]
fn signing_in_uses_pkce_and_is_bound_to_the_device_key() {
    let (mut rig, url) = in_browser(100);
    let query: std::collections::BTreeMap<String, String> =
        Url::parse(&url).unwrap().query_pairs().into_owned().collect();
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["client_id"], "postern-app");
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["dpop_jkt"], "thumb");
    rig.event(Event::Redirected { url: redirect_for(&url, "the-code") });
    let SessionView::SignedIn { name, devices, .. } = rig.view().session else { panic!("not signed in") };
    assert_eq!((name.as_str(), devices.len()), ("Marta", 1));
    let exchange = rig.hub.calls("/oauth/token")[0].body.clone();
    let form: std::collections::BTreeMap<String, String> =
        url::form_urlencoded::parse(exchange.as_bytes()).into_owned().collect();
    assert_eq!(form["code"], "the-code");
    assert_eq!(form["redirect_uri"], query["redirect_uri"]);
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
    assert_eq!(challenge, query["code_challenge"]);
    assert!(form["code_verifier"].len() >= 43);
    assert!(rig.session.is_some());
}

#[test]
fn two_sign_ins_share_no_secret() {
    let (_, first) = in_browser(101);
    let (_, second) = in_browser(102);
    for name in ["state", "code_challenge"] {
        let value = |url: &str| {
            let url = Url::parse(url).unwrap();
            url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned()
        };
        assert_ne!(value(&first), value(&second));
    }
}

#[test]
fn redirect_abuse() {
    let (rig, url) = in_browser(103);
    let good = redirect_for(&url, "evil");
    drop(rig);
    let state = good.split("state=").nth(1).unwrap().to_owned();
    let bad = [
        "http://127.0.0.1:5555/callback?code=evil&state=guessed".to_owned(),
        "http://127.0.0.1:5555/callback?code=evil".to_owned(),
        format!("http://127.0.0.1:5556/callback?code=evil&state={state}"),
        format!("http://127.0.0.2:5555/callback?code=evil&state={state}"),
        format!("http://localhost:5555/callback?code=evil&state={state}"),
        format!("https://127.0.0.1:5555/callback?code=evil&state={state}"),
        format!("http://127.0.0.1:5555/other?code=evil&state={state}"),
        format!("http://user@127.0.0.1:5555/callback?code=evil&state={state}"),
        format!("postern://callback?code=evil&state={state}"),
        format!("http://127.0.0.1:5555/callback?code=evil&code=two&state={state}"),
        format!("http://127.0.0.1:5555/callback?code=evil&state={state}&state={state}"),
        format!("http://127.0.0.1:5555/callback?code=evil&state={state}&iss=http%3A%2F%2Fevil.example"),
        format!("http://127.0.0.1:5555/callback?code=evil&error=x&state={state}"),
        format!("http://127.0.0.1:5555/callback?code=&state={state}"),
        format!("http://127.0.0.1:5555/callback?state={state}"),
        "not a url".to_owned(),
        format!("http://127.0.0.1:5555/callback?code={}&state={state}", "x".repeat(10_000)),
    ];
    // The same seed gives the same state, so that only the one thing is wrong with each.
    for redirect in bad {
        let (mut rig, url) = in_browser(103);
        rig.event(Event::Redirected { url: redirect.clone() });
        assert_eq!(problem(&rig), Some(ProblemCode::SignInMismatch), "{redirect}");
        assert!(rig.hub.calls("/oauth/token").is_empty(), "{redirect}");
        // The real one still comes through.
        rig.event(Event::Redirected { url: redirect_for(&url, "good") });
        assert!(matches!(rig.view().session, SessionView::SignedIn { .. }), "{redirect}");
    }
    // A redirect with no sign-in under way, and a second one after it ended.
    let mut rig = Rig::new(104);
    rig.event(Event::Redirected { url: good.clone() });
    assert!(rig.hub.seen.is_empty());
    let (mut rig, url) = in_browser(103);
    rig.event(Event::Redirected { url: redirect_for(&url, "good") });
    rig.event(Event::Redirected { url: redirect_for(&url, "again") });
    assert_eq!(rig.hub.calls("/oauth/token").len(), 1);
}

#[test]
fn a_listener_elsewhere_is_not_used() {
    let mut rig = Rig::new(105);
    rig.hub.online = true;
    rig.intent(Intent::SignIn { hub: None });
    for redirect_uri in [
        "http://192.168.1.5:80/callback",
        "https://evil.example/cb",
        "http://127.0.0.1/callback",
        "postern://evil",
    ] {
        let mut rig = Rig::new(106);
        // The rig answers by itself; a core that is preparing gets this one first.
        rig.queue.push_back(Event::Intent(Intent::SignIn { hub: None }));
        rig.queue.push_back(Event::RedirectReady { redirect_uri: redirect_uri.into() });
        rig.settle();
        assert!(!rig.browser.unwrap_or_default().contains("evil"));
    }
}

#[test]
fn endpoints_elsewhere_are_not_the_hub() {
    let good = HubInfo {
        hub: "hub_1".into(),
        name: "Test".into(),
        api: 1,
        api_min: None,
        test_network: None,
        issuer: HUB.into(),
        authorization_endpoint: format!("{HUB}/authorize"),
        token_endpoint: format!("{HUB}/oauth/token"),
        now: crate::rig::START_MS / 1000,
    };
    let evil = "https://evil.example/x".to_owned();
    for (info, code) in [
        (HubInfo { token_endpoint: evil.clone(), ..good.clone() }, ProblemCode::WrongHub),
        (HubInfo { authorization_endpoint: evil.clone(), ..good.clone() }, ProblemCode::WrongHub),
        (HubInfo { issuer: evil, ..good.clone() }, ProblemCode::WrongHub),
        (HubInfo { api: 2, ..good.clone() }, ProblemCode::VersionMismatch),
        (HubInfo { api: 3, api_min: Some(2), ..good.clone() }, ProblemCode::VersionMismatch),
        (HubInfo { now: good.now + 3600, ..good.clone() }, ProblemCode::ClockSkew),
    ] {
        let mut rig = Rig::new(107);
        rig.hub.info = Some(info);
        rig.intent(Intent::SignIn { hub: None });
        assert_eq!(problem(&rig), Some(code));
        assert!(rig.browser.is_none());
    }
    // A newer hub that still speaks ours.
    let mut rig = Rig::new(107);
    rig.hub.info = Some(HubInfo { api: 3, api_min: Some(1), ..good });
    rig.intent(Intent::SignIn { hub: None });
    assert!(problem(&rig).is_none() && rig.browser.is_some());
    let mut rig = Rig::new(108);
    rig.hub.page_of.insert("/.well-known/postern".into(), b"<html>Welcome to the hotel</html>".to_vec());
    rig.intent(Intent::SignIn { hub: None });
    assert_eq!(problem(&rig), Some(ProblemCode::WrongHub));
    for hub in ["http://evil.example", "ftp://x", "", "https://u:p@hub.example", "javascript:alert(1)"] {
        let mut rig = Rig::new(109);
        rig.intent(Intent::SignIn { hub: Some(hub.into()) });
        assert_eq!(problem(&rig), Some(ProblemCode::WrongHub), "{hub}");
        assert!(rig.hub.seen.is_empty());
    }
}

/// Its lockers are on its own host, and nowhere that it might name; and only for as long as one is signed in there.
#[test]
fn the_lockers_of_a_test_network_are_at_its_own_host() {
    let mut rig = Rig::new(112);
    rig.hub.info = Some(HubInfo {
        hub: "hub_1".into(),
        name: "Test".into(),
        api: 1,
        api_min: None,
        test_network: Some(TestNetwork { air_port: 7080 }),
        issuer: HUB.into(),
        authorization_endpoint: format!("{HUB}/authorize"),
        token_endpoint: format!("{HUB}/oauth/token"),
        now: crate::rig::START_MS / 1000,
    });
    rig.open_vault();
    assert!(!rig.view().test_network);
    rig.sign_in();
    let there = Some(Some("localhost:7080".to_owned()));
    assert_eq!((rig.view().test_network, &rig.air), (true, &there));
    rig.air = None;
    rig.restart();
    assert_eq!((rig.view().test_network, &rig.air), (true, &there));
    rig.intent(Intent::SignOut);
    assert_eq!((rig.view().test_network, &rig.air), (false, &Some(None)));
}

#[test]
fn a_browser_closed_or_missing_is_said() {
    let (mut rig, _) = in_browser(110);
    rig.event(Event::BrowserFailed);
    assert_eq!(problem(&rig), Some(ProblemCode::BrowserFailed));
    rig.advance(11 * 60_000);
    assert_eq!(problem(&rig), Some(ProblemCode::SignInAbandoned));
    let (mut rig, _) = in_browser(111);
    rig.intent(Intent::CancelSignIn);
    assert_eq!(rig.view().session, SessionView::SignedOut { problem: None });
    let mut rig = Rig::new(112);
    rig.hub.online = false;
    rig.intent(Intent::SignIn { hub: None });
    assert_eq!(problem(&rig), Some(ProblemCode::HubUnreachable));
    let (mut rig, url) = in_browser(113);
    let state = url.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    rig.event(Event::Redirected {
        url: format!("http://127.0.0.1:5555/callback?error=access_denied&state={state}"),
    });
    assert_eq!(problem(&rig), Some(ProblemCode::SignInRefused));
}

#[test]
fn the_session_is_renewed_before_it_ends_and_outlives_the_process() {
    let mut rig = Rig::with_parcels(114, &[3]);
    assert_eq!(rig.hub.access, 1);
    rig.advance(890_000);
    rig.intent(Intent::Refresh);
    assert_eq!(rig.hub.access, 2);
    rig.restart();
    assert!(matches!(rig.view().session, SessionView::SignedIn { .. }));
    assert_eq!(rig.view().network, NetworkView::Online);
    // The hub forgot the access token: it is renewed once, and the call goes through.
    rig.hub.access = 77;
    rig.intent(Intent::Refresh);
    assert_eq!(rig.hub.access, 78);
    assert_eq!(rig.view().network, NetworkView::Online);
}

#[test]
fn a_session_that_the_hub_ended_keeps_what_was_fetched() {
    let mut rig = Rig::with_parcels(115, &[3]);
    rig.hub.oauth_error = Some(OAuthError { error: "invalid_grant".into(), error_description: None });
    rig.advance(900_000);
    rig.intent(Intent::Refresh);
    assert_eq!(rig.view().network, NetworkView::SignInAgain);
    let asked = rig.hub.seen.len();
    rig.advance(3_600_000);
    assert_eq!(rig.hub.seen.len(), asked, "nobody is asked in vain");
    rig.open(&["r3"]);
    assert_eq!(rig.locker.movements, 1);
    rig.hub.oauth_error = None;
    rig.sign_in();
    rig.advance(2_000);
    assert_eq!(rig.view().network, NetworkView::Online);
    assert!(rig.view().receipts[0].delivered);
}

#[test]
fn a_removed_device_wipes_itself_and_says_so() {
    for by_renewal in [false, true] {
        let mut rig = Rig::with_parcels(116, &[3]);
        if by_renewal {
            rig.hub.oauth_error = Some(OAuthError {
                error: "invalid_grant".into(),
                error_description: Some("device_revoked".into()),
            });
            rig.advance(900_000);
        } else {
            rig.hub.refuse.insert("/v1/".into(), (401, Code::DeviceRevoked));
        }
        rig.intent(Intent::Refresh);
        assert_eq!(rig.wiped, 1);
        assert_eq!(rig.view().session, SessionView::Revoked);
        assert!(rig.view().reservations.is_empty());
        assert!(rig.state.is_empty() && rig.session.is_none());
        assert_eq!(rig.notifications.last().unwrap().kind, NotificationKind::Revoked);
        assert!(!rig.pushing);
    }
}

#[test]
fn signing_out_leaves_nothing() {
    let mut rig = Rig::with_parcels(117, &[3]);
    rig.open(&["r3"]);
    rig.intent(Intent::SignOut);
    assert_eq!(rig.view().session, SessionView::SignedOut { problem: None });
    assert!(rig.view().reservations.is_empty() && rig.view().receipts.is_empty());
    assert!(rig.state.is_empty() && rig.session.is_none());
    rig.advance(60_000);
    assert!(rig.session.is_none());
    assert!(rig.state.is_empty(), "nothing is written back after the wipe");
}

#[test]
fn somebody_elses_wallet_is_not_shown() {
    let mut rig = Rig::with_parcels(118, &[3]);
    rig.hub.oauth_error = Some(OAuthError { error: "invalid_grant".into(), error_description: None });
    rig.advance(900_000);
    rig.intent(Intent::Refresh);
    rig.hub.oauth_error = None;
    rig.hub.account = "acc_2".into();
    rig.hub.reservations = vec![];
    rig.sign_in();
    rig.advance(2_000);
    assert!(rig.view().reservations.is_empty());
}

#[test]
fn without_a_keyring_the_customer_decides() {
    let mut rig = Rig::new(119);
    rig.event(Event::Vault(VaultState::Absent));
    assert_eq!(rig.view().vault, VaultView::Absent);
    rig.intent(Intent::SignIn { hub: None });
    assert!(rig.browser.is_none(), "no secret without a place for it");
    rig.intent(Intent::UseMemoryOnly);
    assert_eq!(rig.view().vault, VaultView::MemoryOnly);
    rig.sign_in();
    assert!(matches!(rig.view().session, SessionView::SignedIn { .. }));
    rig.event(Event::Vault(VaultState::Locked));
    assert_eq!(rig.view().vault, VaultView::Locked);
    rig.intent(Intent::RetryKeyring);
    assert_eq!(rig.view().vault, VaultView::Keyring);
}

#[test]
fn network_states_are_told_apart() {
    let mut rig = Rig::with_parcels(120, &[3]);
    assert_eq!(rig.view().network, NetworkView::Online);
    rig.hub.clock_ahead = -600;
    rig.intent(Intent::Refresh);
    assert_eq!(rig.view().network, NetworkView::ClockSkew { seconds: 600 });
    rig.hub.clock_ahead = 0;
    rig.hub.page_of.insert("/v1/changes".into(), b"<html>".to_vec());
    rig.intent(Intent::Refresh);
    assert_eq!(rig.view().network, NetworkView::WrongHub);
    rig.hub.page_of.clear();
    rig.hub.online = false;
    rig.intent(Intent::Refresh);
    assert!(matches!(rig.view().network, NetworkView::Offline { since: Some(_) }));
    rig.hub.online = true;
    rig.advance(600_000);
    assert_eq!(rig.view().network, NetworkView::Online);
    rig.queue.push_back(Event::Http { ticket: 999_999, result: Err(HttpFailure::Tls) });
    rig.settle();
    assert_eq!(rig.view().network, NetworkView::Online, "an answer to nothing changes nothing");
}

#[test]
fn a_wrong_clock_is_remembered_where_the_next_start_finds_no_network() {
    // This device's clock jumps 30 hours ahead: by it, a token of a day has ended.
    let mut rig = Rig::with_parcels(123, &[3]);
    let ready = |rig: &Rig| matches!(rig.reservation("r3").access, AccessView::Ready { .. });
    rig.now.unix_ms += 30 * 3_600_000;
    rig.hub.clock_ahead = -30 * 3_600;
    rig.intent(Intent::Refresh);
    rig.advance(2_000);
    assert!(ready(&rig));
    rig.hub.online = false;
    rig.restart();
    assert!(ready(&rig), "{:?}", rig.reservation("r3").access);
    rig.open(&["r3"]);
    assert_eq!(rig.locker.movements, 1);

    // The clock was behind and is set while there is no network. What is remembered gives more time, never less.
    let mut rig = Rig::with_parcels(124, &[3]);
    rig.now.unix_ms -= 30 * 3_600_000;
    rig.hub.clock_ahead = 30 * 3_600;
    rig.intent(Intent::Refresh);
    rig.advance(2_000);
    rig.hub.online = false;
    rig.now.unix_ms += 30 * 3_600_000;
    rig.restart();
    assert!(ready(&rig), "{:?}", rig.reservation("r3").access);
}

#[test]
fn without_the_hub_nothing_is_being_fetched() {
    let mut rig = Rig::new(125);
    rig.hub.reservations = vec![reservation("r3", 3, State::Ready)];
    rig.hub.refuse.insert("/v1/tokens".into(), (503, Code::Unavailable));
    rig.sign_in();
    rig.advance(1_000);
    assert!(rig.hub.seen.iter().any(|seen| seen.path == "/v1/tokens"));
    rig.hub.online = false;
    rig.intent(Intent::Refresh);
    for _ in 0..20 {
        rig.advance(7_000);
        assert_eq!(rig.reservation("r3").access, AccessView::NeedsNetwork);
    }
}

#[test]
fn claim_links_of_this_hub_only() {
    let mut rig = Rig::with_parcels(121, &[3]);
    for bad in [
        "https://evil.example/claim/abc",
        "http://localhost:9001/claim/abc",
        "postern://open/r3",
        "postern://claim",
        "postern://claim/abc123",
        "postern://claim?claim=abc123",
        "postern://claim?hub=http%3A%2F%2Flocalhost%3A9000&claim=",
        "postern://claim?hub=http%3A%2F%2Flocalhost%3A9000&claim=a%2Fb",
        "postern://claim?hub=https%3A%2F%2Fevil.example&claim=abc123",
        "javascript:alert(1)",
        "http://localhost:9000/claim/a/b",
    ] {
        rig.event(Event::DeepLink { url: bad.into() });
        assert!(rig.hub.calls("/v1/claims").is_empty(), "{bad}");
    }
    rig.event(Event::DeepLink { url: format!("{HUB}/claim/abc123") });
    assert_eq!(rig.hub.calls("/v1/claims")[0].body, r#"{"claim":"abc123"}"#);
    // Without a session it is taken up by signing in, with the claim in the authorization request.
    let mut rig = Rig::new(122);
    let from_the_hubs_page = "postern://claim?hub=http%3A%2F%2Flocalhost%3A9000&claim=abc123";
    rig.event(Event::DeepLink { url: from_the_hubs_page.into() });
    assert!(rig.browser.unwrap().contains("claim=abc123"));
    // One that was pasted goes the same way, with the spaces that pasting brings along.
    let mut rig = Rig::new(123);
    rig.intent(Intent::FollowLink { url: format!(" {HUB}/claim/abc123\n") });
    assert!(rig.browser.unwrap().contains("claim=abc123"));
    let mut rig = Rig::new(124);
    rig.intent(Intent::FollowLink { url: "https://elsewhere.example/claim/abc123".into() });
    assert!(rig.browser.is_none());
    assert_eq!(rig.view().notices[0].code, NoticeCode::InvitationInvalid);
}

/// The link is there again at the next attempt, until the customer gives it up; and no other hub learns of it.
#[test]
fn a_claim_link_outlives_an_attempt_that_fails() {
    let mut rig = Rig::new(125);
    rig.hub.online = false;
    rig.event(Event::DeepLink { url: format!("{HUB}/claim/abc123") });
    assert!(rig.browser.is_none());
    assert!(rig.core.is_claiming(), "whoever brought it keeps it");
    rig.hub.online = true;
    rig.intent(Intent::SignIn { hub: Some("http://localhost:9001".into()) });
    assert!(rig.browser.take().is_none_or(|page| !page.contains("abc123")), "another hub");

    let mut rig = Rig::new(126);
    rig.hub.online = false;
    rig.event(Event::DeepLink { url: format!("{HUB}/claim/abc123") });
    rig.hub.online = true;
    rig.intent(Intent::SignIn { hub: None });
    let page = rig.browser.take().unwrap();
    assert!(page.contains("claim=abc123"), "{page}");
    assert!(!rig.core.is_claiming(), "it is with the browser");
    // The answer gets lost behind the browser: once more.
    rig.swallow = Some("/oauth/token");
    rig.event(Event::Redirected { url: redirect_for(&page, "code") });
    rig.advance(50_000);
    rig.swallow = None;
    rig.intent(Intent::SignIn { hub: None });
    assert!(rig.browser.take().unwrap().contains("claim=abc123"));
    // Given up.
    rig.intent(Intent::CancelSignIn);
    assert!(!rig.core.is_claiming());
    rig.intent(Intent::SignIn { hub: None });
    assert!(!rig.browser.take().unwrap().contains("claim"));
}

/// Nothing outlives such a process, so nothing is written for nobody to read.
#[test]
fn a_session_without_a_keyring_saves_nothing() {
    let mut rig = Rig::new(64);
    rig.event(Event::Vault(VaultState::Absent));
    rig.intent(Intent::UseMemoryOnly);
    let before = rig.saves;
    rig.sign_in();
    rig.advance(10_000);
    assert!(matches!(rig.view().session, SessionView::SignedIn { .. }));
    assert_eq!(rig.saves, before);
}
