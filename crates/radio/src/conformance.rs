//! What every radio must do, as one suite: run against `air` and, in the radio lab, against `ble`.
//!
//! A [`Bench`] gives the suite a radio and a peripheral that it can command. The peripheral greets each central that
//! subscribes with a HELLO, and echoes every message back (as a message of its own, in frames).

use std::{
    future::Future,
    time::{Duration, Instant},
};

use futures::StreamExt;
use postern_protocol::{LockerId, frame::MAX_MESSAGE};

use crate::{AdapterState, Link, Progress, Radio, RadioError};

/// How long a disconnect may go unnoticed.
pub const NOTICE: Duration = Duration::from_secs(2);

/// The world around a radio.
#[async_trait::async_trait]
pub trait Bench: Send + Sync {
    /// The radio on trial.
    fn radio(&self) -> &dyn Radio;
    /// Lockers in range: at least one, two where there are two.
    fn lockers(&self) -> Vec<LockerId>;
    /// ATT MTUs that the peripheral can be told to offer.
    fn mtus(&self) -> Vec<u16>;
    /// Offers this ATT MTU from the next connection on.
    async fn offer(&self, mtu: u16);
    /// Loses the notification of the next HELLO.
    async fn lose_hello(&self);
    /// Advertises state bits: accepting, low battery, clock unset.
    async fn advertise(&self, accepting: bool, low_battery: bool);
    /// Cuts every link from the peripheral's side; returns when its stack says that they are gone.
    async fn cut(&self);
    /// Resolves when the peripheral has no link any more.
    async fn let_go(&self);
    /// Brings the radio's adapter into this state; false where this bench cannot.
    async fn adapter(&self, state: AdapterState) -> bool;
    /// How long things may take here.
    fn patience(&self) -> Duration;
    /// Whether the peripheral echoes. Real firmware greets and does not: what is about echoes is left out there.
    fn echoes(&self) -> bool {
        true
    }
}

async fn connect(bench: &dyn Bench, locker: LockerId) -> Box<dyn Link> {
    let deadline = Instant::now() + bench.patience();
    bench.radio().connect(locker, deadline, &|_| {}).await.expect("a locker in range can be connected to")
}

async fn within<T>(time: Duration, what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(time, future).await.unwrap_or_else(|_| panic!("{what} took longer than {time:?}"))
}

/// Everything, one after the other.
///
/// # Panics
/// When the radio is not as it should be; the message names what.
pub async fn all(bench: &dyn Bench) {
    sightings_tell_identity_and_state(bench).await;
    the_first_message_is_the_hello(bench).await;
    a_lost_hello_is_read(bench).await;
    messages_of_every_length_at_every_mtu(bench).await;
    a_fast_sender_is_held_back(bench).await;
    a_disconnect_is_noticed(bench).await;
    a_reconnect_greets_anew(bench).await;
    dropping_disconnects(bench).await;
    cancelling_leaks_nothing(bench).await;
    two_lockers_at_once(bench).await;
    nobody_is_not_found(bench).await;
    an_adapter_that_is_switched_off(bench).await;
    an_adapter_that_may_not_be_used(bench).await;
}

/// A sighting carries the short id and the state bits as they are.
pub async fn sightings_tell_identity_and_state(bench: &dyn Bench) {
    for low_battery in [false, true] {
        bench.advertise(true, low_battery).await;
        let mut sightings = bench.radio().sightings().await.expect("sightings");
        let short_id = bench.lockers()[0].short();
        within(bench.patience(), "a sighting with its state", async {
            while let Some(sighting) = sightings.next().await {
                let said = sighting.advertisement;
                if said.short_id == short_id && said.accepting && said.low_battery == low_battery {
                    assert!(
                        sighting.rssi.is_none_or(|rssi| (-127..=20).contains(&rssi)),
                        "{:?}",
                        sighting.rssi
                    );
                    return;
                }
            }
            panic!("the stream ended");
        })
        .await;
    }
    bench.advertise(true, false).await;
}

/// Progress comes in order, and the first message is the HELLO, once.
pub async fn the_first_message_is_the_hello(bench: &dyn Bench) {
    let stages = std::sync::Mutex::new(Vec::new());
    let record = |stage| stages.lock().expect("no panic while held").push(stage);
    let deadline = Instant::now() + bench.patience();
    let mut link = bench.radio().connect(bench.lockers()[0], deadline, &record).await.expect("a link");
    let mut seen = stages.lock().expect("no panic while held").clone();
    // Where an attempt was repeated by itself, Connected may come twice.
    seen.dedup();
    assert_eq!(seen.first(), Some(&Progress::Searching));
    assert_eq!(seen.last(), Some(&Progress::Subscribed));
    let hello = within(bench.patience(), "HELLO", link.receive()).await.expect("HELLO");
    assert_eq!(hello.first(), Some(&1), "the first message is a HELLO");
    echo(bench, &mut *link, 40).await;
    link.close().await;
    within(bench.patience(), "letting go", bench.let_go()).await;
}

