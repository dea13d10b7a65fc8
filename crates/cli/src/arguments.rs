//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Collect, return and keep things at parcel lockers.
///
/// An ID may be shortened to as many characters as make it unique; a door label such as `B3`, a tracking number or a part of
/// a title does as well.
#[derive(Parser)]
#[command(name = "postern", version, after_help = EXAMPLES, after_long_help = LONG)]
pub(crate) struct Arguments {
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Base URL of the hub; POSTERN_HUB by default.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) hub: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

macro_rules! examples {
    () => {
        "\
Examples:
  postern sign-in                         with a passkey, in the system browser
  postern list                            what there is to collect, to return, to keep
  postern open B3                         the door that you stand in front of
  postern share B3 --name Ben --until 2h  a link that lets Ben open it
  postern list --json | jq '.[].title'    for scripts; `--json` goes with every command"
    };
}

const EXAMPLES: &str = examples!();

/// Exit codes kept in step with [`crate::fault::Exit`]. The manual page makes a section of each block, and of each line an entry.
const LONG: &str = concat!(
    examples!(),
    "

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
  POSTERN_LOG       what to log to stderr (off)

Without a desktop (a server, ssh):
  dbus-run-session -- sh -c 'gnome-keyring-daemon --unlock --components=secrets <FILE >/dev/null; postern list'
      a keyring for as long as the command runs. FILE holds its password and nothing else, no line break either;
      what was kept is there again with the same password"
);

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Sign in with a passkey in the system browser.
    SignIn {
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
        /// Id, door label, tracking number, or part of the title.
        id: String,
    },
    /// Draw a QR code: the one that identifies a return or parcel, or the opening code.
    Qr {
        /// Id, door label, tracking number, or part of the title.
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
        /// Id, door label, tracking number, or part of the title.
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
        /// Id, door label, tracking number, or part of the title.
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
        /// Id, door label, tracking number, or part of the title.
        id: String,
    },
    /// Say that everything was there and is taken.
    Taken {
        /// Id, door label, tracking number, or part of the title.
        id: String,
        /// It was not there.
        #[arg(long)]
        not_there: bool,
    },
    /// Say that what was to be put in is inside, at a locker that cannot measure it.
    Placed {
        /// Id, door label, tracking number, or part of the title.
        id: String,
        /// It is not inside yet.
        #[arg(long)]
        not_inside: bool,
    },
    /// What lockers signed for.
    Receipts,
    /// Give somebody access by a link.
    Share {
        /// Id, door label, tracking number, or part of the title.
        id: String,
        /// The guest's name, for your eyes.
        #[arg(long)]
        name: String,
        /// End of access: `2h`, `3d`, `2026-12-24` or `2026-12-24T18:00`, in the time of this machine or with an offset; the
        /// reservation's own end by default.
        #[arg(long, value_name = "END")]
        until: Option<String>,
    },
    /// Take access back that was given: over the hub or in person.
    #[command(
        after_help = "Examples:\n  postern revoke B3 Ben\n  postern revoke B3 --yes     the only one that there is"
    )]
    Revoke {
        /// Which reservation.
        id: String,
        /// Whose access: the name or the ID that `postern show` shows; may be left out where there is only one.
        guest: Option<String>,
        /// Do not ask again.
        #[arg(long, short)]
        yes: bool,
    },
    /// Take access that somebody gave by a link.
    #[command(after_help = "Example:\n  postern claim https://lockers.example/claim/8N2cVhJb0m4")]
    Claim {
        /// The link; `-` reads it from the standard input, where no list of processes shows it.
        link: String,
    },
    /// Pass access on from device to device, with no network: the guest shows an invitation, the owner answers with access for
    /// that device alone.
    InPerson {
        #[command(subcommand)]
        step: InPerson,
    },
    /// Ask for more time.
    #[command(after_help = "Example:\n  postern extend B3 --until 2026-12-24T20:00")]
    Extend {
        /// Id, door label, tracking number, or part of the title.
        id: String,
        /// The end wished for: `2h` or `3d` from now, or a moment. The hub says what it grants.
        #[arg(long, value_name = "END")]
        until: String,
    },
    /// Have it kept while you are away.
    #[command(after_help = "Example:\n  postern hold HX81 --until 2026-12-24")]
    Hold {
        /// Id, door label, tracking number, or part of the title.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// Everything that can be kept.
        #[arg(long)]
        all: bool,
        /// When you are back.
        #[arg(long, value_name = "END")]
        until: String,
    },
    /// Send it to another site while it is on its way.
    #[command(after_help = "Example:\n  postern move HX81 Marktgasse")]
    Move {
        /// Id, door label, tracking number, or part of the title.
        id: String,
        /// ID or name of the site; `postern find` lists them.
        site: String,
    },
    /// Call it off before it began.
    Cancel {
        /// Id, door label, tracking number, or part of the title.
        id: String,
        /// Do not ask again.
        #[arg(long, short)]
        yes: bool,
    },
    /// Book a compartment for a return.
    #[command(after_help = "Example:\n  postern return HX-RET-4711 --site Lindenhof --size m")]
    Return {
        /// The order's reference or the carrier's return code.
        code: String,
        #[command(flatten)]
        at: Where,
    },
    /// Book a compartment to keep something in.
    #[command(after_help = "Example:\n  postern storage \"Skis\" --site Lindenhof --size l --until 3d")]
    Storage {
        /// What you call it.
        title: String,
        #[command(flatten)]
        at: Where,
        /// Until when.
        #[arg(long, value_name = "END")]
        until: String,
    },
    /// Give a held compartment or a borrowed thing back.
    Release {
        /// Id, door label, tracking number, or part of the title.
        id: String,
        /// Do not ask again.
        #[arg(long, short)]
        yes: bool,
    },
    /// Hand what lies in a held compartment over to a neighbour of the same site.
    HandOver {
        /// Id, door label, tracking number, or part of the title.
        id: String,
        /// The neighbour's flat or department.
        unit: String,
        /// Do not ask again.
        #[arg(long, short)]
        yes: bool,
    },
    /// Things that your sites lend.
    Things,
    /// Borrow a thing; `release` gives it back.
    Borrow {
        /// Its ID or name; `postern things` lists them.
        thing: String,
    },
    /// Find sites with lockers.
    #[command(
        after_help = "Examples:\n  postern find Lindenhof\n  postern find --near 46.948,7.447 --size m"
    )]
    Find {
        /// A part of the name or the address.
        text: Option<String>,
        /// Nearest first: latitude and longitude.
        #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true)]
        near: Option<String>,
        /// Only with a free door that this fits into.
        #[arg(long)]
        size: Option<DoorSize>,
    },
    /// Report a problem, with photos if you like.
    #[command(
        after_help = "Example:\n  postern report B3 door-stuck --note \"It clicks and stays shut.\" --photo door.jpg"
    )]
    Report {
        /// Id, door label, tracking number, or part of the title.
        id: String,
        /// What is wrong.
        kind: Trouble,
        /// In your words, at most 2,000 characters.
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
        /// A JPEG or PNG file of at most 2 MiB; up to four. The hub takes position and other metadata out.
        #[arg(long, value_name = "FILE")]
        photo: Vec<PathBuf>,
    },
    /// Your address: what to give to shops, carriers and your landlord.
    #[command(after_help = "Example:\n  postern address --site Lindenhof")]
    Address {
        /// ID or name of the site that you have things sent to; kept until you name another.
        #[arg(long)]
        site: Option<String>,
    },
    /// Your account: name, e-mail address, passkeys, recovery codes, everything as a file, the end.
    #[command(
        after_help = "Examples:\n  postern account\n  postern account email ada@example.org\n  postern account recovery-codes > codes.txt"
    )]
    Account {
        #[command(subcommand)]
        change: Option<AccountChange>,
    },
    /// Flats that you were invited to; `join` and `leave`.
    #[command(
        after_help = "Examples:\n  postern home\n  postern home join 7QFM-3K9T-XWB4\n  postern home leave lindenhof"
    )]
    Home {
        #[command(subcommand)]
        change: Option<HomeChange>,
    },
    /// Devices of your account.
    Devices {
        #[command(subcommand)]
        change: Option<DeviceChange>,
    },
    /// What couriers do, people or machines: put parcels in and take them out.
    Courier {
        #[command(subcommand)]
        errand: Errand,
    },
    /// Look whether keyring, hub, radio and clock are as they should be.
    Doctor,
    /// Forget everything on this device: session, reservations, device key.
    SignOut {
        /// Do not ask again.
        #[arg(long, short)]
        yes: bool,
    },
    /// Print what completes commands in a shell.
    #[command(
        after_help = "Examples:\n  postern completions bash > ~/.local/share/bash-completion/completions/postern\n  postern completions fish > ~/.config/fish/completions/postern.fish"
    )]
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print the manual page, or write one for each command into a folder.
    Man {
        /// The folder, such as ~/.local/share/man/man1.
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
}

