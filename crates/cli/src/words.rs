//! English for every code that the core has. The window has its own words, in more languages.

use postern_runtime::view::{
    CareView, KindView, NoPinView, NoticeCode, OpeningPhase, ProblemCode, StateView,
};

use crate::time;

/// What happened, and what to do now.
pub(crate) fn problem(code: ProblemCode) -> &'static str {
    match code {
        ProblemCode::BluetoothOff => "Bluetooth is off. Switch it on and try again.",
        ProblemCode::BluetoothAbsent => {
            "This machine has no Bluetooth. Use the PIN or the QR code at the locker, or your phone."
        }
        ProblemCode::BluetoothDenied => {
            "Postern may not use Bluetooth. Allow it in the settings of your system and try again."
        }
        ProblemCode::LocationOff => {
            "Location is switched off, and this system searches for lockers only with it. Switch it on and try again."
        }
        ProblemCode::OutOfRange => "The locker is not in range. Stand right in front of it and try again.",
        ProblemCode::LockerBusy => "The locker is busy with somebody else. Wait a moment and try again.",
        ProblemCode::LinkLost => "The connection to the locker broke, and nothing was opened. Try again.",
        ProblemCode::NotTheLocker => {
            "Something here calls itself this locker and is not. Nothing was told to it. Report it to the operator."
        }
        ProblemCode::Refused => {
            "The locker refused. Try the PIN that `postern show` has, or ask the operator."
        }
        ProblemCode::Jammed => {
            "The locker tried the latch twice and did not see the door open. Push the door gently and try again, or report it."
        }
        ProblemCode::Throttled => "Too many tries.",
        ProblemCode::LockerFull => {
            "The locker has no room for another permission to this door. Use the PIN or the code, or try again in a few hours."
        }
        ProblemCode::TokenExpired => {
            "The access on this device has ended, and without a network there is no new one. Go online for a moment; the PIN that `postern show` has works without."
        }
        ProblemCode::LockerClockUnset => {
            "The locker has lost its clock and wants fresh access, for which this device must be online for a moment."
        }
        ProblemCode::GestureTooOld => {
            "It took too long since you asked. Ask again when you stand in front of the door."
        }
        ProblemCode::KeyRefused => "The key of this device did not sign. Unlock the device and try again.",
        ProblemCode::HubUnreachable => "The hub cannot be reached. Check the network and try again.",
        ProblemCode::WrongHub => "What answers there is not a Postern hub. Check the address.",
        ProblemCode::ClockSkew => "The clock of this machine is wrong. Set it and try again.",
        ProblemCode::SignInAbandoned => {
            "Nothing came back from the browser. Sign in again when you are ready."
        }
        ProblemCode::SignInMismatch => "Something came back that was not this sign-in, and was refused.",
        ProblemCode::SignInRefused => "The hub did not let you in. Sign in again.",
        ProblemCode::BrowserFailed => "No browser could be opened. Open the address by hand.",
        ProblemCode::HubRefused => "The hub said no.",
        ProblemCode::HubFault => {
            "The hub has a fault. Try again later; everything at the lockers works without it."
        }
        ProblemCode::VersionMismatch => "This version of Postern does not fit. Update it.",
        ProblemCode::ChangedMeanwhile => "It changed in the meantime, so this can no longer be done.",
        ProblemCode::LimitReached => "The operator allows no more of these.",
        ProblemCode::FairShare => {
            "You have as many doors there as one person may. Collect or give back what you have, or take another place."
        }
        ProblemCode::SomethingInside => {
            "Something still lies inside. Open the door, take it out, close the door and try again."
        }
        ProblemCode::NoCompartment => "No compartment of that size is free there.",
        ProblemCode::NoClimate => {
            "No compartment there can keep it as it has to be kept. Choose another locker."
        }
        ProblemCode::KeepsNoLonger => {
            "It does not keep that long. Collect it before then, or have somebody collect it."
        }
        ProblemCode::ClaimEnded => "The link was used, taken back, or has ended. Ask for a new one.",
        ProblemCode::InvitationInvalid => {
            "That is no invitation of this network, or it is not for this device."
        }
        ProblemCode::NotAnAddress => "That is no e-mail address.",
        ProblemCode::WrongCode => "That is not the code that was mailed.",
        ProblemCode::CodeEnded => {
            "The code was used, is older than 30 minutes, or was guessed at too often. Ask for another."
        }
        ProblemCode::LastWayIn => {
            "It is the last way into the account. Add another passkey or make recovery codes first."
        }
        ProblemCode::GiveBackFirst => {
            "Give back the compartments that you hold, and cancel your returns, first."
        }
        ProblemCode::HomeEnded => {
            "This invitation was used, withdrawn or is over, or there is none with this code. Ask who sent it for another."
        }
        ProblemCode::HomeMistyped => {
            "A character is wrong. The code has twelve letters and digits: XXXX-XXXX-XXXX."
        }
        ProblemCode::HomeOther => "You live in another flat of this place already. Leave that one first.",
        ProblemCode::HomeHolds => "Give back the compartments that you hold there first.",
        ProblemCode::NotDelegable => {
            "The operator does not let this be passed on in person. Share it by a link."
        }
    }
}

