//! The chip's attributes, and an ATT server for them: pure, PDU in, PDUs out.

use postern_protocol::{
    frame::{MAX_FRAME, Reassembler, Tag, fragments},
    gatt::{RX_UUID, SERVICE_UUID, TX_UUID},
};

/// ATT MTU of every link at first.
const LEAST: u16 = 23;
/// Attribute types (Assigned Numbers).
const PRIMARY: u16 = 0x2800;
const CHARACTERISTIC: u16 = 0x2803;
const CLIENT_CONFIGURATION: u16 = 0x2902;
/// A service that many peripherals have (Assigned Numbers).
const DEVICE_INFORMATION: u16 = 0x180A;
const MANUFACTURER_NAME: u16 = 0x2A29;
/// ATT errors.
const INVALID_HANDLE: u8 = 0x01;
const WRITE_NOT_PERMITTED: u8 = 0x03;
const NOT_SUPPORTED: u8 = 0x06;
const INVALID_OFFSET: u8 = 0x07;
const NOT_FOUND: u8 = 0x0A;
/// Where the service begins and ends, in every layout.
const FIRST: u16 = 0x10;
const LAST: u16 = 0x1F;

/// Where the two characteristics are within their service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `rx`, then `tx`.
    RxFirst,
    /// `tx`, then `rx`: every handle means something else.
    TxFirst,
    /// `rx`, then `tx` after handles that nothing has.
    Apart,
    /// Not there yet, as while a locker starts: all there is is another service.
    Starting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Declaration,
    Rx,
    Tx,
    Subscription,
}

struct Attribute {
    handle: u16,
    kind: Vec<u8>,
    value: Vec<u8>,
    role: Role,
}

pub(super) struct Server {
    layout: Layout,
    offer: u16,
    lose_hello: bool,
    answers: bool,
    /// A question of discovery that was not answered.
    waiting: Option<Vec<u8>>,
    mtu: u16,
    mtus: Vec<u16>,
    number: u8,
    hello: Vec<u8>,
    frames: Reassembler,
    subscribed: bool,
    unsubscribed: u32,
}

impl Server {
    pub(super) fn new() -> Self {
        Self {
            layout: Layout::RxFirst,
            offer: 517,
            lose_hello: false,
            answers: true,
            waiting: None,
            mtu: LEAST,
            mtus: Vec::new(),
            number: 0,
            hello: Vec::new(),
            frames: Reassembler::new(),
            subscribed: false,
            unsubscribed: 0,
        }
    }

    pub(super) fn offer(&mut self, mtu: u16) {
        self.offer = mtu;
    }

    pub(super) fn lose_hello(&mut self) {
        self.lose_hello = true;
    }

    pub(super) fn arrange(&mut self, layout: Layout) {
        self.layout = layout;
    }

    pub(super) fn answer_discovery(&mut self, answer: bool) -> Vec<Vec<u8>> {
        self.answers = answer;
        match self.waiting.take_if(|_| answer) {
            Some(request) => self.request(&request),
            None => Vec::new(),
        }
    }

    pub(super) fn mtus(&self) -> &[u16] {
        &self.mtus
    }

    pub(super) fn unsubscribed(&self) -> u32 {
        self.unsubscribed
    }

    pub(super) fn is_asked(&self) -> bool {
        self.waiting.is_some()
    }

    pub(super) fn connected(&mut self) {
        self.mtu = LEAST;
        self.number = self.number.wrapping_add(1);
        self.hello = vec![1, self.number];
        self.hello.extend([9; 60]);
        self.frames = Reassembler::with_tag(self.tag());
        self.subscribed = false;
    }

    pub(super) fn disconnected(&mut self) {
        self.waiting = None;
    }

    fn tag(&self) -> Tag {
        Tag(self.number)
    }

