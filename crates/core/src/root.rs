//! The core itself: hands each event to the machine that it concerns and collects what they want done.

use std::collections::VecDeque;

use rand_core::CryptoRng;

use crate::{effect::Effect, event::Event, time::Now, view::View};

/// What the core is told once, when it is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// Base URL of the hub that is used where the customer names none.
    pub hub: String,
    /// What this device is to be called in the customer's list of devices, such as `Pixel 9`; at most 64 characters.
    pub device_name: String,
}

/// All that the app thinks. Deterministic: the same events, times and random numbers give the same effects and views.
pub struct Core {
    config: Config,
    now: Now,
    effects: VecDeque<Effect>,
}

impl Core {
    /// A core that knows nothing yet; the first event should be `Event::Vault`.
    pub fn new(config: Config) -> Self {
        Self { config, now: Now::default(), effects: VecDeque::new() }
    }

    /// Takes one event in. Afterwards `poll_effect` until it is empty, then look at `view` and `poll_timeout`.
    pub fn handle(&mut self, event: Event, now: Now, rng: &mut dyn CryptoRng) {
        let _ = (event, rng, &self.config);
        self.now = now;
    }

    /// The next thing to do, in the order in which they are to begin.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When `Event::Tick` is due at the latest, on the monotonic clock of `Now`; none while nothing is waiting.
    pub fn poll_timeout(&self) -> Option<u64> {
        None
    }

    /// Everything that is to be seen, as of the last event.
    pub fn view(&self) -> View {
        View::empty(self.now.unix())
    }
}
