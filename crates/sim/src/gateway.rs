//! The operator's gateway: cabinets with a line of their own (`uplink = true`). Receipts go up as they are signed, news
//! comes down, and the hub knows that they are there. It uses the operator's API and nothing else.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use postern_api::sync::UploadedReceipt;
use postern_protocol::LockerId;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use crate::{
    hub::{Hub, HubError},
    world::World,
};

/// How often the hub is asked for news.
const EVERY: Duration = Duration::from_secs(2);
/// How often it is told that a cabinet is there.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// Receipts in one request.
const BATCH: usize = 100;

/// One cabinet on its line.
struct Line {
    cabinet: usize,
    id: LockerId,
    /// Sequence of the next receipt that goes up.
    next: u32,
    /// The last bulletin that came down.
    bulletin: String,
    beat: Option<Instant>,
    /// The line is down: said once.
    down: bool,
}

/// Serves these cabinets (index in the world, id) for ever. A hub that does not answer is asked again.
pub async fn run(hub: Hub, key: Zeroizing<String>, world: Arc<World>, cabinets: Vec<(usize, LockerId)>) {
    let mut lines: Vec<_> = cabinets
        .into_iter()
        .map(|(cabinet, id)| Line { cabinet, id, next: 0, bulletin: String::new(), beat: None, down: false })
        .collect();
    let mut revision = world.revision();
    loop {
        for line in &mut lines {
            let done = line.serve(&hub, &key, &world).await;
            if let Err(error) = &done
                && !line.down
            {
                tracing::warn!(locker = %line.id, %error, "the cabinet's line is down");
            }
            line.down = done.is_err();
        }
        // A receipt goes up at once.
        tokio::select! {
            () = sleep(EVERY) => {}
            changed = revision.changed() => {
                if changed.is_err() {
                    return;
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

impl Line {
    async fn serve(&mut self, hub: &Hub, key: &Zeroizing<String>, world: &World) -> Result<(), HubError> {
        let id = self.id.to_string();
        let on = world.look(self.cabinet, |cabinet| cabinet.is_on()).unwrap_or(false);
        if !on {
            return Ok(());
        }
        if self.beat.is_none_or(|beat| beat.elapsed() >= HEARTBEAT) {
            hub.heartbeat(key, &id).await?;
            self.beat = Some(Instant::now());
        }
        loop {
            let receipts = self.unsent(world);
            let Some((last, _)) = receipts.last() else { break };
            let last = *last;
            let upload = receipts
                .into_iter()
                .map(|(_, bytes)| UploadedReceipt { locker: id.clone(), receipt: BASE64.encode(bytes) });
            let results = hub.receipts(key, &id, upload.collect()).await?;
            tracing::debug!(locker = id, ?results, "receipts went up");
            self.next = last + 1;
        }
        if let Some(news) = hub.bulletin(key, &id).await?
            && news.bulletin != self.bulletin
            && let Ok(bytes) = BASE64.decode(&news.bulletin)
        {
            world.with(self.cabinet, |cabinet, now| cabinet.hear(&bytes, now));
            self.bulletin = news.bulletin;
        }
        Ok(())
    }

    /// Receipts that have not gone up, oldest first.
    fn unsent(&self, world: &World) -> Vec<(u32, Vec<u8>)> {
        let unsent = world.look(self.cabinet, |cabinet| {
            let signed = cabinet.chain().links().iter().filter_map(|link| {
                let sequence = link.receipt.as_ref()?.sequence;
                (sequence >= self.next).then(|| (sequence, link.bytes.clone()))
            });
            signed.take(BATCH).collect()
        });
        unsent.unwrap_or_default()
    }
}
