//! How links come about in the world, how frames travel on them, and how they end.

use postern_core::{
    effect::RadioCommand,
    event::{Adapter, DialStage, EndReason, Event, RadioEvent},
};
use postern_locker::Connection;
use postern_protocol::{
    DeviceKey, LockerId, LockerKeys, Timestamp, bulletin,
    frame::{Reassembler, Tag, fragments},
    locker_side::Greeting,
    message::{ClockState, Hello},
};

use crate::{
    agent::{Errand, Move, public},
    air::{Far, Link, Who},
    plan::Step,
    world::{Happening, World},
};

/// Connections that the radio of a locker holds.
const CONNECTIONS: u16 = 4;

impl World {
    /// The app starts: it learns what was stored and what the radio can do.
    pub(crate) fn start_app(&mut self, customer: usize) {
        let vault = self.phones[customer].vault();
        self.tell(customer, vault);
        self.tell(customer, Event::Radio(RadioEvent::Adapter(Adapter::On)));
        self.tell(customer, Event::Foreground(true));
        self.sign_in_if_needed(customer);
    }

    fn radio_says(&mut self, customer: usize, wait: u64, event: RadioEvent) {
        self.later(customer, wait, Event::Radio(event));
    }

    pub(crate) fn radio(&mut self, customer: usize, command: RadioCommand) {
        match command {
            // The world is no test network.
            RadioCommand::Use(_) => {}
            RadioCommand::Watch(on) => {
                self.phones[customer].listens = on.then_some(self.now);
                if on {
                    self.advertise(customer, self.now);
                }
            }
            RadioCommand::Dial { attempt, locker, timeout_ms } => {
                self.note(|| format!("customer {customer} dials, attempt {attempt}"));
                let incarnation = self.phones[customer].incarnation;
                let who = Who::Phone { customer, incarnation, attempt };
                let named = LockerId(locker);
                let near = self.phones[customer].near.filter(|at| self.cabinets[*at].identity.id == named);
                match near {
                    Some(locker) => self.after(100, Happening::Dialled { who, locker, patience: timeout_ms }),
                    None => self.radio_says(
                        customer,
                        timeout_ms,
                        RadioEvent::Ended { attempt, reason: EndReason::NotFound },
                    ),
                }
            }
            RadioCommand::Send { attempt, bytes } => {
                if let Some((dialled, link)) = self.phones[customer].attempt
                    && dialled == attempt
                    && self.links[link].up
                {
                    self.send_up(link, bytes);
                    if std::mem::take(&mut self.phones[customer].dies_asking) {
                        let wait = self.links[link].latency + 1;
                        self.after(wait, Happening::Step(Step::KillApp { customer }));
                    }
                }
            }
            RadioCommand::HangUp { attempt } => {
                if let Some((dialled, link)) = self.phones[customer].attempt
                    && dialled == attempt
                {
                    self.close_link(link);
                    self.phones[customer].attempt = None;
                }
                self.radio_says(customer, 5, RadioEvent::Ended { attempt, reason: EndReason::HungUp });
            }
        }
    }

    /// A phone that listens hears the locker where its owner stands, every now and then.
    pub(crate) fn advertise(&mut self, customer: usize, since: u64) {
        let phone = &self.phones[customer];
        let incarnation = phone.incarnation;
        let here = phone.near.filter(|locker| self.cabinets[*locker].running.is_some());
        if let Some(locker) = here {
            let short_id = self.cabinets[locker].identity.id.short();
            self.radio_says(customer, 50, RadioEvent::Sighted { short_id, rssi: Some(-50) });
        }
        self.after(2_000, Happening::Advertise { customer, incarnation, since });
    }

    /// A central was heard and connects, if the locker has a place for it.
    pub(crate) fn dialled(&mut self, who: Who, locker: usize, patience: u64) {
        if let Who::Phone { customer, incarnation, .. } = who
            && (self.phones[customer].incarnation != incarnation
                || self.phones[customer].near != Some(locker))
        {
            return;
        }
        let links = &self.links;
        self.cabinets[locker].links.retain(|link| links[*link].up);
        let taken = |number: u16| {
            let standing = self.cabinets[locker].links.iter().map(|link| &links[*link]);
            standing
                .filter(|link| !link.ended)
                .any(|link| matches!(link.far, Far::Locker { connection, .. } if connection.0 == number))
        };
        let free = (0..CONNECTIONS).find(|number| !taken(*number));
        let impostor =
            matches!(who, Who::Phone { customer, .. } if std::mem::take(&mut self.phones[customer].impostor));
        if impostor {
            return self.meet_impostor(who, locker);
        }
        match (free, self.cabinets[locker].running.is_some()) {
            (Some(number), true) => self.connect(who, locker, Connection(number)),
            (None, _) => self.try_again(who, locker, patience, EndReason::Busy),
            (Some(_), false) => self.try_again(who, locker, patience, EndReason::NotFound),
        }
    }

