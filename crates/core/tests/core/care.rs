//! What has to be kept chilled or frozen, breaks easily, or keeps for a time only.

use postern_api::reservation::{Care, State};
use postern_core::{effect::NotificationKind, intent::Intent};

use crate::rig::{Rig, START_MS, reservation};

#[test]
fn what_spoils_is_reminded_of_well_before_it_does() {
    let now = START_MS / 1000;
    let salad = |hours: u32| {
        let mut parcel = reservation("r3", 3, State::Ready);
        let until = now + i64::from(hours) * 3600;
        (parcel.since, parcel.until) = (Some(now), Some(until));
        parcel.care = Some(Care {
            chilled: true,
            keeps_hours: Some(hours),
            keeps_until: Some(until),
            ..Care::default()
        });
        parcel
    };
    for (hours, before) in [(2, [60, 30]), (8, [240, 120]), (96, [36 * 60, 6 * 60])] {
        let mut rig = Rig::new(217);
        rig.hub.reservations = vec![salad(hours)];
        rig.sign_in();
        rig.advance(2_000);
        let told: Vec<_> = rig
            .planned
            .iter()
            .map(|it| {
                (now + i64::from(hours) * 3600 - it.at, it.notification.care.and_then(|it| it.keeps_minutes))
            })
            .collect();
        assert_eq!(told, before.map(|minutes| (i64::from(minutes) * 60, Some(minutes))), "{hours} hours");
        assert!(rig.planned.iter().all(|it| it.notification.care.is_some_and(|care| care.chilled)));
        // Taken out, it is spoken of no more.
        rig.open(&["r3"]);
        assert!(rig.planned.is_empty());
    }
    // Without such a platform the app says it itself, and what is left then.
    let mut rig = Rig::new(220);
    rig.hub.reservations = vec![reservation("r3", 3, State::InTransit)];
    rig.sign_in();
    rig.change("r3", |reservation| *reservation = salad(8));
    rig.advance(4 * 3_600_000 + 60_000);
    let told: Vec<_> =
        rig.notifications.iter().map(|it| (it.kind, it.care.and_then(|care| care.keeps_minutes))).collect();
    assert_eq!(told[0].0, NotificationKind::Ready);
    assert!(matches!(told[0].1, Some(478..=480)), "{told:?}");
    assert_eq!(told[1..].iter().map(|it| it.0).collect::<Vec<_>>(), [NotificationKind::Deadline]);
    // What is to be collected before it spoils is reminded of by that.
    let mut rig = Rig::new(221);
    let mut sooner = salad(96);
    sooner.until = Some(now + 24 * 3600);
    rig.hub.reservations = vec![sooner];
    rig.sign_in();
    rig.advance(2_000);
    let at: Vec<_> = rig.planned.iter().map(|it| it.at - now).collect();
    assert_eq!(at, [12 * 3600, 18 * 3600]);
}

#[test]
fn a_parcel_is_moved_to_where_it_can_go() {
    let mut rig = Rig::with_parcels(222, &[3]);
    rig.intent(Intent::FindSites { latitude: None, longitude: None, size: None, parcel: Some("r3".into()) });
    rig.advance(2_000);
    assert!(!rig.hub.calls("/v1/sites?parcel=r3").is_empty());
}
