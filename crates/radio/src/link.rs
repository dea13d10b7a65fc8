//! The part of a link that is the same on every transport: a task owns the connection, cuts and joins messages, fetches
//! a lost HELLO, and lets go of the connection when nobody holds the link any more, whatever was under way.

use std::time::Duration;

use postern_protocol::{
    frame::{self, MAX_FRAME, MAX_MESSAGE, MIN_FRAME},
    inbox::Inbox,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use crate::{FRAGMENT_GAP, Link, RadioError};

/// How long the notification of a HELLO may take before `tx` is read instead. Long enough for a few connection
/// intervals of a slow phone, short enough that nobody notices.
const HELLO_PATIENCE: Duration = Duration::from_millis(300);
/// Reads of `tx` before the locker counts as mute.
const HELLO_READS: u32 = 10;
/// How long a frame that is longer than the smallest may wait for its acknowledgement. Where the MTU is a lie some stacks
/// never answer (seen with BlueZ 5.66 on both sides); the link is then given up, and the next one uses small frames.
const WRITE_PATIENCE: Duration = Duration::from_secs(2);
/// Octets of ATT header in a write or a notification.
const ATT_HEADER: u16 = 3;

/// Why a write did not happen.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The server takes less than the MTU promised (ATT error 0x0D, invalid attribute value length).
    TooLong,
    /// The link is gone, or as good as.
    Lost(String),
}

/// A connected, subscribed GATT client. Its methods may be dropped half-way.
#[async_trait::async_trait]
pub(crate) trait Gatt: Send + Sync {
    /// ATT MTU of the connection.
    fn mtu(&self) -> u16;
    /// Writes one frame to `rx`; returns when the locker has it.
    async fn write(&self, frame: &[u8]) -> Result<(), WriteError>;
    /// Reads `tx`.
    async fn read(&self) -> Result<Vec<u8>, RadioError>;
    /// Disconnects, and waits until the platform has.
    async fn disconnect(&self);
    /// Has the platform forget what it knows of the peripheral's attributes, where it keeps that from link to link.
    async fn forget(&self) {}
}

/// Notifications of `tx`; an error, or the end of the channel, when the link is lost.
pub(crate) type Notifications = mpsc::Receiver<Result<Vec<u8>, RadioError>>;

enum Command {
    Send { message: Vec<u8>, done: oneshot::Sender<Result<(), RadioError>> },
    Close { done: oneshot::Sender<()> },
}

/// What the user of a link holds. Dropping it ends the task, and the task disconnects.
pub(crate) struct Handle {
    commands: mpsc::Sender<Command>,
    messages: mpsc::Receiver<Result<Vec<u8>, RadioError>>,
    ended: Option<RadioError>,
}

#[async_trait::async_trait]
impl Link for Handle {
    async fn receive(&mut self) -> Result<Vec<u8>, RadioError> {
        if let Some(error) = &self.ended {
            return Err(error.clone());
        }
        let next = self.messages.recv().await.unwrap_or_else(|| Err(RadioError::Lost("link ended".into())));
        if let Err(error) = &next {
            self.ended = Some(error.clone());
        }
        next
    }

    async fn send(&mut self, message: &[u8]) -> Result<(), RadioError> {
        if message.is_empty() || message.len() > MAX_MESSAGE {
            return Err(RadioError::Frame(format!("{} bytes are no message", message.len())));
        }
        let gone = || RadioError::Lost("link ended".into());
        let (done, sent) = oneshot::channel();
        let command = Command::Send { message: message.to_vec(), done };
        self.commands.send(command).await.map_err(|_| gone())?;
        sent.await.unwrap_or_else(|_| Err(gone()))
    }

    async fn close(self: Box<Self>) {
        let (done, closed) = oneshot::channel();
        if self.commands.send(Command::Close { done }).await.is_ok() {
            let _ = closed.await;
        }
    }
}

/// The half of a link that its task holds.
pub(crate) struct Worker {
    commands: mpsc::Receiver<Command>,
    messages: mpsc::Sender<Result<Vec<u8>, RadioError>>,
}

/// A link to be: the handle goes to the user, the worker to the task that connects.
pub(crate) fn link() -> (Handle, Worker) {
    let (command_in, commands) = mpsc::channel(1);
    let (messages, messages_out) = mpsc::channel(16);
    let handle = Handle { commands: command_in, messages: messages_out, ended: None };
    (handle, Worker { commands, messages })
}

/// How a link ended, for what the radio remembers of a locker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Whole messages that the locker sent, HELLO included.
    pub(crate) received: u32,
    /// Messages of which at least one frame was handed to the platform.
    pub(crate) sent: u32,
    /// The peripheral took shorter writes than it promised.
    pub(crate) mtu_lied: bool,
    /// No HELLO came, nor could it be read.
    pub(crate) mute: bool,
}

enum Ended {
    /// By the user, who may wait for it.
    Here(Option<oneshot::Sender<()>>),
    /// By the other side or the rules.
    There(RadioError),
}

impl Worker {
    /// Resolves when the user has dropped the link.
    pub(crate) async fn abandoned(&self) {
        self.messages.closed().await;
    }

    /// Carries the link until it ends, then disconnects. `small` frames only where the MTU proved to be a lie.
    pub(crate) async fn run(self, gatt: &dyn Gatt, notifications: Notifications, small: bool) -> Summary {
        let max_frame = if small { MIN_FRAME } else { usize::from(gatt.mtu().saturating_sub(ATT_HEADER)) };
        let Self { mut commands, messages } = self;
        let mut run = Run {
            gatt,
            notifications,
            messages,
            inbox: Inbox::new(),
            max_frame: max_frame.clamp(MIN_FRAME, MAX_FRAME),
            hello_reads: 0,
            due: Instant::now() + HELLO_PATIENCE,
            summary: Summary::default(),
        };
        let ended = run.serve(&mut commands).await;
        gatt.disconnect().await;
        if run.summary.mute {
            // Where the platform takes handles from a stale cache, a locker looks like that.
            gatt.forget().await;
        }
        match ended {
            Ended::Here(Some(done)) => drop(done.send(())),
            Ended::Here(None) => {}
            Ended::There(error) => drop(run.messages.send(Err(error)).await),
        }
        run.summary
    }
}

