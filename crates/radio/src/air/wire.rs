//! Records of the `air` transport: see the table in the parent module.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::AdapterState;

/// What every connection begins with: the name and the version.
pub(super) const PREFACE: [u8; 8] = *b"POSTERN\x01";
/// Most octets after the length field.
const MAX_RECORD: usize = 1024;
/// Longest manufacturer data payload that legacy advertising could carry.
const MAX_PAYLOAD: usize = 24;
/// RSSI value that says "unknown", as in HCI.
const RSSI_UNKNOWN: i8 = 127;

/// A random device address.
pub(super) type Address = [u8; 6];

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Watch,
    Connect { address: Address, mtu: u16 },
    Subscribe,
    Read,
    Write(Vec<u8>),
    Monitor,
    Sighting { address: Address, rssi: Option<i8>, payload: Vec<u8> },
    Connected { mtu: u16 },
    Refused(u8),
    Subscribed,
    Value(Vec<u8>),
    Written(u8),
    Notify(Vec<u8>),
    Adapter(AdapterState),
}

/// Why a stream of records ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("record breaks the rules of the air transport")]
    Malformed,
}

impl Record {
    fn kind(&self) -> u8 {
        match self {
            Self::Watch => 0x01,
            Self::Connect { .. } => 0x02,
            Self::Subscribe => 0x03,
            Self::Read => 0x04,
            Self::Write(_) => 0x05,
            Self::Monitor => 0x06,
            Self::Sighting { .. } => 0x81,
            Self::Connected { .. } => 0x82,
            Self::Refused(_) => 0x83,
            Self::Subscribed => 0x84,
            Self::Value(_) => 0x85,
            Self::Written(_) => 0x86,
            Self::Notify(_) => 0x87,
            Self::Adapter(_) => 0x88,
        }
    }

