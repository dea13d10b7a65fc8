//! The page that the browser shows when sign-in is over: the one text that the app shows outside its window.

/// The only style is our own, inline; nothing else is loaded or run.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Title and text, after success and after a refusal.
struct Words {
    language: &'static str,
    done: [&'static str; 2],
    refused: [&'static str; 2],
}

/// The first is for everybody else.
const WORDS: [Words; 4] = [
    Words {
        language: "en",
        done: ["You can go back to Postern", "You may close this page."],
        refused: ["Sign-in did not finish", "Go back to Postern to try again. You may close this page."],
    },
    Words {
        language: "de",
        done: ["Zurück zu Postern", "Du kannst diese Seite schließen."],
        refused: [
            "Die Anmeldung wurde nicht abgeschlossen",
            "Geh zurück zu Postern und versuch es noch einmal. Du kannst diese Seite schließen.",
        ],
    },
    Words {
        language: "pl",
        done: ["Możesz wrócić do Postern", "Możesz zamknąć tę stronę."],
        refused: [
            "Logowanie nie zostało ukończone",
            "Wróć do Postern i spróbuj ponownie. Możesz zamknąć tę stronę.",
        ],
    },
    Words {
        language: "uk",
        done: ["Можна повернутися до Postern", "Цю сторінку можна закрити."],
        refused: [
            "Вхід не завершено",
            "Поверніться до Postern і спробуйте ще раз. Цю сторінку можна закрити.",
        ],
    },
];

/// The page in the first language of `Accept-Language` that we have.
pub(super) fn page(finished: bool, accept_language: &str) -> String {
    let words = accept_language
        .split(',')
        .filter_map(|range| range.trim().get(..2))
        .find_map(|wanted| WORDS.iter().find(|words| words.language.eq_ignore_ascii_case(wanted)))
        .unwrap_or(&WORDS[0]);
    let [title, text] = if finished { words.done } else { words.refused };
    let mark = if finished { "M5 13l4 4L19 7" } else { "M12 7v6m0 3.5v.5" };
    format!(
        r#"<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{title}</title><style>
:root{{color-scheme:light dark}}
body{{margin:0;min-height:100vh;display:grid;place-items:center;font:1.125rem/1.5 system-ui,sans-serif;background:#f6f7f9;color:#14181f}}
main{{padding:2rem;max-width:26rem;text-align:center}}
svg{{width:4rem;height:4rem;fill:none;stroke:currentColor;stroke-width:2;stroke-linecap:round;stroke-linejoin:round}}
h1{{font-size:1.5rem;line-height:1.25;margin:1rem 0 .5rem}}p{{margin:0}}
@media(prefers-color-scheme:dark){{body{{background:#12151a;color:#eef1f5}}}}
</style></head><body><main><svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10.5"/><path d="{mark}"/></svg>
<h1>{title}</h1><p>{text}</p></main></body></html>
"#,
        language = words.language,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_speaks_the_first_language_it_can() {
        assert!(page(true, "fr-FR,fr;q=0.9,pl;q=0.8,en;q=0.7").contains("lang=\"pl\""));
        assert!(page(true, "").contains("lang=\"en\""));
        assert!(page(false, "UK").contains("Вхід не завершено"));
        assert!(page(true, "ю").contains("lang=\"en\""), "a range cut inside a character is passed over");
    }
}
