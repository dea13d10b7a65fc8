//! Doors of occupancies that have ended without proof: free again once the locker's chain proves that nobody used what had
//! been given out.

use postern_rules::{
    placed::{self, Answer, Inside},
    settling::{Chain, Ended, Holds, ToldBy, Verdict},
};

use super::{
    alarms::{self, Alarm},
    code, doors,
    reservation::Reservation,
};
use crate::{
    error::Result,
    store::{Tx, chain},
};

/// Looks at the settling doors of a locker; how many are free now. The locker's row is locked by the caller, who has taken
/// receipts in, or nothing of the chain changes meanwhile.
///
/// # Errors
/// When the database fails.
pub async fn doors_of(tx: &mut Tx, locker: &str, now: i64) -> Result<usize> {
    let mut freed = 0;
    for door in chain::settling(tx, locker).await? {
        let whole = Chain { news: door.whole_news, at: door.whole_at };
        match ended(tx, locker, &door).await?.verdict(whole) {
            Verdict::Wait => {}
            Verdict::Free => freed += usize::from(chain::free(tx, locker, &door).await?),
            Verdict::Look => {
                let alarm = Alarm {
                    kind: "unproven",
                    locker: Some(locker),
                    door: Some(door.door),
                    reservation: door.reservation.as_deref(),
                    reason: "something may lie in this compartment for a reservation that has ended: look at it, and \
                             clear it",
                    repaired: false,
                };
                alarms::raise_once(tx, alarm, now).await?;
            }
        }
    }
    Ok(freed)
}

/// Ends the occupancy of a reservation's door on somebody's word, saves the reservation, and gives the door to the next at once
/// where the locker's chain bears the word out.
///
/// # Errors
/// When the database fails.
pub async fn end(tx: &mut Tx, reservation: &mut Reservation, holds: Holds, now: i64) -> Result<()> {
    let kept = doors::kept_for(tx, &reservation.id).await?;
    let free = doors::end(tx, reservation, holds, now).await?;
    reservation.save(tx, now).await?;
    if let (Some((locker, _)), false) = (kept, free) {
        doors_of(tx, &locker, now).await?;
    }
    Ok(())
}

async fn ended(tx: &mut Tx, locker: &str, door: &chain::Settling) -> Result<Ended> {
    let holds: Holds = door.holds.as_deref().map_or(Ok(Holds::Nothing), code::parse)?;
    let of = match holds.told_by() {
        ToldBy::Everybody => chain::Of::Everybody,
        ToldBy::Customers => chain::Of::Customers,
        ToldBy::WhoFetches => chain::Of::Errands,
    };
    let links = placed::links(chain::of_occupancy(tx, locker, door, of).await?);
    let everybodys = placed::links(chain::of_occupancy(tx, locker, door, chain::Of::Everybody).await?);
    let answer = door.answer.map(|(inside, after)| Answer { after, inside });
    Ok(Ended {
        holds,
        inside: placed::known(&links, answer, door.sensors),
        certain: placed::is_certain(&links),
        left: placed::known(&everybodys, None, door.sensors) == Some(Inside::Present),
        jammed: placed::jammed_last(&everybodys),
        sensors: door.sensors,
        errand: door.errand,
        lost: door.lost,
        tokens_until: door.tokens_until,
        pin: door.pin,
        news: door.ended_news,
    })
}
