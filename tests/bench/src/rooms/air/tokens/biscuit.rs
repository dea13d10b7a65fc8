//! Biscuit, by biscuit-auth: claims are facts of a logic, times are checks in it, and reading one runs it.

use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};
use biscuit_auth::{
    Algorithm, AuthorizerBuilder, Biscuit as Token, BiscuitBuilder, KeyPair, PrivateKey, builder,
    builder_ext::AuthorizerExt,
};

use super::{Format, Grant, KEY, LIFE, SECRET, Subject};

pub(super) struct Biscuit {
    issuer: KeyPair,
}

impl Biscuit {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { issuer: KeyPair::from(&PrivateKey::from_bytes(&SECRET, Algorithm::Ed25519)?) })
    }
}

impl Format for Biscuit {
    fn mint(&self, subject: &Subject) -> Result<Vec<u8>> {
        let Subject { grant, device, id, now } = subject;
        let date = |seconds: u64| builder::date(&(UNIX_EPOCH + Duration::from_secs(seconds)));
        let mut token = BiscuitBuilder::new()
            .fact(builder::fact("token", &[builder::bytes(id)]))?
            .fact(builder::fact("key", &[builder::bytes(device)]))?
            .fact(builder::fact("locker", &[builder::bytes(&hex::decode(&grant.locker)?)]))?
            .fact(builder::fact("operations", &[builder::int(grant.operations.into())]))?
            .fact(builder::fact("uses", &[builder::int(grant.uses.into())]))?
            .fact(builder::fact("delegable", &[builder::boolean(grant.delegable)]))?
            .fact(builder::fact("issued", &[date(*now)]))?;
        for (door, epoch) in &grant.doors {
            token = token.fact(builder::fact(
                "door",
                &[builder::int((*door).into()), builder::int((*epoch).into())],
            ))?;
        }
        let span = [("from".to_owned(), date(*now)), ("to".to_owned(), date(now + LIFE))];
        token = token.code_with_params(
            "check if time($now), $now >= {from}, $now < {to}",
            span.into_iter().collect(),
            Default::default(),
        )?;
        Ok(token.root_key_id(KEY).build(&self.issuer)?.to_vec()?)
    }

    fn verify(&self, token: &[u8]) -> Result<Grant> {
        let token = Token::from(token, self.issuer.public())?;
        let mut authorizer = AuthorizerBuilder::new().time().allow_all().build(&token)?;
        authorizer.authorize()?;
        let (locker,): (Vec<u8>,) = authorizer.query_exactly_one("data($id) <- locker($id)")?;
        let (operations, uses, delegable): (i64, i64, bool) =
            authorizer.query_exactly_one("data($o, $u, $d) <- operations($o), uses($u), delegable($d)")?;
        let doors: Vec<(i64, i64)> = authorizer.query("data($door, $epoch) <- door($door, $epoch)")?;
        let doors = doors.into_iter().map(|(door, epoch)| Ok((u16::try_from(door)?, u32::try_from(epoch)?)));
        Ok(Grant {
            locker: hex::encode(locker),
            doors: doors.collect::<Result<_, std::num::TryFromIntError>>().context("a door")?,
            operations: operations.try_into()?,
            uses: uses.try_into()?,
            delegable,
        })
    }
}
