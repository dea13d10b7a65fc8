//! What a phone's system is asked to show, and what is read from a tap on it. Which system it is, is not known here.

#[cfg(any(target_os = "ios", test))]
use std::time::{Duration, SystemTime};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use postern_runtime::effect::{Notification, Reminder};
#[cfg(any(target_os = "android", test))]
use serde_json::{Value, json};

use crate::words::Words;

/// One of them, in the customer's words.
pub(crate) struct Notice {
    /// Another one of the same id takes its place.
    pub(crate) id: i32,
    pub(crate) title: String,
    pub(crate) body: String,
    /// Where a tap leads.
    pub(crate) reservation: Option<String>,
    /// The kind that a customer can silence by itself.
    #[cfg_attr(target_os = "ios", allow(dead_code, reason = "an iPhone has no kinds"))]
    kind: &'static str,
    /// When, UNIX seconds; none is now.
    pub(crate) at: Option<i64>,
}

impl Notice {
    /// Of what is told as it happens. Reminders have the ids above zero.
    pub(crate) fn now(words: &Words, told: &Notification) -> Self {
        let mut hasher = DefaultHasher::new();
        (told.kind as u8, &told.reservation).hash(&mut hasher);
        let id = i32::try_from(hasher.finish() % 0x7fff_ffff).map_or(-1, |id| !id);
        Self::of(words, told, id, "parcels", None)
    }

    /// Of what is to come.
    pub(crate) fn to_come(words: &Words, reminder: &Reminder) -> Self {
        Self::of(words, &reminder.notification, reminder.id, "reminders", Some(reminder.at))
    }

    /// Of the app itself, which may not get as far as naming the kinds; the plugin has one of its own.
    #[cfg(mobile)]
    pub(crate) fn of_app((title, body): (String, &str)) -> Self {
        Self { id: -1, title, body: body.to_owned(), reservation: None, kind: "default", at: None }
    }

    fn of(words: &Words, told: &Notification, id: i32, kind: &'static str, at: Option<i64>) -> Self {
        let (title, body) = words.notification(told);
        Self { id, title, body, reservation: told.reservation.clone(), kind, at }
    }

    /// For `batch` of the plugin for Android. What is to come it writes down, and reads that again when it is due and after
    /// a restart of the phone, by a reader that ends the app at a name it does not know, or at anything in `extra`. So
    /// there is none of either, and the reservation is where the plugin shows nothing of it.
    #[cfg(any(target_os = "android", test))]
    pub(crate) fn batch(&self) -> Value {
        let mut one = json!({
            "id": self.id,
            "title": self.title,
            "body": self.body,
            "channelId": self.kind,
            "autoCancel": true,
            "summary": self.reservation,
        });
        if let Some(at) = self.at {
            let at = at.saturating_mul(1000);
            one["schedule"] = json!({ "at": { "date": at, "repeating": false, "allowWhileIdle": true } });
        }
        // Written down, and given along with a tap. What was read again has only what is inside of it.
        for _ in 0..2 {
            one["sourceJson"] = one.to_string().into();
        }
        json!({ "notifications": [one] })
    }
}

/// The reservation of a notification, from what the plugin for Android gives along with a tap. Any app can send the like.
#[cfg(any(target_os = "android", test))]
pub(crate) fn reservation(source: &str) -> Option<String> {
    let one: Value = serde_json::from_str(source).ok()?;
    Some(one["summary"].as_str()?.to_owned()).filter(|id| !id.is_empty())
}

/// How long until then; none where it is over.
#[cfg(any(target_os = "ios", test))]
pub(crate) fn until(at: i64, now: SystemTime) -> Option<Duration> {
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at.try_into().ok()?))?;
    at.duration_since(now).ok().filter(|wait| !wait.is_zero())
}

/// A tap, until there is a page that it can lead: the tap may be what starts the app.
pub(crate) struct Taps<Page>(Mutex<(Option<Page>, Option<String>)>);

