//! A locker board in place of a simulated cabinet: the firmware's image for a Cortex-M4 (`crates/locker-board`) runs in
//! QEMU, its serial line (`postern_locker::serial`) is bridged to `air`, and its doors are moved here.
//!
//! The bridge is the board's radio and mechanics and nothing else: whom to open for, the board decides by itself.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use postern_locker::{
    Connection, Fittings, Keys, Sensors,
    serial::{Deframer, FromBoard, Measures, Provision, ToBoard},
};
use postern_protocol::{Door, Timestamp, gatt::Advertisement};
use postern_radio::air::{AirServer, Beacon, Central, CentralRequest, Dial, RefuseReason};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

/// How long the mechanics take from the energised latch to the open door.
const SPRINGS: Duration = Duration::from_millis(80);
/// Strength at which the board is heard, in dBm.
const RSSI: i8 = -48;
/// ATT MTU less this is the largest frame.
const ATT_HEADER: u16 = 3;

/// What board, and where.
#[derive(Clone, Debug)]
pub struct BoardConfig {
    /// `qemu-system-arm`.
    pub qemu: PathBuf,
    /// The image `locker` of `crates/locker-board`.
    pub image: PathBuf,
    /// The locker's identity and trust anchors.
    pub keys: Keys,
    /// Its doors.
    pub doors: Vec<Door>,
    /// What the cabinet around the board has.
    pub fittings: Fittings,
    /// When it was provisioned, UNIX seconds.
    pub provisioned_at: u64,
    /// Connections that the firmware holds; the radio takes one more.
    pub connections: u8,
    /// Tokens that it remembers.
    pub remembered_tokens: u16,
    /// ATT MTU of its radio.
    pub mtu: u16,
    /// After this a hand closes a door that was opened; never if absent.
    pub closes_after: Option<Duration>,
    /// Seed of the board's random numbers; QEMU's has no generator. A board that keeps its flash needs another one for
    /// every start.
    pub seed: [u8; 32],
    /// The file that its flash is; absent, it is new at every start.
    pub flash: Option<PathBuf>,
}

/// Why a board does not run.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// QEMU does not start, or ended.
    #[error("QEMU: {0}")]
    Qemu(#[from] io::Error),
    /// The firmware says why, by a number of `postern_locker::serial`.
    #[error("the firmware did not start (reason {0})")]
    NotStarted(u8),
    /// The board is gone.
    #[error("the board is gone")]
    Gone,
}

/// What a link hears of the board.
enum Heard {
    Notify(Vec<u8>),
    Value(Vec<u8>),
    HangUp,
}

enum Order {
    /// Every link breaks, as at the edge of the radio's reach.
    Cut,
    /// The next notification gets lost on the air.
    LoseNext,
    /// The radio offers this ATT MTU from now on.
    Offer(u16),
    Connect {
        mtu: u16,
        heard: mpsc::UnboundedSender<Heard>,
        number: oneshot::Sender<Option<(u16, u16)>>,
    },
    Send(Box<ToBoard>),
    Disconnect(u16),
    Measure(oneshot::Sender<Measures>),
    Close(Door),
}

/// A running board. Dropping the last handle ends it.
#[derive(Clone)]
pub struct Board {
    orders: mpsc::UnboundedSender<Order>,
    advertisement: watch::Receiver<Option<Advertisement>>,
    starts: watch::Receiver<u32>,
    opened: watch::Receiver<HashMap<Door, u32>>,
    links: watch::Receiver<usize>,
    address: [u8; 6],
}

