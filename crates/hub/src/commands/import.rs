//! `postern-hub import`: sites of a real network.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::PathBuf,
};

use anyhow::bail;
use clap::Args;
use postern_api::locker::Site;
use postern_hub::{
    clock::Clock,
    domain::import::{self, ImportError, Pages, Point, Remark, Source, Written},
    hub::Hub,
    store::Store,
};
use tokio::sync::mpsc;

use super::{Common, say};

/// Sites that are read ahead of the database.
const AHEAD: usize = 4;
/// Sites that are handed over at once.
const BATCH: usize = 200;

/// Sites of a real network, from files of InPost's points API, of GLS's delivery points, or of OpenStreetMap (Overpass JSON or
/// GeoJSON with `amenity=parcel_locker`). To do it again takes over what changed and takes out what is gone; what an operator
/// corrected meanwhile stays.
#[derive(Args)]
pub(crate) struct Import {
    #[command(flatten)]
    common: Common,
    /// Files with JSON in UTF-8: the whole, or all of its pages.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Not all pages are here: take over what is, and let nothing leave that is not in them.
    #[arg(long)]
    partial: bool,
    /// Also where a good part of the sites would leave.
    #[arg(long)]
    allow_leaving: bool,
    /// Do not name each point that was left out.
    #[arg(long, short)]
    quiet: bool,
}

/// What the files have.
#[derive(Default)]
struct Looked {
    sites: usize,
    skipped: usize,
    closed: usize,
    doubtful: usize,
    seen: HashSet<String>,
    gone: HashSet<String>,
    prefixes: BTreeSet<(Source, String)>,
    pages: Vec<Pages>,
}

impl Import {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        // First to the end and without writing: a file that is cut off or wrong changes nothing.
        let looked = self.look()?;
        say!(
            "{} sites, {} closed or not open yet, {} skipped, {} doubtful",
            looked.sites,
            looked.closed,
            looked.skipped,
            looked.doubtful
        );
        let whole = complete(&looked.pages);
        if let (Err(missing), false) = (&whole, self.partial) {
            bail!("{missing}");
        }
        if looked.sites == 0 {
            bail!("nothing to import");
        }
        let config = self.common.config()?;
        if self.dry_run {
            return Ok(());
        }
        self.common.check_folder(&config, false)?;
        let (store, ..) = Hub::storage(&self.common.data, &config).await?;
        let done = self.carry_out(&store, &looked, whole.is_ok() && !self.partial).await;
        store.close().await;
        done
    }

    async fn carry_out(&self, store: &Store, looked: &Looked, whole: bool) -> anyhow::Result<()> {
        let (seen, gone, prefixes) = (&looked.seen, &looked.gone, &looked.prefixes);
        let leaving = import::leaving(store, seen, gone, prefixes, whole, self.allow_leaving).await?;
        let now = Clock::default().now();
        let mut done = self.write(store, now).await?;
        done.add(leaving.carry_out(store, now).await?);
        for id in &leaving.kept {
            say!("kept {id}: it is gone there, but lockers of this hub stand at it");
        }
        say!(
            "{} added, {} changed, {} as before, {} left",
            done.added,
            done.changed,
            done.unchanged,
            done.left
        );
        if done.corrected > 0 {
            say!("{} keep what the operator corrected", done.corrected);
        }
        if done.foreign > 0 {
            say!("{} are the operator's own under the same id and were left alone", done.foreign);
        }
        say!("imported; the longest transaction took {} ms", done.longest.as_millis());
        Ok(())
    }

    /// Reads all files once and says what is wrong with points.
    fn look(&self) -> Result<Looked, ImportError> {
        let mut looked = Looked::default();
        for file in &self.files {
            let pages = import::read(file, &mut |source, point| self.one(source, point, &mut looked))?;
            looked.pages.push(pages);
        }
        Ok(looked)
    }

    fn one(&self, source: Source, point: Point, looked: &mut Looked) {
        let tell = |what: &str, remark: &Remark| {
            if !self.quiet {
                say!("{what} {}: {}", remark.point, remark.reason);
            }
        };
        match point {
            Point::Site { site, doubts } => {
                if !looked.seen.insert(site.id.clone()) {
                    looked.skipped += 1;
                    tell("skipped", &Remark { point: site.name, reason: "comes twice".to_owned() });
                    return;
                }
                looked.sites += 1;
                looked.prefixes.insert((source, prefix(source, &site.id)));
                looked.doubtful += usize::from(!doubts.is_empty());
                for reason in doubts {
                    tell("doubtful", &Remark { point: site.name.clone(), reason });
                }
            }
            Point::Closed { id, remark } => {
                looked.closed += 1;
                looked.prefixes.insert((source, prefix(source, &id)));
                looked.gone.insert(id);
                tell("closed", &remark);
            }
            Point::Skipped(remark) => {
                looked.skipped += 1;
                tell("skipped", &remark);
            }
        }
    }

    /// Reads again, a few sites ahead of the database.
    async fn write(&self, store: &Store, now: i64) -> anyhow::Result<Written> {
        let (send, mut receive) = mpsc::channel::<(Source, Vec<Site>)>(AHEAD);
        let files = self.files.clone();
        let reading = tokio::task::spawn_blocking(move || read_again(&files, &send));
        let mut done = Written::default();
        while let Some((source, sites)) = receive.recv().await {
            done.add(import::write(store, source, &sites, now).await?);
        }
        reading.await??;
        Ok(done)
    }
}