/// Where a reservation stands.
pub(crate) fn state(state: StateView) -> &'static str {
    match state {
        StateView::Announced => "announced",
        StateView::InTransit => "on its way",
        StateView::Ready => "ready",
        StateView::MayBeOpen => "the door may be open",
        StateView::Opened => "opened",
        StateView::Collected => "collected",
        StateView::Expired => "time is up",
        StateView::Returned => "went back",
        StateView::Booked => "booked",
        StateView::Deposited => "put in",
        StateView::Accepted => "accepted",
        StateView::Refused => "refused",
        StateView::Held => "yours",
        StateView::Released => "given back",
        StateView::Cancelled => "cancelled",
    }
}

/// Why there is no PIN.
pub(crate) fn no_pin(reason: NoPinView) -> &'static str {
    match reason {
        NoPinView::NoKeypad => "none: the locker has no keypad",
        NoPinView::KeypadBehind => "none yet: the keypad does not take one for this door so soon",
        NoPinView::TooManyDevices => "none: other devices hold all PINs of this door",
        NoPinView::Suspected => "hidden: something here pretends to be this locker. Do not type a PIN",
        NoPinView::NotHere => "none on this device yet",
    }
}

/// A heading of the list.
pub(crate) fn kind(kind: KindView) -> &'static str {
    match kind {
        KindView::Pickup => "To collect",
        KindView::Return => "To return",
        KindView::Storage => "My lockers",
    }
}

/// How a parcel has to be kept, and until when it keeps: `chilled, keeps until Thu 26 Nov, 18:00 CET`. None where it is as any other.
pub(crate) fn care(care: CareView) -> Option<String> {
    let kinds = [(care.chilled, "chilled"), (care.frozen, "frozen"), (care.fragile, "fragile")];
    let mut words: Vec<String> =
        kinds.into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned()).collect();
    match (care.keeps_until, care.keeps_hours) {
        (Some(until), _) => words.push(format!("keeps until {}", time::day_and_time(until))),
        (None, Some(1)) => words.push("keeps for an hour in the locker".to_owned()),
        (None, Some(hours)) => words.push(format!("keeps for {hours} hours in the locker")),
        (None, None) => {}
    }
    (!words.is_empty()).then(|| words.join(", "))
}

/// A step of an opening, while it is under way.
pub(crate) fn phase(phase: &OpeningPhase) -> Option<&'static str> {
    Some(match phase {
        OpeningPhase::Searching => "Looking for the locker…",
        OpeningPhase::Connecting => "Connecting…",
        OpeningPhase::Proving => "Checking that it is the right locker…",
        OpeningPhase::Asked => "Asked to open…",
        OpeningPhase::MayBeOpen { asking: true } => {
            "The connection broke: the door may be open. Asking the locker…"
        }
        _ => return None,
    })
}

/// Something to tell once.
pub(crate) fn notice(code: NoticeCode) -> &'static str {
    match code {
        NoticeCode::StoreHealed => {
            "What was stored on this device was damaged. It was put aside and is fetched again from the hub."
        }
        NoticeCode::Conflict => "Something that you did offline was not accepted by the hub.",
        NoticeCode::NewReady => "Something new is ready.",
        NoticeCode::ReportAnswered => "A report of yours was answered: see `postern show`.",
        NoticeCode::Delivered => "All receipts have reached the hub.",
        NoticeCode::AccessTaken => "You were given access.",
        NoticeCode::InvitationInvalid => "What was scanned or followed could not be used.",
    }
}

/// Where a report stands, as the hub's contract says it.
pub(crate) fn report_state(state: &str) -> String {
    match state {
        "open" => "not answered yet".into(),
        other => crate::text::safe(&other.replace('_', " ")),
    }
}

/// How an entry of the chain of custody names somebody.
pub(crate) fn whom(code: &str) -> &'static str {
    match code {
        "shared" => "to",
        "revoked" => "from",
        _ => "by",
    }
}

/// An entry of the chain of custody: the hub's event code.
pub(crate) fn event(code: &str) -> String {
    match code {
        "in_transit" => "on its way".into(),
        "deposited" => "put in".into(),
        "moved" => "moved to another locker".into(),
        "shared" => "access given".into(),
        "revoked" => "access taken back".into(),
        "returned" => "went back".into(),
        "closed_present" => "closed, something inside".into(),
        "closed_absent" => "closed, nothing inside".into(),
        other => crate::text::safe(&other.replace('_', " ")),
    }
}

/// What to do where there is no desktop that brings a keyring.
pub(crate) const NO_DESKTOP: &str =
    "Without a desktop (a server, ssh), start one beside the command, as `postern --help` shows at its end.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_parcel_is_kept_is_said_in_one_line() {
        let plain =
            CareView { chilled: false, frozen: false, fragile: false, keeps_hours: None, keeps_until: None };
        assert_eq!(care(plain), None);
        let cake = CareView { frozen: true, fragile: true, keeps_hours: Some(48), ..plain };
        assert_eq!(care(cake).as_deref(), Some("frozen, fragile, keeps for 48 hours in the locker"));
        let salad =
            care(CareView { chilled: true, keeps_hours: Some(8), keeps_until: Some(1_795_442_520), ..plain });
        assert!(
            salad.is_some_and(|words| words.starts_with("chilled, keeps until ") && !words.contains("hours"))
        );
    }
}
