//! What letters say.

use super::Letter;

struct Words {
    lang: &'static str,
    code_subject: &'static str,
    code_text: &'static str,
    parcel_subject: &'static str,
    parcel_text: &'static str,
    home_subject: &'static str,
    home_text: &'static str,
}

const LANGUAGES: [Words; 4] = [
    Words {
        lang: "en",
        code_subject: "Your code: {code}",
        code_text: "Type this code into the app to confirm your e-mail address:\n\n{code}\n\nIt is good for 30 minutes. \
                    If you did not ask for it, you need do nothing; please tell nobody the code.\n\n{network}",
        parcel_subject: "A parcel for you from {carrier}",
        parcel_text: "{carrier} brings you a parcel to:\n\n{site}\n{address}\n\nBy this link you have it in the app, with an \
                      account or without:\n\n{link}\n\nThe link is used up by the first who goes on: please pass it on to \
                      nobody. If your account in the app has this e-mail address, the parcel is in your list already.\n\n{network}",
        home_subject: "Your invitation to {site}, {unit}",
        home_text: "You are invited to the lockers of your house:\n\n{site}, {unit}\n{address}\n\nOpen this link to go on:\n\n{link}\n\nOr type this code into the app:\n\n{code}\n\nThe app shows you what it is for before you say yes. Please pass it on only to people who live with you.\n\n{network}",
    },
    Words {
        lang: "de",
        code_subject: "Dein Code: {code}",
        code_text: "Gib diesen Code in der App ein, um deine E-Mail-Adresse zu bestätigen:\n\n{code}\n\nEr gilt 30 Minuten. \
                    Hast du ihn nicht angefordert, musst du nichts tun; verrate den Code niemandem.\n\n{network}",
        parcel_subject: "Ein Paket für dich von {carrier}",
        parcel_text: "{carrier} bringt dir ein Paket nach:\n\n{site}\n{address}\n\nMit diesem Link hast du es in der App, mit \
                      oder ohne Konto:\n\n{link}\n\nDer Link gilt für die erste Person, die ihn benutzt: Gib ihn bitte nicht \
                      weiter. Hat dein Konto in der App diese E-Mail-Adresse, steht das Paket schon in deiner Liste.\n\n{network}",
        home_subject: "Deine Einladung: {site}, {unit}",
        home_text: "Du bist zu den Schließfächern deines Hauses eingeladen:\n\n{site}, {unit}\n{address}\n\nMit diesem Link geht es weiter:\n\n{link}\n\nOder gib diesen Code in der App ein:\n\n{code}\n\nDie App zeigt dir, worum es geht, bevor du zusagst. Gib ihn bitte nur an Menschen weiter, die mit dir wohnen.\n\n{network}",
    },
    Words {
        lang: "pl",
        code_subject: "Twój kod: {code}",
        code_text: "Wpisz ten kod w aplikacji, aby potwierdzić swój adres e-mail:\n\n{code}\n\nKod jest ważny 30 minut. \
                    Jeśli to nie Ty o niego prosisz, nie musisz nic robić; nie podawaj nikomu tego kodu.\n\n{network}",
        parcel_subject: "Przesyłka dla Ciebie od {carrier}",
        parcel_text: "{carrier} dostarczy Ci przesyłkę do:\n\n{site}\n{address}\n\nDzięki temu linkowi zobaczysz ją w aplikacji, \
                      z kontem lub bez:\n\n{link}\n\nLink działa dla pierwszej osoby, która go użyje: nie przekazuj go nikomu. \
                      Jeśli Twoje konto w aplikacji ma ten adres e-mail, przesyłka jest już na Twojej liście.\n\n{network}",
        home_subject: "Twoje zaproszenie: {site}, {unit}",
        home_text: "Zapraszamy do skrytek w Twoim domu:\n\n{site}, {unit}\n{address}\n\nOtwórz ten link, aby przejść dalej:\n\n{link}\n\nAlbo wpisz ten kod w aplikacji:\n\n{code}\n\nAplikacja pokaże, czego dotyczy zaproszenie, zanim je przyjmiesz. Przekaż je tylko osobom, które z Tobą mieszkają.\n\n{network}",
    },
    Words {
        lang: "uk",
        code_subject: "Ваш код: {code}",
        code_text: "Введіть цей код у застосунку, щоб підтвердити свою електронну адресу:\n\n{code}\n\nКод діє 30 хвилин. \
                    Якщо ви його не просили, нічого робити не треба; нікому не повідомляйте код.\n\n{network}",
        parcel_subject: "Посилка для вас від {carrier}",
        parcel_text: "{carrier} привезе вам посилку сюди:\n\n{site}\n{address}\n\nЗа цим посиланням вона буде у вас у \
                      застосунку, з обліковим записом або без нього:\n\n{link}\n\nПосилання діє для першої людини: будь ласка, \
                      нікому його не передавайте. Якщо у вашому обліковому записі вказано цю адресу, посилка вже є у вашому \
                      списку.\n\n{network}",
        home_subject: "Ваше запрошення: {site}, {unit}",
        home_text: "Вас запрошено до скриньок вашого будинку:\n\n{site}, {unit}\n{address}\n\nВідкрийте це посилання, щоб продовжити:\n\n{link}\n\nАбо введіть цей код у застосунку:\n\n{code}\n\nЗастосунок покаже, про що йдеться, перш ніж ви погодитеся. Передавайте його лише тим, хто живе з вами.\n\n{network}",
    },
];

