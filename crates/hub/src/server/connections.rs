//! Connections: how many there may be, of everybody and of each address, and how long one may keep the hub waiting.

use std::{
    collections::HashMap,
    future::{Ready, ready},
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum_server::accept::Accept;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_io_timeout::TimeoutStream;

use crate::auth::caller;

/// Nobody has to read within a shorter time what the hub has sent.
const STALLED: Duration = Duration::from_secs(60);
/// Descriptors for the database, files and webhooks.
const RESERVED: u64 = 128;
/// No address has more than this part of all connections.
const PART: u64 = 4;

/// Raises the limit of open files of this process as far as it may be raised.
///
/// Returns how many connections there may be.
#[must_use]
pub fn raise_limit() -> u64 {
    let now = getrlimit(Resource::Nofile);
    if now.current < now.maximum || now.maximum.is_none() {
        let raised = Rlimit { current: now.maximum.or(Some(1 << 20)), maximum: now.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files stays as it is");
        }
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    limit.saturating_sub(RESERVED).max(limit / 2).max(16)
}

/// Lets connections in while there is room.
#[derive(Clone)]
pub(super) struct Gate {
    most: usize,
    most_of_one: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    all: usize,
    /// By address; an IPv6 network counts as one.
    of: HashMap<IpAddr, usize>,
}

impl Gate {
    /// `most` in all, `most_of_one` of each address where there is such a limit.
    pub(super) fn new(most: u64, most_of_one: Option<u32>) -> Self {
        let most = most.max(PART);
        let most_of_one = most_of_one.map_or(most, |of_one| u64::from(of_one.max(1)).min(most / PART));
        let count = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Self { most: count(most), most_of_one: count(most_of_one), open: Arc::default() }
    }

    fn enter(&self, peer: SocketAddr) -> Option<Entered> {
        let address = caller::network(peer.ip());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = open.of.get(&address).copied().unwrap_or(0);
        if open.all >= self.most || of_one >= self.most_of_one {
            return None;
        }
        open.all += 1;
        open.of.insert(address, of_one + 1);
        Some(Entered { address, open: Arc::clone(&self.open) })
    }
}

/// Counts as a connection until it is dropped.
struct Entered {
    address: IpAddr,
    open: Arc<Mutex<Open>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(left) = open.of.get_mut(&self.address) {
            *left -= 1;
            if *left == 0 {
                open.of.remove(&self.address);
            }
        }
    }
}

impl<S> Accept<TcpStream, S> for Gate {
    type Stream = Admitted;
    type Service = S;
    type Future = Ready<io::Result<(Admitted, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let admitted = stream.peer_addr().and_then(|peer| {
            let entered = self.enter(peer).ok_or_else(|| io::Error::other("too many connections"))?;
            // An answer in two pieces does not wait for word of the first.
            stream.set_nodelay(true)?;
            let mut stream = TimeoutStream::new(stream);
            stream.set_write_timeout(Some(STALLED));
            Ok(Admitted { stream: Box::pin(stream), _entered: entered })
        });
        ready(admitted.map(|admitted| (admitted, service)))
    }
}

/// A connection that was let in.
pub(super) struct Admitted {
    stream: Pin<Box<TimeoutStream<TcpStream>>>,
    _entered: Entered,
}

impl AsyncRead for Admitted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(cx, into)
    }
}

impl AsyncWrite for Admitted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others() {
        let gate = Gate::new(8, Some(100));
        let from = |host: &str, port: u16| gate.enter(SocketAddr::new(host.parse().unwrap(), port));
        let held: Vec<_> = (0..2).map(|port| from("2001:db8:1:2::1", port).unwrap()).collect();
        assert!(from("2001:db8:1:2:ffff::9", 7).is_none(), "another host of the same network");
        let _other = from("2001:db8:1:3::1", 1).unwrap();
        let _third = from("192.0.2.1", 1).unwrap();
        drop(held);
        from("2001:db8:1:2::1", 9).unwrap();
        assert_eq!(gate.open.lock().unwrap().of.len(), 2);

        let behind_proxy = Gate::new(8, None);
        let all: Vec<_> =
            (0..8).map(|port| behind_proxy.enter(SocketAddr::from(([10, 0, 0, 1], port)))).collect();
        assert!(all.iter().all(Option::is_some));
        assert!(behind_proxy.enter(SocketAddr::from(([10, 0, 0, 2], 1))).is_none());
    }
}
