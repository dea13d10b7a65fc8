//! Effects as plain objects, and their types for TypeScript.

use js_sys::{Array, Object, Reflect, Uint8Array};
use postern_core::effect::{
    Auth, Body, Effect, HttpRequest, Method, Notification, NotificationKind, RadioCommand,
};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const ORDERS: &'static str = r#"
/** One thing to do. See `postern_core::effect`. */
export type Order =
  | { kind: 'http'; ticket: bigint; method: string; url: string; type?: string; body?: Uint8Array<ArrayBuffer>; proof: boolean; token?: string; key?: string }
  | { kind: 'push'; url?: string; token?: string }
  | { kind: 'listen' | 'stopListening' }
  | { kind: 'browser'; url: string }
  | { kind: 'sign'; ticket: bigint; message: Uint8Array<ArrayBuffer> }
  | { kind: 'use'; air?: string }
  | { kind: 'watch'; on: boolean }
  | { kind: 'dial'; attempt: bigint; locker: string; timeout: number }
  | { kind: 'send'; attempt: bigint; bytes: Uint8Array<ArrayBuffer> }
  | { kind: 'hangUp'; attempt: bigint }
  | { kind: 'save' | 'append' | 'session'; bytes: Uint8Array<ArrayBuffer> }
  | { kind: 'wipe' }
  | { kind: 'open'; memoryOnly: boolean }
  | { kind: 'notify'; notice: Notice }
  | { kind: 'remind'; reminders: { id: number; at: number; notice: Notice }[] };

/** A notification as a code and values; the host has the words. `title` and `door` are untrusted text. */
export interface Notice {
  kind: 'ready' | 'deadline' | 'habit' | 'doorLeftOpen' | 'overdue' | 'revoked' | 'reportAnswered';
  reservation?: string;
  title?: string;
  door?: string;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// An order, as the host's `Order`.
    #[wasm_bindgen(typescript_type = "Order")]
    pub type JsOrder;
}

/// An object in the making.
struct Made(Object);

impl Made {
    fn new(kind: &str) -> Self {
        Self(Object::new()).with("kind", kind)
    }

    fn with(self, name: &str, value: impl Into<JsValue>) -> Self {
        // A plain object takes every property.
        let _ = Reflect::set(&self.0, &JsValue::from_str(name), &value.into());
        self
    }

    fn maybe(self, name: &str, value: Option<impl Into<JsValue>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn bytes(self, name: &str, bytes: &[u8]) -> Self {
        self.with(name, Uint8Array::from(bytes))
    }
}

/// As an object.
pub(crate) fn order(effect: Effect) -> JsOrder {
    let made = match effect {
        Effect::Http { ticket, request } => http(ticket, &request),
        Effect::Push(target) => {
            let made = Made::new("push");
            match target {
                Some(target) => made.with("url", target.url).with("token", target.access_token.as_str()),
                None => made,
            }
        }
        Effect::ListenForRedirect => Made::new("listen"),
        Effect::StopListening => Made::new("stopListening"),
        Effect::OpenBrowser { url } => Made::new("browser").with("url", url),
        Effect::Sign { ticket, message } => {
            Made::new("sign").with("ticket", ticket).bytes("message", &message)
        }
        Effect::Radio(command) => radio(&command),
        Effect::Save(state) => Made::new("save").bytes("bytes", &state),
        Effect::Append(change) => Made::new("append").bytes("bytes", &change),
        Effect::SaveSession(session) => Made::new("session").bytes("bytes", &session),
        Effect::Wipe => Made::new("wipe"),
        Effect::OpenVault { memory_only } => Made::new("open").with("memoryOnly", memory_only),
        Effect::Notify(notification) => Made::new("notify").with("notice", notice(notification)),
        Effect::Remind(reminders) => {
            let all: Array = reminders
                .into_iter()
                .map(|reminder| {
                    let made = Made(Object::new()).with("id", reminder.id).with("at", reminder.at as f64);
                    made.with("notice", notice(reminder.notification)).0
                })
                .collect();
            Made::new("remind").with("reminders", all)
        }
    };
    made.0.unchecked_into()
}

fn http(ticket: u64, request: &HttpRequest) -> Made {
    let method = match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    };
    let made = Made::new("http")
        .with("ticket", ticket)
        .with("method", method)
        .with("url", &*request.url)
        .with("proof", !matches!(request.auth, Auth::None))
        .maybe("key", request.idempotency_key.as_deref());
    let made = match &request.body {
        None => made,
        Some(Body::Json(bytes)) => made.with("type", "application/json").bytes("body", bytes),
        Some(Body::Form(bytes)) => {
            made.with("type", "application/x-www-form-urlencoded").bytes("body", bytes)
        }
    };
    match &request.auth {
        Auth::Token(token) => made.with("token", token.as_str()),
        Auth::None | Auth::Proof => made,
    }
}

fn radio(command: &RadioCommand) -> Made {
    match command {
        // A page can open no TCP connection.
        RadioCommand::Use(air) => Made::new("use").maybe("air", air.as_deref()),
        RadioCommand::Watch(on) => Made::new("watch").with("on", *on),
        RadioCommand::Dial { attempt, locker, timeout_ms } => Made::new("dial")
            .with("attempt", *attempt)
            .with("locker", postern_protocol::LockerId(*locker).to_string())
            .with("timeout", *timeout_ms as f64),
        RadioCommand::Send { attempt, bytes } => {
            Made::new("send").with("attempt", *attempt).bytes("bytes", bytes)
        }
        RadioCommand::HangUp { attempt } => Made::new("hangUp").with("attempt", *attempt),
    }
}

fn notice(notification: Notification) -> Object {
    let kind = match notification.kind {
        NotificationKind::Ready => "ready",
        NotificationKind::Deadline => "deadline",
        NotificationKind::Habit => "habit",
        NotificationKind::DoorLeftOpen => "doorLeftOpen",
        NotificationKind::Overdue => "overdue",
        NotificationKind::Revoked => "revoked",
        NotificationKind::ReportAnswered => "reportAnswered",
    };
    Made::new(kind)
        .maybe("reservation", notification.reservation)
        .maybe("title", notification.title)
        .maybe("door", notification.door)
        .0
}
