//! What befalls a world, as data: made from a seed, shrunk when something is found, written down and played again.

use serde::{Deserialize, Serialize};

use crate::dice::Dice;

/// One run from beginning to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// For everything that is not a step: latencies, keys, nonces.
    pub seed: u64,
    /// Lockers.
    pub lockers: usize,
    /// Doors of each.
    pub doors: u16,
    /// Lockers that do not measure what lies in their compartments.
    #[serde(default)]
    pub unmeasured: Vec<usize>,
    /// Customers, one phone each.
    pub customers: usize,
    /// What befalls them: at so many milliseconds, ascending.
    pub steps: Vec<(u64, Step)>,
}

/// One thing that befalls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// A parcel for a customer: the hub books a door, a courier brings it.
    Parcel {
        /// For whom.
        customer: usize,
        /// Where.
        locker: usize,
        /// Which door, if it is free.
        door: u16,
    },
    /// A customer books a door to give something back.
    Return {
        /// Who.
        customer: usize,
        /// Where.
        locker: usize,
        /// Which door, if it is free.
        door: u16,
    },
    /// A customer walks to a locker, or away from all.
    Walk {
        /// Who.
        customer: usize,
        /// Where to.
        locker: Option<usize>,
    },
    /// A customer makes the gesture for what lies at the locker where they stand.
    Gesture {
        /// Who.
        customer: usize,
    },
    /// The customer stops it again.
    Cancel {
        /// Who.
        customer: usize,
    },
    /// A phone gains or loses its network.
    Network {
        /// Whose.
        customer: usize,
        /// On or off.
        on: bool,
    },
    /// The phone's operating system kills the app; it is started again a second later.
    KillApp {
        /// Whose.
        customer: usize,
    },
    /// The phone's clock is set wrong by so many seconds.
    PhoneClock {
        /// Whose.
        customer: usize,
        /// Ahead, or behind.
        skew: i64,
    },
    /// The customer's next link breaks after so many frames, counted in both directions.
    CutLink {
        /// Whose.
        customer: usize,
        /// Frames.
        frames: u32,
    },
    /// The customer's frames take so long from now on.
    Latency {
        /// Whose.
        customer: usize,
        /// Milliseconds each way.
        ms: u64,
    },
    /// The ATT MTU of the customer's links from now on.
    Mtu {
        /// Whose.
        customer: usize,
        /// 23 to 517.
        mtu: usize,
    },
    /// The power fails within the n-th flash operation from now, of which so many bytes still happen.
    PowerCut {
        /// Which locker.
        locker: usize,
        /// Operations from now.
        operations: u32,
        /// Bytes.
        torn: u32,
    },
    /// The power fails with the next pulse of a latch: after it moved, or before.
    PowerCutAtLatch {
        /// Which locker.
        locker: usize,
        /// The door comes open.
        moves: bool,
    },
    /// After so many operations more the flash takes nothing any more, while the power stays.
    WearFlash {
        /// Which locker.
        locker: usize,
        /// Operations from now.
        operations: u32,
    },
    /// The phone's operating system kills the app right after its next OPEN has arrived.
    KillAsking {
        /// Whose.
        customer: usize,
    },
    /// The power fails now.
    Reboot {
        /// Which locker.
        locker: usize,
    },
    /// The battery of the clock is dead: the time is unset until a technician comes.
    LoseClock {
        /// Which locker.
        locker: usize,
    },
    /// The locker's clock is set, wrong by so many seconds.
    SetClock {
        /// Which locker.
        locker: usize,
        /// Ahead, or behind.
        skew: i64,
    },
    /// A latch does not move for so many pulses.
    Jam {
        /// Which locker.
        locker: usize,
        /// Which door.
        door: u16,
        /// Pulses.
        pulses: u32,
    },
    /// The sensor of a door sticks, until all faults end.
    StickSensor {
        /// Which locker.
        locker: usize,
        /// Which door.
        door: u16,
        /// What it says from now on.
        open: bool,
    },
    /// A customer books a compartment to keep something in.
    Store {
        /// Who.
        customer: usize,
        /// Where.
        locker: usize,
        /// Which door, if it is free.
        door: u16,
    },
    /// The time is over in which a customer could collect a parcel.
    Expire {
        /// Whose.
        customer: usize,
    },
    /// A customer asks for more time for a parcel.
    Extend {
        /// Who.
        customer: usize,
    },
    /// A carrier says that it has what a customer dropped off, or did not collect: whether that is so or not, where the locker
    /// measures.
    SayFetched {
        /// Whose.
        customer: usize,
    },
    /// The operator takes a customer's access to one of their parcels back and gives it anew: the door's epoch rises.
    Revoke {
        /// Whose.
        customer: usize,
    },
    /// What a customer has booked is called off, unless it is too late for that: a return, or a parcel on its way.
    CallOff {
        /// Whose.
        customer: usize,
    },
    /// A courier fetches what a customer has dropped off, or has not collected in time.
    Fetch {
        /// Whose.
        customer: usize,
    },
    /// A customer says that a parcel was taken, and it lies there untouched.
    SayTaken {
        /// Who.
        customer: usize,
    },
    /// A customer passes one of their parcels on in person: a guest goes and fetches it.
    PassOn {
        /// Who passes on.
        customer: usize,
    },
    /// A customer types a PIN that the phone shows at its locker.
    Pin {
        /// Who.
        customer: usize,
    },
    /// Somebody carries the newest bulletin to a locker.
    CarryBulletin {
        /// Which locker.
        locker: usize,
    },
    /// The hub signs with a new key from now on.
    RotateKey,
    /// Somebody means harm.
    Attack {
        /// What they do.
        attack: Attack,
        /// At which locker.
        locker: usize,
        /// To whom.
        victim: usize,
    },
}

