//! The account itself: address, name, ways in, codes, export and end.

use postern_api::problem::Code;
use postern_core::{
    effect::Method,
    event::{Event, VaultState},
    intent::Intent,
    view::{AccountView, AddressSite, ProblemCode, SessionView},
};
use serde_json::{Value, json};

use crate::rig::{Rig, redirect_for};

fn signed_in(seed: u64) -> Rig {
    let mut rig = Rig::with_parcels(seed, &[3]);
    answers(&mut rig, "/v1/passkeys", &passkeys(1, 0));
    answers(&mut rig, "/v1/me/deletion", &json!({ "hindered_by": ["r3"], "parcels": ["a/b", "r4"] }));
    rig
}

fn passkeys(count: usize, codes: u32) -> Value {
    let passkey =
        |n| json!({ "id": format!("pk{n}"), "name": "Key\u{202e}", "created_at": 1, "last_used_at": 2 });
    json!({ "passkeys": (0..count).map(passkey).collect::<Vec<_>>(), "recovery_codes_left": codes })
}

fn answers(rig: &mut Rig, path: &str, body: &Value) {
    rig.hub.page_of.insert(path.to_owned(), body.to_string().into_bytes());
}

fn account(rig: &Rig) -> AccountView {
    rig.view().account.expect("an account")
}

fn problem(rig: &Rig) -> (String, ProblemCode) {
    let problem = account(rig).problem.expect("a problem");
    (problem.of, problem.problem.code)
}

#[test]
fn the_address_is_the_number_and_a_chosen_site_and_is_there_with_no_network() {
    let mut rig = signed_in(600);
    assert_eq!(account(&rig).number.as_deref(), Some("482 915 0636"));
    assert_eq!(account(&rig).site, None);
    let choose = |site: &str| Intent::ChooseAddressSite {
        site: site.into(),
        name: "Lindenhof\u{202e}".into(),
        address: "x".repeat(1_000),
    };
    rig.intent(choose("../etc"));
    assert_eq!(account(&rig).site, None);
    rig.intent(choose("lindenhof"));
    rig.hub.online = false;
    rig.advance(5_000);
    rig.restart();
    let AddressSite { id, name, address } = account(&rig).site.expect("kept over the restart");
    assert_eq!((&*id, &*name, address.chars().count()), ("lindenhof", "Lindenhof", 240));
    assert_eq!(account(&rig).number.as_deref(), Some("482 915 0636"));
}

#[test]
fn the_account_is_looked_at_and_what_comes_is_bounded() {
    let mut rig = signed_in(601);
    answers(&mut rig, "/v1/passkeys", &passkeys(500, 7));
    rig.intent(Intent::ShowAccount);
    let seen = account(&rig);
    assert_eq!((seen.passkeys.len(), seen.passkeys[0].name.as_str()), (100, "Key"));
    assert_eq!(seen.recovery_codes_left, Some(7));
    assert_eq!((seen.hindered_by, seen.parcels), (vec!["r3".to_owned()], vec!["r4".to_owned()]));
    rig.intent(Intent::CloseAccount);
    assert!(account(&rig).passkeys.is_empty());
}

#[test]
fn codes_are_shown_once_and_are_in_no_debug_print_and_in_no_store() {
    let mut rig = signed_in(602);
    rig.intent(Intent::ShowAccount);
    answers(&mut rig, "/v1/recovery-codes", &json!({ "codes": ["abcd-efgh", "ijkl-mnop"] }));
    answers(&mut rig, "/v1/passkeys", &passkeys(1, 2));
    rig.intent(Intent::MakeRecoveryCodes);
    let seen = account(&rig);
    assert_eq!((seen.recovery_codes.len(), seen.recovery_codes_left), (2, Some(2)));
    assert!(!format!("{:?}", rig.view()).contains("abcd-efgh"));
    rig.advance(5_000);
    assert!(!rig.state.iter().any(|part| part.windows(9).any(|bytes| bytes == b"abcd-efgh")));
    rig.intent(Intent::DismissRecoveryCodes);
    assert!(account(&rig).recovery_codes.is_empty());
    // Asked for once: a key of its own goes with it.
    let mut asked = rig.hub.seen.iter().filter(|seen| seen.path == "/v1/recovery-codes");
    assert!(asked.clone().count() == 1 && asked.next_back().unwrap().key.is_some());
}

