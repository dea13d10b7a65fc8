//! Invitations to a flat: shown before they are followed, and lost with no tab, no answer and no process.

use postern_api::problem::Code;
use postern_core::{
    event::Event,
    intent::Intent,
    view::{HomeOfferView, NoticeCode, ProblemCode, SessionView},
};
use serde_json::json;

use crate::rig::{HUB, Rig, redirect_for};

const LOOK: &str = "/v1/homes/invitation";
const JOIN: &str = "/v1/homes";

fn told(joined: bool) -> Vec<u8> {
    json!({ "site": "lindenhof", "name": "Lindenhof", "address": "Lindenhof 1", "unit": "3 right", "until": 9_000_000_000_i64,
            "joined": joined })
    .to_string()
    .into_bytes()
}

fn inviting(mut rig: Rig) -> Rig {
    rig.hub.page_of.insert(LOOK.into(), told(false));
    rig.hub.page_of.insert(JOIN.into(), told(true));
    rig
}

fn calls(rig: &Rig, path: &str) -> usize {
    rig.hub.seen.iter().filter(|seen| seen.path == path).count()
}

fn offer(rig: &Rig) -> HomeOfferView {
    rig.view().home_offer.unwrap()
}

#[test]
fn an_invitation_is_shown_before_it_is_followed() {
    for given in [
        format!("{HUB}/home/7QFM-3K9T-XWB4"),
        "postern://home?hub=http%3A%2F%2Flocalhost%3A9000&code=7QFM-3K9T-XWB4".into(),
        " 7qfm 3k9t-xwb4\n".into(),
    ] {
        let mut rig = inviting(Rig::with_parcels(901, &[3]));
        rig.intent(Intent::FollowLink { url: given.clone() });
        let shown = offer(&rig);
        assert_eq!(
            (&*shown.name, &*shown.unit, shown.joined, shown.problem),
            ("Lindenhof", "3 right", false, None),
            "{given}"
        );
        assert_eq!((calls(&rig, LOOK), calls(&rig, JOIN)), (1, 0), "nobody joins by looking");
        assert_eq!(rig.hub.calls(LOOK)[0].body, r#"{"code":"7QFM3K9TXWB4"}"#);
        // Whatever comes meanwhile asks no more and joins nothing.
        rig.advance(600_000);
        assert_eq!((calls(&rig, LOOK), calls(&rig, JOIN)), (1, 0));
        rig.intent(Intent::JoinHome);
        assert!(offer(&rig).joined && calls(&rig, JOIN) == 1);
        assert!(!rig.core.is_claiming());
        rig.intent(Intent::JoinHome);
        rig.intent(Intent::DismissHome);
        assert_eq!(rig.view().home_offer, None);
    }
    let mut rig = inviting(Rig::with_parcels(902, &[3]));
    rig.intent(Intent::FollowLink { url: format!("{HUB}/home/7QFM-3K9T-XWB4") });
    rig.intent(Intent::DismissHome);
    rig.restart();
    rig.open_vault();
    rig.advance(60_000);
    assert_eq!((rig.view().home_offer, calls(&rig, JOIN)), (None, 0), "no is no");
}

/// What one invitation is to is never shown while another would be followed.
#[test]
fn an_answer_is_about_the_invitation_that_is_looked_at() {
    let mut rig = inviting(Rig::with_parcels(905, &[3]));
    rig.swallow = Some(LOOK);
    rig.intent(Intent::FollowLink { url: format!("{HUB}/home/7QFM-3K9T-XWB4") });
    rig.intent(Intent::FollowLink { url: format!("{HUB}/home/8QFM-3K9T-XWB4") });
    for late in std::mem::take(&mut rig.swallowed).into_iter().take(1) {
        rig.event(late);
    }
    assert_eq!((&*offer(&rig).name, offer(&rig).doing), ("", true));
    rig.intent(Intent::JoinHome);
    assert_eq!(calls(&rig, JOIN), 0, "nobody has seen what that is to");
}

#[test]
fn invitations_of_this_hub_only() {
    let mut rig = inviting(Rig::with_parcels(903, &[3]));
    for bad in [
        "https://evil.example/home/7QFM3K9TXWB4",
        "postern://home?hub=https%3A%2F%2Fevil.example&code=7QFM3K9TXWB4",
        "postern://home?code=7QFM3K9TXWB4",
        "postern://home/7QFM3K9TXWB4",
        "http://localhost:9000/home/",
        "http://localhost:9000/home/../v1/me",
        "7QFM3K9TXWB",
        "7QFM3K9TXWB4A",
        "7QFM/3K9TXWB",
    ] {
        rig.intent(Intent::FollowLink { url: bad.into() });
        assert_eq!((calls(&rig, LOOK), rig.view().home_offer), (0, None), "{bad}");
        assert_eq!(rig.view().notices[0].code, NoticeCode::InvitationInvalid);
    }
}

#[test]
fn why_an_invitation_cannot_be_followed_is_said() {
    for (status, code, told) in [
        (410, Code::ClaimEnded, ProblemCode::HomeEnded),
        (409, Code::WrongCode, ProblemCode::HomeMistyped),
        (429, Code::Throttled, ProblemCode::Throttled),
        (403, Code::Forbidden, ProblemCode::HubRefused),
    ] {
        let mut rig = inviting(Rig::with_parcels(904, &[3]));
        rig.hub.refuse.insert(LOOK.into(), (status, code));
        rig.event(Event::DeepLink { url: format!("{HUB}/home/7QFM3K9TXWB4") });
        let shown = offer(&rig);
        assert_eq!((shown.problem.unwrap().code, shown.name.as_str(), shown.doing), (told, "", false));
    }
    // Another flat of the same house; another came first.
    for (status, code, told) in
        [(409, Code::WrongState, ProblemCode::HomeOther), (410, Code::ClaimEnded, ProblemCode::HomeEnded)]
    {
        let mut rig = inviting(Rig::with_parcels(905, &[3]));
        rig.event(Event::DeepLink { url: format!("{HUB}/home/7QFM3K9TXWB4") });
        rig.hub.refuse.insert(JOIN.into(), (status, code));
        rig.intent(Intent::JoinHome);
        let shown = offer(&rig);
        assert_eq!((shown.problem.unwrap().code, shown.joined), (told, false));
    }
    // Without a network it is asked again with the next good answer.
    let mut rig = inviting(Rig::with_parcels(906, &[3]));
    rig.hub.online = false;
    rig.event(Event::DeepLink { url: format!("{HUB}/home/7QFM3K9TXWB4") });
    assert_eq!(offer(&rig).problem.unwrap().code, ProblemCode::HubUnreachable);
    rig.hub.online = true;
    rig.advance(600_000);
    rig.intent(Intent::Refresh);
    assert_eq!(offer(&rig).unit, "3 right");
}

#[test]
fn an_invitation_waits_for_the_sign_in_and_is_not_told_to_the_browser() {
    // The process may end behind the browser, or before the customer has said anything.
    for dies in [false, true] {
        let mut rig = inviting(Rig::new(907));
        rig.open_vault();
        rig.event(Event::DeepLink { url: format!("{HUB}/home/7QFM3K9TXWB4") });
        let page = rig.browser.take().unwrap();
        assert!(!page.contains("7QFM") && !page.contains("claim"), "{page}");
        if dies {
            rig.restart();
            rig.open_vault();
            rig.intent(Intent::SignIn { hub: None });
            let page = rig.browser.take().unwrap();
            rig.event(Event::Redirected { url: redirect_for(&page, "code") });
        } else {
            rig.event(Event::Redirected { url: redirect_for(&page, "code") });
        }
        rig.advance(10_000);
        assert!(matches!(rig.view().session, SessionView::SignedIn { .. }));
        assert_eq!((offer(&rig).unit.as_str(), calls(&rig, JOIN)), ("3 right", 0));
        rig.restart();
        rig.open_vault();
        rig.advance(10_000);
        assert_eq!((offer(&rig).unit.as_str(), calls(&rig, JOIN)), ("3 right", 0));
        rig.intent(Intent::JoinHome);
        rig.intent(Intent::DismissHome);
        rig.restart();
        rig.open_vault();
        rig.advance(10_000);
        assert_eq!(rig.view().home_offer, None);
    }
}
