//! The hub's own pages: templates, words, style and script, all built in.

mod docs;
mod words;

use axum::http::{HeaderMap, header};

pub use self::{docs::docs, words::Words};
use crate::domain::shares::For;
use postern_api::resident::HomeInvitation;

const FRAME: &str = include_str!("frame.html");
const FRONT: &str = include_str!("front.html");
const GUEST: &str = include_str!("guest.html");
const CLAIM: &str = include_str!("claim.html");
const HERE: &str = include_str!("here.html");
const GET_APP: &str = include_str!("get_app.html");
const SIGN_IN: &str = include_str!("sign_in.html");
const ADD_PASSKEY: &str = include_str!("add_passkey.html");
const SCRIPT_TAG: &str = include_str!("script.html");
/// Style of all pages.
pub const STYLE: &str = include_str!("page.css");
const KEY: &str = include_str!("key.svg");
/// The network's sign.
pub const ICON: &str = include_str!("icon.svg");
/// Script of the sign-in page.
pub const SCRIPT: &str = include_str!("sign_in.js");

/// The words in the language that the browser asks for, or English.
#[must_use]
pub fn words(headers: &HeaderMap) -> &'static Words {
    let wanted =
        headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    words::choose(wanted)
}

/// The sign-in page; `request` is the sealed request. With a claim link one may go on as a guest.
#[must_use]
pub fn sign_in(network: &str, words: &Words, request: &str, claim: bool) -> String {
    let guest = if claim { fill(GUEST, words, &[]) } else { String::new() };
    let script = fill(SCRIPT_TAG, words, &[("request", request)]);
    let main = fill(SIGN_IN, words, &[("guest_part", &guest), ("script", &script), ("key", KEY)]);
    frame(network, words, words.sign_in_title, "page", &main)
}

/// The page where a customer gets another passkey; `request` is the sealed request.
#[must_use]
pub fn add_passkey(network: &str, words: &Words, request: &str) -> String {
    let script = fill(SCRIPT_TAG, words, &[("request", request)]);
    frame(
        network,
        words,
        words.add_title,
        "page",
        &fill(ADD_PASSKEY, words, &[("script", &script), ("key", KEY)]),
    )
}

/// The page that a claim link leads to; `link` opens the app, which `app` has for those without. `here` is the app for
/// browsers, where the hub serves it.
#[must_use]
pub fn claim(
    network: &str,
    words: &Words,
    of: For,
    link: &str,
    here: Option<&str>,
    app: Option<&str>,
) -> String {
    let (title, text) = match of {
        For::Share => (words.claim_title, words.claim_text),
        For::Parcel => (words.parcel_title, words.parcel_text),
    };
    let here_part = here.map_or_else(String::new, |here| fill(HERE, words, &[("here", &escape(here))]));
    let kind = if here.is_some() { "quiet" } else { "button" };
    let values = [
        ("link", &*escape(link)),
        ("here_part", &*here_part),
        ("kind", kind),
        ("get_part", &*get_app(words, words.claim_get, app)),
        ("heading", &*escape(title)),
        ("text", &*escape(text)),
    ];
    frame(network, words, title, "page", &fill(CLAIM, words, &values))
}

/// The page that an invitation to a flat leads to: as for [`claim`], with what it is to.
#[must_use]
pub fn home(
    network: &str,
    words: &Words,
    to: &HomeInvitation,
    (link, here, app): (&str, Option<&str>, Option<&str>),
) -> String {
    let place = words.home_text.replace("{site}", &to.name).replace("{unit}", &to.unit);
    let here_part = here.map_or_else(String::new, |here| fill(HERE, words, &[("here", &escape(here))]));
    let kind = if here.is_some() { "quiet" } else { "button" };
    let values = [
        ("link", &*escape(link)),
        ("here_part", &*here_part),
        ("kind", kind),
        ("get_part", &*get_app(words, words.claim_get, app)),
        ("heading", &*escape(words.home_title)),
        ("text", &*escape(&place)),
    ];
    frame(network, words, words.home_title, "page", &fill(CLAIM, words, &values))
}

/// Where the app is to be had, where that is known; `why` comes before it.
fn get_app(words: &Words, why: &str, app: Option<&str>) -> String {
    app.map_or_else(String::new, |app| fill(GET_APP, words, &[("why", why), ("link", &escape(app))]))
}

/// The page of a claim link that is over.
#[must_use]
pub fn claim_ended(network: &str, words: &Words) -> String {
    let main = format!("<h1>{}</h1>\n<p id=\"error\">{}</p>", words.broken_title, words.claim_ended);
    frame(network, words, words.broken_title, "page", &main)
}

/// What a person finds who opens the hub's address in a browser; `app` is where the app is to be had.
#[must_use]
pub fn front(network: &str, words: &Words, app: Option<&str>) -> String {
    frame(
        network,
        words,
        words.front_title,
        "page",
        &fill(FRONT, words, &[("get_part", &get_app(words, "", app))]),
    )
}

/// The page for a request that cannot be answered by a redirect.
#[must_use]
pub fn broken(network: &str, words: &Words) -> String {
    let main =
        format!("<h1>{}</h1>\n<p id=\"error\" role=\"alert\">{}</p>", words.broken_title, words.broken_text);
    frame(network, words, words.broken_title, "page", &main)
}

/// `kind` is how the style sheet calls it.
fn frame(network: &str, words: &Words, title: &str, kind: &str, main: &str) -> String {
    let (title, network) = (escape(title), escape(network));
    let values =
        [("title", &*title), ("network", &*network), ("lang", words.lang), ("kind", kind), ("main", main)];
    fill(FRAME, words, &values)
}

fn fill(template: &str, words: &Words, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len() + 1024);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        out.push_str(before);
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => out.push_str(value),
            None => out.push_str(&escape(words.get(name))),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// For text and attributes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_in_the_templates_has_words_in_every_language() {
        for lang in ["en", "de", "pl", "uk"] {
            let words = words::choose(lang);
            assert_eq!(words.lang, lang);
            let html = sign_in("A <b> & C", words, "sealed", true);
            assert!(
                !html.contains("{{") && html.contains("A &lt;b&gt; &amp; C") && html.contains("sealed"),
                "{html}"
            );
            for id in ["name", "create", "sign-in", "error", "recover", "guest"] {
                assert!(html.contains(&format!("id=\"{id}\"")), "{id}");
            }
            let html = add_passkey("A <b> & C", words, "sealed");
            assert!(!html.contains("{{") && html.contains("data-request=\"sealed\""), "{html}");
            for id in ["sign-in", "add", "error"] {
                assert!(html.contains(&format!("id=\"{id}\"")), "{id}");
            }
            assert!(!html.contains("id=\"create\"") && !html.contains("id=\"recover\""));
            assert!(!front("A", words, None).contains("id=\"get\""));
            for html in [
                front("A", words, Some("https://apps.example/?a&b")),
                claim("A", words, For::Share, "postern://claim?a", None, Some("https://apps.example/?a&b")),
                claim(
                    "A",
                    words,
                    For::Parcel,
                    "postern://claim?a",
                    Some("/app/#claim=x"),
                    Some("https://apps.example/?a&b"),
                ),
            ] {
                assert!(
                    !html.contains("{{") && html.contains("href=\"https://apps.example/?a&amp;b\""),
                    "{html}"
                );
            }
        }
        assert_eq!(words::choose("fr-CH, de;q=0.9, en;q=0.8").lang, "de");
        assert_eq!(words::choose("").lang, "en");
    }
}
