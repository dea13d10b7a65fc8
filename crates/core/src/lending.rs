//! Looking for shared things to borrow: a drill of the house, a book, a workplace's camera.

use postern_api::reservation::{Asset, Assets};

use crate::{
    cx::Cx,
    line::{Call, Miss, Purpose},
    text,
    view::{LendingView, ThingView},
};

/// More things than anybody looks through.
const MAX: usize = 500;

/// The machine.
#[derive(Default)]
pub(crate) struct Lending {
    found: Option<LendingView>,
    /// Which question the answer must be to.
    asked: u64,
}

impl Lending {
    /// Asks the hub.
    pub(crate) fn find(&mut self, cx: &mut Cx<'_>) {
        self.asked += 1;
        cx.out.call(Call::get(Purpose::Assets(self.asked), "/v1/assets".to_owned()));
        let things = self.found.take().map(|found| found.things).unwrap_or_default();
        self.found = Some(LendingView { loading: true, problem: None, things });
    }

    /// The customer looked enough.
    pub(crate) fn close(&mut self) {
        self.found = None;
        self.asked += 1;
    }

    /// The hub answered, or did not.
    pub(crate) fn on_assets(&mut self, asked: u64, answer: Result<Assets, Miss>) {
        if asked != self.asked {
            return;
        }
        let Some(found) = &mut self.found else { return };
        found.loading = false;
        match answer {
            Ok(answer) => {
                let sound = answer.assets.into_iter().filter(|asset| text::is_id(&asset.id));
                found.things = sound.take(MAX).map(view).collect();
            }
            Err(miss) => found.problem = Some(miss.problem()),
        }
    }

    /// For the window.
    pub(crate) fn view(&self) -> Option<LendingView> {
        self.found.clone()
    }
}

fn view(asset: Asset) -> ThingView {
    ThingView {
        title: text::clipped(asset.title, text::NAME),
        site: text::clipped(asset.site_name, text::NAME),
        hours: asset.loan_hours,
        available: asset.available,
        id: asset.id,
    }
}