/// A HELLO whose notification was lost is fetched.
pub async fn a_lost_hello_is_read(bench: &dyn Bench) {
    bench.lose_hello().await;
    visit(bench).await;
}

async fn echo(bench: &dyn Bench, link: &mut dyn Link, length: usize) {
    if !bench.echoes() {
        return;
    }
    // Of a kind that is not HELLO.
    let message: Vec<u8> = (0..length).map(|index| (index % 251) as u8 | 2).collect();
    within(bench.patience(), "sending", link.send(&message)).await.expect("sent");
    let back = within(bench.patience(), "the echo", link.receive()).await.expect("echo");
    assert_eq!(back, message, "{length} bytes come back as they went");
}

/// One byte to the longest message, at every MTU.
pub async fn messages_of_every_length_at_every_mtu(bench: &dyn Bench) {
    for mtu in bench.mtus() {
        bench.offer(mtu).await;
        let mut link = connect(bench, bench.lockers()[0]).await;
        within(bench.patience(), "HELLO", link.receive()).await.expect("HELLO");
        for length in [1, 16, 17, 18, 19, 180, 300, MAX_MESSAGE] {
            echo(bench, &mut *link, length).await;
        }
        // Nothing of these reaches the peripheral.
        assert!(matches!(link.send(&[]).await, Err(RadioError::Frame(_))));
        assert!(matches!(link.send(&[2; MAX_MESSAGE + 1]).await, Err(RadioError::Frame(_))));
        echo(bench, &mut *link, 20).await;
        link.close().await;
        within(bench.patience(), "letting go", bench.let_go()).await;
    }
}

/// Many messages, none of them fetched before all are sent: nothing is lost.
pub async fn a_fast_sender_is_held_back(bench: &dyn Bench) {
    if !bench.echoes() {
        return;
    }
    let mut link = connect(bench, bench.lockers()[0]).await;
    within(bench.patience(), "HELLO", link.receive()).await.expect("HELLO");
    for number in 0..10u8 {
        within(bench.patience(), "sending", link.send(&[2, number])).await.expect("sent");
    }
    for number in 0..10u8 {
        let back = within(bench.patience(), "an echo", link.receive()).await.expect("echo");
        assert_eq!(back, [2, number]);
    }
    link.close().await;
    within(bench.patience(), "letting go", bench.let_go()).await;
}

/// A broken link is noticed within [`NOTICE`], and stays broken.
pub async fn a_disconnect_is_noticed(bench: &dyn Bench) {
    let mut link = connect(bench, bench.lockers()[0]).await;
    within(bench.patience(), "HELLO", link.receive()).await.expect("HELLO");
    bench.cut().await;
    let noticed = Instant::now();
    let error = within(bench.patience(), "noticing", link.receive()).await;
    assert!(matches!(error, Err(RadioError::Lost(_))), "{error:?}");
    assert!(noticed.elapsed() <= NOTICE, "noticed after {:?}", noticed.elapsed());
    assert!(matches!(link.receive().await, Err(RadioError::Lost(_))));
    assert!(link.send(&[2]).await.is_err());
}

/// The next link begins with its own HELLO.
pub async fn a_reconnect_greets_anew(bench: &dyn Bench) {
    let mut hellos = Vec::new();
    for _ in 0..3 {
        let mut link = connect(bench, bench.lockers()[0]).await;
        hellos.push(within(bench.patience(), "HELLO", link.receive()).await.expect("HELLO"));
        echo(bench, &mut *link, 30).await;
        link.close().await;
        within(bench.patience(), "letting go", bench.let_go()).await;
    }
    assert!(hellos[0] != hellos[1] && hellos[1] != hellos[2], "every link has its own HELLO");
}

/// Dropping a link, without closing it, ends it.
pub async fn dropping_disconnects(bench: &dyn Bench) {
    let link = connect(bench, bench.lockers()[0]).await;
    drop(link);
    within(bench.patience(), "letting go", bench.let_go()).await;
}