impl<Page: Clone> Taps<Page> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new((None, None)))
    }

    /// Somebody tapped on what is about this reservation. Answers what is to be led now, and where.
    pub(crate) fn tapped(&self, reservation: String) -> Option<(Page, String)> {
        self.change(|(_, tapped)| *tapped = Some(reservation))
    }

    /// This page is there, or none is. Answers what is to be led now, and where.
    pub(crate) fn page(&self, there: Option<Page>) -> Option<(Page, String)> {
        self.change(|(page, _)| *page = there)
    }

    fn change(&self, change: impl FnOnce(&mut (Option<Page>, Option<String>))) -> Option<(Page, String)> {
        let mut taps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut taps);
        let page = taps.0.clone()?;
        Some((page, taps.1.take()?))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use postern_runtime::effect::{Notification, NotificationKind, Reminder};
    use serde_json::Value;

    use super::{Notice, Taps, reservation, until};
    use crate::words::Language;

    fn about(kind: NotificationKind, reservation: Option<&str>) -> Notification {
        let reservation = reservation.map(str::to_owned);
        Notification { kind, reservation, title: Some("\"Shoes\"".to_owned()), door: None, care: None }
    }

    fn to_come(at: i64) -> Value {
        let notification = about(NotificationKind::Deadline, Some("r-1"));
        let reminder = Reminder { id: 7, at, notification };
        Notice::to_come(Language::default().words(), &reminder).batch()["notifications"][0].clone()
    }

    /// What the plugin reads from what it wrote down.
    fn again(one: &Value) -> Value {
        serde_json::from_str(one["sourceJson"].as_str().expect("nothing was written down")).expect("no JSON")
    }

    #[test]
    fn a_reminder_survives_two_readings_and_leads_to_its_parcel_after_each() {
        let mut one = to_come(1_796_040_000);
        for left in [2, 1, 0] {
            assert_eq!(one["id"], 7);
            assert_eq!(one["channelId"], "reminders");
            assert_eq!(one["schedule"]["at"]["date"], 1_796_040_000_000_i64);
            if left > 0 {
                let tapped = one["sourceJson"].as_str().and_then(reservation);
                assert_eq!(tapped.as_deref(), Some("r-1"));
                one = again(&one);
            }
        }
    }

    #[test]
    fn a_reminder_has_only_names_that_the_reader_of_a_receiver_knows() {
        // Bean properties of the plugin's `Notification`: its fields `isAutoCancel` and the like are not among them.
        let known = ["id", "title", "body", "channelId", "autoCancel", "summary", "schedule", "sourceJson"];
        let one = to_come(1);
        let names: Vec<_> = one.as_object().expect("no object").keys().collect();
        assert!(names.iter().all(|name| known.contains(&name.as_str())), "{names:?}");
    }

    #[test]
    fn what_is_told_now_has_no_time_and_an_id_of_its_own() {
        let language = Language::default();
        let now = |kind, id| Notice::now(language.words(), &about(kind, id));
        let ready = now(NotificationKind::Ready, Some("r-1"));
        assert!(ready.id < 0 && ready.id != i32::MIN);
        assert_eq!(ready.id, now(NotificationKind::Ready, Some("r-1")).id);
        assert_ne!(ready.id, now(NotificationKind::Ready, Some("r-2")).id);
        assert_ne!(ready.id, now(NotificationKind::DoorLeftOpen, Some("r-1")).id);
        let one = ready.batch()["notifications"][0].clone();
        assert_eq!((&one["channelId"], &one["schedule"]), (&"parcels".into(), &Value::Null));
        assert_eq!(one["sourceJson"].as_str().and_then(reservation).as_deref(), Some("r-1"));
    }

    #[test]
    fn a_tap_on_anything_else_leads_nowhere() {
        let revoked =
            Notice::now(Language::default().words(), &about(NotificationKind::Revoked, None)).batch();
        let revoked = revoked["notifications"][0]["sourceJson"].as_str().expect("no source");
        for source in [revoked, "", "null", "7", "[]", "{", "{}", r#"{"summary":7}"#, r#"{"summary":""}"#] {
            assert_eq!(reservation(source), None, "{source}");
        }
    }

    #[test]
    fn what_is_over_is_not_waited_for() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(10_500);
        assert_eq!(until(11, now), Some(Duration::from_millis(500)));
        assert_eq!(until(10, now), None);
        assert_eq!(until(-1, now), None);
        assert_eq!(until(10, SystemTime::UNIX_EPOCH + Duration::from_secs(10)), None);
    }

    #[test]
    fn a_tap_waits_for_a_page_and_leads_it_once() {
        let taps = Taps::new();
        assert_eq!(taps.tapped("r-1".to_owned()), None);
        assert_eq!(taps.tapped("r-2".to_owned()), None);
        assert_eq!(taps.page(Some("page")), Some(("page", "r-2".to_owned())));
        assert_eq!(taps.page(Some("page")), None);
        assert_eq!(taps.tapped("r-3".to_owned()), Some(("page", "r-3".to_owned())));
        // The system took the window away.
        assert_eq!(taps.page(None), None);
        assert_eq!(taps.tapped("r-4".to_owned()), None);
        assert_eq!(taps.page(Some("next")), Some(("next", "r-4".to_owned())));
    }
}
