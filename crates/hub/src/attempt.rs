//! A request under way: its place among those that are served at once, its body, and its repetition where another change was
//! in its way.
//!
//! At more than the hub can do, whoever does not get a place in time is refused at once and told when to come back. The others
//! are served as quickly as ever, which no queue without an end could do for anybody.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Request, State},
    http::{StatusCode, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use postern_api::problem::Code;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

use crate::{
    error::{OtherTries, Result, overloaded, refuse},
    hub::Hub,
    random,
};

/// A place is waited for so long.
const QUEUE: Duration = Duration::from_millis(500);
/// A body that takes longer to arrive is waited for without a place, so that slow senders keep nobody out.
const PROMPT: Duration = Duration::from_millis(20);
/// Milliseconds before the request is carried out again, each up to half as much more or less.
const WAITS: [u64; 8] = [5, 20, 50, 100, 200, 200, 200, 200];
/// After so long it is not tried again: PostgreSQL takes a second to see a deadlock.
const LONGEST: Duration = Duration::from_secs(10);
/// What must be answered at any time, to whoever watches the hub.
const ALWAYS: [&str; 3] = ["/health", "/ready", "/metrics"];

/// Places for requests.
pub struct Places {
    free: Arc<Semaphore>,
    most: usize,
    waiting: AtomicUsize,
    /// Held by the one that is carried out again: those that met do not meet again.
    again: tokio::sync::Mutex<()>,
}

impl Places {
    /// So many requests are served at once.
    #[must_use]
    pub fn new(most: u32) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        let again = tokio::sync::Mutex::new(());
        Self { free: Arc::new(Semaphore::new(most)), most, waiting: AtomicUsize::new(0), again }
    }

    /// A place, in the order of coming. None where there is none in time, or so many wait that there would be none.
    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(place);
        }
        let _waiting = Waiting::begin(&self.waiting, 4 * self.most)?;
        timeout(QUEUE, Arc::clone(&self.free).acquire_owned()).await.ok()?.ok()
    }

    /// How many are served now.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.most.saturating_sub(self.free.available_permits())
    }
}

/// One who waits; counted until dropped, in whatever way the waiting ends.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(all: &'a AtomicUsize, most: usize) -> Option<Self> {
        let this = Self(all);
        (all.fetch_add(1, Ordering::Relaxed) < most).then_some(this)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request under way, as an extension of it.
#[derive(Clone)]
pub struct Attempt {
    shared: Arc<Shared>,
    repeated: bool,
}

struct Shared {
    place: Mutex<Option<OwnedSemaphorePermit>>,
    body: OnceLock<Bytes>,
}

impl Attempt {
    fn new(place: OwnedSemaphorePermit) -> Self {
        let shared = Shared { place: Mutex::new(Some(place)), body: OnceLock::new() };
        Self { shared: Arc::new(shared), repeated: false }
    }

    /// Whether the very request of `parts` was carried out before: its proof was seen, and it was counted.
    #[must_use]
    pub fn is_repeated(parts: &Parts) -> bool {
        parts.extensions.get::<Self>().is_some_and(|attempt| attempt.repeated)
    }

    fn leave(&self) {
        *self.shared.place.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn come_back(&self, hub: &Hub) -> Result<()> {
        let place = hub.places.take().await.ok_or_else(overloaded)?;
        *self.shared.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        Ok(())
    }
}

/// Whether the very request was carried out before, for handlers that look at proofs themselves.
pub struct Repeated(pub bool);

impl FromRequestParts<Arc<Hub>> for Repeated {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _hub: &Arc<Hub>) -> Result<Self, Infallible> {
        Ok(Self(Attempt::is_repeated(parts)))
    }
}

/// The body, within the limits of the route.
///
/// # Errors
/// `TooLarge`; `Malformed` where it did not arrive; `Unavailable` where it was slow and others have taken all places since.
pub async fn body(request: Request, hub: &Arc<Hub>) -> Result<Bytes> {
    let attempt = request.extensions().get::<Attempt>().cloned();
    let reading = Bytes::from_request(request, hub);
    tokio::pin!(reading);
    let (read, slow) = tokio::select! {
        biased;
        read = &mut reading => (read, false),
        () = sleep(PROMPT) => {
            if let Some(attempt) = &attempt {
                attempt.leave();
            }
            (reading.await, true)
        }
    };
    let bytes = read.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Code::TooLarge.into()
        } else {
            refuse(Code::Malformed, "the body did not arrive")
        }
    })?;
    if let Some(attempt) = &attempt {
        if slow {
            attempt.come_back(hub).await?;
        }
        let _ = attempt.shared.body.set(bytes.clone());
    }
    Ok(bytes)
}

/// Gives each request a place, and carries it out again where all it came to was that another change was in its way: on
/// PostgreSQL a deadlock, or what the database does not allow twice. Nothing of the first time is left by then, for all that a
/// request changes is one transaction.
pub async fn carry_out(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    if ALWAYS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let Some(place) = hub.places.take().await else {
        hub.metrics.shed();
        return overloaded().into_response();
    };
    let mut attempt = Attempt::new(place);
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(attempt.clone());
    let began = Instant::now();
    let mut response = next.clone().run(Request::from_parts(parts.clone(), body)).await;
    let mut one_by_one = None;
    for (tries, wait) in WAITS.into_iter().enumerate() {
        let most = response.extensions().get().map_or(0, |OtherTries(most)| *most);
        if tries >= most || began.elapsed() > LONGEST {
            break;
        }
        let body = match attempt.shared.body.get() {
            Some(body) => Body::from(body.clone()),
            None if parts.method.is_safe() => Body::empty(),
            // It was not read, so nothing was begun.
            None => break,
        };
        hub.metrics.repeated();
        if one_by_one.is_none() {
            one_by_one = timeout(LONGEST, hub.places.again.lock()).await.ok();
        }
        sleep(Duration::from_millis(wait / 2 + u64::from(random::bytes::<1>()[0]) * wait / 256)).await;
        attempt.repeated = true;
        parts.extensions.insert(attempt.clone());
        response = next.clone().run(Request::from_parts(parts.clone(), body)).await;
    }
    if response.extensions().get::<OtherTries>().is_some() {
        tracing::error!("carried out as often as it may be, and met another change each time");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_gets_no_place_in_time_is_not_kept_waiting() {
        let places = Places::new(1);
        let first = places.take().await.unwrap();
        let began = Instant::now();
        assert!(places.take().await.is_none());
        assert!((400..5_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        assert_eq!((places.taken(), places.waiting.load(Ordering::Relaxed)), (1, 0));
        let (second, ()) = tokio::join!(places.take(), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(second.is_some());
    }

    #[tokio::test]
    async fn more_than_can_be_served_in_time_are_refused_at_once() {
        let places = Arc::new(Places::new(1));
        let _only = places.take().await.unwrap();
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let places = Arc::clone(&places);
                tokio::spawn(async move { places.take().await.is_some() })
            })
            .collect();
        while places.waiting.load(Ordering::Relaxed) < 4 {
            tokio::task::yield_now().await;
        }
        let began = Instant::now();
        assert!(places.take().await.is_none());
        assert!(began.elapsed() < QUEUE, "{:?}", began.elapsed());
        for one in waiting {
            assert!(!one.await.unwrap());
        }
    }
}
