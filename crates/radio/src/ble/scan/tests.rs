use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{Activity, Air, Demand, Keeper};
use crate::{
    ble::pace::{ANDROID, Manners, OTHERS, Starts},
    phone::ScanFailure,
};

/// An air that notes what is done to it.
struct Noted(&'static Notes);

struct Notes {
    began: Instant,
    log: Mutex<Vec<(u64, &'static str)>>,
    refuses: AtomicBool,
}

impl Notes {
    fn note(&self, what: &'static str) {
        let at = u64::try_from(self.began.elapsed().as_millis()).unwrap();
        self.log.lock().unwrap().push((at, what));
    }
}

impl Air for Noted {
    async fn start(&self, eager: bool) -> bool {
        self.0.note(if eager { "start eagerly" } else { "start" });
        !self.0.refuses.load(Ordering::SeqCst)
    }

    async fn stop(&self) {
        self.0.note("stop");
    }
}

struct Stage {
    notes: &'static Notes,
    demand: watch::Sender<Demand>,
    heard: watch::Sender<Option<Instant>>,
    refused: watch::Sender<ScanFailure>,
    scanning: watch::Receiver<Activity>,
}

impl Stage {
    fn new(manners: Manners) -> Self {
        let began = Instant::now();
        let notes: &'static Notes =
            Box::leak(Box::new(Notes { began, log: Mutex::default(), refuses: AtomicBool::new(false) }));
        let (demand, wanted) = watch::channel(Demand::default());
        let (heard, last) = watch::channel(None);
        let (refused, told) = watch::channel(ScanFailure::default());
        let starts: &'static Starts = Box::leak(Box::default());
        let (active, scanning) = watch::channel(Activity::Idle);
        let keeper = Keeper { air: Noted(notes), manners, starts, active };
        tokio::spawn(keeper.keep(wanted, last, told));
        Self { notes, demand, heard, refused, scanning }
    }

    fn want(&self, listeners: usize, dialling: usize, pauses: usize) {
        self.demand.send_replace(Demand { listeners, dialling, pauses });
    }

    fn log(&self) -> Vec<(u64, &'static str)> {
        self.notes.log.lock().unwrap().clone()
    }
}

async fn after(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Who presses "open" at the house door and arrives at second 13 is still heard.
#[tokio::test(start_paused = true)]
async fn a_dial_on_android_begins_anew_once_and_keeps_listening() {
    let stage = Stage::new(ANDROID);
    stage.want(1, 1, 0);
    after(13_000).await;
    assert_eq!(stage.log(), [(0, "start eagerly"), (10_000, "stop"), (10_000, "start eagerly")]);
    stage.heard.send_replace(Some(Instant::now()));
    after(6_000).await;
    assert_eq!(stage.log().len(), 3, "a scan that hears is left alone");
    stage.want(0, 0, 0);
    after(1).await;
    assert_eq!(stage.log().last(), Some(&(19_000, "stop")));
}

/// Each attempt to connect stops the scan and begins it anew.
#[tokio::test(start_paused = true)]
async fn attempts_to_connect_do_not_use_up_what_android_allows() {
    let stage = Stage::new(ANDROID);
    for _ in 0..12 {
        stage.want(1, 1, 0);
        after(1_000).await;
        stage.want(0, 0, 1);
        after(500).await;
    }
    let starts: Vec<u64> =
        stage.log().iter().filter(|(_, what)| what.starts_with("start")).map(|it| it.0).collect();
    assert_eq!(starts.len(), 4, "{starts:?}");
    stage.want(1, 1, 0);
    after(31_000).await;
    let fifth = stage.log().iter().filter(|(_, what)| what.starts_with("start")).nth(4).map(|it| it.0);
    assert_eq!(fifth, Some(31_000));
}

/// A locker in front of the customer whose connections fail at once: it is heard all the same, attempt after attempt.
#[tokio::test(start_paused = true)]
async fn attempts_that_fail_at_once_leave_nobody_deaf_on_android() {
    let stage = Stage::new(ANDROID);
    for attempt in 0..40 {
        stage.want(1, 1, 0);
        after(200).await;
        assert_eq!(*stage.scanning.borrow(), Activity::Runs, "attempt {attempt}");
        stage.heard.send_replace(Some(Instant::now()));
        // Heard, and called.
        stage.want(0, 0, 1);
        after(50).await;
        let then = if attempt < 3 { Activity::Idle } else { Activity::RunsOn };
        assert_eq!(*stage.scanning.borrow(), then, "attempt {attempt}: whoever connects is not kept waiting");
    }
    let log = stage.log();
    assert_eq!(log.len(), 7, "{log:?}");
    assert_eq!(log.last(), Some(&(750, "start eagerly")));
    // They give up, and press once more.
    stage.want(0, 0, 0);
    after(5_000).await;
    stage.want(1, 1, 0);
    after(1).await;
    assert_eq!((stage.log().len(), *stage.scanning.borrow()), (7, Activity::Runs));
    // And who gives up for good is not listened for longer than that takes.
    stage.want(0, 0, 0);
    after(31_000).await;
    assert_eq!(stage.log()[7..], [(31_000, "stop")]);
    assert_eq!(*stage.scanning.borrow(), Activity::Idle);
}

#[tokio::test(start_paused = true)]
async fn listening_at_home_leaves_a_dial_what_it_needs() {
    let stage = Stage::new(ANDROID);
    stage.want(1, 0, 0);
    after(120_000).await;
    assert_eq!(stage.log(), [(0, "start")], "silence at home is no reason to begin anew");
    stage.want(2, 1, 0);
    after(10).await;
    assert_eq!(stage.log()[1..], [(120_000, "stop"), (120_000, "start eagerly")]);
    stage.want(1, 0, 0);
    after(10).await;
    assert_eq!(stage.log().last().map(|it| it.1), Some("start"), "and spares the battery again");
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_is_refused_without_a_word_or_with_one_begins_again_when_it_may() {
    let stage = Stage::new(ANDROID);
    stage.want(1, 1, 0);
    after(1_000).await;
    stage.refused.send_replace(ScanFailure { count: 1, too_many: true });
    after(30_000).await;
    assert_eq!(stage.log(), [(0, "start eagerly"), (1_000, "stop")]);
    after(1_500).await;
    assert_eq!(stage.log().last(), Some(&(32_000, "start eagerly")));
    stage.refused.send_replace(ScanFailure { count: 2, too_many: false });
    after(2_500).await;
    assert_eq!(stage.log().last().map(|it| it.1), Some("start eagerly"));
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_never_starts_is_not_tried_two_hundred_times() {
    let stage = Stage::new(ANDROID);
    stage.notes.refuses.store(true, Ordering::SeqCst);
    stage.want(1, 1, 0);
    after(20_000).await;
    assert_eq!(stage.log().len(), 4);
    let elsewhere = Stage::new(OTHERS);
    elsewhere.notes.refuses.store(true, Ordering::SeqCst);
    elsewhere.want(1, 1, 0);
    after(1_050).await;
    assert_eq!(elsewhere.log().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn elsewhere_a_deaf_scan_begins_anew_at_once() {
    let stage = Stage::new(OTHERS);
    stage.want(1, 0, 0);
    after(5_100).await;
    let expected = [(0, "start"), (2_500, "stop"), (2_500, "start"), (5_000, "stop"), (5_000, "start")];
    assert_eq!(stage.log(), expected);
}
