//! redirect_abuse: nobody is sent anywhere but back to the app, and nothing but the app's own request is answered.

use crate::{
    client::{Answer, Pending, http},
    world::World,
};

#[tokio::test]
async fn redirect_abuse() {
    let world = World::start().await;
    let ask = |changes: Vec<(&'static str, Option<&'static str>)>| {
        let mut query = Pending::new().query();
        for (name, value) in changes {
            query.retain(|(known, _)| *known != name);
            query.extend(value.map(|value| (name, value.to_owned())));
        }
        Answer::of(http().get(format!("{}/authorize", world.base)).query(&query))
    };
    ask(vec![]).await.ok();

    // An unsafe target or an unknown client: told to the person, never by a redirect.
    for uri in [
        "https://evil.example/",
        "http://localhost:4000/",
        "http://127.0.0.1:4000@evil.example/",
        "http://127.0.0.1.evil.example:4000/",
        "http://127.0.0.1/",
        "http://127.0.0.2:4000/",
        "https://127.0.0.1:4000/",
        "postern://evil",
        "postern://signed-in.evil.example",
        "javascript:alert(1)",
        "",
    ] {
        let answer = ask(vec![("redirect_uri", Some(uri))]).await;
        assert_eq!(answer.status, 400, "{uri}");
        assert!(answer.headers.get("location").is_none(), "{uri}");
        let text = answer.body.as_str().unwrap();
        assert!(!text.contains("evil"), "nothing of the request is on the page");
    }
    for changes in
        [vec![("redirect_uri", None)], vec![("client_id", None)], vec![("client_id", Some("other"))]]
    {
        let answer = ask(changes).await;
        assert_eq!(answer.status, 400);
        assert!(answer.headers.get("location").is_none());
    }

    // Everything else goes back to the app, with its state and without a code.
    for (changes, error) in [
        (vec![("response_type", Some("token"))], "unsupported_response_type"),
        (vec![("response_type", None)], "unsupported_response_type"),
        (vec![("code_challenge", None)], "invalid_request"),
        (vec![("code_challenge", Some("short"))], "invalid_request"),
        (vec![("code_challenge_method", Some("plain"))], "invalid_request"),
        (vec![("code_challenge_method", None)], "invalid_request"),
        (vec![("state", Some("x"))], "invalid_request"),
        (vec![("dpop_jkt", Some("x"))], "invalid_request"),
    ] {
        let answer = ask(changes.clone()).await;
        assert_eq!(answer.status, 303, "{changes:?}");
        let location = answer.headers["location"].to_str().unwrap();
        assert!(location.starts_with("http://127.0.0.1:49999/signed-in?"), "{location}");
        assert!(location.contains(&format!("error={error}")), "{location}");
        assert!(!location.contains("code="), "{location}");
    }

    // A parameter that comes twice is nobody's request.
    let mut query = Pending::new().query();
    query.push(("redirect_uri", "http://127.0.0.1:4000/".to_owned()));
    let answer = Answer::of(http().get(format!("{}/authorize", world.base)).query(&query)).await;
    assert_eq!(answer.status, 400);

    // The sealed request cannot be made up or bent.
    let request = Pending::new().open_page(&world.base).await;
    let mut bent = request.clone().into_bytes();
    let last = bent.len() - 1;
    bent[last] = if bent[last] == b'A' { b'B' } else { b'A' };
    for request in [String::from_utf8(bent).unwrap(), String::new(), "AAAA".to_owned()] {
        let body = serde_json::json!({ "request": request });
        let answer = crate::client::page_post(&world.base, "/authorize/sign-in/start", &body).await;
        assert_eq!(answer.code(), "malformed");
    }
    world.clock.advance(15 * 60);
    let body = serde_json::json!({ "request": request });
    let answer = crate::client::page_post(&world.base, "/authorize/sign-in/start", &body).await;
    assert_eq!(answer.code(), "malformed", "the page stayed open for too long");
}
