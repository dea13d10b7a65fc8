//! The whole way over `air`: radio, transport, fate, firmware, machine.

mod rig;

use std::time::{Duration, Instant};

use postern_protocol::{
    Operation, Reply,
    frame::{Tag, fragments},
    receipt,
};
use postern_radio::{Progress, Radio};
use postern_sim::{cabinet::Act, customer, fate::Fate, log::What, world::Admitted};
use rig::Rig;

#[tokio::test]
async fn a_door_opens_by_the_rules() {
    let mut rig = Rig::new().await;
    let request = rig.collect(7);
    let stages = std::sync::Mutex::new(Vec::new());
    let record = |stage: Progress| stages.lock().unwrap().push(stage);
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut link = rig.radio.connect(rig.locker.id, deadline, &record).await.unwrap();
    let (reply, mut session) =
        customer::ask(&mut *link, &mut rig.phone, &rig.locker, &request).await.unwrap();
    let Reply::Receipt(receipt) = reply else { panic!("{reply:?}") };
    let receipt = receipt::verify(&receipt, &rig.locker.receipt_key).unwrap();
    assert_eq!((receipt.door.0, receipt.outcome), (7, receipt::Outcome::Opened));
    assert!(rig.door(7).open);
    assert_eq!(
        *stages.lock().unwrap(),
        [Progress::Searching, Progress::Sighted, Progress::Connected, Progress::Subscribed]
    );
    rig.close(7);
    loop {
        let Reply::Event(event) = session.receive(&link.receive().await.unwrap()).unwrap() else { continue };
        if event.kind == postern_protocol::DoorEventKind::Closed {
            break;
        }
    }
    link.close().await;
    rig.no_links().await;
    assert!(rig.world.look(0, |cabinet| cabinet.chain().is_whole()).unwrap());
}

/// One opening at each MTU, and two with one that lies: refused writes and writes cut short.
#[tokio::test]
async fn mtu_matrix() {
    let mut rig = Rig::new().await;
    let matrix = [23, 100, 185, 247, 517];
    for (door, mtu) in (1u16..).zip(matrix) {
        rig.fate(|fate| fate.air.mtu = Some(mtu));
        assert!(rig.open(door).await, "MTU {mtu}");
        assert_eq!(rig.door(door).pulses, 1);
    }
    for (door, too_long) in [(8, "refused"), (9, "cut")] {
        rig.fate(|fate| {
            fate.air.mtu = Some(247);
            fate.air.true_mtu = Some(23);
            fate.air.too_long = serde_json::from_value(too_long.into()).unwrap();
        });
        assert!(rig.open(door).await, "{too_long}");
        assert_eq!(rig.door(door).pulses, 1, "{too_long}");
    }
}

/// BlueZ makes notifications of several handles, whose header is longer by two octets; writes are as long as ever.
#[tokio::test]
async fn notifications_leave_room_for_a_longer_header_and_writes_fill_theirs() {
    let rig = Rig::new().await;
    let Admitted { link, mut acts } = rig.world.connect(0, 23).unwrap();
    rig.world.on_link(link, |cabinet, now| {
        cabinet.mtu_known(link, 48, 2, now);
        cabinet.subscribe(link, now);
    });
    let hello = loop {
        if let Act::Notify { frame, .. } = acts.recv().await.unwrap() {
            break frame;
        }
    };
    assert_eq!(hello.len(), 48 - 5);
    let frame = fragments(&[2; 100], Tag(hello[1]), 48 - 3).next().unwrap();
    rig.world.on_link(link, |cabinet, now| cabinet.write(link, frame, now));
    let status = loop {
        if let Act::Written { status, .. } = acts.recv().await.unwrap() {
            break status;
        }
    };
    assert_eq!(status, 0);
}

/// The notification of HELLO is lost: reading it opens.
#[tokio::test]
async fn lost_hello() {
    let mut rig = Rig::new().await;
    rig.fate(|fate| fate.air.lose_hellos = 1);
    assert!(rig.open(1).await);
    rig.fate(|fate| {
        fate.air.mtu = Some(23);
        fate.air.lose_notification = Some(2);
    });
    assert!(rig.open(2).await, "one fragment of it lost");
}

/// Found by service and identity after the address changed, and while it changes.
#[tokio::test]
async fn address_rotation() {
    let mut rig = Rig::new().await;
    let before = rig.world.look(0, |cabinet| cabinet.address()).unwrap();
    assert!(rig.open(1).await);
    rig.world.with(0, postern_sim::cabinet::Cabinet::rotate_address);
    assert_ne!(rig.world.look(0, |cabinet| cabinet.address()).unwrap(), before);
    assert!(rig.open(2).await);
    rig.fate(|fate| fate.air.rotate_seconds = 1);
    for door in 3..6 {
        assert!(rig.open(door).await);
    }
}

