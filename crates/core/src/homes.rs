//! Invitations to a flat: what one is to is shown first, and followed when the customer says so.

use postern_api::{
    problem::Code,
    resident::{HomeCode, HomeInvitation},
};
use url::Url;

use crate::{
    cx::Cx,
    line::{Call, Miss, Purpose},
    text,
    view::{HomeOfferView, ProblemCode, ProblemView},
};

/// Before a code where claim links are kept: none of those has a blank.
const MARK: &str = "home ";
/// Characters of a code as it is printed, without what groups them.
const LENGTH: usize = 12;

/// What the hub is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// What the invitation is to.
    Look,
    /// To follow it.
    Join,
}

/// The code of an invitation that is kept like a claim link.
pub(crate) fn code_in(kept: &str) -> Option<&str> {
    kept.strip_prefix(MARK)
}

/// The code of an invitation of this hub: `/home/CODE` there, what that page leads to (`postern://home?hub=BASE&code=CODE`), or
/// the code alone, as it was typed. As it is kept.
pub(crate) fn kept_of(given: &str, hub: &str) -> Option<String> {
    let code = match Url::parse(given) {
        Ok(link) => {
            let hub = Url::parse(hub).ok()?;
            if link.scheme() == "postern" {
                (link.host_str() == Some("home")).then_some(())?;
                let told =
                    |name: &str| link.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
                let of = Url::parse(&told("hub")?).ok()?;
                (of.origin() == hub.origin()).then_some(())?;
                told("code")?.into_owned()
            } else {
                (link.origin() == hub.origin()).then_some(())?;
                link.path().strip_prefix("/home/")?.to_owned()
            }
        }
        Err(_) => given.to_owned(),
    };
    let between = |c: &char| !c.is_whitespace() && !matches!(c, '-' | '–' | '.');
    let code: String = code.chars().take(text::ID).filter(between).map(|c| c.to_ascii_uppercase()).collect();
    let fine = code.len() == LENGTH && code.bytes().all(|b| b.is_ascii_alphanumeric());
    fine.then(|| format!("{MARK}{code}"))
}

/// The machine: one invitation at a time.
#[derive(Default)]
pub(crate) struct Homes {
    /// The code that is looked at.
    code: Option<String>,
    offer: Option<HomeInvitation>,
    doing: Option<Step>,
    /// Questions so far: an answer about the invitation before this one is not taken for one about it.
    asked: u64,
    problem: Option<ProblemView>,
}

impl Homes {
    /// An invitation was followed. Asks what it is to, once; and again where nobody answered.
    pub(crate) fn look(&mut self, code: &str, cx: &mut Cx<'_>) {
        let known = self.code.as_deref() == Some(code);
        let unanswered = self.offer.is_none() && self.problem.as_ref().is_none_or(|problem| problem.retry);
        if known && (self.doing.is_some() || !unanswered) {
            return;
        }
        self.dismiss();
        self.code = Some(code.to_owned());
        self.ask(Step::Look, cx);
    }

    /// The customer says no, or looks at another one.
    pub(crate) fn dismiss(&mut self) {
        *self = Self { asked: self.asked, ..Self::default() };
    }

    /// The customer says yes.
    pub(crate) fn join(&mut self, cx: &mut Cx<'_>) {
        if self.offer.is_some() && self.doing.is_none() {
            self.ask(Step::Join, cx);
        }
    }

    fn ask(&mut self, step: Step, cx: &mut Cx<'_>) {
        let Some(code) = self.code.clone() else { return };
        self.doing = Some(step);
        self.asked += 1;
        self.problem = None;
        let path = match step {
            Step::Look => "/v1/homes/invitation",
            Step::Join => "/v1/homes",
        };
        let key = hex::encode(cx.random::<16>());
        let call = Call::post(Purpose::Home(step, self.asked), path.into(), &HomeCode { code });
        cx.out.call(Call { key: Some(key), ..call });
    }

    /// The hub answered, or did not. True where the customer lives there now.
    pub(crate) fn on_answer(&mut self, step: Step, asked: u64, answer: Result<HomeInvitation, Miss>) -> bool {
        if self.doing != Some(step) || asked != self.asked {
            return false;
        }
        self.doing = None;
        match answer {
            Ok(mut told) => {
                told.name = text::clipped(told.name, text::NAME);
                told.address = text::clipped(told.address, text::NAME);
                told.unit = text::clipped(told.unit, text::NAME);
                self.offer = Some(told);
                step == Step::Join
            }
            Err(miss) => {
                self.problem = Some(explained(miss));
                false
            }
        }
    }

    /// For the window.
    pub(crate) fn picture(&self) -> Option<HomeOfferView> {
        self.code.as_ref()?;
        let told =
            |of: fn(&HomeInvitation) -> &String| self.offer.as_ref().map(of).cloned().unwrap_or_default();
        Some(HomeOfferView {
            name: told(|offer| &offer.name),
            address: told(|offer| &offer.address),
            unit: told(|offer| &offer.unit),
            joined: self.offer.as_ref().is_some_and(|offer| offer.joined),
            doing: self.doing.is_some(),
            problem: self.problem.clone(),
        })
    }
}

fn explained(miss: Miss) -> ProblemView {
    let problem = miss.problem();
    let code = match miss {
        Miss::Refused { code: Code::ClaimEnded, .. } => ProblemCode::HomeEnded,
        Miss::Refused { code: Code::WrongCode | Code::Malformed, .. } => ProblemCode::HomeMistyped,
        Miss::Refused { code: Code::WrongState, .. } => ProblemCode::HomeOther,
        _ => problem.code,
    };
    ProblemView { code, ..problem }
}