/// Languages that letters are written in.
pub fn languages() -> impl Iterator<Item = &'static str> {
    LANGUAGES.iter().map(|words| words.lang)
}

/// Subject and text, in English where there are no words in `language`.
pub(super) fn write(language: &str, network: &str, letter: Letter<'_>) -> (String, String) {
    let words = LANGUAGES.iter().find(|words| words.lang == language).unwrap_or(&LANGUAGES[0]);
    match letter {
        Letter::Code(code) => {
            let values = [("code", code), ("network", network)];
            (fill(words.code_subject, &values), fill(words.code_text, &values))
        }
        Letter::Parcel { carrier, site: (site, address), link } => {
            let values = [
                ("carrier", carrier),
                ("site", site),
                ("address", address),
                ("link", link),
                ("network", network),
            ];
            (fill(words.parcel_subject, &values), fill(words.parcel_text, &values))
        }
        Letter::Home { site: (site, address), unit, link, code } => {
            let values = [
                ("site", site),
                ("address", address),
                ("unit", unit),
                ("link", link),
                ("code", code),
                ("network", network),
            ];
            (fill(words.home_subject, &values), fill(words.home_text, &values))
        }
    }
}

/// Puts values into their places; what a value says is never looked at for places.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_says_everything_in_every_language() {
        assert_eq!(languages().collect::<Vec<_>>(), ["en", "de", "pl", "uk"]);
        let mut subjects = std::collections::BTreeSet::new();
        for language in languages() {
            let (subject, text) = write(language, "Lindenhof {code}", Letter::Code("12345678"));
            assert!(subject.contains("12345678") && text.contains("12345678"), "{text}");
            assert!(text.ends_with("Lindenhof {code}"), "{text}");
            subjects.insert(subject);
            let letter = Letter::Parcel {
                carrier: "Heron {link}",
                site: ("Lindenhof", "Lindenhof 4"),
                link: "https://hub.example/claim/x",
            };
            let (subject, text) = write(language, "Net", letter);
            assert!(
                subject.contains("Heron {link}") && text.contains("\nhttps://hub.example/claim/x\n"),
                "{text}"
            );
            assert!(text.contains("Lindenhof\nLindenhof 4\n") && text.ends_with("Net"), "{text}");
            subjects.insert(subject);
            let (site, unit, link) = (("Lindenhof", "Lindenhof 4"), "3 {code}", "https://hub.example/home/x");
            let (subject, text) =
                write(language, "Net", Letter::Home { site, unit, link, code: "7QFM-3K9T-XWB4" });
            assert!(
                subject.contains("Lindenhof, 3 {code}") && text.contains("\nhttps://hub.example/home/x\n"),
                "{text}"
            );
            assert!(text.contains("\n7QFM-3K9T-XWB4\n") && text.ends_with("Net"), "{text}");
            subjects.insert(subject);
        }
        assert_eq!(subjects.len(), 12);
        assert_eq!(write("fr", "Net", Letter::Code("1")), write("en", "Net", Letter::Code("1")));
    }
}
