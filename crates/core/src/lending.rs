//! Looking for shared things to borrow: a drill of the house, a book, a workplace's camera.

use postern_api::reservation::{Asset, Assets};

use crate::{
    cx::Cx,
    line::{Call, Miss, Purpose},
    lookup::Lookup,
    text,
    view::{LendingView, ThingView},
};

/// The machine.
pub(crate) type Lending = Lookup<ThingView>;

impl Lending {
    /// Asks the hub.
    pub(crate) fn find(&mut self, cx: &mut Cx<'_>) {
        cx.out.call(Call::get(Purpose::Assets(self.begin()), "/v1/assets".to_owned()));
    }

    /// The hub answered, or did not.
    pub(crate) fn on_assets(&mut self, asked: u64, answer: Result<Assets, Miss>) {
        let sound =
            |assets: Assets| assets.assets.into_iter().filter(|asset| text::is_id(&asset.id)).map(view);
        self.on_answer(asked, answer.map(sound));
    }

    /// For the window.
    pub(crate) fn view(&self) -> Option<LendingView> {
        let found = self.found()?.clone();
        Some(LendingView { loading: found.loading, problem: found.problem, things: found.items })
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