fn read_again(files: &[PathBuf], send: &mpsc::Sender<(Source, Vec<Site>)>) -> Result<(), ImportError> {
    let mut batches: BTreeMap<Source, Vec<Site>> = BTreeMap::new();
    let mut written = HashSet::new();
    for file in files {
        import::read(file, &mut |source, point| {
            let Point::Site { site, .. } = point else { return };
            if !written.insert(site.id.clone()) {
                return;
            }
            let batch = batches.entry(source).or_default();
            batch.push(*site);
            if batch.len() >= BATCH {
                // Nobody receives any more: what failed there is told there.
                let _ = send.blocking_send((source, std::mem::take(batch)));
            }
        })?;
    }
    for (source, batch) in batches {
        let _ = send.blocking_send((source, batch));
    }
    Ok(())
}

/// What the ids of one country of a source begin with: a file has whole countries, not the whole world. OpenStreetMap has no
/// countries; there it is the source.
fn prefix(source: Source, id: &str) -> String {
    let name = source.name();
    let country =
        id.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')).and_then(|rest| rest.split('-').next());
    match country.filter(|country| source != Source::Osm && country.len() == 2) {
        Some(country) => format!("{name}-{country}-"),
        None => format!("{name}-"),
    }
}

/// Whether all pages are there. A file that speaks of no pages is the whole.
fn complete(files: &[Pages]) -> Result<(), ImportError> {
    let paged: Vec<_> = files.iter().filter(|pages| pages.total.is_some_and(|total| total > 1)).collect();
    // Pages of several countries lie beside each other: each number comes as often as there are countries.
    let mut by_network: BTreeMap<(u64, u64), BTreeSet<u64>> = BTreeMap::new();
    for pages in &paged {
        let network = (pages.total.unwrap_or(0), pages.points.unwrap_or(0));
        by_network.entry(network).or_default().insert(pages.page.unwrap_or(0));
    }
    for ((total, points), have) in &by_network {
        if !(1..=*total).all(|page| have.contains(&page)) {
            return Err(ImportError::Partial { have: have.len(), all: *total, points: *points });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_whole_with_all_its_pages() {
        let page = |page, total, points| Pages { page: Some(page), total: Some(total), points: Some(points) };
        assert!(complete(&[Pages::default()]).is_ok());
        assert!(complete(&[page(1, 1, 5)]).is_ok());
        assert!(complete(&[page(1, 2, 9), page(2, 2, 9)]).is_ok());
        assert!(complete(&[page(1, 2, 9), page(2, 2, 9), page(1, 1, 4)]).is_ok());
        let missing = complete(&[page(1, 154, 76_905)]).unwrap_err().to_string();
        assert!(missing.contains("1 of 154 pages (76905 points"), "{missing}");
        assert!(complete(&[page(1, 2, 9), page(1, 2, 9)]).is_err());
    }

    #[test]
    fn a_file_speaks_for_its_countries_only() {
        assert_eq!(prefix(Source::Inpost, "inpost-pl-ada01m"), "inpost-pl-");
        assert_eq!(prefix(Source::Gls, "gls-hu-hu1016"), "gls-hu-");
        assert_eq!(prefix(Source::Osm, "osm-node-12"), "osm-");
    }
}