/// A connection attempt, a receive and a send that are dropped at any moment leave no link behind, and cost no message.
pub async fn cancelling_leaks_nothing(bench: &dyn Bench) {
    let locker = bench.lockers()[0];
    for fraction in [0u32, 1, 3, 10, 30, 80, 200] {
        let deadline = Instant::now() + bench.patience();
        let attempt = bench.radio().connect(locker, deadline, &|_| {});
        let _ = tokio::time::timeout(Duration::from_millis(fraction.into()), attempt).await;
        within(bench.patience(), "letting go", bench.let_go()).await;
    }
    let mut link = connect(bench, locker).await;
    let hello = loop {
        match tokio::time::timeout(Duration::from_millis(1), link.receive()).await {
            Ok(hello) => break hello.expect("HELLO"),
            Err(_) => continue,
        }
    };
    assert_eq!(hello.first(), Some(&1));
    if bench.echoes() {
        let long = vec![2; 300];
        let _ = tokio::time::timeout(Duration::from_micros(50), link.send(&long)).await;
        within(bench.patience(), "sending", link.send(&[2, 7])).await.expect("sent");
        // The one that was dropped arrives whole or not at all.
        let mut back = within(bench.patience(), "an echo", link.receive()).await.expect("echo");
        if back == long {
            back = within(bench.patience(), "an echo", link.receive()).await.expect("echo");
        }
        assert_eq!(back, [2, 7]);
    }
    link.close().await;
    within(bench.patience(), "letting go", bench.let_go()).await;
}

/// Two lockers, two links, nothing mixed up.
pub async fn two_lockers_at_once(bench: &dyn Bench) {
    let lockers = bench.lockers();
    let [first, second, ..] = lockers[..] else { return };
    let mut one = connect(bench, first).await;
    let hello_one = within(bench.patience(), "HELLO", one.receive()).await.expect("HELLO");
    let mut two = connect(bench, second).await;
    let hello_two = within(bench.patience(), "HELLO", two.receive()).await.expect("HELLO");
    assert_ne!(hello_one, hello_two);
    echo(bench, &mut *one, 100).await;
    echo(bench, &mut *two, 101).await;
    echo(bench, &mut *one, 102).await;
    one.close().await;
    echo(bench, &mut *two, 103).await;
    two.close().await;
    within(bench.patience(), "letting go", bench.let_go()).await;
}

/// A locker that is not there is not found, at the deadline.
pub async fn nobody_is_not_found(bench: &dyn Bench) {
    let started = Instant::now();
    let patience = Duration::from_secs(2);
    let result = bench.radio().connect(LockerId([0xEE; 8]), started + patience, &|_| {}).await;
    assert_eq!(result.err(), Some(RadioError::NotFound));
    assert!(started.elapsed() >= patience, "it was looked for until the deadline");
    assert!(started.elapsed() < patience + NOTICE, "and not longer: {:?}", started.elapsed());
}

async fn visit(bench: &dyn Bench) {
    let mut link = connect(bench, bench.lockers()[0]).await;
    let hello = within(bench.patience(), "HELLO", link.receive()).await.expect("HELLO");
    assert_eq!(hello.first(), Some(&1));
    echo(bench, &mut *link, 50).await;
    link.close().await;
    within(bench.patience(), "letting go", bench.let_go()).await;
}

/// Off: links end, nothing can be done, and it is said; on again: all is well.
pub async fn an_adapter_that_is_switched_off(bench: &dyn Bench) {
    let mut link = connect(bench, bench.lockers()[0]).await;
    within(bench.patience(), "HELLO", link.receive()).await.expect("HELLO");
    if !bench.adapter(AdapterState::Off).await {
        return;
    }
    refused(bench, AdapterState::Off).await;
    assert!(within(bench.patience(), "losing the link", link.receive()).await.is_err());
    usable_again(bench).await;
}

/// There is none, or it is not for us: said at once, each by its own name; all is well when that has changed.
pub async fn an_adapter_that_may_not_be_used(bench: &dyn Bench) {
    for state in [AdapterState::Denied, AdapterState::Absent] {
        if bench.adapter(state).await {
            refused(bench, state).await;
            usable_again(bench).await;
        }
    }
}

async fn refused(bench: &dyn Bench, state: AdapterState) {
    let mut told = bench.radio().adapter();
    let what = format!("being told of {state:?}");
    within(bench.patience(), &what, told.wait_for(|told| *told == state)).await.expect("watched");
    let asked = Instant::now();
    let link = bench.radio().connect(bench.lockers()[0], asked + bench.patience(), &|_| {}).await;
    assert_eq!(link.err(), Some(RadioError::Unavailable(state)));
    assert!(asked.elapsed() < bench.patience(), "{state:?} is said at once");
    assert_eq!(bench.radio().sightings().await.err(), Some(RadioError::Unavailable(state)));
}

async fn usable_again(bench: &dyn Bench) {
    let mut told = bench.radio().adapter();
    bench.adapter(AdapterState::On).await;
    let on = told.wait_for(|told| *told == AdapterState::On);
    within(bench.patience(), "being told of on", on).await.expect("watched");
    visit(bench).await;
}