/// The link cut after every single frame, both ways, delivered or not: at most one opening, and the retry converges.
#[tokio::test]
async fn disconnect_everywhere() {
    use postern_sim::fate::{Direction, DropAfter};
    for mtu in [23, 247] {
        let mut rig = Rig::new().await;
        rig.fate(|fate| fate.air.mtu = Some(mtu));
        let (frames_in, frames_out) = rig.frames_of_an_opening(16).await;
        let ways = [(Direction::ToLocker, frames_in), (Direction::ToPhone, frames_out)];
        for (direction, frames) in ways {
            for frame in 1..=frames {
                for delivered in [false, true] {
                    rig.fate(|fate| {
                        fate.air.mtu = Some(mtu);
                        fate.air.drop_after = Some(DropAfter { direction, frame, delivered });
                    });
                    let before = rig.door(3).pulses;
                    let receipt = rig.collect_with_retries(3).await;
                    let case =
                        format!("MTU {mtu}, {direction:?} {frame} of {frames}, delivered: {delivered}");
                    assert_eq!(receipt.outcome, receipt::Outcome::Opened, "{case}");
                    assert_eq!(rig.door(3).pulses, before + 1, "{case}");
                    rig.close(3);
                }
            }
        }
    }
}

/// Two attackers hold connections and say nothing: an honest customer's door opens.
#[tokio::test]
async fn connection_hog() {
    let mut rig = Rig::new().await;
    let (first, second) = (rig.connect().await, rig.connect().await);
    let started = Instant::now();
    assert!(rig.open(5).await);
    assert!(started.elapsed() < Duration::from_secs(12));
    drop((first, second));
    rig.no_links().await;
}

/// Somebody else advertises the same short id with keys of its own: it learns nothing, and the door opens.
#[tokio::test]
async fn fake_locker() {
    let mut rig = Rig::new().await;
    // At first nobody else is on the air.
    rig.fate(|fate| (fate.air.impostor, fate.air.silent) = (true, true));
    let request = rig.collect(1);
    let mut link = rig.connect().await;
    assert!(customer::ask(&mut *link, &mut rig.phone, &rig.locker, &request).await.is_err());
    drop(link);
    let told: Vec<What> = rig
        .world
        .look(1, |impostor| impostor.log().after(0).map(|entry| entry.what.clone()).collect())
        .expect("the impostor is the second cabinet");
    let unread = |what: &What| matches!(what, What::Refused { reason, .. } if reason == "handshake");
    assert!(told.iter().any(unread), "OPEN reached it, and it could not be read: {told:?}");
    let moved =
        |what: &What| matches!(what, What::Accepted { .. } | What::Latch { .. } | What::Receipt { .. });
    assert!(!told.iter().any(moved), "{told:?}");
    rig.fate(|fate| fate.air.impostor = true);
    for door in 1..=4 {
        let receipt = rig.collect_with_retries(door).await;
        assert_eq!(receipt.outcome, receipt::Outcome::Opened);
    }
}

#[tokio::test]
async fn a_silent_cabinet_is_not_found_and_a_full_one_is_busy() {
    let rig = Rig::new().await;
    let soon = || Instant::now() + Duration::from_millis(500);
    rig.fate(|fate: &mut Fate| fate.air.silent = true);
    let result = rig.radio.connect(rig.locker.id, soon(), &|_| {}).await;
    assert!(matches!(result, Err(postern_radio::RadioError::NotFound)));
    rig.fate(|fate: &mut Fate| fate.air.taken = true);
    let result = rig.radio.connect(rig.locker.id, soon(), &|_| {}).await;
    assert!(matches!(result, Err(postern_radio::RadioError::Busy)));
}

#[tokio::test]
async fn pin_and_opening_code_open_at_the_cabinet_itself() {
    let mut rig = Rig::new().await;
    let now = rig.now();
    let grant = customer::Grant::collect(rig.locker.id, 6);
    let token = rig.network.token(&grant, &rig.phone.key(), now);
    let code = rig.phone.opening_code(6, Operation::Collect, token, now);
    rig.world.with(0, |cabinet, now| cabinet.scan(&code, now));
    rig.until(|cabinet| cabinet.compartment(6).unwrap().1.open).await;
    rig.close(6);
    // The code told the locker the door's epoch; its PIN is good from then on.
    let pin = rig.network.pin(rig.locker.id, 6, 1);
    rig.world.with(0, |cabinet, now| cabinet.type_pin(&pin, now));
    rig.until(|cabinet| cabinet.compartment(6).unwrap().1.open).await;
}
