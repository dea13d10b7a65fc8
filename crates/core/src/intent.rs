//! What the customer wants: the only way in for a window or a terminal.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A wish of the customer. Serialised as `{ "type": "...", ... }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "intent.ts")]
pub enum Intent {
    /// Sign in at this hub (the configured one when absent), in the system browser.
    SignIn {
        /// Base URL.
        #[serde(default)]
        hub: Option<String>,
    },
    /// Give up on a sign-in that is under way.
    CancelSignIn,
    /// Wipe session, wallet and device key from this device.
    SignOut,
    /// Go on without a keyring: everything is forgotten when the app ends.
    UseMemoryOnly,
    /// Try the keyring again.
    RetryKeyring,
    /// Fetch now.
    Refresh,
    /// The deliberate gesture: open these reservations' doors, one after the other. Valid for 30 s. Where anything among
    /// them is to be collected, only that is opened: what is to be put in has a gesture of its own.
    Open {
        /// One or more, all at the same locker and of one kind.
        reservations: Vec<String>,
    },
    /// The deliberate gesture for a door that was open already, within the operator's minutes.
    Reopen {
        /// Which.
        reservation: String,
    },
    /// Stop the opening, if it can still be stopped.
    CancelOpening,
    /// Open the next of several doors now: a fresh gesture.
    ContinueOpening,
    /// Ask the locker what became of an opening that was cut off.
    ResolveOpening {
        /// Which; the one on the opening screen, else the latest, when absent.
        #[serde(default)]
        reservation: Option<String>,
    },
    /// Close the opening screen. While its door is open the opening goes on, and stays in `View::open_doors`.
    DismissOpening,
    /// Show the screen of an opening again that was closed while its door was open.
    ShowOpening {
        /// Of which reservation.
        reservation: String,
    },
    /// Say that a door of `View::open_doors` is closed, where the locker is out of reach and nothing else can tell.
    ConfirmClosed {
        /// Of which reservation.
        reservation: String,
    },
    /// Say whether everything was there and is taken.
    ConfirmTaken {
        /// Which.
        reservation: String,
        /// True: taken. False: it was not there.
        taken: bool,
    },
    /// Say, at the closed door, whether what was to be put in is inside.
    ConfirmPlaced {
        /// Which.
        reservation: String,
        /// True: it lies inside. False: not yet.
        inside: bool,
    },
    /// Show the opening code for a locker with a scanner, renewed while shown.
    ShowOpeningCode {
        /// Which.
        reservation: String,
    },
    /// Stop showing (and signing) it.
    HideOpeningCode,
    /// Ask for a later deadline.
    Extend {
        /// Which.
        reservation: String,
        /// UNIX seconds.
        until: i64,
    },
    /// Give access over the hub by a link.
    Share {
        /// Which.
        reservation: String,
        /// The guest's name, for the owner's eyes.
        name: String,
        /// UNIX seconds.
        until: i64,
    },
    /// The link of a new share was handed over.
    DismissShareOffer,
    /// Show this device's own invitation, so that somebody beside us can give us access with no network.
    ShowMyInvitation,
    /// Stop showing it.
    HideMyInvitation,
    /// Give access in person: the guest's invitation was scanned. The answer is `View::share_offer`, to be scanned
    /// back by the guest.
    AcceptInvitation {
        /// Which reservation.
        reservation: String,
        /// What the guest's QR code said.
        invitation: String,
        /// The guest's name, for the owner's eyes.
        name: String,
        /// UNIX seconds.
        until: i64,
    },
    /// Take access that somebody gave us in person.
    TakeDelegation {
        /// What the owner's QR code said.
        text: String,
    },
    /// Follow a claim link, or an invitation to a flat, that the customer entered by hand, where the system would not hand it over.
    FollowLink {
        /// `https://HUB/claim/CODE`, `https://HUB/home/CODE`, what these lead to, or the code of an invitation alone.
        url: String,
    },
    /// Take a share back.
    RevokeShare {
        /// Which reservation.
        reservation: String,
        /// Which share.
        share: String,
    },
    /// Report a problem.
    Report {
        /// Which.
        reservation: String,
        /// What kind: a `ProblemKind` of the hub's contract, in snake case.
        kind: String,
        /// In the customer's words, at most 2,000 characters.
        note: String,
        /// JPEG or PNG, base64url, at most four of 2 MiB.
        #[serde(default)]
        photos: Vec<String>,
    },
    /// Keep it while the customer is away.
    Hold {
        /// Which.
        reservation: String,
        /// When the customer is back, UNIX seconds.
        until: i64,
    },
    /// Keep everything that can be kept while the customer is away, in one go.
    HoldAll {
        /// When the customer is back, UNIX seconds.
        until: i64,
    },
    /// Cancel before it began.
    Cancel {
        /// Which.
        reservation: String,
    },
    /// Send it to another site while it is in transit.
    ChangeLocker {
        /// Which.
        reservation: String,
        /// Site id, from `View::sites`.
        site: String,
    },
    /// Give a held compartment or a borrowed thing back.
    Release {
        /// Which.
        reservation: String,
        /// The answer to what `ReservationView::release` asks: the compartment is empty, or the borrowed thing lies
        /// inside.
        #[serde(default)]
        confirmed: Option<bool>,
    },
    /// Book a compartment for a return.
    BookReturn {
        /// The order's reference or the carrier's return code.
        code: String,
        /// Site id, from `View::sites`.
        site: String,
        /// A `Size` of the hub's contract: `xs`, `s`, `m`, `l`, `xl`.
        size: String,
    },
    /// Book a compartment to keep something in.
    BookStorage {
        /// What the customer calls it, 1 to 120 characters.
        title: String,
        /// Site id, from `View::sites`.
        site: String,
        /// `xs`, `s`, `m`, `l`, `xl`.
        size: String,
        /// UNIX seconds.
        until: i64,
    },
    /// Hand what lies in a held compartment over to a neighbour of the same site.
    HandOver {
        /// Which.
        reservation: String,
        /// The neighbour's flat or department.
        unit: String,
    },
    /// Look for sites; the answer is `View::sites`.
    FindSites {
        /// WGS 84, with `longitude`.
        #[serde(default)]
        latitude: Option<f64>,
        /// WGS 84, with `latitude`.
        #[serde(default)]
        longitude: Option<f64>,
        /// Only with a free door of this size.
        #[serde(default)]
        size: Option<String>,
        /// Only to where this parcel can go: with a free door that is large enough, and keeps it as it has to be kept.
        #[serde(default)]
        #[ts(optional)]
        parcel: Option<String>,
    },
    /// Forget what was found.
    CloseSites,
    /// Look for shared things to borrow; the answer is `View::lending`.
    FindThings,
    /// Forget what was found.
    CloseThings,
    /// Borrow a shared thing. It is given back with [`Intent::Release`].
    Borrow {
        /// Thing id, from `View::lending`.
        thing: String,
    },
    /// Remove a device from the account.
    RemoveDevice {
        /// Which.
        device: String,
    },
    /// Have things sent to this site, one of `View::sites`: the answer is `AccountView::site`.
    ChooseAddressSite {
        /// Site id.
        site: String,
        /// Its name.
        name: String,
        /// Its address.
        address: String,
    },
    /// Look at the account: ways in, and what deleting it would mean. The answer is `View::account`.
    ShowAccount,
    /// Looked enough; recovery codes and export are forgotten with it.
    CloseAccount,
    /// Another name.
    SetName {
        /// 1 to 64 characters.
        name: String,
    },
    /// Have a code mailed to an address.
    SetEmail {
        /// The address.
        email: String,
        /// Language of letters.
        #[serde(default)]
        language: Option<String>,
    },
    /// The code that was mailed.
    ConfirmEmail {
        /// As typed.
        code: String,
    },
    /// Have no e-mail address.
    ForgetEmail,
    /// Make another passkey, in the system browser.
    AddPasskey,
    /// Remove a passkey.
    RemovePasskey {
        /// Which.
        passkey: String,
    },
    /// Say yes to the invitation of `View::home_offer`.
    JoinHome,
    /// Say no to it, or put it away once it was followed.
    DismissHome,
    /// Live there no more.
    LeaveHome {
        /// Site id, from `AccountView::homes`.
        site: String,
    },
    /// Make recovery codes; those of before end.
    MakeRecoveryCodes,
    /// They were written down.
    DismissRecoveryCodes,
    /// Fetch everything that the hub keeps of the account.
    ExportAccount,
    /// It was kept as a file.
    DismissExport,
    /// Delete the account, with everything on this device.
    DeleteAccount,
    /// The home screen is seen from now on, or no longer. Lockers are listened for while it is, where the customer wants
    /// that: by [`Setting::Nearby`], or for this once.
    WatchNearby {
        /// On or off.
        on: bool,
        /// The customer asked for the nearest locker just now.
        #[serde(default)]
        asked: bool,
    },
    /// Change settings that the core keeps.
    Set {
        /// What.
        setting: Setting,
    },
    /// Erase the pickup habits learnt on this device.
    ForgetHabits,
    /// Take a refused or waiting entry out of the outbox; receipts cannot be taken out.
    DismissOutbox {
        /// Which.
        id: u64,
    },
    /// The notice was read.
    DismissNotice {
        /// Which.
        id: u64,
    },
}

/// Settings that the core keeps, on this device only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "name", content = "value", rename_all = "camelCase")]
#[ts(export_to = "intent.ts")]
pub enum Setting {
    /// Reminders before a deadline.
    Reminders(bool),
    /// Learn when this customer usually collects, on this device only.
    Habits(bool),
    /// Ask for biometrics or device PIN before opening.
    ConfirmOpening(bool),
    /// Doors that the customer can reach.
    PreferLowDoors(bool),
    /// Offer what is here when a locker comes into range, which takes listening for it.
    Nearby(bool),
}
