//! A peripheral that is not BlueZ: an LE host of our own on one more controller of the lab, as small as a locker's chip has
//! it, with one bearer and no pairing. It greets and echoes as the conformance suite of the radio wants it, and can be what
//! a BlueZ peripheral cannot: of any ATT MTU, slow to be discovered, or with another attribute table than yesterday.
//!
//! HCI over H4 (Core Specification 4.A and 4.E), L2CAP's fixed channel of ATT (3.A), ATT (3.F).

mod att;

use std::{env, time::Duration};

use postern_protocol::{LockerId, gatt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot, watch},
    time::MissedTickBehavior,
};

pub use att::Layout;
use att::Server;

/// Where controllers are to be had.
const AIR: &str = "POSTERN_LAB_AIR";
/// How often an advertisement goes out.
const INTERVAL: Duration = Duration::from_millis(100);
/// Octets of one ACL packet, header not counted: what every LE controller takes.
const ACL: usize = 27;
/// Its local name.
const NAME: &str = "chip";
/// L2CAP channel of ATT.
const ATT: u16 = 4;

/// HCI packet indicators.
const COMMAND: u8 = 1;
const DATA: u8 = 2;
const EVENT: u8 = 4;

/// What a chip tells of itself.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Somebody is connected.
    pub connected: bool,
    /// Connections there ever were.
    pub connections: u32,
    /// A question of discovery waits for [`Chip::answer_discovery`].
    pub asked: bool,
    /// Subscriptions that were taken back before the connection ended.
    pub unsubscribed: u32,
    /// ATT MTUs that were agreed on, in order.
    pub mtus: Vec<u16>,
}

enum Order {
    Offer(u16),
    LoseHello,
    Show { accepting: bool, low_battery: bool },
    Arrange(Layout),
    AnswerDiscovery(bool),
    StayOnAir(bool),
    Cut(oneshot::Sender<()>),
}

/// See the module. Dropping it takes it off the air.
pub struct Chip {
    locker: LockerId,
    orders: mpsc::UnboundedSender<Order>,
    status: watch::Receiver<Status>,
}

impl Chip {
    /// On the air.
    ///
    /// # Panics
    /// When the lab has no controller for it.
    pub async fn start(locker: LockerId) -> Self {
        let air = env::var(AIR).unwrap_or_else(|_| panic!("{AIR} is not set"));
        let stream = TcpStream::connect(air).await.expect("the lab's air");
        stream.set_nodelay(true).expect("a TCP connection");
        let (reader, writer) = stream.into_split();
        let (orders, orders_out) = mpsc::unbounded_channel();
        let (told, status) = watch::channel(Status::default());
        let (heard, packets) = mpsc::channel(64);
        tokio::spawn(read(reader, heard));
        let host = Host {
            writer,
            told,
            locker,
            state: (true, false),
            stays: false,
            link: None,
            joined: Vec::new(),
            server: Server::new(),
            cut: Vec::new(),
        };
        tokio::spawn(host.run(packets, orders_out));
        Self { locker, orders, status }
    }

    /// Whom it says to be.
    #[must_use]
    pub fn locker(&self) -> LockerId {
        self.locker
    }

    /// What it tells of itself, now and as it changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Agrees on this ATT MTU at most.
    pub fn offer(&self, mtu: u16) {
        self.order(Order::Offer(mtu));
    }

    /// Does not send the next HELLO, which can still be read.
    pub fn lose_hello(&self) {
        self.order(Order::LoseHello);
    }

    /// Advertises these bits.
    pub fn show(&self, accepting: bool, low_battery: bool) {
        self.order(Order::Show { accepting, low_battery });
    }

    /// Has its attributes like this, and tells nobody.
    pub fn arrange(&self, layout: Layout) {
        self.order(Order::Arrange(layout));
    }

    /// Whether it answers questions of discovery; those that were asked meanwhile are answered then.
    pub fn answer_discovery(&self, answer: bool) {
        self.order(Order::AnswerDiscovery(answer));
    }

    /// Whether it advertises while it is connected, as one with room for several centrals does.
    pub fn stay_on_air(&self, stay: bool) {
        self.order(Order::StayOnAir(stay));
    }

    /// Ends the connection, and returns when it is over.
    pub async fn cut(&self) {
        let (done, over) = oneshot::channel();
        self.order(Order::Cut(done));
        over.await.expect("the chip is there");
    }