/// Where a compartment is booked.
#[derive(Args)]
pub(crate) struct Where {
    /// ID or name of the site; `postern find` lists them.
    #[arg(long)]
    pub(crate) site: String,
    /// How large.
    #[arg(long, default_value = "m")]
    pub(crate) size: DoorSize,
}

/// Sizes of doors.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum DoorSize {
    Xs,
    S,
    M,
    L,
    Xl,
}

impl DoorSize {
    /// As the hub's contract has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Xs => "xs",
            Self::S => "s",
            Self::M => "m",
            Self::L => "l",
            Self::Xl => "xl",
        }
    }
}

/// What can be wrong.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Trouble {
    /// The door did not open.
    DoorStuck,
    /// The compartment was empty.
    Empty,
    /// Something of somebody else lay inside.
    WrongContents,
    /// It is damaged.
    Damaged,
    /// The compartment is dirty or unusable.
    Unusable,
    /// Something else.
    Other,
}

impl Trouble {
    /// As the hub's contract has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::DoorStuck => "door_stuck",
            Self::Empty => "empty",
            Self::WrongContents => "wrong_contents",
            Self::Damaged => "damaged",
            Self::Unusable => "unusable",
            Self::Other => "other",
        }
    }
}

/// Steps of passing access on in person.
#[derive(Subcommand)]
pub(crate) enum InPerson {
    /// The guest begins: show this device's invitation. It is no secret and good for this device alone.
    Invite,
    /// The owner answers an invitation with access.
    Give {
        /// Id, door label, tracking number, or part of the title.
        id: String,
        /// The guest's invitation; `-` reads it from the standard input.
        invitation: String,
        /// The guest's name, for your eyes.
        #[arg(long)]
        name: String,
        /// End of access; the reservation's own end by default. It is never longer than the access on this device.
        #[arg(long, value_name = "END")]
        until: Option<String>,
    },
    /// The guest takes the access that the owner showed.
    Take {
        /// What the owner's code says; `-` reads it from the standard input.
        access: String,
    },
}

