//! Messages and frames, for the host's GATT client.

use js_sys::{Array, Uint8Array};
use postern_protocol::{
    frame::{self, FrameError},
    inbox::Inbox,
};
use wasm_bindgen::prelude::*;

/// Joins what the locker notifies to messages, and cuts messages into frames: one for each link.
#[wasm_bindgen]
#[derive(Default)]
pub struct Frames {
    inbox: Inbox,
}

fn broken(error: FrameError) -> JsError {
    JsError::new(&error.to_string())
}

fn array(parts: impl IntoIterator<Item = Vec<u8>>) -> Array {
    parts.into_iter().map(|part| JsValue::from(Uint8Array::from(&part[..]))).collect()
}

#[wasm_bindgen]
impl Frames {
    /// Of a link that was just made.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one notification; the messages (`Uint8Array`) that it completed, mostly none or one.
    ///
    /// # Errors
    /// The rules of frames are broken: the link is to be ended.
    pub fn push(&mut self, frame: &[u8]) -> Result<Array, JsError> {
        self.inbox.push(frame).map(array).map_err(broken)
    }

    /// Takes what reading `tx` gave.
    ///
    /// # Errors
    /// It is no frame.
    pub fn push_read(&mut self, value: &[u8]) -> Result<Array, JsError> {
        self.inbox.push_read(value).map(array).map_err(broken)
    }

    /// The HELLO has come.
    #[must_use]
    pub fn has_hello(&self) -> bool {
        self.inbox.has_hello()
    }

    /// The next fragment of a message is due.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.inbox.is_partial()
    }

    /// The frames of a message, of at most `longest` bytes each; none before the HELLO has told the link's tag.
    #[must_use]
    pub fn cut(&self, message: &[u8], longest: usize) -> Array {
        let frames = self.inbox.tag().map(|tag| frame::fragments(message, tag, longest));
        array(frames.into_iter().flatten())
    }
}