    fn try_again(&mut self, who: Who, locker: usize, patience: u64, reason: EndReason) {
        if patience > 1_000 {
            return self.after(1_000, Happening::Dialled { who, locker, patience: patience - 1_000 });
        }
        match who {
            Who::Phone { customer, attempt, .. } => {
                self.radio_says(customer, 10, RadioEvent::Ended { attempt, reason });
            }
            Who::Agent(agent) => self.agent_is_gone(agent),
        }
    }

    fn link(&mut self, who: Who, locker: usize, far: Far) -> usize {
        let (latency, mtu, cut) = match who {
            Who::Phone { customer, .. } => {
                let phone = &mut self.phones[customer];
                (phone.latency, phone.mtu, phone.cut.take())
            }
            Who::Agent(_) => (20, 247, None),
        };
        self.links.push(Link::new(who, locker, far, latency, mtu - 3, cut));
        let link = self.links.len() - 1;
        if let Who::Phone { customer, attempt, .. } = who {
            self.phones[customer].attempt = Some((attempt, link));
            for (wait, stage) in
                [(0, DialStage::Sighted), (1, DialStage::Connected), (2, DialStage::Subscribed)]
            {
                self.radio_says(customer, wait, RadioEvent::Progress { attempt, stage });
            }
        }
        link
    }

    fn connect(&mut self, who: Who, locker: usize, connection: Connection) {
        let boot = self.cabinets[locker].boot;
        let link = self.link(who, locker, Far::Locker { connection, boot });
        self.cabinets[locker].links.push(link);
        let max_frame = self.links[link].max_frame;
        self.firmware(locker, |locker, now| {
            locker.connected(connection, max_frame, now);
            locker.subscribed(connection, now);
        });
    }

    fn meet_impostor(&mut self, who: Who, locker: usize) {
        let id = self.cabinets[locker].identity.id;
        let keys = LockerKeys::from_seed(id, &self.dice.bytes());
        let hello = Hello {
            version: postern_protocol::VERSION,
            oldest: postern_protocol::VERSION,
            boot: 1,
            clock: ClockState::Set,
            floor: Timestamp(self.unix()),
            capabilities: 0,
        };
        let (greeting, message) = Greeting::start(&keys, &hello, self.dice.bytes());
        let far = Far::Impostor {
            greeting: Some(Box::new(greeting)),
            keys: Box::new(keys),
            heard: Reassembler::with_tag(Tag(9)),
        };
        let link = self.link(who, locker, far);
        let max_frame = self.links[link].max_frame;
        let frames: Vec<_> = fragments(&message, Tag(9), max_frame).collect();
        for frame in frames {
            self.travel(link, frame, false);
        }
    }

    fn travel(&mut self, link: usize, frame: Vec<u8>, up: bool) {
        let wait = self.links[link].latency;
        let happening =
            if up { Happening::ToLocker { link, frame } } else { Happening::ToPhone { link, frame } };
        self.after(wait, happening);
    }

    pub(crate) fn send_up(&mut self, link: usize, message: Vec<u8>) {
        for frame in self.links[link].cut_up(message) {
            self.travel(link, frame, true);
        }
    }

    fn find(&self, locker: usize, connection: Connection) -> Option<usize> {
        let boot = self.cabinets[locker].boot;
        self.cabinets[locker].links.iter().rev().copied().find(|link| {
            let link = &self.links[*link];
            link.up
                && !link.ended
                && matches!(link.far, Far::Locker { connection: c, boot: b } if c == connection && b == boot)
        })
    }

    pub(crate) fn send_down(&mut self, locker: usize, connection: Connection, frame: Vec<u8>) {
        if let Some(link) = self.find(locker, connection) {
            self.travel(link, frame, false);
        }
    }

    /// The key of whoever is on a connection.
    pub(crate) fn key_behind(&self, locker: usize, connection: Connection) -> Option<DeviceKey> {
        let link = self.find(locker, connection)?;
        Some(match self.links[link].who {
            Who::Phone { customer, .. } => public(&self.phones[customer].key),
            Who::Agent(agent) => public(&self.agents[agent].key),
        })
    }

    pub(crate) fn reaches_locker(&mut self, link: usize, frame: Vec<u8>) {
        if !self.links[link].up || self.links[link].ended {
            return;
        }
        if !self.links[link].carries() {
            return self.break_link(link);
        }
        let locker = self.links[link].locker;
        match &mut self.links[link].far {
            Far::Locker { connection, boot } => {
                let (connection, boot) = (*connection, *boot);
                if self.cabinets[locker].boot == boot {
                    self.firmware(locker, |locker, now| locker.received(connection, &frame, now));
                }
            }
            Far::Impostor { greeting, heard, .. } => {
                let message = heard.push(&frame).ok().flatten();
                if let (Some(message), Some(greeting)) = (message, greeting.take())
                    && greeting.accept(&message).is_ok()
                {
                    self.reference.object(8, "an impostor read an OPEN");
                }
            }
        }
    }