    /// The octets on the wire, or nothing where the body is longer than a record may be.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut out = vec![0, 0, self.kind()];
        match self {
            Self::Watch | Self::Subscribe | Self::Read | Self::Monitor | Self::Subscribed => {}
            Self::Connect { address, mtu } => {
                out.extend_from_slice(address);
                out.extend_from_slice(&mtu.to_be_bytes());
            }
            Self::Write(bytes) | Self::Value(bytes) | Self::Notify(bytes) => out.extend_from_slice(bytes),
            Self::Sighting { address, rssi, payload } => {
                out.extend_from_slice(address);
                out.push(rssi.unwrap_or(RSSI_UNKNOWN) as u8);
                out.extend_from_slice(payload);
            }
            Self::Connected { mtu } => out.extend_from_slice(&mtu.to_be_bytes()),
            Self::Refused(code) | Self::Written(code) => out.push(*code),
            Self::Adapter(state) => out.push(match state {
                AdapterState::Unknown | AdapterState::On => 1,
                AdapterState::Off => 2,
                AdapterState::Absent => 3,
                // Over TCP nobody needs the location; to who asks it comes to the same.
                AdapterState::Denied | AdapterState::LocationOff => 4,
            }),
        }
        let length = out.len() - 2;
        if length > MAX_RECORD {
            return None;
        }
        out[..2].copy_from_slice(&(length as u16).to_be_bytes());
        Some(out)
    }

    /// Reads kind and body.
    fn decode(record: &[u8]) -> Option<Self> {
        let (&kind, body) = record.split_first()?;
        let empty = |r: Self| body.is_empty().then_some(r);
        let one = || (body.len() == 1).then(|| body[0]);
        match kind {
            0x01 => empty(Self::Watch),
            0x02 => {
                let (address, mtu) = body.split_first_chunk::<6>()?;
                Some(Self::Connect { address: *address, mtu: u16::from_be_bytes(mtu.try_into().ok()?) })
            }
            0x03 => empty(Self::Subscribe),
            0x04 => empty(Self::Read),
            0x05 => Some(Self::Write(body.to_vec())),
            0x06 => empty(Self::Monitor),
            0x81 => {
                let (address, rest) = body.split_first_chunk::<6>()?;
                let (&rssi, payload) = rest.split_first()?;
                let rssi = Some(rssi as i8).filter(|rssi| *rssi != RSSI_UNKNOWN);
                (payload.len() <= MAX_PAYLOAD).then(|| Self::Sighting {
                    address: *address,
                    rssi,
                    payload: payload.to_vec(),
                })
            }
            0x82 => Some(Self::Connected { mtu: u16::from_be_bytes(body.try_into().ok()?) }),
            0x83 => one().map(Self::Refused),
            0x84 => empty(Self::Subscribed),
            0x85 => (body.len() <= 512).then(|| Self::Value(body.to_vec())),
            0x86 => one().map(Self::Written),
            0x87 => Some(Self::Notify(body.to_vec())),
            0x88 => match one()? {
                1 => Some(Self::Adapter(AdapterState::On)),
                2 => Some(Self::Adapter(AdapterState::Off)),
                3 => Some(Self::Adapter(AdapterState::Absent)),
                4 => Some(Self::Adapter(AdapterState::Denied)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Reads one record. Not cancel-safe: keep it in a task of its own.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Record, WireError> {
    let length = usize::from(stream.read_u16().await?);
    if !(1..=MAX_RECORD).contains(&length) {
        return Err(WireError::Malformed);
    }
    let mut record = vec![0; length];
    stream.read_exact(&mut record).await?;
    Record::decode(&record).ok_or(WireError::Malformed)
}

/// Writes one record.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), record: &Record) -> Result<(), WireError> {
    let bytes = record.encode().ok_or(WireError::Malformed)?;
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_record_survives_the_wire() {
        let records = [
            Record::Watch,
            Record::Connect { address: [1, 2, 3, 4, 5, 6], mtu: 517 },
            Record::Subscribe,
            Record::Read,
            Record::Write(vec![7; 514]),
            Record::Monitor,
            Record::Sighting { address: [9; 6], rssi: Some(-60), payload: vec![1; 6] },
            Record::Sighting { address: [9; 6], rssi: None, payload: vec![] },
            Record::Connected { mtu: 23 },
            Record::Refused(2),
            Record::Subscribed,
            Record::Value(vec![3; 512]),
            Record::Written(0x0D),
            Record::Notify(vec![4; 20]),
            Record::Adapter(AdapterState::Off),
        ];
        let (mut a, mut b) = tokio::io::duplex(4096);
        for record in records {
            write(&mut a, &record).await.unwrap();
            assert_eq!(read(&mut b).await.unwrap(), record);
        }
    }

    #[test]
    fn malformed_records_are_refused() {
        for bad in [&[][..], &[0x01, 0][..], &[0x02, 0, 0][..], &[0x82, 1][..], &[0x88, 9][..], &[0x7F][..]] {
            assert_eq!(Record::decode(bad), None, "{bad:02x?}");
        }
        assert!(Record::Write(vec![0; MAX_RECORD]).encode().is_none());
    }

    /// The frozen records of PROTOCOL.md, which were not written by this code.
    #[tokio::test]
    async fn the_frozen_records_are_read_and_written() {
        use serde_json::Value;

        let frozen: Value = serde_json::from_str(include_str!("../../../protocol/vectors/air.json")).unwrap();
        let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
        let number = |value: &Value| value.as_u64().unwrap();
        assert_eq!(bytes(&frozen["preface"]), PREFACE);
        for case in frozen["records"].as_array().unwrap() {
            let address = || bytes(&case["address"]).try_into().unwrap();
            let mtu = || number(&case["mtu"]).try_into().unwrap();
            let record = match case["kind"].as_str().unwrap() {
                "WATCH" => Record::Watch,
                "MONITOR" => Record::Monitor,
                "SIGHTING" => Record::Sighting {
                    address: address(),
                    rssi: case["rssi"].as_i64().map(|rssi| rssi.try_into().unwrap()),
                    payload: bytes(&case["data"]),
                },
                "ADAPTER" => Record::Adapter(match number(&case["state"]) {
                    1 => AdapterState::On,
                    2 => AdapterState::Off,
                    3 => AdapterState::Absent,
                    _ => AdapterState::Denied,
                }),
                "CONNECT" => Record::Connect { address: address(), mtu: mtu() },
                "CONNECTED" => Record::Connected { mtu: mtu() },
                "REFUSED" => Record::Refused(number(&case["reason"]) as u8),
                "SUBSCRIBE" => Record::Subscribe,
                "SUBSCRIBED" => Record::Subscribed,
                "READ" => Record::Read,
                "VALUE" => Record::Value(bytes(&case["value"])),
                "WRITE" => Record::Write(bytes(&case["frame"])),
                "WRITTEN" => Record::Written(number(&case["status"]) as u8),
                "NOTIFY" => Record::Notify(bytes(&case["frame"])),
                other => panic!("{other}"),
            };
            let frozen = bytes(&case["bytes"]);
            assert_eq!(record.encode().unwrap(), frozen, "{record:?}");
            assert_eq!(read(&mut frozen.as_slice()).await.unwrap(), record);
        }
        for case in frozen["refused"].as_array().unwrap() {
            let read = read(&mut bytes(&case["bytes"]).as_slice()).await;
            assert!(matches!(read, Err(WireError::Malformed)), "{}", case["why"]);
        }
    }

    #[tokio::test]
    async fn lengths_outside_the_bounds_end_the_stream() {
        for length in [0u16, 1025, u16::MAX] {
            let mut bytes = length.to_be_bytes().to_vec();
            bytes.resize(70_000, 1);
            assert!(matches!(read(&mut bytes.as_slice()).await, Err(WireError::Malformed)), "{length}");
        }
    }
}
