//! A reservation as the database holds it.

use postern_api::reservation::{Kind, State, TimelineEntry, TimelineEvent};
use postern_rules::{
    care::Keeps,
    placed::{Answer, Inside},
};
use sqlx::{AnyConnection, any::AnyRow};

use super::{code, feed, webhooks};
use crate::{
    error::{Error, Result},
    random,
    store::{RowExt, Tx},
};

/// Entries kept of one chain of custody; beyond that the oldest opening goes.
const LONGEST_TIMELINE: usize = 100;

/// One reservation, to be changed or shown.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// Reservation id.
    pub id: String,
    /// Whose it is; none until a claim address is claimed.
    pub account: Option<String>,
    /// Rises with every change.
    pub version: i64,
    /// Pickup, return or storage.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Sender or thing; untrusted text.
    pub title: String,
    /// Carrier or operator.
    pub carrier: String,
    /// Tracking number.
    pub reference: Option<String>,
    /// Site id.
    pub site: Option<String>,
    /// Size class, as the contract writes it.
    pub size: Option<String>,
    /// Must lie in a chilled compartment.
    pub chilled: bool,
    /// Must lie in a compartment that freezes.
    pub frozen: bool,
    /// Breaks easily.
    pub fragile: bool,
    /// How long it keeps.
    pub keeps: Keeps,
    /// Locker id, once assigned.
    pub locker: Option<String>,
    /// Door, once assigned.
    pub door: Option<i64>,
    /// The door's epoch for which tokens are minted.
    pub epoch: i64,
    /// Window end, deadline or due time.
    pub until: Option<i64>,
    /// Put in or booked.
    pub since: Option<i64>,
    /// Vacation hold.
    pub held_until: Option<i64>,
    /// How often the deadline was moved.
    pub extensions: i64,
    /// First opening by receipt.
    pub first_opened: Option<i64>,
    /// Last opening by receipt.
    pub last_opened: Option<i64>,
    /// Format and text of the identification code.
    pub identification: Option<(String, String)>,
    /// Shares that were ever given.
    pub shares: i64,
    /// Chain of custody.
    pub timeline: Vec<TimelineEntry>,
    /// The state rests on a word.
    pub unproven: bool,
    /// What is known of the compartment since it was last opened to put something in, or to have it back.
    pub inside: Option<Inside>,
    /// What was said of it last.
    pub answer: Option<Answer>,
    /// Locker and door that it was said of.
    pub answered_of: Option<(String, i64)>,
    /// Place in the locker's chain of the customer's last opening that is known.
    pub opening: Option<i64>,
    /// A thing that is lent.
    pub lent: bool,
    /// It was called off before it was put in.
    pub called_off: bool,
    /// The state that the database holds.
    kept: Option<State>,
}

/// The columns that [`Reservation::from_row`] reads, of a table that is called `r`, or with another prefix.
macro_rules! columns {
    () => {
        crate::domain::reservation::columns!("r.")
    };
    ($table:literal) => {
        crate::domain::reservation::columns!(
            $table id account_id version kind state title carrier_id reference site_id size chilled locker_id door epoch
            until_at since_at held_until extensions first_opened_at last_opened_at identification_format identification_text
            shares timeline unproven inside answer answered_after answered_locker answered_door lent called_off opening
            frozen fragile keeps_hours keeps_until
        )
    };
    ($table:literal $first:ident $($more:ident)*) => {
        concat!($table, stringify!($first), $(", ", $table, stringify!($more)),*)
    };
}
pub(crate) use columns;

/// What was said at the door.
fn answer(row: &AnyRow) -> Result<Option<Answer>> {
    let said = row.maybe_int("answer")?.zip(row.maybe_int("answered_after")?);
    Ok(said.map(|(inside, after)| Answer { after, inside: inside == 1 }))
}

