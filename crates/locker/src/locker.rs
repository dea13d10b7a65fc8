//! The firmware as its host sees it.

use alloc::{collections::VecDeque, vec::Vec};

use postern_protocol::gatt::Advertisement;

use crate::{Config, Connection, Hardware, Keys, Output, Uptime, hardware::FlashError};

/// Why a locker did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootError {
    /// The configuration is outside of its limits.
    #[error("configuration: {0}")]
    Config(&'static str),
    /// The journal's flash region is too small for what the configuration promises to remember.
    #[error("the journal needs at least {needed} bytes of flash")]
    FlashTooSmall {
        /// Bytes.
        needed: u64,
    },
    /// The journal holds what no power failure can explain. Service staff must decide.
    #[error("the journal is damaged")]
    JournalDamaged,
    /// The flash failed.
    #[error(transparent)]
    Flash(#[from] FlashError),
}

/// One locker's firmware.
pub struct Locker<H: Hardware> {
    hardware: H,
    output: VecDeque<Output>,
}

impl<H: Hardware> Locker<H> {
    /// Starts: replays the journal (a blank one is laid out), raises the boot number and settles what a power
    /// failure interrupted.
    ///
    /// # Errors
    /// With the hardware, so that a host can try again; see [`BootError`].
    pub fn boot(_config: Config, _keys: Keys, hardware: H, _now: Uptime) -> Result<Self, (BootError, H)> {
        Ok(Self { hardware, output: VecDeque::new() })
    }

    /// A central has connected. `max_frame` is the most that one notification to it carries: ATT MTU − 3.
    pub fn connected(&mut self, _connection: Connection, _max_frame: usize, _now: Uptime) {}

    /// The connection's MTU has changed.
    pub fn frame_size_changed(&mut self, _connection: Connection, _max_frame: usize) {}

    /// The central has subscribed to TX: greets it with HELLO, or sends it again.
    pub fn subscribed(&mut self, _connection: Connection, _now: Uptime) {}

    /// What a read of TX returns: this connection's current HELLO in a single frame; empty without a connection.
    /// Repeated reads return the same and do not extend its life.
    pub fn read_hello(&mut self, _connection: Connection, _now: Uptime) -> Vec<u8> {
        Vec::new()
    }

    /// One frame was written to RX.
    pub fn received(&mut self, _connection: Connection, _frame: &[u8], _now: Uptime) {}

    /// The link has ended. Openings under way go on.
    pub fn disconnected(&mut self, _connection: Connection, _now: Uptime) {}

    /// Digits were entered at the keypad. Answered by [`Output::Local`].
    pub fn pin_entered(&mut self, _digits: &str, _now: Uptime) {}

    /// The scanner read this text. Answered by [`Output::Local`].
    pub fn scanned(&mut self, _text: &str, _now: Uptime) {}

    /// Lets time pass: samples sensors, ends latch pulses, times out connections.
    pub fn tick(&mut self, _now: Uptime) {}

    /// The next thing for the host to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When [`Self::tick`] must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Uptime {
        Uptime(u64::MAX)
    }

    /// What to advertise now.
    #[must_use]
    pub fn advertisement(&mut self) -> Advertisement {
        unreachable!("skeleton")
    }

    /// The machine.
    pub fn hardware(&mut self) -> &mut H {
        &mut self.hardware
    }

    /// Stops and gives the machine back, as after a power cut.
    pub fn into_hardware(self) -> H {
        self.hardware
    }
}