impl Step {
    /// Whose app ends by it.
    #[must_use]
    pub fn ends_app_of(&self) -> Option<usize> {
        match self {
            Self::KillApp { customer } | Self::KillAsking { customer } => Some(*customer),
            _ => None,
        }
    }
}

/// What somebody who means harm does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attack {
    /// Sends every message again that a phone sent to this locker.
    Replay,
    /// Uses a token of the victim, without the key.
    StolenToken,
    /// A customer of their own: uses their own token for another door, another operation, too often, too late.
    PatchedClient,
    /// The victim's next dial reaches a device that has the locker's name and not its key.
    Impostor,
    /// Takes connections and says nothing.
    Hog,
    /// Uses a token of the victim that ended or was taken back, with the victim's own key (a stolen backup).
    OldToken,
    /// Noise instead of messages.
    Garbage,
    /// A guest passes on what was passed on, and asks for more than was.
    MaliciousGuest,
    /// Types PINs until one fits.
    GuessPin,
}

impl Plan {
    /// The plan of a seed: a quarter of an hour at one to three lockers.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x706f_7374_6572_6e21);
        let (lockers, customers) = (dice.between(1, 3), dice.between(2, 8));
        let mut fittings = Dice::new(seed ^ 0x7365_6e73_6f72_7321);
        let mut plan = Self {
            seed,
            lockers: usize::try_from(lockers).expect("few"),
            doors: u16::try_from(dice.between(2, 6)).expect("few"),
            unmeasured: (0..usize::try_from(lockers).expect("few")).filter(|_| fittings.chance(25)).collect(),
            customers: usize::try_from(customers).expect("few"),
            steps: Vec::new(),
        };
        for customer in 0..plan.customers {
            let locker = dice.index(plan.lockers);
            let door = plan.door(&mut dice);
            plan.add(dice.below(30_000), Step::Parcel { customer, locker, door });
            plan.add(30_000 + dice.below(60_000), Step::Walk { customer, locker: Some(locker) });
            plan.add(60_000 + dice.below(120_000), Step::Gesture { customer });
        }
        for _ in 0..dice.between(4, 40) {
            // Half of it while the first parcels are being fetched.
            let within = if dice.chance(50) { 170_000 } else { 600_000 };
            let at = 10_000 + dice.below(within);
            let step = plan.step(&mut dice);
            plan.add(at, step);
        }
        // Of their own dice, so that what was added later leaves what a seed was before.
        let mut later = Dice::new(seed ^ 0x6c61_7465_7221_2121);
        for _ in 0..later.below(8) {
            let at = 20_000 + later.below(300_000);
            let step = plan.later_step(&mut later);
            plan.add(at, step);
        }
        if later.chance(20) {
            plan.give_back_behind_a_sensor_that_sticks(&mut later);
        }
        plan.steps.sort_by_key(|(at, _)| *at);
        plan
    }

    /// Busy minutes without mishaps, to measure how fast openings are simulated: at three lockers, twelve customers fetch
    /// four parcels each, one after the other.
    pub fn busy(seed: u64) -> Self {
        Self::busy_for(seed, 12)
    }

    /// The same for so many customers, four to a locker.
    pub fn busy_for(seed: u64, customers: usize) -> Self {
        const PARCELS: u16 = 4;
        const AT_ONE_LOCKER: usize = 4;
        let mut dice = Dice::new(seed ^ 0x6275_7379_2121_2121);
        let lockers = customers.div_ceil(AT_ONE_LOCKER);
        let mut plan =
            Self { seed, lockers, doors: 12, unmeasured: Vec::new(), customers, steps: Vec::new() };
        for customer in 0..customers {
            let locker = customer / AT_ONE_LOCKER;
            // Each has three doors of their own: no parcel waits for another's door.
            let first = u16::try_from(customer % AT_ONE_LOCKER * 3 + 1).expect("few");
            plan.add(0, Step::Walk { customer, locker: Some(locker) });
            let mut at = dice.between(5_000, 30_000);
            for parcel in 0..PARCELS {
                plan.add(at, Step::Parcel { customer, locker, door: first + parcel % 3 });
                // The courier needs a while; then one gesture opens, and one says that it is taken.
                plan.add(at + 20_000, Step::Gesture { customer });
                plan.add(at + 35_000, Step::Gesture { customer });
                at += dice.between(45_000, 60_000);
            }
        }
        plan.steps.sort_by_key(|(at, _)| *at);
        plan
    }

    fn add(&mut self, at: u64, step: Step) {
        self.steps.push((at, step));
    }

    fn door(&self, dice: &mut Dice) -> u16 {
        u16::try_from(dice.between(1, u64::from(self.doors))).expect("few")
    }

    /// What hardly ever comes together by chance: something is put behind a door that is said to be shut, called off, and the door
    /// is wanted again.
    fn give_back_behind_a_sensor_that_sticks(&mut self, dice: &mut Dice) {
        let (customer, locker) = (dice.index(self.customers), dice.index(self.lockers));
        let (door, at) = (self.door(dice), 30_000 + dice.below(200_000));
        self.add(at, Step::StickSensor { locker, door, open: false });
        self.add(at + 1_000, Step::Return { customer, locker, door });
        self.add(at + 2_000, Step::Walk { customer, locker: Some(locker) });
        self.add(at + 3_000, Step::Gesture { customer });
        self.add(at + 30_000, Step::CallOff { customer });
        for later in [90_000, 150_000, 210_000] {
            let customer = dice.index(self.customers);
            self.add(at + later, Step::Parcel { customer, locker, door });
            // Whoever comes for it brings the news.
            self.add(at + later - 30_000, Step::Parcel { customer, locker, door: self.door(dice) });
        }
    }

    fn later_step(&self, dice: &mut Dice) -> Step {
        let (customer, locker) = (dice.index(self.customers), dice.index(self.lockers));
        match dice.below(9) {
            0 | 1 => Step::Store { customer, locker, door: self.door(dice) },
            2 => Step::StickSensor { locker, door: self.door(dice), open: dice.chance(40) },
            3 | 4 => Step::Expire { customer },
            5 => Step::Extend { customer },
            6 => Step::Fetch { customer },
            7 => Step::SayFetched { customer },
            _ => Step::Pin { customer },
        }
    }

    fn step(&self, dice: &mut Dice) -> Step {
        let customer = dice.index(self.customers);
        let locker = dice.index(self.lockers);
        let skew = i64::try_from(dice.below(120)).expect("small") - 60;
        match dice.below(40) {
            0..4 => Step::Gesture { customer },
            4 => Step::Cancel { customer },
            5 => Step::Parcel { customer, locker, door: self.door(dice) },
            6 | 7 => Step::Walk { customer, locker: dice.chance(70).then_some(locker) },
            8 | 9 => Step::Network { customer, on: dice.chance(40) },
            10 => Step::KillApp { customer },
            11 => Step::PhoneClock { customer, skew: skew * 200 },
            12 | 13 => Step::CutLink { customer, frames: u32::try_from(dice.between(1, 14)).expect("small") },
            14 => Step::Latency { customer, ms: dice.between(5, 400) },
            15 => Step::Mtu { customer, mtu: [23, 48, 100, 185, 247, 517][dice.index(6)] },
            16 | 17 => Step::PowerCut {
                locker,
                operations: u32::try_from(dice.between(1, 9)).expect("small"),
                // Beyond the length of any record: all of it is written, and nobody hears of it.
                torn: u32::try_from(dice.below(200)).expect("small"),
            },
            18 => Step::Reboot { locker },
            19 => Step::LoseClock { locker },
            20 => Step::SetClock { locker, skew: skew / 3 },
            21 => Step::Jam {
                locker,
                door: self.door(dice),
                pulses: u32::try_from(dice.between(1, 3)).expect("small"),
            },
            22 => Step::Revoke { customer },
            23 if dice.chance(30) => Step::RotateKey,
            23 => Step::CarryBulletin { locker },
            24 => Step::PassOn { customer },
            25 => Step::Pin { customer },
            26 => Step::PowerCutAtLatch { locker, moves: dice.chance(50) },
            27 => Step::WearFlash { locker, operations: u32::try_from(dice.below(6)).expect("small") },
            28 | 29 => Step::KillAsking { customer },
            30 => Step::Return { customer, locker, door: self.door(dice) },
            31 => Step::Pin { customer },
            32 => Step::CallOff { customer },
            33 => Step::Fetch { customer },
            34 => Step::SayTaken { customer },
            35 => Step::Return { customer, locker, door: self.door(dice) },
            _ => Step::Attack {
                attack: [
                    Attack::Replay,
                    Attack::StolenToken,
                    Attack::PatchedClient,
                    Attack::Impostor,
                    Attack::Hog,
                    Attack::OldToken,
                    Attack::Garbage,
                    Attack::MaliciousGuest,
                    Attack::GuessPin,
                ][dice.index(9)],
                locker,
                victim: customer,
            },
        }
    }
}
