//! Data of the hub is bounded here, once, before anything else sees it.

use postern_api::{locker::LockerDescriptor, reservation::Reservation};
use postern_protocol::LockerId;

use super::identity;
use crate::text;

const MAX_DOORS: usize = 1_024;
const MAX_ENTRIES: usize = 200;
/// Hours of a year: nothing that is timed keeps for longer.
const MAX_HOURS: u32 = 8_784;
/// Reports of one reservation, and answers to one of them.
const MAX_REPORTS: usize = 20;

/// Times of the hub stay where arithmetic with them is safe and a calendar can show them: up to the year 9999.
pub(super) const TIMES: std::ops::RangeInclusive<i64> = 0..=253_402_300_799;

fn bound_time(time: &mut i64) {
    *time = (*time).clamp(*TIMES.start(), *TIMES.end());
}

/// A reservation as it may be kept; none where it can be no reservation.
pub(super) fn bounded(mut reservation: Reservation) -> Option<Reservation> {
    if !text::is_id(&reservation.id) {
        return None;
    }
    reservation.until.as_mut().map(bound_time);
    reservation.since.as_mut().map(bound_time);
    if let Some(care) = &mut reservation.care {
        care.keeps_until.as_mut().map(bound_time);
        care.keeps_hours = care.keeps_hours.map(|hours| hours.min(MAX_HOURS));
    }
    reservation.shares.iter_mut().for_each(|share| bound_time(&mut share.until));
    reservation.timeline.iter_mut().for_each(|entry| bound_time(&mut entry.at));
    text::clip(&mut reservation.title, text::NAME);
    text::clip(&mut reservation.carrier.name, text::NAME);
    text::clip(&mut reservation.carrier.id, text::ID);
    if let Some(reference) = &mut reservation.reference {
        text::clip(reference, text::ID);
    }
    if let Some(flat) = &mut reservation.flat {
        text::clip(flat, text::NAME);
    }
    if let Some(site) = &mut reservation.site {
        text::clip(&mut site.id, text::ID);
        text::clip(&mut site.name, text::NAME);
        text::clip(&mut site.address, text::ADDRESS);
        if !(site.latitude.is_finite() && site.longitude.is_finite()) {
            (site.latitude, site.longitude) = (0.0, 0.0);
        }
    }
    if let Some(compartment) = &mut reservation.compartment {
        compartment.locker.parse::<LockerId>().ok()?;
        text::clip(&mut compartment.label, text::LABEL);
    }
    // What does not fit a QR code that a phone can show is no identification.
    reservation.identification = reservation.identification.filter(|code| code.text.len() <= 1024);
    reservation.actions.truncate(32);
    reservation.shares.truncate(MAX_ENTRIES);
    reservation.shares.retain(|share| text::is_id(&share.id));
    for share in &mut reservation.shares {
        text::clip(&mut share.name, text::NAME);
    }
    let surplus = reservation.timeline.len().saturating_sub(MAX_ENTRIES);
    reservation.timeline.drain(..surplus);
    for entry in &mut reservation.timeline {
        if let Some(by) = &mut entry.by {
            text::clip(by, text::NAME);
        }
    }
    reservation.reports.truncate(MAX_REPORTS);
    reservation.reports.retain(|report| text::is_id(&report.id));
    for report in &mut reservation.reports {
        bound_time(&mut report.at);
        text::clip(&mut report.kind, text::ID);
        text::clip(&mut report.state, text::ID);
        text::clip_lines(&mut report.note, text::NOTE);
        report.answers.truncate(MAX_REPORTS);
        for answer in &mut report.answers {
            bound_time(&mut answer.at);
            text::clip(&mut answer.by, text::NAME);
            text::clip_lines(&mut answer.text, text::NOTE);
        }
    }
    Some(reservation)
}

/// A locker as it may be kept; none where its keys are none.
pub(super) fn bounded_locker(mut locker: LockerDescriptor) -> Option<LockerDescriptor> {
    identity(&locker)?;
    text::clip(&mut locker.name, text::NAME);
    text::clip(&mut locker.site, text::ID);
    locker.doors.truncate(MAX_DOORS);
    for door in &mut locker.doors {
        text::clip(&mut door.label, text::LABEL);
        door.column = door.column.min(255);
        door.row = door.row.min(255);
        door.height = door.height.clamp(1, 64);
    }
    Some(locker)
}