impl Board {
    /// Starts QEMU and waits until the firmware runs.
    ///
    /// # Errors
    /// See [`BoardError`].
    pub async fn start(config: BoardConfig) -> Result<Self, BoardError> {
        let mut child = qemu(&config).spawn()?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(BoardError::Gone);
        };
        let (orders, mailbox) = mpsc::unbounded_channel();
        let (advertise, advertisement) = watch::channel(None);
        let (started, mut starts) = watch::channel(0);
        let (open, opened) = watch::channel(HashMap::new());
        let mut address = [0; 6];
        address.copy_from_slice(&config.keys.locker.id.0[2..]);
        let (linked, links) = watch::channel(0);
        let bridge = Bridge {
            linked,
            lose_next: false,
            _child: child,
            to,
            mailbox,
            advertise,
            started,
            opened: open,
            links: HashMap::new(),
            next: 0,
            movements: Vec::new(),
            measures: Vec::new(),
            sensors: HashMap::new(),
            config,
        };
        let running = tokio::spawn(bridge.run(from));
        tokio::select! {
            changed = starts.wait_for(|starts| *starts > 0) => {
                changed.map_err(|_| BoardError::Gone)?;
            }
            ended = running => return Err(match ended {
                Ok(Err(error)) => error,
                _ => BoardError::Gone,
            }),
        }
        Ok(Self { orders, advertisement, starts, opened, links, address })
    }

    /// Serves it on an `air` endpoint until either is gone.
    pub async fn serve(self, server: Arc<AirServer>, mut dials: mpsc::Receiver<Dial>) {
        let mut advertisement = self.advertisement.clone();
        loop {
            let beacon = advertisement.borrow_and_update().map(|advertisement| Beacon {
                address: self.address,
                rssi: Some(RSSI),
                payload: advertisement.encode().to_vec(),
            });
            server.advertise(beacon.into_iter().collect());
            tokio::select! {
                changed = advertisement.changed() => if changed.is_err() { return },
                dial = dials.recv() => {
                    let Some(dial) = dial else { return };
                    tokio::spawn(self.clone().answer(dial));
                }
            }
        }
    }

    async fn answer(self, dial: Dial) {
        if dial.address() != self.address {
            return dial.refuse(RefuseReason::Nobody).await;
        }
        let (sender, heard) = mpsc::unbounded_channel();
        let (number, assigned) = oneshot::channel();
        let order = Order::Connect { mtu: dial.mtu(), heard: sender, number };
        let Some((number, mtu)) = self.orders.send(order).ok().and(assigned.await.ok()).flatten() else {
            return dial.refuse(RefuseReason::Busy).await;
        };
        if let Ok(central) = dial.accept(mtu).await {
            self.carry(number, central, heard).await;
        }
        // The bridge may be gone, and then there is nothing to tell it.
        let _ = self.orders.send(Order::Disconnect(number));
    }

    async fn carry(&self, number: u16, mut central: Central, mut heard: mpsc::UnboundedReceiver<Heard>) {
        let answers = central.sender();
        let link = Connection(number);
        loop {
            let packet = tokio::select! {
                biased;
                heard = heard.recv() => {
                    match heard {
                        None | Some(Heard::HangUp) => return,
                        Some(Heard::Notify(frame)) => answers.notify(frame).await,
                        Some(Heard::Value(value)) => answers.value(value).await,
                    }
                    continue;
                }
                request = central.request() => match request {
                    None => return,
                    Some(CentralRequest::Subscribe) => {
                        answers.subscribed().await;
                        ToBoard::Subscribe(link)
                    }
                    Some(CentralRequest::Read) => ToBoard::Read(link),
                    Some(CentralRequest::Write(frame)) => {
                        answers.written(0).await;
                        ToBoard::Write(link, frame)
                    }
                },
            };
            if self.orders.send(Order::Send(Box::new(packet))).is_err() {
                return;
            }
        }
    }

    /// What the firmware took since this was last asked.
    ///
    /// # Errors
    /// [`BoardError::Gone`].
    pub async fn measure(&self) -> Result<Measures, BoardError> {
        let (answer, measures) = oneshot::channel();
        self.orders.send(Order::Measure(answer)).map_err(|_| BoardError::Gone)?;
        measures.await.map_err(|_| BoardError::Gone)
    }

    /// Power will fail at this flash step from now on, so many bytes into it; the board then starts again.
    ///
    /// # Errors
    /// [`BoardError::Gone`].
    pub fn cut_power(&self, step: u32, bytes: u32) -> Result<(), BoardError> {
        self.orders
            .send(Order::Send(Box::new(ToBoard::PowerCut { step, bytes })))
            .map_err(|_| BoardError::Gone)
    }

    /// Its battery is low, or well again.
    ///
    /// # Errors
    /// [`BoardError::Gone`].
    pub fn battery(&self, low: bool) -> Result<(), BoardError> {
        self.orders.send(Order::Send(Box::new(ToBoard::Battery(low)))).map_err(|_| BoardError::Gone)
    }

    /// Its radio offers this ATT MTU from the next connection on; 23 to 517.
    ///
    /// # Errors
    /// [`BoardError::Gone`].
    pub fn offer(&self, mtu: u16) -> Result<(), BoardError> {
        self.orders.send(Order::Offer(mtu)).map_err(|_| BoardError::Gone)
    }

    /// The next notification to anybody gets lost on the air.
    ///
    /// # Errors
    /// [`BoardError::Gone`].
    pub fn lose_next_notification(&self) -> Result<(), BoardError> {
        self.orders.send(Order::LoseNext).map_err(|_| BoardError::Gone)
    }

    /// Every link breaks, as at the edge of the radio's reach.
    ///
    /// # Errors
    /// [`BoardError::Gone`].
    pub fn cut_links(&self) -> Result<(), BoardError> {
        self.orders.send(Order::Cut).map_err(|_| BoardError::Gone)
    }

    /// How many links there are.
    #[must_use]
    pub fn links(&self) -> watch::Receiver<usize> {
        self.links.clone()
    }

    /// A hand closes a door.
    ///
    /// # Errors
    /// [`BoardError::Gone`].
    pub fn close(&self, door: Door) -> Result<(), BoardError> {
        self.orders.send(Order::Close(door)).map_err(|_| BoardError::Gone)
    }

    /// How often the firmware has started: changes when it starts again.
    #[must_use]
    pub fn starts(&self) -> watch::Receiver<u32> {
        self.starts.clone()
    }

    /// How often each door has come open.
    #[must_use]
    pub fn opened(&self) -> watch::Receiver<HashMap<Door, u32>> {
        self.opened.clone()
    }
}

