//! GATT layout and advertisement (PROTOCOL.md, "Finding a locker").

/// The primary service. Random (UUID version 4), frozen.
pub const SERVICE_UUID: u128 = 0x5dac_0c55_be91_41f3_9860_329d_8813_5d4c;
/// Phone to locker: write, write without response.
pub const RX_UUID: u128 = 0x5dac_0c56_be91_41f3_9860_329d_8813_5d4c;
/// Locker to phone: notify, and read (this connection's current HELLO, as one frame).
pub const TX_UUID: u128 = 0x5dac_0c57_be91_41f3_9860_329d_8813_5d4c;
/// Company identifier of the manufacturer data: the one that the Bluetooth SIG sets aside for tests, until an operator
/// brings its own.
pub const COMPANY_ID: u16 = 0xFFFF;

/// What the manufacturer data say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// Protocol version, 1.
    pub version: u8,
    /// Takes a connection now.
    pub accepting: bool,
    /// Its battery is low.
    pub low_battery: bool,
    /// It does not know the time: tokens must be bound to its HELLO.
    pub clock_unset: bool,
    /// First four bytes of the locker id.
    pub short_id: [u8; 4],
}

impl Advertisement {
    /// Length of the payload behind the company identifier.
    pub const LEN: usize = 6;

    const ACCEPTING: u8 = 1 << 0;
    const LOW_BATTERY: u8 = 1 << 1;
    const CLOCK_UNSET: u8 = 1 << 2;

    /// The six bytes behind the company identifier.
    #[must_use]
    pub const fn encode(&self) -> [u8; Self::LEN] {
        let mut state = 0;
        if self.accepting {
            state |= Self::ACCEPTING;
        }
        if self.low_battery {
            state |= Self::LOW_BATTERY;
        }
        if self.clock_unset {
            state |= Self::CLOCK_UNSET;
        }
        let [a, b, c, d] = self.short_id;
        [self.version, state, a, b, c, d]
    }

    /// Reads them. None for another length, version 0, or (version 1) reserved bits set.
    ///
    /// Later versions are reported, so that an app can say that it is too old for this locker.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let &[version, state, a, b, c, d] = bytes else { return None };
        let known = Self::ACCEPTING | Self::LOW_BATTERY | Self::CLOCK_UNSET;
        if version == 0 || (version == crate::VERSION && state & !known != 0) {
            return None;
        }
        Some(Self {
            version,
            accepting: state & Self::ACCEPTING != 0,
            low_battery: state & Self::LOW_BATTERY != 0,
            clock_unset: state & Self::CLOCK_UNSET != 0,
            short_id: [a, b, c, d],
        })
    }
}
