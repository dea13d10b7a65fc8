//! Keeps up with the hub: the change feed by cursor, poked by the push connection, by polling where that does not
//! stand, backing off with jitter where nothing answers.

use std::collections::BTreeSet;

use postern_api::{growth::Item, problem::Code, sync::Changes};
use url::form_urlencoded;

use crate::{
    cx::{Cx, earlier},
    effect::{Effect, PushTarget},
    event::PushEvent,
    line::{ANSWER_MS, Call, Miss, Purpose},
    session::Session,
    text,
    wallet::newer,
};

/// Without a push connection, in the foreground.
const POLL_MS: u64 = 30_000;
/// Without a push connection, in the background.
const POLL_BACKGROUND_MS: u64 = 15 * 60_000;
/// First and longest wait after a failure.
const BACKOFF_MS: (u64, u64) = (1_000, 5 * 60_000);
/// The account is asked again when it is older than this.
const ACCOUNT_MS: u64 = 60_000;
/// More pages than this in a row: a hub that never ends is not followed without a pause.
const MAX_PAGES: u32 = 1_000;

/// The push connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Push {
    #[default]
    Closed,
    Opening,
    Standing,
}

/// What to do with a page.
pub(crate) struct Page {
    /// As it came, not yet bounded.
    pub(crate) changes: Changes,
    /// After a full round: everything that is still there; what is missing is gone.
    pub(crate) everything: Option<BTreeSet<String>>,
    /// The hub did not know how far this device was: its database may be one of before.
    pub(crate) anew: bool,
}

/// The machine.
#[derive(Default)]
pub(crate) struct Sync {
    cursor: Option<String>,
    /// Ids seen since a round without cursor began.
    seen: Option<BTreeSet<String>>,
    anew: bool,
    fetching: bool,
    again: bool,
    due: Option<u64>,
    failures: u32,
    pages: u32,
    account_due: u64,
    asking_account: bool,
    push: Push,
    /// While it is being opened: when that is waited for no longer.
    push_deadline: Option<u64>,
    push_due: Option<u64>,
    push_failures: u32,
    background: bool,
}

impl Sync {
    /// Where the feed stands, for the store.
    pub(crate) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// From the store; none starts from the beginning.
    pub(crate) fn restore(&mut self, cursor: Option<String>) {
        let background = self.background;
        *self = Self { cursor, background, ..Self::default() };
    }

    /// Begin at the next drive.
    pub(crate) fn start(&mut self, cx: &Cx<'_>) {
        self.wake(cx);
        self.account_due = cx.now.monotonic_ms;
        self.push_due = Some(cx.now.monotonic_ms);
    }

    /// Something changed or the customer asked: now, whatever the backoff says.
    pub(crate) fn wake(&mut self, cx: &Cx<'_>) {
        if self.fetching {
            self.again = true;
        } else {
            self.due = Some(cx.now.monotonic_ms);
        }
    }

    /// The customer pulled down: the account too, and a dead push connection.
    pub(crate) fn refresh(&mut self, cx: &Cx<'_>) {
        self.wake(cx);
        self.account_due = cx.now.monotonic_ms;
        if self.push == Push::Closed {
            self.push_due = Some(cx.now.monotonic_ms);
        }
    }

    /// The app came to the foreground or left it.
    pub(crate) fn set_foreground(&mut self, foreground: bool, cx: &Cx<'_>) {
        let came = foreground && self.background;
        self.background = !foreground;
        if came {
            self.refresh(cx);
        }
    }

    /// There is no session any more.
    pub(crate) fn stop(&mut self, cx: &mut Cx<'_>) {
        if self.push != Push::Closed {
            cx.out.push(Effect::Push(None));
        }
        self.restore(None);
    }

    /// The hub ended the session: keep what is here, ask no more.
    pub(crate) fn pause(&mut self, cx: &mut Cx<'_>) {
        let cursor = self.cursor.take();
        self.stop(cx);
        self.cursor = cursor;
    }