struct Run<'a> {
    gatt: &'a dyn Gatt,
    notifications: Notifications,
    messages: mpsc::Sender<Result<Vec<u8>, RadioError>>,
    inbox: Inbox,
    max_frame: usize,
    hello_reads: u32,
    /// When the HELLO, or the next fragment of a message under way, is overdue.
    due: Instant,
    summary: Summary,
}

impl Run<'_> {
    async fn serve(&mut self, commands: &mut mpsc::Receiver<Command>) -> Ended {
        loop {
            let waiting = !self.inbox.has_hello() || self.inbox.is_partial();
            let due = self.due;
            let step = tokio::select! {
                biased;
                command = commands.recv() => match command {
                    None => return Ended::Here(None),
                    Some(Command::Close { done }) => return Ended::Here(Some(done)),
                    Some(Command::Send { message, done }) => {
                        let sent = self.send(&message).await;
                        let failed = sent.clone().err();
                        let _ = done.send(sent);
                        match failed {
                            Some(error) => return Ended::There(error),
                            None => Ok(()),
                        }
                    }
                },
                notification = self.notifications.recv() => self.notified(notification).await,
                () = sleep_until(due), if waiting => self.overdue().await,
            };
            if let Err(error) = step {
                return Ended::There(error);
            }
        }
    }

    async fn notified(&mut self, frame: Option<Result<Vec<u8>, RadioError>>) -> Result<(), RadioError> {
        let frame = frame.unwrap_or_else(|| Err(RadioError::Lost("disconnected".into())))?;
        let messages = self.inbox.push(&frame).map_err(|error| RadioError::Frame(error.to_string()))?;
        if self.inbox.is_partial() {
            let patience = if self.inbox.has_hello() { FRAGMENT_GAP } else { HELLO_PATIENCE };
            self.due = Instant::now() + patience;
        }
        self.deliver(messages).await
    }

    async fn deliver(&mut self, messages: impl IntoIterator<Item = Vec<u8>>) -> Result<(), RadioError> {
        for message in messages {
            self.summary.received += 1;
            // An error here means that the user is gone; the closed command channel says the same.
            let _ = self.messages.send(Ok(message)).await;
        }
        Ok(())
    }

    /// The HELLO did not come: notifications sent before the subscription took effect are lost, so it is read. Or a
    /// message stopped in the middle, which ends the link.
    async fn overdue(&mut self) -> Result<(), RadioError> {
        if self.inbox.has_hello() {
            return Err(RadioError::Lost("the locker stopped in the middle of a message".into()));
        }
        self.hello_reads += 1;
        if self.hello_reads > HELLO_READS {
            self.summary.mute = true;
            return Err(RadioError::Lost("no HELLO".into()));
        }
        let gatt = self.gatt;
        let read = gatt.read();
        tokio::pin!(read);
        let value = loop {
            tokio::select! {
                biased;
                notification = self.notifications.recv() => {
                    self.notified(notification).await?;
                    if self.inbox.has_hello() {
                        return Ok(());
                    }
                }
                () = self.messages.closed() => return Ok(()),
                value = &mut read => break value?,
            }
        };
        self.due = Instant::now() + HELLO_PATIENCE;
        let message = self.inbox.push_read(&value).map_err(|error| RadioError::Frame(error.to_string()))?;
        self.deliver(message).await
    }

    async fn send(&mut self, message: &[u8]) -> Result<(), RadioError> {
        let Some(tag) = self.inbox.tag() else {
            return Err(RadioError::Frame("nothing can be sent before the HELLO".into()));
        };
        self.summary.sent += 1;
        'message: loop {
            for (index, frame) in frame::fragments(message, tag, self.max_frame).enumerate() {
                match self.write(&frame).await {
                    Ok(()) => {}
                    Err(WriteError::TooLong) if index == 0 && self.max_frame > MIN_FRAME => {
                        tracing::debug!(
                            max_frame = self.max_frame,
                            "the MTU was a lie, using the smallest frames"
                        );
                        self.max_frame = MIN_FRAME;
                        self.summary.mtu_lied = true;
                        continue 'message;
                    }
                    Err(WriteError::TooLong) => {
                        return Err(RadioError::Lost("the locker refuses even the smallest frame".into()));
                    }
                    Err(WriteError::Lost(why)) => return Err(RadioError::Lost(why)),
                }
            }
            return Ok(());
        }
    }

    /// Writes while listening, so that a lost link or a dropped handle ends the wait.
    async fn write(&mut self, frame: &[u8]) -> Result<(), WriteError> {
        let gatt = self.gatt;
        let write = gatt.write(frame);
        tokio::pin!(write);
        let overdue = sleep_until(Instant::now() + WRITE_PATIENCE);
        tokio::pin!(overdue);
        let long = frame.len() > MIN_FRAME;
        loop {
            tokio::select! {
                biased;
                written = &mut write => return written,
                notification = self.notifications.recv() => {
                    self.notified(notification).await.map_err(|error| WriteError::Lost(error.to_string()))?;
                }
                () = self.messages.closed() => return Err(WriteError::Lost("hung up".into())),
                () = &mut overdue, if long => {
                    return Err(WriteError::Lost("a long frame was not acknowledged".into()));
                }
            }
        }
    }
}
