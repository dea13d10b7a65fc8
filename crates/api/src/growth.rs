//! How this contract grows without breaking an older client.
//!
//! A newer hub may say words and send things that this version does not know. In an answer each thing of a page is read on its
//! own ([`Item`]), and a word without which a thing is still of use is read as [`Word`]. In a request neither is allowed: what
//! the hub does not know it refuses. Fields that it does not know it refuses too where carriers and operators ask, who can
//! leave them out; from devices, whose app may be newer than the hub, they are passed over.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::Value;

/// One thing of a page.
#[derive(Clone, PartialEq)]
pub enum Item<T> {
    /// Of this version.
    Known(T),
    /// Of a newer one, as it came. May hold secrets.
    Newer(Value),
}

impl<T> Item<T> {
    /// The thing, where this version knows it.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(thing) => Some(thing),
            Self::Newer(_) => None,
        }
    }
}

impl<T> From<T> for Item<T> {
    fn from(thing: T) -> Self {
        Self::Known(thing)
    }
}

impl<T: Serialize> Serialize for Item<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(thing) => thing.serialize(serializer),
            Self::Newer(raw) => raw.serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Value::deserialize(deserializer)?;
        Ok(T::deserialize(&raw).map_or_else(|_| Self::Newer(raw), Self::Known))
    }
}

impl<T: fmt::Debug> fmt::Debug for Item<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(thing) => thing.fmt(f),
            Self::Newer(_) => f.write_str("Newer(..)"),
        }
    }
}

/// A word of a closed list, or one that was added to it later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word<T> {
    /// Of this version.
    Known(T),
    /// Of a newer one. Untrusted text.
    Newer(String),
}

impl<T: Copy> Word<T> {
    /// The word, where this version knows it.
    pub const fn known(&self) -> Option<T> {
        match self {
            Self::Known(word) => Some(*word),
            Self::Newer(_) => None,
        }
    }
}

impl<T> From<T> for Word<T> {
    fn from(word: T) -> Self {
        Self::Known(word)
    }
}

impl<T: PartialEq> PartialEq<T> for Word<T> {
    fn eq(&self, other: &T) -> bool {
        matches!(self, Self::Known(word) if word == other)
    }
}

impl<T: Serialize> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(word) => word.serialize(serializer),
            Self::Newer(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let of_text = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(&text);
        Ok(T::deserialize(of_text).map_or_else(|_| Self::Newer(text), Self::Known))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        locker::{DoorInfo, Size},
        reservation::State,
    };

    #[test]
    fn a_newer_word_is_kept_as_it_came() {
        let door = |size: &str| json!({ "door": 1, "label": "A1", "column": 0, "row": 0, "height": 1, "size": size, "reach": "easy", "chilled": false });
        let read: DoorInfo = serde_json::from_value(door("xxl")).expect("a door of a newer size");
        assert_eq!((&read.size, read.size.known()), (&Word::Newer("xxl".to_owned()), None));
        assert_eq!(serde_json::to_value(&read).expect("serialises"), door("xxl"));
        let read: DoorInfo = serde_json::from_value(door("s")).expect("a door");
        assert!(read.size == Size::S);
        // A word is a text; anything else is not a word of any version.
        assert!(serde_json::from_value::<Word<Size>>(json!(3)).is_err());
    }

    #[test]
    fn what_is_newer_never_takes_its_neighbours_along() {
        let page: Vec<Item<State>> =
            serde_json::from_value(json!(["ready", { "customs": 1 }, "booked"])).expect("a page");
        assert_eq!(page[0], Item::Known(State::Ready));
        assert_eq!(page[1], Item::Newer(json!({ "customs": 1 })));
        assert_eq!(page[2], Item::Known(State::Booked));
        assert_eq!(format!("{:?}", page[1]), "Newer(..)", "it may hold secrets");
    }
}
