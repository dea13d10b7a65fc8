//! What the hub does by itself while it serves.

use std::{sync::Arc, time::Duration};

use sqlx::postgres::PgListener;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    clock::Look,
    domain::{
        alarms::{self, Alarm},
        sweep, webhooks,
    },
    error::Result,
    hub::Hub,
    mail::Post,
    store::{Backend, CHANNEL, EVERYBODY, read_pokes},
};

/// Starts everything; it ends with `hub.stopping`.
///
/// # Errors
/// When TLS for webhooks cannot be set up, or mail by its settings.
pub fn start(hub: &Arc<Hub>) -> Result<()> {
    let courier = webhooks::Courier::new(hub.config.webhooks_anywhere)?;
    tokio::spawn(until_stopped(Arc::clone(hub), deliver(Arc::clone(hub), courier)));
    tokio::spawn(until_stopped(Arc::clone(hub), look_after(Arc::clone(hub))));
    if let Some(mail) = &hub.config.mail {
        let post = Post::new(mail, hub.public_url())?;
        tokio::spawn(until_stopped(Arc::clone(hub), write(Arc::clone(hub), post)));
    }
    if hub.store.backend() == Backend::Postgres {
        tokio::spawn(until_stopped(Arc::clone(hub), listen(Arc::clone(hub))));
    }
    Ok(())
}

async fn until_stopped(hub: Arc<Hub>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = hub.stopping.cancelled() => {}
        () = work => {}
    }
}

async fn deliver(hub: Arc<Hub>, courier: webhooks::Courier) {
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // What was settled makes room for more.
        tokio::select! {
            _ = tick.tick() => {}
            () = courier.settled() => {}
        }
        match courier.round(&hub).await {
            // More may be due: do not wait.
            Ok(count) if count > 0 => tick.reset_immediately(),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "webhooks"),
        }
    }
}

async fn write(hub: Arc<Hub>, post: Post) {
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match post.round(&hub).await {
            Ok(true) => tick.reset_immediately(),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "mail"),
        }
    }
}

async fn look_after(hub: Arc<Hub>) {
    let mut tick = interval(Duration::from_secs(15));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut hourly = Instant::now();
    loop {
        tick.tick().await;
        // What one of them meets keeps none of the others.
        let mut all = vec![("keys", hub.keyring.reload(&hub.store, &hub.secrets).await)];
        let sure = look_at_clock(&hub).await;
        let can_end = matches!(sure, Ok(true));
        all.push(("clock", sure.map(|_| ())));
        all.push(("devices in use", hub.seen.write(&hub.store).await));
        if can_end {
            all.push(("windows", sweep::windows(&hub).await.map(|_| ())));
            if Instant::now() >= hourly {
                hourly = Instant::now() + Duration::from_secs(3600);
                all.push(("reconciliation", sweep::reconcile(&hub).await.map(|_| ())));
                all.push(("retention", sweep::retention(&hub).await));
                all.push(("numbers", sweep::numbers(&hub).await));
            }
        }
        for limiter in [&hub.requests, &hub.partner_requests, &hub.sign_ins, &hub.renewals, &hub.letters] {
            limiter.tidy();
        }
        for (what, outcome) in all {
            if let Err(error) = outcome {
                tracing::error!(%error, what, "regular work");
            }
        }
    }
}

/// Whether the clock is believed. What cannot be undone waits while it is not; a jump is put on record.
async fn look_at_clock(hub: &Hub) -> Result<bool> {
    let witness = hub.store.clock().await?.map(|said| hub.clock.of_another(said));
    let look = hub.belief.look(&hub.clock, witness);
    let now = hub.clock.now();
    match look {
        Look::Sure | Look::Settled => hub.store.see(now).await?,
        Look::Doubted => {}
        Look::Jumped(seconds) => {
            tracing::error!(seconds, "the clock jumped");
            let reason = format!(
                "the hub's clock is {} seconds {} of what was expected: look at the machine's time. Nothing is deleted, \
                 ended or signed out by it until it is set right, the database server's clock agrees, or some time has passed",
                seconds.unsigned_abs(),
                if seconds > 0 { "ahead" } else { "behind" },
            );
            let mut tx = hub.store.begin().await?;
            alarms::raise(&mut tx, Alarm { kind: "clock", reason: &reason, ..Alarm::default() }, now).await?;
            tx.commit().await?;
        }
    }
    Ok(hub.belief.is_sure(&hub.clock))
}

/// Changes that other instances made. While the connection is down pokes are missed, so everyone is woken when it comes
/// back.
async fn listen(hub: Arc<Hub>) {
    loop {
        match listen_once(&hub).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(%error, "no word of other instances; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn listen_once(hub: &Hub) -> Result<()> {
    let Some(url) = hub.config.database.as_deref() else { return Ok(()) };
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    hub.push.wake_all();
    loop {
        match listener.try_recv().await? {
            Some(notification) if notification.payload() == EVERYBODY => hub.push.wake_all(),
            Some(notification) => {
                for (account, position) in read_pokes(notification.payload()) {
                    hub.push.publish(account, position);
                }
            }
            None => hub.push.wake_all(),
        }
    }
}