#[test]
fn one_wish_at_a_time_and_each_has_an_answer_in_words() {
    let mut rig = signed_in(603);
    let before = account(&rig).finished;
    rig.intent(Intent::SetName { name: "Marta K.".into() });
    assert_eq!(account(&rig).finished, before + 1);
    let told = rig.hub.seen.iter().rfind(|seen| seen.method == Method::Patch).unwrap();
    assert_eq!(told.body, r#"{"name":"Marta K."}"#);

    let email = || Intent::SetEmail { email: "ada@example.org".into(), language: Some("de".into()) };
    let confirm = || Intent::ConfirmEmail { code: "12345678".into() };
    for (path, status, code, intent, of, shown) in [
        ("/v1/me/email", 400, Code::Malformed, email(), "email", ProblemCode::NotAnAddress),
        ("/v1/me/email", 429, Code::Throttled, email(), "email", ProblemCode::Throttled),
        ("/v1/me/email/confirm", 409, Code::WrongCode, confirm(), "confirmEmail", ProblemCode::WrongCode),
        ("/v1/me/email/confirm", 410, Code::CodeEnded, confirm(), "confirmEmail", ProblemCode::CodeEnded),
        (
            "/v1/passkeys/pk0",
            409,
            Code::WrongState,
            Intent::RemovePasskey { passkey: "pk0".into() },
            "removePasskey",
            ProblemCode::LastWayIn,
        ),
    ] {
        rig.hub.refuse.insert(path.into(), (status, code));
        rig.intent(intent);
        assert_eq!(problem(&rig), (of.to_owned(), shown));
        rig.hub.refuse.clear();
    }
    rig.hub.online = false;
    rig.intent(Intent::ExportAccount);
    assert_eq!(problem(&rig), ("export".to_owned(), ProblemCode::HubUnreachable));
    assert_eq!(account(&rig).doing, None);
    rig.hub.online = true;
    answers(&mut rig, "/v1/me/export", &json!({ "account": { "display_name": "Marta" } }));
    rig.intent(Intent::ExportAccount);
    assert!(account(&rig).export.unwrap().contains("\"display_name\": \"Marta\""));
    assert_eq!(account(&rig).problem, None);
    rig.intent(Intent::DismissExport);
    assert_eq!(account(&rig).export, None);
}

#[test]
fn a_deleted_account_leaves_nothing_on_the_device_and_a_refused_end_leaves_everything() {
    let mut rig = signed_in(604);
    rig.intent(Intent::ShowAccount);
    rig.hub.refuse.insert("/v1/me".into(), (409, Code::WrongState));
    rig.intent(Intent::DeleteAccount);
    assert_eq!(problem(&rig), ("delete".to_owned(), ProblemCode::GiveBackFirst));
    assert_eq!((rig.wiped, rig.view().reservations.len()), (0, 1));
    rig.hub.refuse.clear();
    rig.intent(Intent::DeleteAccount);
    assert_eq!(rig.wiped, 1);
    let last = rig.hub.seen.iter().rfind(|seen| seen.method == Method::Delete).unwrap();
    assert_eq!(last.path, "/v1/me");
    rig.event(Event::Vault(VaultState::Open(rig.opened())));
    let view = rig.view();
    assert!(matches!(view.session, SessionView::SignedOut { problem: None }), "{:?}", view.session);
    assert!(view.account.is_none() && view.reservations.is_empty());
}

#[test]
fn another_passkey_is_made_in_the_browser_and_the_session_goes_on() {
    let mut rig = signed_in(605);
    rig.intent(Intent::AddPasskey);
    let url = rig.browser.take().expect("the browser was opened");
    assert!(url.contains("add_passkey=true"), "{url}");
    rig.intent(Intent::CancelSignIn);
    assert!(matches!(rig.view().session, SessionView::SignedIn { .. }), "given up, and still signed in");
    rig.intent(Intent::AddPasskey);
    let url = rig.browser.take().expect("the browser was opened");
    rig.event(Event::Redirected { url: redirect_for(&url, "code-2") });
    assert!(matches!(rig.view().session, SessionView::SignedIn { .. }));
    assert_eq!(rig.view().reservations.len(), 1, "nothing was lost");
    // An ordinary sign-in asks for none.
    rig.intent(Intent::SignOut);
    rig.event(Event::Vault(VaultState::Open(rig.opened())));
    rig.intent(Intent::SignIn { hub: None });
    assert!(!rig.browser.take().expect("the browser was opened").contains("add_passkey"));
}

#[test]
fn nobody_who_is_not_signed_in_has_an_account_to_change() {
    let mut rig = Rig::new(606);
    for intent in [Intent::ShowAccount, Intent::MakeRecoveryCodes, Intent::DeleteAccount, Intent::AddPasskey]
    {
        rig.intent(intent);
    }
    assert!(rig.hub.seen.is_empty() && rig.browser.is_none() && rig.wiped == 0);
}
