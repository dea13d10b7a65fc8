//! When to scan. Platforms differ in what they punish and in what they forget, so what is done is decided by one pure
//! function, and each platform's manners are a table.
//!
//! Android lets an app start five scans in 30 s and then lets it hear nothing, without a word to the caller (up to
//! Android 10) or with an error that comes later (`SCAN_FAILED_SCANNING_TOO_FREQUENTLY`); and it turns a scan that runs
//! for longer than ten to thirty minutes into one that hears only what others scan for. Elsewhere nobody counts, and some
//! controllers and kernels report an advertiser once for each scan, or stop reporting after a connection.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// What a platform wants, and what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manners {
    /// A scan that has heard nothing for so long is started anew while a locker is being dialled.
    deaf_dialling: Duration,
    /// The same, for who only listens.
    deaf_listening: Duration,
    /// At most so many starts in so long.
    quota: Option<(usize, Duration)>,
    /// Starts of the quota that are for dialling alone.
    reserve: usize,
    /// Pause before a scan that would not start is tried again.
    retry: Duration,
    /// There are two modes: one that spares the battery, and one that hears at once.
    modes: bool,
}

/// Android's, with a margin: 5 in 30 s are counted there.
pub(super) const ANDROID: Manners = Manners {
    deaf_dialling: Duration::from_secs(10),
    deaf_listening: Duration::from_secs(300),
    quota: Some((4, Duration::from_secs(31))),
    reserve: 2,
    retry: Duration::from_secs(2),
    modes: true,
};
/// Everybody else's.
pub(super) const OTHERS: Manners = Manners {
    deaf_dialling: Duration::from_millis(2500),
    deaf_listening: Duration::from_millis(2500),
    quota: None,
    reserve: 0,
    retry: Duration::from_millis(200),
    modes: false,
};

/// This platform's.
pub(super) const HERE: Manners = if cfg!(target_os = "android") { ANDROID } else { OTHERS };

/// A scan that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) since: Instant,
    pub(super) eager: bool,
}

/// How things are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation<'a> {
    pub(super) now: Instant,
    /// Somebody listens, and nobody connects.
    pub(super) wanted: bool,
    /// A locker is being dialled.
    pub(super) dialling: bool,
    pub(super) running: Option<Run>,
    /// When anything was heard last.
    pub(super) heard: Option<Instant>,
    /// The last start that failed, or was refused later.
    pub(super) failed: Option<Failure>,
    /// Of this process, oldest first.
    pub(super) starts: &'a [Instant],
}

/// A scan that did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) at: Instant,
    /// The platform said that there were too many.
    pub(super) too_many: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Start {
        eager: bool,
    },
    Stop,
    /// Nothing before then; for ever where there is no such moment.
    Wait(Option<Instant>),
}

impl Manners {
    /// Decides. A scan is stopped only where the next who dials may start one: until then it runs on, also through attempts
    /// to connect, which it slows down and which nothing else could follow. Four that fail at once would otherwise leave
    /// whoever stands at the door deaf for half a minute.
    pub(super) fn next(&self, is: &Situation<'_>) -> Step {
        let eager = self.modes && is.dialling;
        let Some(run) = is.running else {
            if !is.wanted {
                return Step::Wait(None);
            }
            let may = self.may_start(is);
            return if may <= is.now { Step::Start { eager } } else { Step::Wait(Some(may)) };
        };
        if !is.wanted {
            let again = self.may_start(&Situation { dialling: true, ..*is });
            return if again <= is.now { Step::Stop } else { Step::Wait(Some(again)) };
        }
        let silent_since = is.heard.map_or(run.since, |heard| heard.max(run.since));
        let deaf = if is.dialling { self.deaf_dialling } else { self.deaf_listening };
        let deaf_at = silent_since + deaf;
        let wrong_mode = self.modes && run.eager != eager;
        let anew = if wrong_mode { is.now } else { deaf_at };
        let at = anew.max(self.may_start(is));
        if at <= is.now { Step::Stop } else { Step::Wait(Some(at)) }
    }

    /// The first moment from which on a scan may be started.
    fn may_start(&self, is: &Situation<'_>) -> Instant {
        let mut at = is.now;
        if let Some(failed) = is.failed {
            let pause = match self.quota {
                Some((_, within)) if failed.too_many => within,
                _ => self.retry,
            };
            at = at.max(failed.at + pause);
        }
        if let Some((starts, within)) = self.quota {
            let mine = if is.dialling { starts } else { starts - self.reserve };
            // The start that must be out of the window before there is room.
            if let Some(index) = is.starts.len().checked_sub(mine) {
                at = at.max(is.starts[index] + within);
            }
        }
        at
    }

