//! Beginning a change, or giving the answer that was given before.

/// The change of a request that may be a repetition; returns from the handler with the first answer where it is one.
macro_rules! begin {
    ($hub:expr, $who:expr, $repeat:expr) => {
        match $repeat.begin(&$hub, $who.principal()).await? {
            $crate::write::Begun::Before(answer) => return Ok(answer),
            $crate::write::Begun::Fresh(change) => change,
        }
    };
}
pub(super) use begin;
