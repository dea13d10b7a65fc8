//! What tray and notifications say. The page's languages live in `ui`; these few words are needed where there is no
//! page: in the background, and before the page is up.

use postern_runtime::effect::{CareNote, Notification, NotificationKind};
use tokio::sync::watch;

/// The language spoken now: the page's choice, or the system's until it has told us.
pub(crate) struct Language(watch::Sender<&'static Words>);

impl Default for Language {
    fn default() -> Self {
        let system = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        let words = system.as_deref().and_then(Words::of).unwrap_or(&ENGLISH);
        Self(watch::Sender::new(words))
    }
}

impl Language {
    /// Speaks this language from now on; false where it is not one of ours.
    pub(crate) fn set(&self, tag: &str) -> bool {
        let Some(words) = Words::of(tag) else { return false };
        self.0.send_if_modified(|spoken| std::mem::replace(spoken, words).language != words.language);
        true
    }

    /// Tells when another one is spoken.
    #[cfg(mobile)]
    pub(crate) fn subscribe(&self) -> watch::Receiver<&'static Words> {
        self.0.subscribe()
    }

    /// Its words.
    pub(crate) fn words(&self) -> &'static Words {
        *self.0.borrow()
    }
}

/// One language. `{title}` and `{door}` stand for what the notification is about, `{app}` for the name of the app.
#[cfg_attr(mobile, allow(dead_code, reason = "a phone has no tray"))]
pub(crate) struct Words {
    language: &'static str,
    /// Tray: bring the window, at what lies in the nearest locker.
    pub(crate) nearest: &'static str,
    /// Tray: bring the window.
    show: &'static str,
    /// Tray: end the app.
    pub(crate) quit: &'static str,
    /// Tray: nothing waits.
    pub(crate) nothing: &'static str,
    /// Tray: this many wait; `{count}`. One form for all numbers.
    waiting: &'static str,
    ready: [&'static str; 2],
    deadline: [&'static str; 2],
    habit: [&'static str; 2],
    left_open: [&'static str; 2],
    overdue: [&'static str; 2],
    revoked: [&'static str; 2],
    answered: [&'static str; 2],
    parcel: &'static str,
    /// Chilled, frozen, fragile.
    care: [&'static str; 3],
    /// For how long it keeps; `{time}` is one of the next two.
    keeps: &'static str,
    /// Hours and minutes; `{n}`.
    times: [&'static str; 2],
    /// Android's settings: what is told as it happens, and what is reminded of.
    #[cfg_attr(not(target_os = "android"), allow(dead_code, reason = "nobody else has kinds"))]
    kinds: [&'static str; 2],
    /// The runtime did not come up.
    cannot_start: [&'static str; 2],
}

impl Words {
    /// Of a BCP 47 tag or a POSIX locale.
    fn of(tag: &str) -> Option<&'static Self> {
        let language = tag.split(['-', '_', '.']).next()?.to_ascii_lowercase();
        ALL.iter().find(|words| words.language == language).copied()
    }

    /// Tray: bring the window of the app of this name.
    #[cfg_attr(mobile, allow(dead_code, reason = "a phone has no tray"))]
    pub(crate) fn show(&self, app: &str) -> String {
        self.show.replace("{app}", app)
    }

    /// Title and body, where the runtime of the app of this name did not come up.
    pub(crate) fn cannot_start(&self, app: &str) -> (String, &'static str) {
        let [title, body] = self.cannot_start;
        (title.replace("{app}", app), body)
    }

    /// Title and body.
    pub(crate) fn notification(&self, notification: &Notification) -> (String, String) {
        let [title, body] = match notification.kind {
            NotificationKind::Ready => self.ready,
            NotificationKind::Deadline => self.deadline,
            NotificationKind::Habit => self.habit,
            NotificationKind::DoorLeftOpen => self.left_open,
            NotificationKind::Overdue => self.overdue,
            NotificationKind::Revoked => self.revoked,
            NotificationKind::ReportAnswered => self.answered,
        };
        let about = notification.title.as_deref().map_or_else(|| self.parcel.to_owned(), plain);
        let door = notification.door.as_deref().map_or_else(|| "–".to_owned(), plain);
        let mut body = body.replace("{door}", &door).replace("{title}", &about);
        if let Some(care) = notification.care.and_then(|care| self.care(care)) {
            body = format!("{body} {care}.");
        }
        (title.to_owned(), body)
    }

    /// How it has to be kept, and for how long it keeps from now; none where there is nothing to say.
    fn care(&self, care: CareNote) -> Option<String> {
        let [chilled, frozen, fragile] = self.care;
        let kinds = [(care.chilled, chilled), (care.frozen, frozen), (care.fragile, fragile)];
        let mut words: Vec<_> =
            kinds.into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned()).collect();
        if let Some(minutes) = care.keeps_minutes {
            let [hours, few] = self.times;
            let time = match minutes {
                0..120 => few.replace("{n}", &minutes.to_string()),
                _ => hours.replace("{n}", &(minutes / 60).to_string()),
            };
            words.push(self.keeps.replace("{time}", &time));
        }
        (!words.is_empty()).then(|| words.join(" · "))
    }

    /// The kinds of notification that a customer can silence, by the names that `notices` has for them.
    #[cfg(target_os = "android")]
    pub(crate) fn channels(&self) -> [(&'static str, &'static str); 2] {
        let [parcels, reminders] = self.kinds;
        [("parcels", parcels), ("reminders", reminders)]
    }

    /// How much waits to be collected.
    #[cfg_attr(mobile, allow(dead_code, reason = "a phone has no tray"))]
    pub(crate) fn waits(&self, count: usize) -> String {
        match count {
            0 => self.nothing.to_owned(),
            _ => self.waiting.replace("{count}", &count.to_string()),
        }
    }
}

/// Text of the hub's for a place that may read markup (the freedesktop notification daemons do), and on one short line.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars().filter(|c| !c.is_control() && !is_direction(*c)).take(80) {
        match c {
            // Elsewhere text is text.
            c if !cfg!(target_os = "linux") => plain.push(c),
            '&' => plain.push_str("&amp;"),
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            _ => plain.push(c),
        }
    }
    plain
}

/// Marks that turn the direction of what follows (Unicode Bidi_Control).
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

const ALL: &[&Words] = &[&ENGLISH, &GERMAN, &POLISH, &UKRAINIAN];

const ENGLISH: Words = Words {
    language: "en",
    nearest: "Open the nearest…",
    show: "Open {app}",
    quit: "Quit",
    nothing: "Nothing to collect",
    waiting: "To collect: {count}",
    ready: ["Ready to collect", "{title} is in door {door}."],
    deadline: ["Not much time left", "Collect {title} from door {door} soon."],
    habit: ["On your way?", "{title} is in door {door}."],
    left_open: ["A door is open", "Please close door {door}."],
    overdue: ["Overdue", "Please bring back {title}."],
    revoked: ["Signed out", "This device was removed from your account. Everything on it was erased."],
    answered: ["Your report was answered", "It’s about {title}."],
    parcel: "Your parcel",
    care: ["Chilled", "Frozen", "Fragile"],
    keeps: "Keeps for {time}",
    times: ["{n} h", "{n} min"],
    kinds: ["Parcels", "Reminders"],
    cannot_start: ["{app} cannot start", "Another program is using its data. Close it and try again."],
};

const GERMAN: Words = Words {
    language: "de",
    nearest: "Nächstes Fach öffnen …",
    show: "{app} öffnen",
    quit: "Beenden",
    nothing: "Nichts abzuholen",
    waiting: "Abzuholen: {count}",
    ready: ["Bereit zur Abholung", "{title} liegt in Fach {door}."],
    deadline: ["Nicht mehr viel Zeit", "{title} bald aus Fach {door} abholen."],
    habit: ["Gerade unterwegs?", "{title} liegt in Fach {door}."],
    left_open: ["Ein Fach steht offen", "Bitte Fach {door} schließen."],
    overdue: ["Überfällig", "Bitte {title} zurückbringen."],
    revoked: ["Abgemeldet", "Dieses Gerät wurde aus dem Konto entfernt. Alles darauf wurde gelöscht."],
    answered: ["Antwort auf deine Meldung", "Es geht um {title}."],
    parcel: "Dein Paket",
    care: ["Gekühlt", "Tiefgekühlt", "Zerbrechlich"],
    keeps: "Noch {time} haltbar",
    times: ["{n} Std.", "{n} Min."],
    kinds: ["Pakete", "Erinnerungen"],
    cannot_start: [
        "{app} kann nicht starten",
        "Ein anderes Programm benutzt die Daten. Bitte schließen und noch einmal versuchen.",
    ],
};

const POLISH: Words = Words {
    language: "pl",
    nearest: "Otwórz najbliższą skrytkę…",
    show: "Otwórz {app}",
    quit: "Zakończ",
    nothing: "Nic do odbioru",
    waiting: "Do odbioru: {count}",
    ready: ["Gotowe do odbioru", "{title} czeka w skrytce {door}."],
    deadline: ["Zostało mało czasu", "Odbierz wkrótce {title} ze skrytki {door}."],
    habit: ["Po drodze?", "{title} czeka w skrytce {door}."],
    left_open: ["Skrytka jest otwarta", "Zamknij skrytkę {door}."],
    overdue: ["Po terminie", "Zwróć {title}."],
    revoked: ["Wylogowano", "To urządzenie usunięto z konta. Wszystko na nim zostało skasowane."],
    answered: ["Odpowiedź na zgłoszenie", "Dotyczy: {title}."],
    parcel: "Twoja paczka",
    care: ["Chłodzone", "Mrożone", "Delikatne"],
    keeps: "Wytrzyma jeszcze {time}",
    times: ["{n} h", "{n} min"],
    kinds: ["Paczki", "Przypomnienia"],
    cannot_start: [
        "Nie można uruchomić {app}",
        "Inny program używa jego danych. Zamknij go i spróbuj ponownie.",
    ],
};

const UKRAINIAN: Words = Words {
    language: "uk",
    nearest: "Відчинити найближчу комірку…",
    show: "Відкрити {app}",
    quit: "Вийти",
    nothing: "Немає чого забирати",
    waiting: "Можна забрати: {count}",
    ready: ["Можна забирати", "{title} у комірці {door}."],
    deadline: ["Залишилося мало часу", "Заберіть {title} з комірки {door}."],
    habit: ["Вам по дорозі?", "{title} у комірці {door}."],
    left_open: ["Комірка відчинена", "Зачиніть комірку {door}."],
    overdue: ["Термін минув", "Поверніть {title}."],
    revoked: ["Вихід виконано", "Цей пристрій вилучено з облікового запису. Усе на ньому стерто."],
    answered: ["Відповідь на ваше повідомлення", "Стосується: {title}."],
    parcel: "Ваша посилка",
    care: ["Охолоджене", "Заморожене", "Крихке"],
    keeps: "Придатне ще {time}",
    times: ["{n} год", "{n} хв"],
    kinds: ["Посилки", "Нагадування"],
    cannot_start: [
        "{app} не запускається",
        "Його даними користується інша програма. Закрийте її та спробуйте ще раз.",
    ],
};

#[cfg(test)]
mod tests {
    use postern_runtime::effect::{CareNote, Notification, NotificationKind};

    use super::{ALL, Language, Words};

    #[test]
    fn a_language_is_found_by_tag_and_by_locale() {
        let quit = |tag: &str| Words::of(tag).map(|words| words.quit);
        assert_eq!(quit("de-AT"), Some("Beenden"));
        assert_eq!(quit("pl_PL.UTF-8"), Some("Zakończ"));
        assert_eq!(quit("C"), None);
        let language = Language::default();
        assert!(language.set("uk"));
        assert!(!language.set("tlh"));
        assert_eq!(language.words().quit, "Вийти");
    }

    #[test]
    fn hub_text_is_never_markup_in_a_notification() {
        let notification = Notification {
            kind: NotificationKind::Ready,
            reservation: None,
            title: Some("<b>{door}</b>\u{202e}\n & more".to_owned()),
            door: Some("B3".to_owned()),
            care: None,
        };
        for words in ALL {
            let (title, body) = words.notification(&notification);
            assert!(!title.is_empty());
            // Whatever brand it is: no text names another one.
            let told = [words.show("Lantern"), words.cannot_start("Lantern").0];
            assert!(told.iter().all(|text| text.contains("Lantern") && !text.contains('{')), "{told:?}");
            assert!(body.contains("&lt;b&gt;{door}&lt;/b&gt; &amp; more") && body.contains("B3"), "{body}");
        }
    }

    #[test]
    fn how_a_parcel_is_kept_is_told_in_every_language() {
        let told = |keeps_minutes| {
            let care = CareNote { chilled: true, fragile: true, keeps_minutes, ..CareNote::default() };
            let door = Some("B3".to_owned());
            let notification = Notification {
                kind: NotificationKind::Deadline,
                reservation: None,
                title: None,
                door,
                care: Some(care),
            };
            ALL.iter().map(|words| words.notification(&notification).1).collect::<Vec<_>>()
        };
        let long = told(Some(485));
        assert_eq!(long[0], "Collect Your parcel from door B3 soon. Chilled · Fragile · Keeps for 8 h.");
        assert_eq!(
            long[1],
            "Dein Paket bald aus Fach B3 abholen. Gekühlt · Zerbrechlich · Noch 8 Std. haltbar."
        );
        assert!(told(Some(90)).iter().all(|body| body.contains("90") && !body.contains('{')));
        assert!(told(None)[0].ends_with("soon. Chilled · Fragile."));
    }
}
