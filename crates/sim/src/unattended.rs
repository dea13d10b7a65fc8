//! Cabinets at which nobody stands, as in a network where people try things out: what an opening was for is done by itself and
//! the door closed, and couriers come and go.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use postern_courier::CourierError;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    courier::{Courier, ErrandError, reach_in},
    log::What,
    world::World,
};

/// How long a door stands open: long enough to be seen in the app.
const STANDS_OPEN: Duration = Duration::from_secs(4);
/// How often couriers ask for their tasks.
const ROUND: Duration = Duration::from_secs(3);

/// Doors, by cabinet and number.
type Doors<T> = BTreeMap<(usize, u16), T>;

/// Does what each door was opened for, then closes it. Ends with the world.
pub async fn hands(world: Arc<World>) {
    let mut revision = world.revision();
    let mut read: Vec<u64> =
        (0..world.len()).map(|one| world.look(one, |one| one.log().last()).unwrap_or(0)).collect();
    let (mut purpose, mut open) = (Doors::<String>::new(), Doors::<Instant>::new());
    loop {
        let next = open.values().min().copied();
        let due = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = revision.changed() => if changed.is_err() { return },
            () = due => {}
        }
        for (cabinet, read) in read.iter_mut().enumerate() {
            let news = world.look(cabinet, |cabinet| {
                let news: Vec<_> = cabinet.log().after(*read).map(|entry| entry.what.clone()).collect();
                (news, cabinet.log().last())
            });
            let Some((news, last)) = news else { continue };
            *read = last;
            for what in news {
                match what {
                    What::Accepted { door, operation, .. } => {
                        purpose.insert((cabinet, door), operation);
                    }
                    What::Door { door, kind } if kind == "opened" => {
                        open.insert((cabinet, door), Instant::now() + STANDS_OPEN);
                    }
                    What::Door { door, kind } if kind == "closed" => {
                        open.remove(&(cabinet, door));
                    }
                    _ => {}
                }
            }
        }
        let now = Instant::now();
        let over: Vec<_> = open.iter().filter(|(_, due)| **due <= now).map(|(door, _)| *door).collect();
        for (cabinet, door) in over {
            open.remove(&(cabinet, door));
            let inside = match purpose.remove(&(cabinet, door)).as_deref() {
                Some("collect") => Some(("take", None)),
                Some("deposit") => Some(("put", Some("return".to_owned()))),
                _ => None,
            };
            if let Some((did, inside)) = inside {
                reach_in(&world, cabinet, door, did, inside);
            }
            reach_in(&world, cabinet, door, "close", None);
        }
    }
}

/// Has this courier put in every parcel that is on its way, as far as there is room, and fetch what is due.
///
/// # Errors
/// The hub does not take the courier in.
pub async fn rounds(world: Arc<World>, courier: Arc<Courier>) -> Result<(), ErrandError> {
    loop {
        match courier.sign_in().await {
            Err(ErrandError::Courier(CourierError::Hub(error))) if error.is_passing() => {
                tracing::warn!(%error, "the hub is not there for couriers");
                sleep(ROUND).await;
                continue;
            }
            other => other?,
        }
        for cabinet in 0..world.len() {
            for errand in [courier.deliver(&world, cabinet).await, courier.collect(&world, cabinet).await] {
                if let Err(error) = errand {
                    tracing::info!(%error, cabinet, "a courier's round was cut short");
                }
            }
        }
        sleep(ROUND).await;
    }
}
