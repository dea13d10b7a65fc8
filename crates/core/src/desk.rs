//! What the customer does with the account itself: name, e-mail address, ways in, recovery codes, everything as a file, the
//! end of it. All of it needs the hub, so it is done at once or not at all, and nothing of it waits for a network.

use postern_api::{
    account::{Changes, Deletion, EmailCode, NewEmail, Passkeys, RecoveryCodes},
    problem::Code,
};
use zeroize::Zeroizing;

use crate::{
    cx::Cx,
    effect::Method,
    line::{Call, Miss, Purpose},
    text,
    view::{PasskeyView, ProblemCode, ProblemView},
};

/// More passkeys than an account can have.
const PASSKEYS: usize = 100;
/// More codes than a hub makes.
const CODES: usize = 32;

/// What the hub is asked for, or told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// The account itself: what became of a letter.
    Account,
    /// Passkeys, and how many recovery codes are left.
    Passkeys,
    /// What deleting the account would mean.
    Deletion,
    /// Another name.
    Name,
    /// Another e-mail address.
    Email,
    /// The code that was mailed.
    Confirm,
    /// No e-mail address.
    Forget,
    /// One passkey less.
    RemovePasskey,
    /// Recovery codes.
    Codes,
    /// Everything that the hub keeps.
    Export,
    /// One flat less.
    Leave,
    /// The end.
    Delete,
}

/// The machine. Nothing of it is stored.
#[derive(Default)]
pub(crate) struct Desk {
    open: bool,
    /// The account came since it was looked at.
    seen: bool,
    finished: u32,
    passkeys: Vec<PasskeyView>,
    codes_left: Option<u32>,
    codes: Vec<Zeroizing<String>>,
    /// None until it came.
    deletion: Option<Deletion>,
    export: Option<Zeroizing<String>>,
    doing: Option<Errand>,
    problem: Option<(Errand, ProblemView)>,
}

impl Desk {
    /// The customer looks at the account.
    pub(crate) fn open(&mut self, cx: &mut Cx<'_>) {
        self.open = true;
        self.problem = None;
        self.look(cx);
    }

    /// The customer looked enough. Codes and export are gone with it.
    pub(crate) fn close(&mut self) {
        *self = Self { finished: self.finished, doing: self.doing, ..Self::default() };
    }

    fn look(&mut self, cx: &mut Cx<'_>) {
        self.seen = false;
        cx.out.call(Call::get(Purpose::Desk(Errand::Account), "/v1/me".into()));
        cx.out.call(Call::get(Purpose::Desk(Errand::Passkeys), "/v1/passkeys".into()));
        cx.out.call(Call::get(Purpose::Desk(Errand::Deletion), "/v1/me/deletion".into()));
    }

    /// One errand at a time.
    fn go(&mut self, errand: Errand, call: Call, cx: &mut Cx<'_>) {
        if self.doing.is_some() {
            return;
        }
        self.open = true;
        self.doing = Some(errand);
        self.problem = None;
        let key = hex::encode(cx.random::<16>());
        cx.out.call(Call { key: (call.method != Method::Get).then_some(key), ..call });
    }

    /// Another name.
    pub(crate) fn rename(&mut self, name: String, cx: &mut Cx<'_>) {
        let changes = Changes { name: Some(name), prefers_low_doors: None };
        let call = Call::post(Purpose::Desk(Errand::Name), "/v1/me".into(), &changes);
        self.go(Errand::Name, Call { method: Method::Patch, ..call }, cx);
    }

    /// A code is to be mailed there.
    pub(crate) fn email(&mut self, email: String, language: Option<String>, cx: &mut Cx<'_>) {
        let new = NewEmail { email, language };
        self.go(Errand::Email, Call::post(Purpose::Desk(Errand::Email), "/v1/me/email".into(), &new), cx);
    }

    /// The code that was mailed.
    pub(crate) fn confirm(&mut self, code: String, cx: &mut Cx<'_>) {
        let call =
            Call::post(Purpose::Desk(Errand::Confirm), "/v1/me/email/confirm".into(), &EmailCode { code });
        self.go(Errand::Confirm, call, cx);
    }

    /// No e-mail address any more.
    pub(crate) fn forget_email(&mut self, cx: &mut Cx<'_>) {
        self.go(Errand::Forget, delete(Errand::Forget, "/v1/me/email".into()), cx);
    }

    /// One passkey less.
    pub(crate) fn remove_passkey(&mut self, passkey: &str, cx: &mut Cx<'_>) {
        if text::is_id(passkey) {
            let path = format!("/v1/passkeys/{passkey}");
            self.go(Errand::RemovePasskey, delete(Errand::RemovePasskey, path), cx);
        }
    }

    /// New recovery codes, in place of those of before.
    pub(crate) fn make_codes(&mut self, cx: &mut Cx<'_>) {
        let call =
            Call { body: None, ..Call::post(Purpose::Desk(Errand::Codes), "/v1/recovery-codes".into(), &()) };
        self.go(Errand::Codes, call, cx);
    }

    /// They were written down.
    pub(crate) fn dismiss_codes(&mut self) {
        self.codes.clear();
    }

    /// Everything that the hub keeps.
    pub(crate) fn fetch_export(&mut self, cx: &mut Cx<'_>) {
        self.go(Errand::Export, Call::get(Purpose::Desk(Errand::Export), "/v1/me/export".into()), cx);
    }