    /// How far back starts matter.
    fn memory(&self) -> Duration {
        self.quota.map_or(Duration::ZERO, |(_, within)| within)
    }
}

/// Starts of scans, of the whole process: the platform counts by app, not by scanner.
#[derive(Default)]
pub(super) struct Starts(Mutex<VecDeque<Instant>>);

/// The process's.
pub(super) static STARTS: Starts = Starts(Mutex::new(VecDeque::new()));

impl Starts {
    pub(super) fn note(&self, now: Instant, manners: &Manners) {
        let mut starts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        starts.retain(|start| now.duration_since(*start) < manners.memory());
        starts.push_back(now);
    }

    pub(super) fn list(&self) -> Vec<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        name: &'static str,
        wanted: bool,
        dialling: bool,
        /// Milliseconds since it began, and whether it is eager.
        running: Option<(u64, bool)>,
        /// Milliseconds since anything was heard.
        heard: Option<u64>,
        failed: Option<(u64, bool)>,
        /// Milliseconds since each start.
        starts: &'static [u64],
        android: Does,
        others: Does,
    }

    /// What is done, and for a wait in how many milliseconds it ends.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Does {
        Start,
        StartEagerly,
        Stop,
        Wait(u64),
        Rest,
    }
    use Does::{Rest, Start, StartEagerly, Stop, Wait};

    const IDLE: Case = Case {
        name: "nobody listens",
        wanted: false,
        dialling: false,
        running: None,
        heard: None,
        failed: None,
        starts: &[],
        android: Rest,
        others: Rest,
    };

    const CASES: &[Case] = &[
        IDLE,
        Case { name: "the first to listen", wanted: true, android: Start, others: Start, ..IDLE },
        Case {
            name: "the first to dial",
            wanted: true,
            dialling: true,
            android: StartEagerly,
            others: Start,
            ..IDLE
        },
        Case { name: "the last has gone", running: Some((9, false)), android: Stop, others: Stop, ..IDLE },
        Case {
            name: "connecting, for the first time",
            dialling: true,
            running: Some((500, true)),
            heard: Some(0),
            starts: &[500],
            android: Stop,
            others: Stop,
            ..IDLE
        },
        Case {
            name: "connecting, after three attempts that failed at once",
            dialling: true,
            running: Some((500, true)),
            heard: Some(0),
            starts: &[4_000, 3_000, 2_000, 500],
            android: Wait(27_000),
            others: Stop,
            ..IDLE
        },
        Case {
            name: "given up after four: who tries again is heard",
            running: Some((9_000, true)),
            starts: &[12_000, 11_000, 10_000, 9_000],
            android: Wait(19_000),
            others: Stop,
            ..IDLE
        },
        Case {
            name: "and when another may begin it ends",
            running: Some((28_000, true)),
            starts: &[31_000, 30_000, 29_000, 28_000],
            android: Stop,
            others: Stop,
            ..IDLE
        },
        Case {
            name: "dialling, silent for 2.5 s",
            wanted: true,
            dialling: true,
            running: Some((2_500, true)),
            starts: &[2_500],
            android: Wait(7_500),
            others: Stop,
            ..IDLE
        },
        Case {
            name: "dialling, silent for 10 s",
            wanted: true,
            dialling: true,
            running: Some((10_000, true)),
            starts: &[10_000],
            android: Stop,
            others: Stop,
            ..IDLE
        },
        Case {
            name: "dialling, something heard a second ago",
            wanted: true,
            dialling: true,
            running: Some((12_000, true)),
            heard: Some(1_000),
            starts: &[12_000],
            android: Wait(9_000),
            others: Wait(1_500),
            ..IDLE
        },
        Case {
            name: "listening at home, silent for a minute",
            wanted: true,
            running: Some((60_000, false)),
            android: Wait(240_000),
            others: Stop,
            ..IDLE
        },
        Case {
            name: "listening for five minutes: before Android lets it sleep",
            wanted: true,
            running: Some((300_000, false)),
            android: Stop,
            others: Stop,
            ..IDLE
        },
        Case {
            name: "who listens leaves two starts to who dials",
            wanted: true,
            starts: &[20_000, 1_000],
            android: Wait(11_000),
            others: Start,
            ..IDLE
        },
        Case {
            name: "who dials has them",
            wanted: true,
            dialling: true,
            starts: &[20_000, 1_000],
            android: StartEagerly,
            others: Start,
            ..IDLE
        },
        Case {
            name: "the fifth start waits until the first is 31 s old",
            wanted: true,
            dialling: true,
            starts: &[30_500, 20_000, 10_000, 100],
            android: Wait(500),
            others: Start,
            ..IDLE
        },
        Case {
            name: "a scan that is deaf goes on where no other may begin",
            wanted: true,
            dialling: true,
            running: Some((11_000, true)),
            starts: &[29_000, 25_000, 20_000, 11_000],
            android: Wait(2_000),
            others: Stop,
            ..IDLE
        },
        Case {
            name: "a dial beside who listens hears at once",
            wanted: true,
            dialling: true,
            running: Some((60_000, false)),
            heard: Some(100),
            android: Stop,
            others: Wait(2_400),
            ..IDLE
        },
        Case {
            name: "after the dial the battery is spared again",
            wanted: true,
            running: Some((5_000, true)),
            heard: Some(100),
            starts: &[5_000],
            android: Stop,
            others: Wait(2_400),
            ..IDLE
        },
        Case {
            name: "but not at the cost of the next dial",
            wanted: true,
            running: Some((5_000, true)),
            heard: Some(100),
            starts: &[9_000, 5_000],
            android: Wait(22_000),
            others: Wait(2_400),
            ..IDLE
        },
        Case {
            name: "it would not start",
            wanted: true,
            dialling: true,
            failed: Some((50, false)),
            android: Wait(1_950),
            others: Wait(150),
            ..IDLE
        },
        Case {
            name: "the platform says that there were too many",
            wanted: true,
            dialling: true,
            failed: Some((1_000, true)),
            android: Wait(30_000),
            others: Start,
            ..IDLE
        },
    ];

    #[test]
    fn each_platform_gets_what_it_wants() {
        let now = Instant::now() + Duration::from_secs(1_000_000);
        let ago = |ms: u64| now - Duration::from_millis(ms);
        for case in CASES {
            let starts: Vec<Instant> = case.starts.iter().map(|ms| ago(*ms)).collect();
            let situation = Situation {
                now,
                wanted: case.wanted,
                dialling: case.dialling,
                running: case.running.map(|(ms, eager)| Run { since: ago(ms), eager }),
                heard: case.heard.map(ago),
                failed: case.failed.map(|(ms, too_many)| Failure { at: ago(ms), too_many }),
                starts: &starts,
            };
            for (platform, manners, expected) in
                [("Android", ANDROID, case.android), ("others", OTHERS, case.others)]
            {
                let does = match manners.next(&situation) {
                    Step::Start { eager: false } => Start,
                    Step::Start { eager: true } => StartEagerly,
                    Step::Stop => Stop,
                    Step::Wait(None) => Rest,
                    Step::Wait(Some(at)) => Wait(u64::try_from((at - now).as_millis()).unwrap()),
                };
                assert_eq!(does, expected, "{}, {platform}", case.name);
            }
        }
    }

    /// Whatever is wanted of it, and for however long.
    #[test]
    fn android_never_counts_five_starts_in_thirty_seconds() {
        let mut noise = 0x9E37_79B9_u64;
        let mut random = |below: u64| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (noise >> 33) % below
        };
        let starts = Starts::default();
        let mut all: Vec<Instant> = Vec::new();
        let (mut now, mut running, mut heard) = (Instant::now(), None, None);
        for _ in 0..200_000 {
            now += Duration::from_millis(random(700));
            if random(9) == 0 {
                heard = Some(now);
            }
            let list = starts.list();
            let (wanted, dialling) = (random(3) > 0, random(2) == 0);
            let situation = Situation { now, wanted, dialling, running, heard, failed: None, starts: &list };
            match ANDROID.next(&situation) {
                Step::Start { eager } => {
                    starts.note(now, &ANDROID);
                    all.push(now);
                    running = Some(Run { since: now, eager });
                }
                Step::Stop => running = None,
                Step::Wait(_) => {}
            }
        }
        assert!(all.len() > 1_000);
        let closest = all.windows(5).map(|five| five[4] - five[0]).min().unwrap();
        assert!(closest > Duration::from_secs(30), "{closest:?}");
    }
}