/// QEMU, which by itself would run on after a simulator that was killed: it does not end with its serial line.
fn machine(qemu: &Path) -> Command {
    if !cfg!(target_os = "linux") {
        return Command::new(qemu);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(qemu);
    command
}

/// The machine, with its serial line at our pipes.
fn qemu(config: &BoardConfig) -> Command {
    let mut qemu = machine(&config.qemu);
    match &config.flash {
        None => qemu.args(["-machine", "mps2-an386"]),
        // The board's PSRAM plays its flash (crates/locker-board, flash.rs).
        Some(file) => qemu.args(["-machine", "mps2-an386,memory-backend=psram", "-object"]).arg(format!(
            "memory-backend-file,id=psram,size=16M,share=on,mem-path={}",
            // A comma ends an option of QEMU's unless it is doubled.
            file.display().to_string().replace(',', ",,")
        )),
    };
    qemu.args(["-cpu", "cortex-m4", "-display", "none", "-monitor", "none", "-serial", "stdio", "-kernel"])
        .arg(&config.image)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    qemu
}

struct Bridge {
    /// Killed when the bridge ends.
    _child: Child,
    to: ChildStdin,
    mailbox: mpsc::UnboundedReceiver<Order>,
    advertise: watch::Sender<Option<Advertisement>>,
    started: watch::Sender<u32>,
    opened: watch::Sender<HashMap<Door, u32>>,
    links: HashMap<u16, mpsc::UnboundedSender<Heard>>,
    linked: watch::Sender<usize>,
    lose_next: bool,
    next: u16,
    /// Doors that are about to open or close.
    movements: Vec<(Instant, Door, bool)>,
    measures: Vec<oneshot::Sender<Measures>>,
    sensors: HashMap<Door, bool>,
    config: BoardConfig,
}

impl Bridge {
    async fn run(mut self, mut from: ChildStdout) -> Result<(), BoardError> {
        let mut deframer = Deframer::default();
        let mut buffer = [0; 1024];
        loop {
            let next = self.movements.iter().map(|(at, ..)| *at).min();
            let movement = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                read = from.read(&mut buffer) => {
                    let length = read?;
                    if length == 0 {
                        return Err(BoardError::Gone);
                    }
                    for byte in &buffer[..length] {
                        if let Some(packet) = deframer.push(*byte).and_then(|packet| FromBoard::decode(&packet)) {
                            self.hear(packet).await?;
                        }
                    }
                }
                order = self.mailbox.recv() => match order {
                    Some(order) => self.obey(order).await?,
                    None => return Ok(()),
                },
                () = movement => self.move_doors().await?,
            }
            self.linked
                .send_if_modified(|linked| std::mem::replace(linked, self.links.len()) != self.links.len());
        }
    }

    async fn tell(&mut self, packet: &ToBoard) -> Result<(), BoardError> {
        self.to.write_all(&packet.encode()).await?;
        Ok(self.to.flush().await?)
    }

    async fn hear(&mut self, packet: FromBoard) -> Result<(), BoardError> {
        match packet {
            FromBoard::Ready => {
                // Switched on, or on again: whoever was connected is not any more.
                self.links.clear();
                self.measures.clear();
                self.advertise.send_replace(None);
                let config = &self.config;
                let provision = ToBoard::Provision(Box::new(Provision {
                    keys: config.keys.clone(),
                    seed: config.seed,
                    fittings: config.fittings,
                    provisioned_at: Timestamp(config.provisioned_at),
                    connections: config.connections,
                    remembered_tokens: config.remembered_tokens,
                    doors: config.doors.clone(),
                    open: self.sensors.iter().filter(|(_, open)| **open).map(|(door, _)| *door).collect(),
                }));
                self.tell(&provision).await?;
            }
            FromBoard::Started(starts) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                self.tell(&ToBoard::Clock(Some(Timestamp(now)))).await?;
                self.started.send_replace(starts);
            }
            FromBoard::NotStarted(reason) => return Err(BoardError::NotStarted(reason)),
            FromBoard::Send(..) if std::mem::take(&mut self.lose_next) => {}
            FromBoard::Send(link, frame) => self.pass_on(link, Heard::Notify(frame)),
            FromBoard::Read(link, value) => self.pass_on(link, Heard::Value(value)),
            FromBoard::Disconnect(link) => {
                self.pass_on(link, Heard::HangUp);
                self.links.remove(&link.0);
            }
            FromBoard::Advertise(data) => {
                self.advertise.send_replace(Advertisement::decode(&data));
            }
            FromBoard::Latch(door, true) => self.movements.push((Instant::now() + SPRINGS, door, true)),
            FromBoard::Latch(_, false) | FromBoard::Local(_) => {}
            FromBoard::Measures(measures) => {
                if !self.measures.is_empty() {
                    // Whoever asked may have gone.
                    let _ = self.measures.remove(0).send(measures);
                }
            }
        }
        Ok(())
    }

    fn pass_on(&self, link: Connection, heard: Heard) {
        if let Some(sender) = self.links.get(&link.0) {
            // A link that has gone says so by itself.
            let _ = sender.send(heard);
        }
    }

    async fn obey(&mut self, order: Order) -> Result<(), BoardError> {
        match order {
            Order::Connect { mtu, heard, number } => {
                let on = self.advertise.borrow().is_some();
                if !on || self.links.len() > usize::from(self.config.connections) {
                    let _ = number.send(None);
                    return Ok(());
                }
                while self.links.contains_key(&self.next) {
                    self.next = self.next.wrapping_add(1);
                }
                let link = self.next;
                self.next = self.next.wrapping_add(1);
                self.links.insert(link, heard);
                let mtu = mtu.min(self.config.mtu).max(23);
                let _ = number.send(Some((link, mtu)));
                self.tell(&ToBoard::Connect(Connection(link), mtu - ATT_HEADER)).await
            }
            Order::Send(packet) => self.tell(&packet).await,
            Order::Offer(mtu) => {
                self.config.mtu = mtu;
                Ok(())
            }
            Order::LoseNext => {
                self.lose_next = true;
                Ok(())
            }
            Order::Cut => {
                for link in std::mem::take(&mut self.links).into_keys() {
                    self.tell(&ToBoard::Disconnect(Connection(link))).await?;
                }
                Ok(())
            }
            Order::Disconnect(link) => match self.links.remove(&link) {
                Some(_) => self.tell(&ToBoard::Disconnect(Connection(link))).await,
                None => Ok(()),
            },
            Order::Measure(answer) => {
                self.measures.push(answer);
                self.tell(&ToBoard::Measure).await
            }
            Order::Close(door) => self.set(door, false).await,
        }
    }

    async fn move_doors(&mut self) -> Result<(), BoardError> {
        let now = Instant::now();
        let due: Vec<_> = self.movements.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, door, open) in due {
            self.set(door, open).await?;
        }
        Ok(())
    }

    async fn set(&mut self, door: Door, open: bool) -> Result<(), BoardError> {
        let before = self.sensors.insert(door, open).unwrap_or(false);
        if open && !before {
            self.opened.send_modify(|opened| *opened.entry(door).or_default() += 1);
            if let Some(after) = self.config.closes_after {
                self.movements.push((Instant::now() + after, door, false));
            }
        }
        let sensors = Sensors { open: Some(open), obstructed: false, content: None };
        self.tell(&ToBoard::Sensors(door, sensors)).await
    }
}
