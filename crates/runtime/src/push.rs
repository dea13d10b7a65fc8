//! The push connection: server-sent events (WHATWG HTML, §9.2) that say no more than "ask again".

use std::{sync::Arc, time::Duration};

use postern_core::{
    effect::{Auth, HttpRequest, Method, PushTarget},
    event::{Event, PushEvent},
};
use postern_vault::dpop::Prover;
use tokio::sync::mpsc;

use crate::{http::Http, task::or_panicked};

/// A head that does not come within this is a connection that does not stand.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// Without a line for this long the connection is dead: a hub sends a comment at least every 30 s.
const SILENCE: Duration = Duration::from_secs(100);

/// Holds the connection until it ends, then says so once.
pub(crate) async fn listen(
    http: Arc<Http>,
    prover: Option<Prover>,
    target: PushTarget,
    events: mpsc::Sender<Event>,
) {
    let end = or_panicked(stream(&http, prover.as_ref(), target, &events), PushEvent::Lost).await;
    let _ = events.send(Event::Push(end)).await;
}

async fn stream(
    http: &Http,
    prover: Option<&Prover>,
    target: PushTarget,
    events: &mpsc::Sender<Event>,
) -> PushEvent {
    let request = HttpRequest {
        method: Method::Get,
        url: target.url,
        body: None,
        auth: Auth::Token(target.access_token),
        idempotency_key: None,
    };
    let head = http.exchange(&request, prover, Some("text/event-stream"));
    let Ok(Ok(mut response)) = tokio::time::timeout(HEAD_TIMEOUT, head).await else {
        return PushEvent::Lost;
    };
    drop(request);
    if response.status() == reqwest::StatusCode::UNAUTHORIZED {
        return PushEvent::Unauthenticated;
    }
    if !response.status().is_success() {
        return PushEvent::Lost;
    }
    if events.send(Event::Push(PushEvent::Connected)).await.is_err() {
        return PushEvent::Lost;
    }
    let mut parser = Parser::default();
    loop {
        match tokio::time::timeout(SILENCE, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                // Several pokes in one chunk ask for no more than one does.
                if parser.feed(&chunk) && events.send(Event::Push(PushEvent::Poke)).await.is_err() {
                    return PushEvent::Lost;
                }
            }
            Ok(Ok(None) | Err(_)) | Err(_) => return PushEvent::Lost,
        }
    }
}

/// Finds the ends of events that carry data. What they say is of no interest: the core asks the hub.
#[derive(Default)]
struct Parser {
    /// The first bytes of the line under way; no field name that matters is longer.
    line: Vec<u8>,
    /// The line under way has any byte at all.
    started: bool,
    /// The event under way has data.
    data: bool,
    /// The last byte was CR: an LF right after it belongs to the same line end.
    after_cr: bool,
}

const FIELD: usize = 5;

impl Parser {
    /// True if at least one event with data ended in these bytes.
    fn feed(&mut self, bytes: &[u8]) -> bool {
        let mut poked = false;
        for &byte in bytes {
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    poked |= self.end_line();
                }
                _ => {
                    self.after_cr = false;
                    self.started = true;
                    if self.line.len() < FIELD {
                        self.line.push(byte);
                    }
                }
            }
        }
        poked
    }

    fn end_line(&mut self) -> bool {
        let mut poked = false;
        if !self.started {
            poked = std::mem::take(&mut self.data);
        } else if self.line == b"data:" || self.line == b"data" {
            self.data = true;
        }
        self.line.clear();
        self.started = false;
        poked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pokes(chunks: &[&str]) -> usize {
        let mut parser = Parser::default();
        chunks.iter().filter(|chunk| parser.feed(chunk.as_bytes())).count()
    }

    #[test]
    fn an_event_with_data_pokes_once_however_it_is_cut() {
        assert_eq!(pokes(&["data: {\"cursor\":\"7\"}\n\n"]), 1);
        assert_eq!(pokes(&["da", "ta: x\n", "\n"]), 1);
        assert_eq!(pokes(&["event: poke\r\ndata: x\r\n\r", "\n"]), 1);
        assert_eq!(pokes(&["data: a\ndata: b\n\n"]), 1);
    }

    #[test]
    fn comments_and_empty_events_do_not_poke() {
        assert_eq!(pokes(&[": still here\n\n", "\n\n", "retry: 5\n\n", "id: 9\n\n", "database: 1\n\n"]), 0);
    }

    #[test]
    fn an_endless_line_costs_no_memory() {
        let mut parser = Parser::default();
        for _ in 0..1000 {
            parser.feed(&[b'x'; 4096]);
        }
        assert!(parser.line.len() <= FIELD);
    }
}