    /// When something must happen.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        let overdue = self.push_deadline.filter(|_| self.push == Push::Opening);
        earlier(earlier(self.due, self.push_due), overdue)
    }

    /// Does what is due.
    pub(crate) fn drive(&mut self, session: &mut Session, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        if self.push == Push::Opening && self.push_deadline.is_some_and(|deadline| deadline <= now) {
            cx.out.push(Effect::Push(None));
            self.on_push(PushEvent::Lost, session, cx);
        }
        if self.due.is_some_and(|due| due <= now) && !self.fetching {
            self.due = None;
            self.fetching = true;
            if self.cursor.is_none() {
                self.seen.get_or_insert_default();
            }
            if (session.account().is_none() || self.account_due <= now) && !self.asking_account {
                self.asking_account = true;
                cx.out.call(Call::get(Purpose::Me, "/v1/me".into()));
            }
            let path = match &self.cursor {
                None => "/v1/changes".to_owned(),
                Some(cursor) => {
                    let query = form_urlencoded::Serializer::new(String::new())
                        .append_pair("cursor", cursor)
                        .finish();
                    format!("/v1/changes?{query}")
                }
            };
            cx.out.call(Call::get(Purpose::Changes, path));
        }
        if self.push_due.is_some_and(|due| due <= now) && self.push == Push::Closed {
            let Some((base, access_token)) = session.credentials(cx) else {
                // The session is being renewed.
                self.push_due = Some(now + BACKOFF_MS.0);
                return;
            };
            self.push_due = None;
            self.push = Push::Opening;
            self.push_deadline = Some(now + ANSWER_MS);
            cx.out.push(Effect::Push(Some(PushTarget { url: format!("{base}/v1/events"), access_token })));
        }
    }

    /// The account was asked for.
    pub(crate) fn on_account(&mut self, answered: bool, cx: &Cx<'_>) {
        self.asking_account = false;
        if answered {
            self.account_due = cx.now.monotonic_ms + ACCOUNT_MS;
        }
    }

    /// One page came, or did not.
    pub(crate) fn on_changes(&mut self, answer: Result<Changes, Miss>, cx: &mut Cx<'_>) -> Option<Page> {
        if !self.fetching {
            return None;
        }
        self.fetching = false;
        let changes = match answer {
            Ok(changes) if changes.cursor.len() <= 4 * text::ID => changes,
            Ok(_) => {
                self.back_off(cx);
                return None;
            }
            Err(Miss::Refused { code: Code::CursorTooOld, .. }) => {
                self.cursor = None;
                self.seen = None;
                self.anew = true;
                self.due = Some(cx.now.monotonic_ms + cx.jitter(BACKOFF_MS.0));
                return None;
            }
            Err(_) => {
                self.back_off(cx);
                return None;
            }
        };
        self.failures = 0;
        self.cursor = Some(changes.cursor.clone());
        if let Some(seen) = &mut self.seen {
            seen.extend(changes.reservations.iter().filter_map(|item| match item {
                Item::Known(reservation) => Some(reservation.id.clone()),
                Item::Newer(raw) => newer::id_of(raw).map(str::to_owned),
            }));
            for gone in &changes.removed {
                seen.remove(gone);
            }
        }
        let mut everything = None;
        let now = cx.now.monotonic_ms;
        if changes.more && self.pages < MAX_PAGES {
            self.pages += 1;
            self.due = Some(now);
        } else {
            self.pages = 0;
            everything = self.seen.take();
            self.due = if std::mem::take(&mut self.again) { Some(now) } else { self.next_poll(cx) };
        }
        let anew = std::mem::take(&mut self.anew);
        Some(Page { changes, everything, anew })
    }

    fn next_poll(&self, cx: &mut Cx<'_>) -> Option<u64> {
        if self.push == Push::Standing {
            return None;
        }
        let wait = if self.background { POLL_BACKGROUND_MS } else { POLL_MS };
        Some(cx.now.monotonic_ms + cx.jitter(wait))
    }

    fn back_off(&mut self, cx: &mut Cx<'_>) {
        self.again = false;
        self.due = Some(cx.now.monotonic_ms + backoff(self.failures, cx));
        self.failures = self.failures.saturating_add(1);
    }

    /// News of the push connection.
    pub(crate) fn on_push(&mut self, event: PushEvent, session: &mut Session, cx: &mut Cx<'_>) {
        match event {
            PushEvent::Connected => {
                if self.push == Push::Opening {
                    self.push = Push::Standing;
                    self.push_failures = 0;
                    // Something may have changed between the last fetch and now.
                    self.wake(cx);
                }
            }
            PushEvent::Poke => self.wake(cx),
            PushEvent::Lost | PushEvent::Unauthenticated => {
                if self.push == Push::Closed {
                    return;
                }
                self.push = Push::Closed;
                if event == PushEvent::Unauthenticated {
                    session.distrust_access_token();
                }
                self.push_due = Some(cx.now.monotonic_ms + backoff(self.push_failures, cx));
                self.push_failures = self.push_failures.saturating_add(1);
                // The fetch finds out whether the hub is there at all.
                self.wake(cx);
            }
        }
    }
}

/// Doubles from one second to five minutes, with jitter.
pub(crate) fn backoff(failures: u32, cx: &mut Cx<'_>) -> u64 {
    let (first, longest) = BACKOFF_MS;
    cx.jitter(first.saturating_mul(1 << failures.min(16)).min(longest))
}
