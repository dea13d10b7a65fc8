//! `air`: the locker's GATT service over TCP, for machines without Bluetooth. A client in any language can be written
//! from this page.
//!
//! # Transport, version 1
//!
//! A simulator listens on one TCP endpoint. Everything that a central (a phone) does is a TCP connection of its own to
//! that endpoint: one for listening to advertisements, one for each link. Either side ends what it is doing by closing
//! the connection. All integers are big-endian.
//!
//! A client first sends the **preface**, eight bytes: `50 4F 53 54 45 52 4E 01` ("POSTERN" and the version, 1). A
//! server that does not know the version closes the connection. After it, both sides send **records**:
//!
//! | octets | field |
//! |---|---|
//! | 2 | length of what follows, 1 to 1024 |
//! | 1 | kind |
//! | length - 1 | body |
//!
//! A record that is longer, shorter than its kind demands, or of an unknown kind, ends the connection. The client's first
//! record chooses what the connection is for; a server gives it 5 s.
//!
//! ## Listening
//!
//! | kind | from | body | meaning |
//! |---|---|---|---|
//! | `01` WATCH | client | empty | report advertisements from now on |
//! | `81` SIGHTING | server | address (6), RSSI (1, signed dBm, 127 = unknown), manufacturer data payload (0 to 24) | one advertisement, about ten times a second for each locker in range and at once when it changes |
//! | `06` MONITOR | client | empty | report the state of the radio (a connection of its own) |
//! | `88` ADAPTER | server | state (1): 1 on, 2 off, 3 absent, 4 denied | now, and whenever it changes |
//!
//! The manufacturer data payload is the one of PROTOCOL.md, advertisement, without the company id. The address is
//! random and may change at any time: a locker is found by what it advertises.
//!
//! ## A link
//!
//! | kind | from | body | meaning |
//! |---|---|---|---|
//! | `02` CONNECT | client | address (6), the client's largest ATT MTU (2, 23 to 517) | connect |
//! | `82` CONNECTED | server | ATT MTU of this link (2) | both sides use it; a frame is at most MTU - 3 octets |
//! | `83` REFUSED | server | reason (1): 1 nobody has this address, 2 no connection free, 3 radio off | instead; the server closes |
//! | `03` SUBSCRIBE | client | empty | subscribe to `tx`; the locker's HELLO follows as NOTIFY |
//! | `84` SUBSCRIBED | server | empty | done |
//! | `04` READ | client | empty | read `tx` |
//! | `85` VALUE | server | 0 to 512 octets | the HELLO of this link as one single frame, whatever the MTU; made by the read where there is none yet, empty once there is a session |
//! | `05` WRITE | client | one frame | write `rx`, with response |
//! | `86` WRITTEN | server | status (1): 0, or an ATT error code (`0D`: longer than the server takes) | done |
//! | `87` NOTIFY | server | one frame | notification of `tx`, at any time after SUBSCRIBE |
//!
//! As in ATT, a client has at most one of SUBSCRIBE, READ and WRITE under way, and waits for its answer; NOTIFY may come
//! in between. Frames are those of PROTOCOL.md, frames ([`postern_protocol::frame`]).

mod client;
mod server;
mod wire;

pub use client::AirRadio;
pub use server::{AirServer, Beacon, Central, CentralRequest, CentralSender, Dial, RefuseReason};