impl Reservation {
    /// A reservation that begins now.
    #[must_use]
    pub fn new(kind: Kind, state: State, title: &str, carrier: &str) -> Self {
        Self {
            id: random::id(),
            account: None,
            version: 0,
            kind,
            state,
            title: title.to_owned(),
            carrier: carrier.to_owned(),
            reference: None,
            site: None,
            size: None,
            chilled: false,
            frozen: false,
            fragile: false,
            keeps: Keeps::default(),
            locker: None,
            door: None,
            epoch: 0,
            until: None,
            since: None,
            held_until: None,
            extensions: 0,
            first_opened: None,
            last_opened: None,
            identification: None,
            shares: 0,
            timeline: Vec::new(),
            unproven: false,
            inside: None,
            answer: None,
            answered_of: None,
            opening: None,
            lent: false,
            called_off: false,
            kept: None,
        }
    }

    /// From a row with [`columns!`].
    ///
    /// # Errors
    /// When the database holds what the contract does not know.
    pub fn from_row(row: &AnyRow) -> Result<Self> {
        let format = row.maybe_text("identification_format")?;
        let text = row.maybe_text("identification_text")?;
        let state = code::parse(&row.text("state")?)?;
        Ok(Self {
            kept: Some(state),
            state,
            id: row.text("id")?,
            account: row.maybe_text("account_id")?,
            version: row.int("version")?,
            kind: code::parse(&row.text("kind")?)?,
            title: row.text("title")?,
            carrier: row.text("carrier_id")?,
            reference: row.maybe_text("reference")?,
            site: row.maybe_text("site_id")?,
            size: row.maybe_text("size")?,
            chilled: row.int("chilled")? == 1,
            frozen: row.int("frozen")? == 1,
            fragile: row.int("fragile")? == 1,
            keeps: Keeps { hours: row.maybe_int("keeps_hours")?, until: row.maybe_int("keeps_until")? },
            locker: row.maybe_text("locker_id")?,
            door: row.maybe_int("door")?,
            epoch: row.int("epoch")?,
            until: row.maybe_int("until_at")?,
            since: row.maybe_int("since_at")?,
            held_until: row.maybe_int("held_until")?,
            extensions: row.int("extensions")?,
            first_opened: row.maybe_int("first_opened_at")?,
            last_opened: row.maybe_int("last_opened_at")?,
            identification: format.zip(text),
            shares: row.int("shares")?,
            timeline: serde_json::from_str(&row.text("timeline")?)
                .map_err(|_| Error::Internal("a stored timeline cannot be read".to_owned()))?,
            unproven: row.int("unproven")? == 1,
            inside: row.maybe_text("inside")?.map(|inside| code::parse(&inside)).transpose()?,
            answer: answer(row)?,
            answered_of: row.maybe_text("answered_locker")?.zip(row.maybe_int("answered_door")?),
            opening: row.maybe_int("opening")?,
            lent: row.int("lent")? == 1,
            called_off: row.int("called_off")? == 1,
        })
    }

