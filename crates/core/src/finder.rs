//! Looking for sites with a free compartment.

use postern_api::{
    growth::Item,
    locker::{Site, Sites, Size},
};
use url::form_urlencoded;

use crate::{
    cx::Cx,
    line::{Call, Miss, Purpose},
    lookup::Lookup,
    text,
    view::{FillView, FoundSiteView, Name, SiteView, SitesView},
};

/// The machine.
pub(crate) type Finder = Lookup<FoundSiteView>;

impl Finder {
    /// Asks the hub.
    pub(crate) fn find(
        &mut self,
        near: Option<(f64, f64)>,
        size: Option<Size>,
        parcel: Option<&str>,
        cx: &mut Cx<'_>,
    ) {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some((latitude, longitude)) =
            near.filter(|(lat, lon)| (-90.0..=90.0).contains(lat) && (-180.0..=180.0).contains(lon))
        {
            // Three decimals are about a hundred metres: enough to find a locker, and no more than the hub need know.
            query.append_pair("near", &format!("{latitude:.3},{longitude:.3}"));
        }
        if let Some(size) = size {
            query.append_pair("size", size.name());
        }
        if let Some(parcel) = parcel {
            query.append_pair("parcel", parcel);
        }
        let query = query.finish();
        let path = if query.is_empty() { "/v1/sites".to_owned() } else { format!("/v1/sites?{query}") };
        cx.out.call(Call::get(Purpose::Sites(self.begin()), path));
    }

    /// The hub answered, or did not.
    pub(crate) fn on_sites(&mut self, asked: u64, answer: Result<Sites, Miss>) {
        let sound = |sites: Sites| {
            sites.sites.into_iter().filter_map(Item::known).filter(|site| text::is_id(&site.id)).map(view)
        };
        self.on_answer(asked, answer.map(sound));
    }

    /// For the window.
    pub(crate) fn view(&self) -> Option<SitesView> {
        let found = self.found()?.clone();
        Some(SitesView { loading: found.loading, problem: found.problem, sites: found.items })
    }
}

fn view(site: Site) -> FoundSiteView {
    FoundSiteView {
        site: SiteView {
            name: text::clipped(site.name, text::NAME),
            address: text::clipped(site.address, text::ADDRESS),
            latitude: site.latitude,
            longitude: site.longitude,
        },
        hours: text::clipped(site.hours, text::ADDRESS),
        always_open: site.always_open,
        access: text::clipped(Name(&site.access).to_string(), text::ID),
        step_free: site.step_free,
        fill: site
            .fill
            .iter()
            .take(8)
            .map(|fill| FillView {
                size: text::clipped(fill.size.name().to_owned(), text::LABEL),
                free: fill.free,
                total: fill.total,
            })
            .collect(),
        distance: site.distance,
        id: site.id,
    }
}
