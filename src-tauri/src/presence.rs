//! Whether the customer is there, on Linux: the desktop's own agent asks for the account's password or a finger, through
//! polkit. The action is installed by the packages (linux/app.postern.policy); without it nothing is offered.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use zbus::{blocking::Connection, zvariant::Value};

/// It allows nothing: that the customer could be asked is all that it is for.
const ACTION: &str = "app.postern.open";
/// The agent may ask (polkit, `AllowUserInteraction`).
const MAY_ASK: u32 = 1;
/// The customer closed the question.
const DISMISSED: &str = "polkit.dismissed";

/// Who is asked about: a kind of polkit's, and what it needs to know.
type Subject<'a> = (&'a str, HashMap<&'a str, Value<'a>>);
/// Id, description, message, vendor, its address, icon, three defaults, annotations.
type Action = (String, String, String, String, String, String, u32, u32, u32, HashMap<String, String>);

#[zbus::proxy(
    interface = "org.freedesktop.PolicyKit1.Authority",
    default_service = "org.freedesktop.PolicyKit1",
    default_path = "/org/freedesktop/PolicyKit1/Authority",
    gen_async = false
)]
trait Authority {
    fn enumerate_actions(&self, locale: &str) -> zbus::Result<Vec<Action>>;

    fn check_authorization(
        &self,
        subject: &Subject<'_>,
        action: &str,
        details: HashMap<&str, &str>,
        flags: u32,
        cancellation: &str,
    ) -> zbus::Result<(bool, bool, HashMap<String, String>)>;
}

/// Whether there is a polkit that knows our question. Takes as long as a call on the system bus.
pub(crate) fn is_offered() -> bool {
    Connection::system().and_then(|bus| knows(&bus)).unwrap_or(false)
}

fn knows(bus: &Connection) -> zbus::Result<bool> {
    let actions = AuthorityProxy::new(bus)?.enumerate_actions("")?;
    Ok(actions.iter().any(|action| action.0 == ACTION))
}

/// Asks the customer, for as long as that takes. None where nobody is there to ask: no polkit, or no agent in this
/// session.
pub(crate) fn confirm() -> Option<bool> {
    let bus = Connection::system().ok()?;
    let name = bus.unique_name()?.to_string();
    let subject = ("system-bus-name", HashMap::from([("name", Value::from(name))]));
    ask(&bus, &subject)
}

fn ask(bus: &Connection, subject: &Subject<'_>) -> Option<bool> {
    let asked = AuthorityProxy::new(bus)
        .and_then(|polkit| polkit.check_authorization(subject, ACTION, HashMap::new(), MAY_ASK, ""));
    match asked {
        Ok((true, _, _)) => Some(true),
        // It could be had by asking, and nobody asked.
        Ok((false, true, details)) if !details.contains_key(DISMISSED) => None,
        Ok(_) => Some(false),
        Err(error) => {
            tracing::warn!(%error, "polkit did not answer");
            None
        }
    }
}
