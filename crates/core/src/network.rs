//! Whether the hub can be reached, as far as its answers tell.

use postern_api::problem::Code;

use crate::{line::Miss, time::Now, view::NetworkView};

/// A difference of clocks beyond which it is worth telling: tokens of 15 minutes begin to fail for it.
const SKEW_TOLD_S: i64 = 120;

/// What the last answer said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Unknown,
    Online,
    Offline,
    WrongHub,
}

/// What is known of the network.
#[derive(Debug, Default)]
pub(crate) struct Network {
    state: State,
    last_contact: Option<i64>,
    skew: i64,
    /// The difference is of this process, not of the store: the clock may have been set since.
    measured: bool,
}

impl Network {
    /// The hub answered, and its clock said this.
    pub(crate) fn heard(&mut self, date: Option<i64>, now: Now) {
        self.state = State::Online;
        self.last_contact = Some(now.unix());
        if let Some(date) = date {
            self.skew = now.unix().saturating_sub(date);
            self.measured = true;
        }
    }

    /// It did not answer, or not well.
    pub(crate) fn missed(&mut self, miss: Miss) {
        match miss {
            Miss::NoNetwork => self.state = State::Offline,
            Miss::NotTheHub => self.state = State::WrongHub,
            Miss::Refused { code: Code::Internal | Code::Unavailable, .. } => self.state = State::Offline,
            Miss::Refused { .. } => {}
        }
    }

    /// The last call found nobody, or not the hub.
    pub(crate) fn is_known_offline(&self) -> bool {
        matches!(self.state, State::Offline | State::WrongHub)
    }

    /// How far this device's clock is ahead of the hub's, seconds, as of the last contact; 0 before. What an earlier process
    /// measured is believed only where it makes access last longer: the locker is the judge of that.
    pub(crate) fn skew(&self) -> i64 {
        if self.measured { self.skew } else { self.skew.max(0) }
    }

    /// The last difference that was measured, for the store.
    pub(crate) fn measured_skew(&self) -> i64 {
        self.skew
    }

    /// When the hub was last heard, UNIX seconds.
    pub(crate) fn last_contact(&self) -> Option<i64> {
        self.last_contact
    }

    /// From the store.
    pub(crate) fn restore(&mut self, last_contact: Option<i64>, skew: i64) {
        self.last_contact = last_contact;
        self.skew = skew;
    }

    /// For the window.
    pub(crate) fn view(&self) -> NetworkView {
        match self.state {
            State::Unknown => NetworkView::Unknown,
            State::Online if self.skew.abs() > SKEW_TOLD_S => NetworkView::ClockSkew { seconds: self.skew },
            State::Online => NetworkView::Online,
            State::Offline => NetworkView::Offline { since: self.last_contact },
            State::WrongHub => NetworkView::WrongHub,
        }
    }
}
