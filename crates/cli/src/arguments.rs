//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Collect, return and keep things at parcel lockers.
///
/// An ID may be shortened to as many characters as make it unique; a door label such as `B3` or a part of a title
/// does as well.
#[derive(Parser)]
#[command(name = "postern", version, after_long_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Kept in step with [`crate::fault::Exit`].
const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  something that should not happen
   2  usage: an unknown command or option, or an ID that fits nothing or several things
   3  not signed in
   4  offline: the hub cannot be reached, and this needs it
   5  the locker is out of range or takes no connection now
   6  refused: the locker or the hub says no, or the latch did not move
   7  the door may be open
   8  the keyring is absent or locked
   9  Bluetooth is off, absent or not allowed
  10  Postern is running already with this profile
  11  stopped by you

Environment:
  POSTERN_HUB       base URL of the hub (http://localhost:8460)
  POSTERN_RADIO     ble, ble:ADAPTER or air:HOST:PORT (ble)
  POSTERN_DATA_DIR  folder of the profiles
  POSTERN_PROFILE   name of the profile (default)
  POSTERN_LOG       what to log to stderr (off)";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Sign in with a passkey in the system browser.
    SignIn {
        /// Base URL of the hub.
        #[arg(long)]
        hub: Option<String>,
        /// Only print the address; open it wherever the passkey is.
        #[arg(long)]
        no_browser: bool,
    },
    /// Everything there is to collect, to return and to keep.
    List {
        /// Do not ask the hub.
        #[arg(long)]
        cached: bool,
        /// Also what is over.
        #[arg(long, short)]
        all: bool,
    },
    /// One reservation with all that is known of it.
    Show {
        /// Which.
        id: String,
    },
    /// Draw a QR code: the one that identifies a return or parcel, or the opening code.
    Qr {
        /// Which.
        id: String,
        /// The code that opens the door at a locker with a scanner; renewed until you press Ctrl-C.
        #[arg(long)]
        opening: bool,
        /// Write a PNG file instead. Of an opening code it is worthless after half a minute.
        #[arg(long, value_name = "FILE")]
        png: Option<PathBuf>,
    },
    /// Open the doors of one or more reservations at one locker, one after the other.
    Open {
        /// Which.
        #[arg(required = true)]
        ids: Vec<String>,
        /// This command is the deliberate gesture: do not ask again.
        #[arg(long, short)]
        yes: bool,
        /// Stay until the last door is closed.
        #[arg(long)]
        until_closed: bool,
    },
    /// Open a door again that was opened a few minutes ago.
    Reopen {
        /// Which.
        id: String,
        /// This command is the deliberate gesture: do not ask again.
        #[arg(long, short)]
        yes: bool,
        /// Stay until the door is closed.
        #[arg(long)]
        until_closed: bool,
    },
    /// Ask the locker what became of an opening that was cut off.
    Resolve {
        /// Which.
        id: String,
    },
    /// Say that everything was there and is taken.
    Taken {
        /// Which.
        id: String,
        /// It was not there.
        #[arg(long)]
        not_there: bool,
    },
    /// What lockers signed for.
    Receipts,
    /// Give somebody access by a link.
    Share {
        /// Which.
        id: String,
        /// The guest's name, for your eyes.
        #[arg(long)]
        name: String,
        /// End of access: `2h`, `3d`, or `2026-12-24T18:00`; the reservation's own end by default.
        #[arg(long)]
        until: Option<String>,
    },
    /// What couriers do, people or machines: put parcels in and take them out.
    Courier {
        #[command(subcommand)]
        errand: Errand,
    },
    /// Look whether keyring, hub, radio and clock are as they should be.
    Doctor {
        /// Base URL of the hub.
        #[arg(long)]
        hub: Option<String>,
    },
    /// Forget everything on this device: session, reservations, device key.
    SignOut {
        /// Do not ask again.
        #[arg(long, short)]
        yes: bool,
    },
}

/// A courier's device is another one than a customer's, with a session and a key of its own in the keyring. Receipts that
/// the hub has not got yet are handed in with the next command.
#[derive(Subcommand)]
pub(crate) enum Errand {
    /// Sign this device in with the code that the carrier made for a courier.
    SignIn {
        /// The code; `-` reads it from the standard input, where no list of processes shows it.
        code: String,
        /// Base URL of the hub.
        #[arg(long)]
        hub: Option<String>,
    },
    /// What there is to put in and to take out.
    Tasks,
    /// Put a parcel in: the hub keeps a door, the locker opens it, and its receipt makes the parcel ready.
    Deposit {
        /// Its tracking number or ID.
        parcel: String,
        #[command(flatten)]
        at: AtLocker,
    },
    /// Take out what has expired or goes back: what is named, or all that the locker has.
    Collect {
        /// Tracking numbers or IDs.
        parcels: Vec<String>,
        #[command(flatten)]
        at: AtLocker,
    },
    /// Sign this device out and forget everything.
    SignOut {
        /// Do not ask again.
        #[arg(long, short)]
        yes: bool,
    },
}

/// How a courier's door is opened.
#[derive(clap::Args)]
pub(crate) struct AtLocker {
    /// ID or name of the locker, where its site has several.
    #[arg(long)]
    pub(crate) locker: Option<String>,
    /// This command is the deliberate gesture: do not ask again.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Do not stay until the door is closed.
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Whether the parcel is inside the closed compartment, for a locker that cannot measure it: yes or no. Without this
    /// you are asked.
    #[arg(long, value_parser = yes_or_no)]
    pub(crate) inside: Option<bool>,
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("yes or no".to_owned()),
    }
}