    fn order(&self, order: Order) {
        self.orders.send(order).unwrap_or_else(|_| panic!("the chip has gone"));
    }
}

/// One HCI packet: its indicator and what comes after its header.
struct Packet {
    kind: u8,
    /// Event code, or connection handle with its flags.
    head: u16,
    body: Vec<u8>,
}

async fn read(mut reader: OwnedReadHalf, heard: mpsc::Sender<Packet>) -> std::io::Result<()> {
    loop {
        let kind = reader.read_u8().await?;
        let (head, length) = match kind {
            EVENT => (u16::from(reader.read_u8().await?), usize::from(reader.read_u8().await?)),
            DATA => (reader.read_u16_le().await?, usize::from(reader.read_u16_le().await?)),
            other => panic!("a controller does not send packets of kind {other}"),
        };
        let mut body = vec![0; length];
        reader.read_exact(&mut body).await?;
        if heard.send(Packet { kind, head, body }).await.is_err() {
            return Ok(());
        }
    }
}

struct Host {
    writer: OwnedWriteHalf,
    told: watch::Sender<Status>,
    locker: LockerId,
    /// Accepting, low battery.
    state: (bool, bool),
    /// Advertises while it is connected.
    stays: bool,
    /// Handle of the connection.
    link: Option<u16>,
    /// An L2CAP frame that is under way.
    joined: Vec<u8>,
    server: Server,
    cut: Vec<oneshot::Sender<()>>,
}

impl Host {
    async fn run(mut self, mut packets: mpsc::Receiver<Packet>, mut orders: mpsc::UnboundedReceiver<Order>) {
        let ran = self.live(&mut packets, &mut orders).await;
        if let Err(error) = ran {
            eprintln!("the chip: {error}");
        }
    }