    /// What goes out for what came in.
    pub(super) fn request(&mut self, pdu: &[u8]) -> Vec<Vec<u8>> {
        let [code, ref rest @ ..] = *pdu else { return Vec::new() };
        if !self.answers && matches!(code, 0x04..=0x09 | 0x10) {
            self.waiting = Some(pdu.to_vec());
            return Vec::new();
        }
        let answer = match (code, rest) {
            (0x02, &[low, high]) => {
                self.mtu = u16::from_le_bytes([low, high]).clamp(LEAST, self.offer);
                self.mtus.push(self.mtu);
                let [low, high] = self.offer.to_le_bytes();
                Ok(vec![0x03, low, high])
            }
            (0x04, _) => self.information(rest),
            (0x08, _) => self.by_type(rest),
            (0x10, _) => self.by_group(rest),
            (0x0A, &[low, high]) => self.read(u16::from_le_bytes([low, high]), 0, 0x0B),
            (0x0C, &[low, high, offset_low, offset_high]) => {
                let offset = u16::from_le_bytes([offset_low, offset_high]);
                self.read(u16::from_le_bytes([low, high]), offset, 0x0D)
            }
            (0x12, &[low, high, ref value @ ..]) => {
                return self.write(u16::from_le_bytes([low, high]), value);
            }
            // Commands and confirmations want no answer.
            (0x1E, _) => return Vec::new(),
            (code, _) if code & 0x40 != 0 => return Vec::new(),
            _ => Err(NOT_SUPPORTED),
        };
        let at = match *rest {
            [low, high, ..] => [low, high],
            _ => [0, 0],
        };
        vec![answer.unwrap_or_else(|error| vec![0x01, code, at[0], at[1], error])]
    }

    fn attributes(&self) -> Vec<Attribute> {
        let declared = |handle, kind: u16, value| Attribute {
            handle,
            kind: kind.to_le_bytes().to_vec(),
            value,
            role: Role::Declaration,
        };
        let mut all = vec![declared(FIRST, PRIMARY, self.service())];
        if self.layout == Layout::Starting {
            // Read; BlueZ passes over services that have no characteristic.
            let [low, high] = (FIRST + 2).to_le_bytes();
            let name = MANUFACTURER_NAME.to_le_bytes();
            all.push(declared(FIRST + 1, CHARACTERISTIC, vec![0x02, low, high, name[0], name[1]]));
            let (kind, value) = (name.to_vec(), b"lab".to_vec());
            all.push(Attribute { handle: FIRST + 2, kind, value, role: Role::Declaration });
            return all;
        }
        let mut handle = FIRST + 1;
        let mut add = |role: Role| {
            // Write; read and notify.
            let (properties, uuid) = if role == Role::Rx { (0x08, RX_UUID) } else { (0x12, TX_UUID) };
            let [low, high] = (handle + 1).to_le_bytes();
            let mut declaration = vec![properties, low, high];
            declaration.extend(uuid.to_le_bytes());
            all.push(declared(handle, CHARACTERISTIC, declaration));
            let kind = uuid.to_le_bytes().to_vec();
            all.push(Attribute { handle: handle + 1, kind, value: Vec::new(), role });
            if role == Role::Tx {
                let kind = CLIENT_CONFIGURATION.to_le_bytes().to_vec();
                all.push(Attribute { handle: handle + 2, kind, value: vec![0, 0], role: Role::Subscription });
                handle += 1;
            }
            handle += 2;
            if self.layout == Layout::Apart {
                handle += 4;
            }
        };
        if self.layout == Layout::TxFirst {
            [Role::Tx, Role::Rx].into_iter().for_each(&mut add);
        } else {
            [Role::Rx, Role::Tx].into_iter().for_each(&mut add);
        }
        all
    }

    /// The UUID of its service.
    fn service(&self) -> Vec<u8> {
        match self.layout {
            Layout::Starting => DEVICE_INFORMATION.to_le_bytes().to_vec(),
            Layout::RxFirst | Layout::TxFirst | Layout::Apart => SERVICE_UUID.to_le_bytes().to_vec(),
        }
    }

    /// A list of entries of one length, as far as the MTU goes.
    fn list(&self, head: &[u8], entries: impl Iterator<Item = Vec<u8>>) -> Result<Vec<u8>, u8> {
        let mut answer = head.to_vec();
        let mut length = None;
        for entry in entries {
            if *length.get_or_insert(entry.len()) != entry.len()
                || answer.len() + entry.len() > usize::from(self.mtu)
            {
                break;
            }
            answer.extend(entry);
        }
        if answer.len() == head.len() { Err(NOT_FOUND) } else { Ok(answer) }
    }