    pub(crate) fn reaches_phone(&mut self, link: usize, frame: &[u8]) {
        if !self.links[link].up {
            return;
        }
        if !self.links[link].carries() {
            return self.break_link(link);
        }
        let message = self.links[link].hear(frame);
        match (self.links[link].who, message) {
            (Who::Phone { customer, incarnation, attempt }, Some(Some(bytes))) => {
                if self.phones[customer].incarnation == incarnation {
                    self.tell(customer, Event::Radio(RadioEvent::Message { attempt, bytes }));
                }
            }
            (Who::Agent(agent), Some(Some(bytes))) => {
                let made = self.agents[agent].hear(&bytes);
                let locker = self.links[link].locker;
                if let Some(bulletin) = self.agents[agent].delivered.take()
                    && let Ok(bulletin) = bulletin::verify(&bulletin, &self.hub.issuer_keys())
                {
                    let epochs = bulletin.epochs.iter().map(|news| (news.door.0, news.epoch.0));
                    self.reference.learnt(locker, epochs);
                    self.reference.told(locker, bulletin.number);
                }
                self.agent_moves(agent, link, made);
            }
            (_, Some(None)) => {}
            (_, None) => self.break_link(link),
        }
    }

    /// What an agent does next.
    pub(crate) fn agent_moves(&mut self, agent: usize, link: usize, made: Move) {
        match made {
            Move::Send(message) => self.send_up(link, message),
            Move::Wait => {}
            Move::Refused => {
                // A courier's next token is another.
                if let Errand::Deposit(booking) = self.agents[agent].errand {
                    self.courier_tokens.remove(&booking);
                }
                let next = self.agents[agent].go_on();
                self.agent_moves(agent, link, next);
            }
            Move::Leave => {
                self.close_link(link);
                self.agent_is_gone(agent);
            }
            Move::NeedsFreshToken(nonce) => {
                let next = self.fresh_token_for(agent, link, nonce);
                self.agent_moves(agent, link, next);
            }
            Move::Carried(part) => {
                let next = self.carried(agent, link, &part);
                self.agent_moves(agent, link, next);
            }
            Move::Receipt(receipt) => {
                self.agent_has_receipt(agent, link, &receipt);
                // Who puts something in, or takes it out, stays until the door is closed.
                if !self.agents[agent].stays() {
                    let next = self.agents[agent].go_on();
                    self.agent_moves(agent, link, next);
                }
            }
            Move::Closed(receipt) => {
                self.bring(self.links[link].locker, &receipt);
                if let Errand::Deposit(booking) | Errand::Fetch(booking) = self.agents[agent].errand {
                    self.courier_says(booking);
                }
                let next = self.agents[agent].go_on();
                self.agent_moves(agent, link, next);
            }
        }
    }

    fn tell_locker_of_end(&mut self, link: usize) {
        let locker = self.links[link].locker;
        if let Far::Locker { connection, boot } = self.links[link].far
            && self.cabinets[locker].boot == boot
        {
            self.firmware(locker, |locker, now| locker.disconnected(connection, now));
        }
    }

    /// The phone's end hangs up.
    pub(crate) fn close_link(&mut self, link: usize) {
        if std::mem::take(&mut self.links[link].up) && !self.links[link].ended {
            self.tell_locker_of_end(link);
        }
    }

    fn phone_end_hears(&mut self, link: usize, wait: u64) {
        match self.links[link].who {
            Who::Phone { customer, incarnation, attempt } => {
                if self.phones[customer].incarnation == incarnation {
                    let ended = RadioEvent::Ended { attempt, reason: EndReason::Lost };
                    self.radio_says(customer, wait, ended);
                }
            }
            Who::Agent(agent) => self.agent_is_gone(agent),
        }
    }

    /// The air loses it: both ends find out.
    pub(crate) fn break_link(&mut self, link: usize) {
        if !std::mem::take(&mut self.links[link].up) {
            return;
        }
        self.note(|| format!("link {link} breaks"));
        self.phone_end_hears(link, 500);
        if !self.links[link].ended {
            self.tell_locker_of_end(link);
        }
    }

    /// The locker hung up, and its last frames have arrived.
    pub(crate) fn link_is_over(&mut self, link: usize) {
        if std::mem::take(&mut self.links[link].up) {
            self.phone_end_hears(link, 0);
        }
    }

    pub(crate) fn hang_up_from_locker(&mut self, locker: usize, connection: Connection) {
        if let Some(link) = self.find(locker, connection) {
            self.links[link].ended = true;
            let wait = self.links[link].latency + 5;
            self.after(wait, Happening::LinkOver { link });
        }
    }
}