    /// It was kept.
    pub(crate) fn dismiss_export(&mut self) {
        self.export = None;
    }

    /// The customer lives there no more.
    pub(crate) fn leave(&mut self, site: &str, cx: &mut Cx<'_>) {
        if text::is_id(site) {
            self.go(Errand::Leave, delete(Errand::Leave, format!("/v1/homes/{site}")), cx);
        }
    }

    /// The end of the account.
    pub(crate) fn delete(&mut self, cx: &mut Cx<'_>) {
        self.go(Errand::Delete, delete(Errand::Delete, "/v1/me".into()), cx);
    }

    /// An errand is over: why there is no good answer, if there is none.
    pub(crate) fn done(&mut self, errand: Errand, miss: Option<Miss>, cx: &mut Cx<'_>) {
        if self.doing == Some(errand) {
            self.doing = None;
            self.finished = self.finished.wrapping_add(1);
        }
        self.seen |= errand == Errand::Account && miss.is_none();
        // Looking is nobody's wish: that it went well says nothing of what went wrong before.
        let looked = matches!(errand, Errand::Account | Errand::Passkeys | Errand::Deletion);
        if !looked || miss.is_some() && self.problem.is_none() {
            self.problem = miss.map(|miss| (errand, explained(errand, miss)));
        }
        if !self.open {
            return;
        }
        match (errand, miss) {
            // What was shown is not so any more.
            (Errand::RemovePasskey | Errand::Codes | Errand::Leave, None)
            | (Errand::RemovePasskey | Errand::Delete | Errand::Leave, Some(Miss::Refused { .. })) => {
                self.look(cx);
            }
            _ => {}
        }
    }

    /// Passkeys came.
    pub(crate) fn on_passkeys(&mut self, passkeys: Passkeys) {
        self.codes_left = Some(passkeys.recovery_codes_left);
        let sound = passkeys.passkeys.into_iter().filter(|passkey| text::is_id(&passkey.id));
        self.passkeys = sound
            .take(PASSKEYS)
            .map(|passkey| PasskeyView {
                name: text::clipped(passkey.name, text::NAME),
                created_at: passkey.created_at,
                last_used_at: passkey.last_used_at,
                id: passkey.id,
            })
            .collect();
    }

    /// What deleting would mean came.
    pub(crate) fn on_deletion(&mut self, mut deletion: Deletion) {
        for ids in [&mut deletion.hindered_by, &mut deletion.parcels] {
            ids.retain(|id| text::is_id(id));
            ids.truncate(500);
        }
        self.deletion = Some(deletion);
    }

    /// Recovery codes came: shown until they are dismissed, and never again.
    pub(crate) fn on_codes(&mut self, codes: RecoveryCodes) {
        self.codes = codes
            .codes
            .into_iter()
            .take(CODES)
            .map(|code| Zeroizing::new(text::clipped(code, text::ID)))
            .collect();
    }

    /// Everything came, as a document.
    pub(crate) fn on_export(&mut self, document: &serde_json::Value) {
        self.export = serde_json::to_string_pretty(document).ok().map(Zeroizing::new);
    }

    /// For the window.
    pub(crate) fn picture(&self) -> Picture<'_> {
        Picture {
            finished: self.finished,
            doing: self.doing.map(name),
            problem: self.problem.as_ref().map(|(errand, problem)| (name(*errand), problem)),
            passkeys: &self.passkeys,
            codes_left: self.codes_left,
            codes: &self.codes,
            deletion: self.deletion.as_ref().filter(|_| self.seen),
            export: self.export.as_deref().map(String::as_str),
        }
    }
}

/// What the window shows of it.
pub(crate) struct Picture<'a> {
    pub(crate) finished: u32,
    pub(crate) doing: Option<&'static str>,
    pub(crate) problem: Option<(&'static str, &'a ProblemView)>,
    pub(crate) passkeys: &'a [PasskeyView],
    pub(crate) codes_left: Option<u32>,
    pub(crate) codes: &'a [Zeroizing<String>],
    pub(crate) deletion: Option<&'a Deletion>,
    pub(crate) export: Option<&'a str>,
}

fn delete(errand: Errand, path: String) -> Call {
    Call { method: Method::Delete, ..Call::get(Purpose::Desk(errand), path) }
}

fn name(errand: Errand) -> &'static str {
    match errand {
        Errand::Account => "account",
        Errand::Passkeys => "passkeys",
        Errand::Deletion => "deletion",
        Errand::Name => "name",
        Errand::Email => "email",
        Errand::Confirm => "confirmEmail",
        Errand::Forget => "forgetEmail",
        Errand::RemovePasskey => "removePasskey",
        Errand::Codes => "recoveryCodes",
        Errand::Export => "export",
        Errand::Leave => "leaveHome",
        Errand::Delete => "delete",
    }
}

/// What a refusal means for this errand, where it means more than for any other.
fn explained(errand: Errand, miss: Miss) -> ProblemView {
    let problem = miss.problem();
    let Miss::Refused { code, .. } = miss else { return problem };
    let code = match (errand, code) {
        (Errand::Email, Code::Malformed) => ProblemCode::NotAnAddress,
        (Errand::RemovePasskey, Code::WrongState) => ProblemCode::LastWayIn,
        (Errand::Delete, Code::WrongState) => ProblemCode::GiveBackFirst,
        (Errand::Leave, Code::WrongState) => ProblemCode::HomeHolds,
        _ => problem.code,
    };
    ProblemView { code, ..problem }
}
