//! The cabinets of a world on the `air` transport.

use std::sync::Arc;

use postern_radio::air::{AirServer, Beacon, CentralRequest, Dial, RefuseReason};
use tokio::sync::mpsc;

use crate::{
    cabinet::Act,
    world::{Admitted, World},
};

/// Strength at which the first cabinet is heard, in dBm; the others are further away.
const NEAREST: i8 = -48;

/// Serves until the endpoint or the world is gone.
pub async fn serve(world: Arc<World>, server: Arc<AirServer>, mut dials: mpsc::Receiver<Dial>) {
    let mut on_air = world.on_air();
    loop {
        let beacons = on_air
            .borrow_and_update()
            .iter()
            .map(|heard| Beacon {
                address: heard.address,
                rssi: Some(NEAREST.saturating_sub(7 * i8::try_from(heard.cabinet).unwrap_or(7))),
                payload: heard.advertisement.encode().to_vec(),
            })
            .collect();
        server.advertise(beacons);
        tokio::select! {
            changed = on_air.changed() => if changed.is_err() { return },
            dial = dials.recv() => {
                let Some(dial) = dial else { return };
                tokio::spawn(answer(world.clone(), server.clone(), dial));
            }
        }
    }
}

async fn answer(world: Arc<World>, server: Arc<AirServer>, dial: Dial) {
    if server.adapter() != postern_radio::AdapterState::On {
        return dial.refuse(RefuseReason::Off).await;
    }
    let called =
        world.on_air().borrow().iter().find(|heard| heard.address == dial.address()).map(|h| h.cabinet);
    let Some(cabinet) = called else { return dial.refuse(RefuseReason::Nobody).await };
    let Some(admitted) = world.connect(cabinet, dial.mtu()) else {
        return dial.refuse(RefuseReason::Busy).await;
    };
    let link = admitted.link;
    carry(&world, admitted, dial).await;
    world.disconnected(link);
}

async fn carry(world: &World, admitted: Admitted, dial: Dial) {
    let Admitted { link, mut acts } = admitted;
    // A slow wake: the connection stands when the cabinet says so.
    let Some(Act::Connected { mtu, .. }) = acts.recv().await else {
        return dial.refuse(RefuseReason::Nobody).await;
    };
    let Ok(mut central) = dial.accept(mtu).await else { return };
    let answers = central.sender();
    loop {
        tokio::select! {
            biased;
            act = acts.recv() => match act {
                None | Some(Act::HangUp { .. }) => return,
                Some(Act::Connected { .. }) => {}
                Some(Act::Subscribed { .. }) => answers.subscribed().await,
                Some(Act::Value { value, .. }) => answers.value(value).await,
                Some(Act::Written { status, .. }) => answers.written(status).await,
                Some(Act::Notify { frame, .. }) => answers.notify(frame).await,
            },
            request = central.request() => match request {
                None => return,
                Some(CentralRequest::Subscribe) => world.on_link(link, |cabinet, now| cabinet.subscribe(link, now)),
                Some(CentralRequest::Read) => world.on_link(link, |cabinet, now| cabinet.read(link, now)),
                Some(CentralRequest::Write(frame)) => {
                    world.on_link(link, |cabinet, now| cabinet.write(link, frame, now));
                }
            },
        }
    }
}