    fn information(&self, rest: &[u8]) -> Result<Vec<u8>, u8> {
        let (from, to, _) = range(rest)?;
        let mut entries: Vec<_> = self.attributes();
        entries.retain(|attribute| (from..=to).contains(&attribute.handle));
        let short = entries.first().ok_or(NOT_FOUND)?.kind.len() == 2;
        let entry = |attribute: Attribute| [attribute.handle.to_le_bytes().to_vec(), attribute.kind].concat();
        self.list(&[0x05, if short { 1 } else { 2 }], entries.into_iter().map(entry))
    }

    fn by_type(&self, rest: &[u8]) -> Result<Vec<u8>, u8> {
        let (from, to, kind) = range(rest)?;
        let mut entries: Vec<_> = self.attributes();
        entries.retain(|attribute| (from..=to).contains(&attribute.handle) && attribute.kind == kind);
        let length = 2 + entries.first().ok_or(NOT_FOUND)?.value.len() as u8;
        let entry =
            |attribute: Attribute| [attribute.handle.to_le_bytes().to_vec(), attribute.value].concat();
        self.list(&[0x09, length], entries.into_iter().map(entry))
    }

    fn by_group(&self, rest: &[u8]) -> Result<Vec<u8>, u8> {
        let (from, to, kind) = range(rest)?;
        if kind != PRIMARY.to_le_bytes() || !(from..=to).contains(&FIRST) {
            return Err(NOT_FOUND);
        }
        let service = [&FIRST.to_le_bytes()[..], &LAST.to_le_bytes(), &self.service()].concat();
        self.list(&[0x11, service.len() as u8], [service].into_iter())
    }

    fn read(&self, handle: u16, offset: u16, code: u8) -> Result<Vec<u8>, u8> {
        let attributes = self.attributes();
        let found = attributes.iter().find(|attribute| attribute.handle == handle).ok_or(INVALID_HANDLE)?;
        let hello = fragments(&self.hello, self.tag(), MAX_FRAME).next();
        let value = match found.role {
            Role::Tx if self.subscribed => hello.unwrap_or_default(),
            _ => found.value.clone(),
        };
        let part = value.get(usize::from(offset)..).ok_or(INVALID_OFFSET)?;
        let room = usize::from(self.mtu) - 1;
        Ok([&[code], &part[..part.len().min(room)]].concat())
    }

    fn write(&mut self, handle: u16, value: &[u8]) -> Vec<Vec<u8>> {
        let [low, high] = handle.to_le_bytes();
        let refused = |error| vec![vec![0x01, 0x12, low, high, error]];
        let attributes = self.attributes();
        let Some(found) = attributes.iter().find(|attribute| attribute.handle == handle) else {
            return refused(INVALID_HANDLE);
        };
        let mut out = vec![vec![0x13]];
        match found.role {
            Role::Declaration | Role::Tx => return refused(WRITE_NOT_PERMITTED),
            Role::Subscription => {
                let on = value.first().is_some_and(|bits| bits & 1 != 0);
                let was = std::mem::replace(&mut self.subscribed, on);
                self.unsubscribed += u32::from(was && !on);
                if on && !was && !std::mem::take(&mut self.lose_hello) {
                    let hello = self.hello.clone();
                    self.notify(&hello, &mut out);
                }
            }
            Role::Rx => {
                assert!(value.len() <= self.room(), "a frame of {} at MTU {}", value.len(), self.mtu);
                if let Some(message) = self.frames.push(value).expect("the phone keeps the rules") {
                    self.notify(&message, &mut out);
                }
            }
        }
        out
    }

    /// Octets of a frame.
    fn room(&self) -> usize {
        (usize::from(self.mtu) - 3).min(MAX_FRAME)
    }

    fn notify(&self, message: &[u8], out: &mut Vec<Vec<u8>>) {
        let tx = self.attributes().into_iter().find(|attribute| attribute.role == Role::Tx);
        let [low, high] = tx.expect("every layout has it").handle.to_le_bytes();
        for frame in fragments(message, self.tag(), self.room()) {
            out.push([&[0x1B, low, high], &frame[..]].concat());
        }
    }
}

/// First and last handle, and the type that is looked for.
fn range(rest: &[u8]) -> Result<(u16, u16, &[u8]), u8> {
    let [from_low, from_high, to_low, to_high, ref kind @ ..] = *rest else { return Err(NOT_SUPPORTED) };
    Ok((u16::from_le_bytes([from_low, from_high]), u16::from_le_bytes([to_low, to_high]), kind))
}
