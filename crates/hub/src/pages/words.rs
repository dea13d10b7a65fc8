//! What the hub's pages say.

macro_rules! words {
    ($($name:ident),* $(,)?) => {
        /// One language.
        #[derive(Debug)]
        #[allow(missing_docs)]
        pub struct Words {
            pub lang: &'static str,
            $(pub $name: &'static str,)*
        }

        impl Words {
            /// The words for a place in a template; empty where there is no such place.
            #[must_use]
            pub fn get(&self, name: &str) -> &'static str {
                match name {
                    $(stringify!($name) => self.$name,)*
                    _ => "",
                }
            }
        }
    };
}

words! {
    sign_in_title, intro, sign_in, or_new, name, name_hint, create, recover_question, recovery_code, recover, working,
    done, failed, cancelled, unsupported, stale, throttled, code_wrong, name_missing, offline, broken_title,
    broken_text, privacy, guest, guest_hint, claim_title, claim_text, claim_open, claim_ended,
    add_title, add_intro, add_confirm, add, add_known, add_many,
}

const LANGUAGES: [Words; 4] = [
    Words {
        lang: "en",
        sign_in_title: "Sign in",
        intro: "You use the passkey on this device: your fingerprint, face or PIN. No password.",
        sign_in: "Sign in with a passkey",
        or_new: "New here?",
        name: "Your name",
        name_hint: "What should we call you? It can be a nickname.",
        create: "Create an account",
        recover_question: "Lost your passkey?",
        recovery_code: "Recovery code",
        recover: "Make a new passkey",
        working: "Follow what your device asks …",
        done: "You are signed in. Go back to the app; you can close this page.",
        failed: "That did not work. Please try again.",
        cancelled: "Nothing happened: the passkey request was cancelled or ran out of time. You can try again.",
        unsupported: "This browser knows no passkeys. Please open this page in another one.",
        stale: "This page was open for too long. Go back to the app and start again.",
        throttled: "Too many attempts. Please wait a minute.",
        code_wrong: "We do not know this recovery code, or it was used before.",
        name_missing: "Please enter a name of at most 64 characters.",
        offline: "The network cannot be reached. Are you online?",
        broken_title: "This link does not work",
        broken_text: "The request did not come from the app as it should. Go back to the app and start the sign-in again.",
        privacy: "We keep your name, the public keys of your passkeys and devices, and your parcels with what you report about them. Delete your account in the app, and it is gone.",
        guest: "Go on as a guest",
        guest_hint: "You were given access. You can collect without an account.",
        claim_title: "Access to a locker",
        claim_text: "Somebody gave you access to a compartment. Open the app to go on; the link is used up by the first who goes on.",
        claim_open: "Open the app",
        claim_ended: "This link was used, taken back, or is over. Ask who sent it for a new one.",
        add_title: "Another passkey",
        add_intro: "First show a passkey that you have. Then make another: on this device, on a security key, or on another phone.",
        add_confirm: "Use a passkey I have",
        add: "Make another passkey",
        add_known: "There is a passkey of your account on that device already. Choose another device or security key.",
        add_many: "You have as many passkeys as one account can hold. Remove one in the app first.",
    },
    Words {
        lang: "de",
        sign_in_title: "Anmelden",
        intro: "Du benutzt den Passkey auf diesem Gerät: Fingerabdruck, Gesicht oder PIN. Kein Passwort.",
        sign_in: "Mit Passkey anmelden",
        or_new: "Neu hier?",
        name: "Dein Name",
        name_hint: "Wie sollen wir dich nennen? Ein Spitzname genügt.",
        create: "Konto anlegen",
        recover_question: "Passkey verloren?",
        recovery_code: "Wiederherstellungscode",
        recover: "Neuen Passkey anlegen",
        working: "Folge dem, was dein Gerät fragt …",
        done: "Du bist angemeldet. Geh zurück zur App; diese Seite kannst du schließen.",
        failed: "Das hat nicht geklappt. Bitte versuche es noch einmal.",
        cancelled: "Nichts ist geschehen: Die Passkey-Abfrage wurde abgebrochen oder ist abgelaufen. Du kannst es noch einmal versuchen.",
        unsupported: "Dieser Browser kennt keine Passkeys. Bitte öffne die Seite in einem anderen.",
        stale: "Diese Seite war zu lange offen. Geh zurück zur App und beginne noch einmal.",
        throttled: "Zu viele Versuche. Bitte warte eine Minute.",
        code_wrong: "Diesen Wiederherstellungscode kennen wir nicht, oder er wurde schon benutzt.",
        name_missing: "Bitte gib einen Namen mit höchstens 64 Zeichen ein.",
        offline: "Das Netz ist nicht erreichbar. Bist du online?",
        broken_title: "Dieser Link funktioniert nicht",
        broken_text: "Die Anfrage kam nicht so von der App, wie sie soll. Geh zurück zur App und beginne die Anmeldung noch einmal.",
        privacy: "Wir speichern deinen Namen, die öffentlichen Schlüssel deiner Passkeys und Geräte und deine Pakete mit dem, was du dazu meldest. Löschst du dein Konto in der App, ist das weg.",
        guest: "Als Gast weiter",
        guest_hint: "Du hast Zugang bekommen. Abholen geht auch ohne Konto.",
        claim_title: "Zugang zu einem Fach",
        claim_text: "Jemand hat dir Zugang zu einem Fach gegeben. Öffne die App, um weiterzumachen; der Link gilt für die erste Person, die ihn benutzt.",
        claim_open: "App öffnen",
        claim_ended: "Dieser Link wurde benutzt, zurückgenommen oder ist abgelaufen. Bitte um einen neuen.",
        add_title: "Weiterer Passkey",
        add_intro: "Zeige zuerst einen Passkey, den du hast. Lege dann einen weiteren an: auf diesem Gerät, einem Sicherheitsschlüssel oder einem anderen Telefon.",
        add_confirm: "Vorhandenen Passkey benutzen",
        add: "Weiteren Passkey anlegen",
        add_known: "Auf diesem Gerät gibt es schon einen Passkey deines Kontos. Wähle ein anderes Gerät oder einen Sicherheitsschlüssel.",
        add_many: "Mehr Passkeys kann ein Konto nicht haben. Entferne zuerst einen in der App.",
    },
    Words {
        lang: "pl",
        sign_in_title: "Logowanie",
        intro: "Używasz klucza dostępu na tym urządzeniu: odcisku palca, twarzy lub kodu PIN. Bez hasła.",
        sign_in: "Zaloguj się kluczem dostępu",
        or_new: "Pierwszy raz tutaj?",
        name: "Twoje imię",
        name_hint: "Jak mamy się do Ciebie zwracać? Wystarczy pseudonim.",
        create: "Utwórz konto",
        recover_question: "Utracony klucz dostępu?",
        recovery_code: "Kod odzyskiwania",
        recover: "Utwórz nowy klucz dostępu",
        working: "Postępuj zgodnie z poleceniami urządzenia …",
        done: "Zalogowano. Wróć do aplikacji; tę stronę możesz zamknąć.",
        failed: "Nie udało się. Spróbuj ponownie.",
        cancelled: "Nic się nie stało: żądanie klucza anulowano lub minął czas. Możesz spróbować ponownie.",
        unsupported: "Ta przeglądarka nie obsługuje kluczy dostępu. Otwórz stronę w innej.",
        stale: "Strona była otwarta zbyt długo. Wróć do aplikacji i zacznij od nowa.",
        throttled: "Zbyt wiele prób. Poczekaj minutę.",
        code_wrong: "Nie znamy tego kodu odzyskiwania albo został już użyty.",
        name_missing: "Podaj nazwę o długości najwyżej 64 znaków.",
        offline: "Sieć jest nieosiągalna. Czy masz połączenie z internetem?",
        broken_title: "Ten link nie działa",
        broken_text: "Żądanie nie nadeszło z aplikacji we właściwej postaci. Wróć do aplikacji i zaloguj się od nowa.",
        privacy: "Przechowujemy Twoją nazwę, klucze publiczne Twoich kluczy dostępu i urządzeń oraz Twoje przesyłki wraz z tym, co o nich zgłosisz. Usuń konto w aplikacji, a to wszystko zniknie.",
        guest: "Kontynuuj jako gość",
        guest_hint: "Masz udostępnioną skrytkę. Możesz odebrać bez konta.",
        claim_title: "Dostęp do skrytki",
        claim_text: "Ktoś udostępnił Ci skrytkę. Otwórz aplikację, aby kontynuować; link działa dla pierwszej osoby.",
        claim_open: "Otwórz aplikację",
        claim_ended: "Ten link został użyty, cofnięty lub wygasł. Poproś o nowy.",
        add_title: "Kolejny klucz dostępu",
        add_intro: "Najpierw użyj klucza dostępu, który już masz. Potem utwórz kolejny: na tym urządzeniu, na kluczu bezpieczeństwa lub na innym telefonie.",
        add_confirm: "Użyj posiadanego klucza",
        add: "Utwórz kolejny klucz",
        add_known: "Na tym urządzeniu jest już klucz dostępu do Twojego konta. Wybierz inne urządzenie lub klucz bezpieczeństwa.",
        add_many: "Konto ma już najwięcej kluczy, ile może mieć. Najpierw usuń jeden w aplikacji.",
    },
    Words {
        lang: "uk",
        sign_in_title: "Вхід",
        intro: "Використовуйте ключ доступу на цьому пристрої: відбиток пальця, обличчя або PIN. Без пароля.",
        sign_in: "Увійти за ключем доступу",
        or_new: "Уперше тут?",
        name: "Ваше ім’я",
        name_hint: "Як до вас звертатися? Можна псевдонім.",
        create: "Створити обліковий запис",
        recover_question: "Втратили ключ доступу?",
        recovery_code: "Код відновлення",
        recover: "Створити новий ключ доступу",
        working: "Виконайте те, що просить пристрій …",
        done: "Ви ввійшли. Поверніться до застосунку; цю сторінку можна закрити.",
        failed: "Не вдалося. Спробуйте ще раз.",
        cancelled: "Нічого не сталося: запит ключа скасовано або минув час. Можна спробувати ще раз.",
        unsupported: "Цей браузер не підтримує ключів доступу. Відкрийте сторінку в іншому.",
        stale: "Сторінка була відкрита надто довго. Поверніться до застосунку й почніть знову.",
        throttled: "Забагато спроб. Зачекайте хвилину.",
        code_wrong: "Ми не знаємо цього коду відновлення, або його вже використано.",
        name_missing: "Введіть ім’я не довше за 64 символи.",
        offline: "Мережа недоступна. Ви онлайн?",
        broken_title: "Це посилання не працює",
        broken_text: "Запит надійшов від застосунку не так, як слід. Поверніться до застосунку й почніть вхід знову.",
        privacy: "Ми зберігаємо ваше ім’я, відкриті ключі ваших ключів доступу й пристроїв та ваші посилки з тим, що ви про них повідомили. Видаліть обліковий запис у застосунку, і цього не стане.",
        guest: "Продовжити як гість",
        guest_hint: "Вам надали доступ. Забрати можна без облікового запису.",
        claim_title: "Доступ до комірки",
        claim_text: "Хтось надав вам доступ до комірки. Відкрийте застосунок, щоб продовжити; посилання діє для першої людини.",
        claim_open: "Відкрити застосунок",
        claim_ended: "Це посилання використано, скасовано або його час минув. Попросіть нове.",
        add_title: "Ще один ключ доступу",
        add_intro: "Спершу скористайтеся ключем доступу, який у вас є. Потім створіть ще один: на цьому пристрої, на ключі безпеки або на іншому телефоні.",
        add_confirm: "Скористатися наявним ключем",
        add: "Створити ще один ключ",
        add_known: "На цьому пристрої вже є ключ доступу до вашого облікового запису. Виберіть інший пристрій або ключ безпеки.",
        add_many: "Обліковий запис уже має найбільшу можливу кількість ключів. Спершу вилучіть один у застосунку.",
    },
];

/// By `Accept-Language`, in the order of the header: people put the language they like first.
pub(super) fn choose(wanted: &str) -> &'static Words {
    wanted
        .split(',')
        .filter_map(|range| range.split([';', '-', '_']).next())
        .find_map(|tag| LANGUAGES.iter().find(|words| words.lang.eq_ignore_ascii_case(tag.trim())))
        .unwrap_or(&LANGUAGES[0])
}
