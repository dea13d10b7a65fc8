//! A cabinet on `air`, a phone, and a network that both trust.
#![allow(dead_code, reason = "each test crate uses its part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use postern_protocol::{LockerIdentity, Operation, Refusal, Reply, Request, Timestamp, receipt};
use postern_radio::{
    Link, Radio,
    air::{AirRadio, AirServer},
};
use postern_sim::{
    air,
    cabinet::{Cabinet, Setup},
    config::Cabinets,
    customer::{self, Grant, Network, Phone},
    fate::Fate,
    machine::Compartment,
    world::World,
};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Rig {
    pub(crate) world: Arc<World>,
    pub(crate) server: Arc<AirServer>,
    pub(crate) radio: AirRadio,
    pub(crate) locker: LockerIdentity,
    pub(crate) network: Network,
    pub(crate) phone: Phone,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut postern_sim::config::CabinetConfig)) -> Self {
        let mut network = Network::new(1);
        let keys = network.locker();
        let locker = keys.locker.identity();
        let mut config = Cabinets::default().cabinet.remove(0);
        change(&mut config);
        let world =
            World::new(vec![Setup { config, keys, folder: None, seed: [2; 32], provisioned_at: 0 }], [3; 32])
                .unwrap();
        let (server, dials) = AirServer::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let server = Arc::new(server);
        tokio::spawn(air::serve(world.clone(), server.clone(), dials));
        let radio = AirRadio::new(server.local_addr().to_string());
        Self { world, server, radio, locker, network, phone: Phone::new(4) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.world.now().wall / 1000)
    }

    pub(crate) fn fate(&self, change: impl FnOnce(&mut Fate)) {
        let mut fate = Fate::default();
        change(&mut fate);
        self.world.with(0, |cabinet, now| cabinet.set_fate(fate, now)).unwrap();
    }

    pub(crate) fn collect(&mut self, door: u16) -> Request {
        let token = self.network.token(&Grant::collect(self.locker.id, door), &self.phone.key(), self.now());
        self.phone.request(Operation::Collect, door, token)
    }

    pub(crate) async fn connect(&self) -> Box<dyn Link> {
        self.radio.connect(self.locker.id, Instant::now() + PATIENCE, &|_| {}).await.unwrap()
    }

    /// One opening, with as many links as it takes.
    pub(crate) async fn open(&mut self, door: u16) -> bool {
        let receipt = self.collect_with_retries(door).await;
        self.door(door).open && receipt.outcome == receipt::Outcome::Opened
    }

    /// What a phone does after a broken link: the same gesture, the same nonce, again.
    pub(crate) async fn collect_with_retries(&mut self, door: u16) -> receipt::Receipt {
        let request = self.collect(door);
        for _ in 0..12 {
            let mut link = self.connect().await;
            let answer = tokio::time::timeout(
                Duration::from_secs(5),
                customer::ask(&mut *link, &mut self.phone, &self.locker, &request),
            );
            match answer.await {
                Ok(Ok((Reply::Receipt(bytes), _))) => {
                    link.close().await;
                    return receipt::verify(&bytes, &self.locker.receipt_key).unwrap();
                }
                Ok(Ok((Reply::Refused(Refusal::Busy), _))) => {
                    drop(link);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Ok(Err(_)) | Err(_) => drop(link),
                Ok(Ok((other, _))) => panic!("{other:?}"),
            }
        }
        panic!("no receipt for door {door}");
    }

    /// Frames in and out of one opening at the present fate.
    pub(crate) async fn frames_of_an_opening(&mut self, door: u16) -> (u32, u32) {
        let request = self.collect(door);
        let mut link = self.connect().await;
        customer::ask(&mut *link, &mut self.phone, &self.locker, &request).await.unwrap();
        let frames = self.world.look(0, |cabinet| cabinet.links().map(|(_, link)| link.frames()).next());
        link.close().await;
        frames.unwrap().unwrap()
    }

    pub(crate) fn door(&self, door: u16) -> Compartment {
        self.world.look(0, |cabinet| cabinet.compartment(door)).unwrap().unwrap().1
    }

    pub(crate) fn close(&self, door: u16) {
        self.world.with(0, |cabinet, now| {
            cabinet.hand(door, "close", now, |compartment, now| {
                compartment.open = false;
                compartment.moved = Some(now.up);
            })
        });
    }

    /// Waits for a fact about the cabinet.
    pub(crate) async fn until(&self, fact: impl Fn(&mut Cabinet) -> bool) {
        let mut revision = self.world.revision();
        let waiting = async {
            while !self.world.look(0, &fact).unwrap() {
                // Doors move by time too, which is no revision.
                let _ = tokio::time::timeout(Duration::from_millis(20), revision.changed()).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the fact did not come about");
    }

    pub(crate) async fn no_links(&self) {
        self.until(|cabinet| cabinet.links().count() == 0).await;
    }
}