    /// Locks and reads it for a change; its version rises with the lock. None where there is no such reservation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock(tx: &mut Tx, id: &str) -> Result<Option<Self>> {
        let row = sqlx::query(concat!(
            "UPDATE reservations SET version = version + 1 WHERE id = $1 RETURNING ",
            columns!("")
        ))
        .bind(id)
        .fetch_optional(tx.on())
        .await?;
        row.map(|row| Self::from_row(&row)).transpose()
    }

    /// Reads it as it is now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn read(on: &mut AnyConnection, id: &str) -> Result<Option<Self>> {
        let row = sqlx::query(concat!("SELECT ", columns!(), " FROM reservations r WHERE r.id = $1"))
            .bind(id)
            .fetch_optional(on)
            .await?;
        row.map(|row| Self::from_row(&row)).transpose()
    }

    /// Locks it without a change, against whoever changes it meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hold(tx: &mut Tx, id: &str) -> Result<()> {
        sqlx::query("UPDATE reservations SET version = version WHERE id = $1")
            .bind(id)
            .execute(tx.on())
            .await?;
        Ok(())
    }

    /// Writes a new one and tells whom it concerns.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert(&mut self, tx: &mut Tx, now: i64) -> Result<()> {
        self.version = 1;
        sqlx::query(
            "INSERT INTO reservations (id, account_id, version, kind, state, title, carrier_id, timeline, created_at, \
             updated_at) VALUES ($1, $2, 1, $3, $4, $5, $6, '[]', $7, $7)",
        )
        .bind(&self.id)
        .bind(self.account.clone())
        .bind(code::of(&self.kind))
        .bind(code::of(&self.state))
        .bind(&self.title)
        .bind(&self.carrier)
        .bind(now)
        .execute(tx.on())
        .await?;
        self.save(tx, now).await
    }

    /// Writes what changed and tells whom it concerns.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn save(&mut self, tx: &mut Tx, now: i64) -> Result<()> {
        let (format, text) = self.identification.clone().unzip();
        let timeline =
            serde_json::to_string(&self.timeline).map_err(|error| Error::Internal(error.to_string()))?;
        sqlx::query(
            "UPDATE reservations SET account_id = $2, state = $3, title = $4, reference = $5, site_id = $6, size = $7, \
             locker_id = $8, door = $9, epoch = $10, until_at = $11, since_at = $12, held_until = $13, \
             extensions = $14, first_opened_at = $15, last_opened_at = $16, identification_format = $17, \
             identification_text = $18, shares = $19, timeline = $20, updated_at = $21, chilled = $22, unproven = $23, \
             inside = $24, answer = $25, answered_after = $26, lent = $27, called_off = $28, opening = $29, \
             answered_locker = $30, answered_door = $31, frozen = $32, fragile = $33, keeps_hours = $34, keeps_until = $35 \
             WHERE id = $1",
        )
        .bind(&self.id)
        .bind(self.account.clone())
        .bind(code::of(&self.state))
        .bind(&self.title)
        .bind(self.reference.clone())
        .bind(self.site.clone())
        .bind(self.size.clone())
        .bind(self.locker.clone())
        .bind(self.door)
        .bind(self.epoch)
        .bind(self.until)
        .bind(self.since)
        .bind(self.held_until)
        .bind(self.extensions)
        .bind(self.first_opened)
        .bind(self.last_opened)
        .bind(format)
        .bind(text)
        .bind(self.shares)
        .bind(timeline)
        .bind(now)
        .bind(i64::from(self.chilled))
        .bind(i64::from(self.unproven))
        .bind(self.inside.as_ref().map(code::of))
        .bind(self.answer.map(|answer| i64::from(answer.inside)))
        .bind(self.answer.map(|answer| answer.after))
        .bind(i64::from(self.lent))
        .bind(i64::from(self.called_off))
        .bind(self.opening)
        .bind(self.answered_of.as_ref().map(|(locker, _)| locker.clone()))
        .bind(self.answered_of.as_ref().map(|(_, door)| *door))
        .bind(i64::from(self.frozen))
        .bind(i64::from(self.fragile))
        .bind(self.keeps.hours)
        .bind(self.keeps.until)
        .execute(tx.on())
        .await?;
        if self.kept != Some(self.state) {
            self.kept = Some(self.state);
            webhooks::tell(tx, self, now).await?;
        }
        feed::touch(tx, self, now).await
    }

    /// Adds to the chain of custody.
    pub fn note(&mut self, at: i64, event: TimelineEvent, by: Option<&str>, proven: bool) {
        if self.timeline.len() >= LONGEST_TIMELINE {
            let oldest =
                self.timeline.iter().position(|entry| entry.event == TimelineEvent::Opened).unwrap_or(0);
            self.timeline.remove(oldest);
        }
        // Receipts arrive late: the chain is in the order of what happened, not of what was heard.
        let place = self.timeline.iter().rposition(|entry| entry.at <= at).map_or(0, |before| before + 1);
        self.timeline.insert(place, TimelineEntry { at, event, by: by.map(str::to_owned), proven });
    }

    /// A customer opened it.
    pub fn was_opened(&mut self, at: i64) {
        self.first_opened = Some(self.first_opened.map_or(at, |first| first.min(at)));
        self.last_opened = Some(self.last_opened.map_or(at, |last| last.max(at)));
    }

    /// What was said last, where it was said of this door: another locker counts its receipts by itself.
    #[must_use]
    pub fn answer_at(&self, locker: &str, door: i64) -> Option<Answer> {
        let of = self.answered_of.as_ref().map(|(locker, door)| (locker.as_str(), *door));
        self.answer.filter(|_| of == Some((locker, door)))
    }

    /// Whether nothing more comes of it.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(
            self.state,
            State::Collected
                | State::Returned
                | State::Accepted
                | State::Refused
                | State::Released
                | State::Cancelled
        )
    }
}