    async fn live(
        &mut self,
        packets: &mut mpsc::Receiver<Packet>,
        orders: &mut mpsc::UnboundedReceiver<Order>,
    ) -> std::io::Result<()> {
        // Reset.
        self.command(0x0C03, &[]).await?;
        // A static random address of its own: what BlueZ remembers of others must not be mistaken for this one.
        let id = self.locker.0;
        self.command(0x2005, &[id[0], id[1], id[2], id[3], id[4], id[5] | 0xC0]).await?;
        // Advertising parameters: 100 ms, connectable, from the random address, on all channels, to everybody.
        self.command(0x2006, &[0xA0, 0, 0xA0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0]).await?;
        // Scan response: a local name, as most peripherals have one.
        let mut response = vec![2 + NAME.len() as u8, 1 + NAME.len() as u8, 0x09];
        response.extend(NAME.as_bytes());
        response.resize(32, 0);
        self.command(0x2009, &response).await?;
        let mut beat = tokio::time::interval(INTERVAL);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beat.tick(), if self.link.is_none() || self.stays => self.advertise().await?,
                packet = packets.recv() => match packet {
                    Some(packet) => self.packet(packet).await?,
                    None => return Ok(()),
                },
                order = orders.recv() => match order {
                    Some(order) => self.order(order).await?,
                    None => return self.leave(packets).await,
                },
            }
        }
    }

    /// The emulator does not like controllers that vanish in the middle of a connection.
    async fn leave(&mut self, packets: &mut mpsc::Receiver<Packet>) -> std::io::Result<()> {
        self.command(0x200A, &[0]).await?;
        self.hang_up().await?;
        while self.link.is_some() {
            match packets.recv().await {
                Some(packet) => self.packet(packet).await?,
                None => return Ok(()),
            }
        }
        self.writer.shutdown().await
    }

    async fn command(&mut self, code: u16, parameters: &[u8]) -> std::io::Result<()> {
        let [low, high] = code.to_le_bytes();
        let mut packet = vec![COMMAND, low, high, parameters.len() as u8];
        packet.extend(parameters);
        self.writer.write_all(&packet).await
    }

    /// The emulator reports an advertiser when its advertising begins, so it begins anew each time.
    async fn advertise(&mut self) -> std::io::Result<()> {
        let (accepting, low_battery) = self.state;
        let payload = gatt::Advertisement {
            version: 1,
            accepting,
            low_battery,
            clock_unset: false,
            short_id: self.locker.short(),
        }
        .encode();
        // Flags; the service's UUID; manufacturer data.
        let mut data = vec![2, 0x01, 0x06, 17, 0x07];
        data.extend(gatt::SERVICE_UUID.to_le_bytes());
        data.extend([3 + payload.len() as u8, 0xFF]);
        data.extend(gatt::COMPANY_ID.to_le_bytes());
        data.extend(payload);
        let length = data.len() as u8;
        data.resize(31, 0);
        data.insert(0, length);
        self.command(0x200A, &[0]).await?;
        self.command(0x2008, &data).await?;
        self.command(0x200A, &[1]).await
    }

    async fn order(&mut self, order: Order) -> std::io::Result<()> {
        match order {
            Order::Offer(mtu) => self.server.offer(mtu),
            Order::LoseHello => self.server.lose_hello(),
            Order::Show { accepting, low_battery } => self.state = (accepting, low_battery),
            Order::Arrange(layout) => self.server.arrange(layout),
            Order::AnswerDiscovery(answer) => {
                let due = self.server.answer_discovery(answer);
                self.send(due).await?;
            }
            Order::StayOnAir(stay) => self.stays = stay,
            Order::Cut(done) if self.link.is_none() => drop(done.send(())),
            Order::Cut(done) => {
                self.cut.push(done);
                self.hang_up().await?;
            }
        }
        Ok(())
    }

    async fn hang_up(&mut self) -> std::io::Result<()> {
        let Some(link) = self.link else { return Ok(()) };
        let [low, high] = link.to_le_bytes();
        // Remote user terminated connection.
        self.command(0x0406, &[low, high, 0x13]).await
    }

    async fn packet(&mut self, packet: Packet) -> std::io::Result<()> {
        let body = &packet.body[..];
        match (packet.kind, packet.head, body) {
            // LE Connection Complete.
            (EVENT, 0x3E, &[0x01, 0, low, high, ..]) => {
                self.link = Some(u16::from_le_bytes([low, high]));
                self.joined.clear();
                self.server.connected();
                self.told.send_modify(|status| {
                    status.connected = true;
                    status.connections += 1;
                });
            }
            // Disconnection Complete.
            (EVENT, 0x05, &[0, low, high, ..]) if self.link == Some(u16::from_le_bytes([low, high])) => {
                self.link = None;
                self.server.disconnected();
                self.tell(|status| {
                    status.connected = false;
                    status.asked = false;
                });
                for done in self.cut.drain(..) {
                    let _ = done.send(());
                }
            }
            (DATA, head, part) => {
                // Of the flags, whether this continues a frame.
                if head & 0x3000 != 0x1000 {
                    self.joined.clear();
                }
                self.joined.extend(part);
                return self.joined().await;
            }
            _ => {}
        }
        Ok(())
    }

    /// An L2CAP frame, if it is whole.
    async fn joined(&mut self) -> std::io::Result<()> {
        let [low, high, channel_low, channel_high, ref pdu @ ..] = self.joined[..] else { return Ok(()) };
        if pdu.len() < usize::from(u16::from_le_bytes([low, high])) {
            return Ok(());
        }
        let due = if u16::from_le_bytes([channel_low, channel_high]) == ATT {
            self.server.request(pdu)
        } else {
            Vec::new()
        };
        self.joined.clear();
        self.send(due).await
    }

    async fn send(&mut self, pdus: Vec<Vec<u8>>) -> std::io::Result<()> {
        let mtus = self.server.mtus().to_vec();
        let (asked, unsubscribed) = (self.server.is_asked(), self.server.unsubscribed());
        self.tell(|status| {
            status.asked = asked;
            status.unsubscribed = unsubscribed;
            status.mtus = mtus;
        });
        let Some(link) = self.link else { return Ok(()) };
        for pdu in pdus {
            let mut frame = (pdu.len() as u16).to_le_bytes().to_vec();
            frame.extend(ATT.to_le_bytes());
            frame.extend(pdu);
            for (number, part) in frame.chunks(ACL).enumerate() {
                let flags = if number == 0 { 0 } else { 0x1000 };
                let mut packet = vec![DATA];
                packet.extend((link | flags).to_le_bytes());
                packet.extend((part.len() as u16).to_le_bytes());
                packet.extend(part);
                self.writer.write_all(&packet).await?;
            }
        }
        Ok(())
    }

    fn tell(&self, change: impl FnOnce(&mut Status)) {
        self.told.send_modify(change);
    }
}
