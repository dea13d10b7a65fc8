//! The way back from the system browser at sign-in: a listener on the loopback interface (RFC 8252 §7.3), or a link
//! that the platform brings to the app (§7.1).

mod page;

use std::{convert::Infallible, io, net::Ipv4Addr, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use postern_api::account::PHONE_REDIRECT;
use postern_core::event::Event;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
};

/// The path of the redirect URI.
const PATH: &str = "/callback";
/// Browsers open a connection ahead; more than this are not a browser's.
const CONNECTIONS: usize = 8;
/// A client that does not send its request in this time is let go.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest request head. An authorization response is far shorter.
const HEAD_LIMIT: usize = 16 << 10;

/// How the browser's answer reaches the app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WayBack {
    /// Over a listener of ours on this machine.
    #[default]
    Loopback,
    /// By this link, whose scheme is the app's: on phones, which stop an app behind the browser and its listener with
    /// it. Another app could claim the scheme; what it would get is worth nothing without the verifier (RFC 7636) and
    /// the device key (RFC 9449, `dpop_jkt`).
    Link(String),
}

impl WayBack {
    /// The link of the phone apps.
    pub fn phone() -> Self {
        Self::Link(PHONE_REDIRECT.into())
    }

    /// Whether a link that reached the app is the browser's answer.
    pub(crate) fn is_answer(&self, url: &str) -> bool {
        match self {
            Self::Loopback => false,
            Self::Link(link) => {
                url.strip_prefix(link.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('?'))
            }
        }
    }
}

/// A bound listener.
pub(crate) struct Listener {
    listener: TcpListener,
    port: u16,
}

impl Listener {
    /// Binds any free port, on the loopback interface only.
    pub(crate) async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// For the authorization request.
    pub(crate) fn redirect_uri(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// Serves until the task is dropped; every redirect is reported, whether it is the one awaited is the core's to
    /// say. Answers under way when it is dropped still reach the browser.
    pub(crate) async fn serve(self, events: mpsc::Sender<Event>) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = self.listener.accept().await else { continue };
            let events = events.clone();
            let port = self.port;
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let events = events.clone();
                    async move { Ok::<_, Infallible>(answer(&request, port, &events).await) }
                });
                // One request a connection: the page must be delivered before we stop listening.
                let served = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .max_buf_size(HEAD_LIMIT)
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
                if served.is_err() {
                    tracing::debug!(
                        code = "redirect_connection",
                        "a connection to the redirect listener broke"
                    );
                }
                drop(permit);
            });
        }
    }
}

async fn answer(
    request: &Request<Incoming>,
    port: u16,
    events: &mpsc::Sender<Event>,
) -> Response<Full<Bytes>> {
    // A page elsewhere can make a browser ask us under another name (DNS rebinding); nobody else has our name.
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if host != Some(format!("127.0.0.1:{port}").as_str()) {
        return bare(StatusCode::FORBIDDEN);
    }
    if request.uri().path() != PATH {
        return bare(StatusCode::NOT_FOUND);
    }
    if request.method() != Method::GET {
        return bare(StatusCode::METHOD_NOT_ALLOWED);
    }
    let Some(query) = request.uri().query() else { return bare(StatusCode::BAD_REQUEST) };
    let url = format!("http://127.0.0.1:{port}{PATH}?{query}");
    let finished = url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "code");
    let language = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
    let page = page::page(finished, language.unwrap_or_default());
    if events.send(Event::Redirected { url }).await.is_err() {
        return bare(StatusCode::SERVICE_UNAVAILABLE);
    }
    let mut response = Response::new(Full::new(Bytes::from(page)));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, page::POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    response
}

fn bare(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;

    #[test]
    fn only_the_whole_link_is_the_way_back() {
        let phone = WayBack::phone();
        assert!(phone.is_answer("postern://signed-in?code=a&state=b"));
        for other in
            ["postern://signed-in.evil?code=a", "postern://claim?x", "https://postern.app/signed-in?code=a"]
        {
            assert!(!phone.is_answer(other), "{other}");
        }
        assert!(!WayBack::Loopback.is_answer("postern://signed-in?code=a"));
    }

    async fn ask(port: u16, request: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn started() -> (u16, mpsc::Receiver<Event>, tokio::task::JoinHandle<()>) {
        let listener = Listener::bind().await.unwrap();
        let port = listener.port;
        let (events, received) = mpsc::channel(8);
        (port, received, tokio::spawn(listener.serve(events)))
    }

    #[tokio::test]
    async fn a_redirect_is_reported_and_answered_with_a_page() {
        let (port, mut events, serving) = started().await;
        let answer = ask(
            port,
            &format!("GET /callback?code=abc&state=xyz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept-Language: de-CH, en;q=0.5\r\n\r\n"),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("lang=\"de\""), "{answer}");
        assert!(!answer.contains("abc"), "the page repeats nothing of the request");
        let Some(Event::Redirected { url }) = events.recv().await else { panic!("no redirect") };
        assert_eq!(url, format!("http://127.0.0.1:{port}/callback?code=abc&state=xyz"));
        serving.abort();
    }

    #[tokio::test]
    async fn whatever_is_not_the_redirect_is_turned_away() {
        let (port, mut events, serving) = started().await;
        let own = format!("127.0.0.1:{port}");
        for (request, status) in [
            (format!("GET /favicon.ico HTTP/1.1\r\nHost: {own}\r\n\r\n"), "404"),
            (format!("POST /callback?code=a HTTP/1.1\r\nHost: {own}\r\nContent-Length: 0\r\n\r\n"), "405"),
            (format!("GET /callback HTTP/1.1\r\nHost: {own}\r\n\r\n"), "400"),
            (format!("GET /callback?code=a HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n"), "403"),
            ("GET /callback?code=a HTTP/1.0\r\n\r\n".to_owned(), "403"),
        ] {
            let answer = ask(port, &request).await;
            assert!(answer.split(' ').nth(1) == Some(status), "{request:?}: {answer}");
        }
        serving.abort();
        let _ = serving.await;
        assert!(events.recv().await.is_none(), "nothing was reported");
    }

    #[tokio::test]
    async fn silent_connections_do_not_keep_the_browser_out() {
        let (port, mut events, serving) = started().await;
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS {
            idle.push(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap());
        }
        // They are let go after HEAD_TIMEOUT; the browser's request is served then.
        let request = format!("GET /callback?error=access_denied HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
        let answer = tokio::time::timeout(HEAD_TIMEOUT * 3, ask(port, &request)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(matches!(events.recv().await, Some(Event::Redirected { .. })));
        serving.abort();
    }
}