/// Joining and leaving.
#[derive(Subcommand)]
pub(crate) enum HomeChange {
    /// Follow an invitation; what it is to is shown first.
    #[command(after_help = "Example:\n  postern home join 7QFM-3K9T-XWB4")]
    Join {
        /// The link or the code; `-` reads it from the standard input, where no list of processes shows it.
        invitation: String,
        /// Do not ask again.
        #[arg(long, short)]
        yes: bool,
    },
    /// Live there no more.
    Leave {
        /// Site id; `postern home` lists them.
        site: String,
        /// Do not ask again.
        #[arg(long, short)]
        yes: bool,
    },
}

/// What is to be done with the account.
#[derive(Subcommand)]
pub(crate) enum AccountChange {
    /// Another name.
    Name {
        /// 1 to 64 characters.
        name: String,
    },
    /// Have a code mailed to an address that carriers may announce to.
    Email {
        /// The address.
        address: String,
        /// Language of letters: en, de, pl or uk; the network's own by default.
        #[arg(long)]
        language: Option<String>,
    },
    /// Give the code that was mailed.
    Confirm {
        /// The code; `-` reads it from the standard input, where no list of processes shows it.
        #[arg(allow_hyphen_values = true)]
        code: String,
    },
    /// Have no e-mail address.
    ForgetEmail,
    /// Make another passkey, in the system browser.
    AddPasskey,
    /// Remove a passkey.
    RemovePasskey {
        /// Its ID; `postern account` lists them.
        passkey: String,
        /// Do not ask again.
        #[arg(long, short)]
        yes: bool,
    },
    /// Make codes that let you in where every passkey is lost. They are printed once; those of before end.
    RecoveryCodes {
        /// Do not ask again.
        #[arg(long, short)]
        yes: bool,
    },
    /// Write everything that the network keeps of you into a new file.
    Export {
        /// The file; `-` for the standard output.
        file: PathBuf,
    },
    /// Delete the account for good, here and at the network.
    Delete {
        /// Do not ask again.
        #[arg(long, short)]
        yes: bool,
    },
}

/// What is to be done with a device.
#[derive(Subcommand)]
pub(crate) enum DeviceChange {
    /// Remove a device from the account: it is signed out and wipes itself.
    Remove {
        /// Its name or ID.
        device: String,
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
        #[arg(allow_hyphen_values = true)]
        code: String,
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
