//! Accounts as the database holds them: who has which number.

use postern_rules::number::Number;
use sqlx::AnyConnection;

use super::RowExt;
use crate::{
    error::{Error, Result},
    random,
};

/// So often another number is drawn; of nine hundred million, one that is taken is rare.
const DRAWS: usize = 32;

fn draw() -> Number {
    Number::of(u64::from_be_bytes(random::bytes()))
}

/// Gives `account` a customer number of its own, unless it has one or is gone.
///
/// # Errors
/// When the database fails.
pub async fn give_number(on: &mut AnyConnection, account: &str) -> Result<()> {
    for _ in 0..DRAWS {
        let number = draw();
        let given = sqlx::query(
            "UPDATE accounts SET number = $1 WHERE id = $2 AND number IS NULL \
             AND NOT EXISTS (SELECT 1 FROM accounts taken WHERE taken.number = $1)",
        )
        .bind(number.stored())
        .bind(account)
        .execute(&mut *on)
        .await?
        .rows_affected();
        let lacks = "SELECT id FROM accounts WHERE id = $1 AND number IS NULL";
        if given == 1 || sqlx::query(lacks).bind(account).fetch_optional(&mut *on).await?.is_none() {
            return Ok(());
        }
    }
    Err(Error::Internal("no customer number is free".to_owned()))
}

/// Gives a number to every customer that has none yet.
///
/// # Errors
/// When the database fails.
pub async fn give_numbers(on: &mut AnyConnection) -> Result<()> {
    let without = sqlx::query(
        "SELECT id FROM accounts WHERE number IS NULL AND guest = 0 AND courier_of IS NULL ORDER BY id",
    )
    .fetch_all(&mut *on)
    .await?;
    for account in without {
        give_number(on, &account.text("id")?).await?;
    }
    Ok(())
}

/// The customer with this number.
///
/// # Errors
/// When the database fails.
pub async fn with_number(on: &mut AnyConnection, number: Number) -> Result<Option<String>> {
    let row = sqlx::query("SELECT id FROM accounts WHERE number = $1")
        .bind(number.stored())
        .fetch_optional(on)
        .await?;
    row.map(|row| row.text("id")).transpose()
}

/// The number of `account`. None for guests and couriers.
///
/// # Errors
/// When the database fails.
pub async fn number_of(on: &mut AnyConnection, account: &str) -> Result<Option<Number>> {
    let row = sqlx::query("SELECT number FROM accounts WHERE id = $1").bind(account).fetch_one(on).await?;
    Ok(row.maybe_text("number")?.and_then(|stored| Number::read(&stored).ok()))
}
