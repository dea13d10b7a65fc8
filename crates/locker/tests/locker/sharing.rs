//! Delegations: a child never exceeds its parent.

use postern_locker::Reason;
use postern_protocol::{Epoch, Operation, Reply, StatusReport, delegation, receipt::Outcome};

use crate::site::{A1, A2, Phone, Site, device_key, key, operations};
use ed25519_dalek::Signer;

fn owner(site: &mut Site) -> Phone {
    site.phone_with(1, |claims| {
        claims.delegable = true;
        claims.uses = 3;
        claims.doors = vec![(A1, Epoch(1)), (A2, Epoch(1))];
    })
}

#[test]
fn a_guest_opens_and_it_counts_for_both() {
    let mut site = Site::new();
    let owner = owner(&mut site);
    let guest = owner.delegate(2, |_| {});
    let reply = site.ask(&guest, &guest.collect(1));
    site.expect(reply, Outcome::Opened);
    site.shut(A1);
    site.expect_refused(&guest, &guest.collect(2), Reason::Uses);
    // Three uses in all, whoever has them.
    for number in 3..5 {
        let reply = site.ask(&owner, &owner.collect(number));
        site.expect(reply, Outcome::Opened);
        site.shut(A1);
    }
    site.expect_refused(&owner, &owner.collect(6), Reason::Uses);
    let other = owner.delegate(3, |_| {});
    site.expect_refused(&other, &other.collect(7), Reason::Uses);
}

#[test]
fn delegation_widen() {
    let mut site = Site::new();
    let owner = owner(&mut site);
    let wider: [(&str, Phone); 6] = [
        ("door", owner.delegate(2, |d| d.doors.push(postern_protocol::Door(3)))),
        (
            "operation",
            owner.delegate(2, |d| d.operations = operations(&[Operation::Collect, Operation::Deposit])),
        ),
        ("later", owner.delegate(2, |d| d.expires = d.expires.plus(1))),
        ("earlier", owner.delegate(2, |d| d.not_before.0 -= 1)),
        ("uses", owner.delegate(2, |d| d.uses = 4)),
        ("token", owner.delegate(2, |d| d.token.0[0] ^= 1)),
    ];
    for (what, guest) in wider {
        let before = site.openings();
        site.expect_refused(&guest, &guest.collect(1), Reason::Delegation);
        assert_eq!(site.openings(), before, "{what}");
        site.pass(60_000);
    }
    // Narrower than the token: what the delegation leaves out is refused.
    let guest = owner.delegate(2, |d| {
        d.doors = vec![A2];
        d.operations = operations(&[Operation::Collect]);
    });
    site.expect_refused(&guest, &guest.collect(1), Reason::Door);
    site.expect_refused(&guest, &guest.request(Operation::Reopen, A2, 1), Reason::Operation);
    let soon = owner.delegate(2, |d| d.expires = d.not_before.plus(400));
    site.pass(100_000);
    let reply = site.ask(&soon, &soon.collect(2));
    assert!(reply.is_some());
}

#[test]
fn a_delegation_ends_on_its_own_second() {
    for (wait, opens) in [(59, true), (60, false)] {
        let mut site = Site::new();
        let owner = owner(&mut site);
        let guest = owner.delegate(2, |d| d.expires = d.not_before.plus(60));
        site.pass(wait * 1000);
        if opens {
            let reply = site.ask(&guest, &guest.collect(1));
            site.expect(reply, Outcome::Opened);
        } else {
            site.expect_refused(&guest, &guest.collect(1), Reason::Expired);
        }
    }
}

#[test]
fn delegation_depth() {
    let mut site = Site::new();
    let owner = owner(&mut site);
    let guest = owner.delegate(2, |_| {});
    // The guest signs a delegation to a friend, of the same token.
    let friend = guest.delegate(3, |_| {});
    site.expect_refused(&friend, &friend.collect(1), Reason::Delegation);
    // And a token that is not delegable has no guests at all.
    let private = site.phone(1);
    let guest = private.delegate(2, |_| {});
    site.expect_refused(&guest, &guest.collect(1), Reason::Delegation);
}

#[test]
fn confused_deputy() {
    let mut site = Site::new();
    let owner = owner(&mut site);
    let guest = owner.delegate(2, |d| {
        d.doors = vec![A2];
        d.operations = operations(&[Operation::Collect]);
    });
    // The owner's token without the delegation, with the guest's key.
    let bare = Phone { delegation: None, ..guest.clone() };
    site.expect_refused(&bare, &bare.request(Operation::Collect, A2, 1), Reason::Proof);
    // The delegation with the owner's key: it is the guest's to use.
    let mixed = Phone { delegation: guest.delegation.clone(), ..owner.clone() };
    site.expect_refused(&mixed, &mixed.request(Operation::Collect, A2, 2), Reason::Proof);
    // Another owner's delegation.
    let stranger = site.phone_with(9, |claims| claims.delegable = true);
    let foreign = stranger.delegate(2, |_| {});
    let swapped = Phone { delegation: foreign.delegation, ..guest.clone() };
    site.expect_refused(&swapped, &swapped.request(Operation::Collect, A2, 3), Reason::Delegation);
    site.pass(60_000);
    // A proof that the owner made in another session does not carry over into the guest's.
    let request = owner.collect(5);
    let owners_session = site.connect();
    let proof = owner.prove(&site.greeted(owners_session).challenge(&request));
    let guests_session = site.connect();
    let (open, _) = site.greeted(guests_session).open(&request, proof, [7; 32]).unwrap();
    site.send(guests_session, &open);
    assert_eq!(site.last_refusal(), Some(Reason::Proof));
    assert_eq!(site.openings(), 0);
    site.disconnect(owners_session);
    site.pass(60_000);
    let reply = site.ask(&owner, &owner.collect(4));
    let owners = site.receipt(reply);
    site.shut(A1);
    // The guest asks for the status: nothing of the owner's business.
    let status = site.ask(&guest, &guest.request(Operation::Status, A2, 77));
    let Some(Reply::Status(StatusReport { receipt, .. })) = status else { panic!("{status:?}") };
    assert_eq!(receipt, None);
    assert_eq!(owners.token, owner.claims.id);
    let status = site.ask(&owner, &owner.request(Operation::Status, A1, 77));
    assert!(matches!(status, Some(Reply::Status(StatusReport { receipt: Some(_), .. }))));
}

#[test]
fn a_delegation_to_oneself_gains_nothing() {
    let mut site = Site::new();
    let owner = owner(&mut site);
    let own = owner.delegate(1, |d| d.to = device_key(&key(1)));
    site.expect_refused(&own, &own.collect(1), Reason::Delegation);
    // A signature over something else.
    let mut forged = owner.delegate(2, |_| {});
    let (mut inner, _) = delegation::parse(forged.delegation.as_ref().unwrap()).unwrap();
    let signature = owner.key.sign(&delegation::signing_input(&inner)).to_bytes();
    inner.uses = 3;
    forged.delegation = Some(delegation::assemble(&inner, signature));
    site.expect_refused(&forged, &forged.collect(2), Reason::Delegation);
}
