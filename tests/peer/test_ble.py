"""The Python client against the simulator's firmware over a real Bluetooth stack (`cargo xtask lab up`).

    POSTERN_SIM=target/debug/postern-sim POSTERN_LAB_BUS=… python3 -m unittest discover -s tests/peer

Without POSTERN_LAB_BUS these tests are skipped, and say so.
"""

import asyncio
import os
import pathlib
import unittest

from bleak.backends.bluezdbus import client, manager
from dbus_fast.auth import AuthAnonymous

import postern_ble as ble
import postern_peer as peer
from test_peer import Cabinet, secret

BUS = os.environ.get("POSTERN_LAB_BUS")
PATIENCE = 120


class Anonymous(AuthAnonymous):
    """The lab's bus comes over TCP: it cannot see who we are, nor pass file descriptors."""

    def _authentication_start(self, negotiate_unix_fd=False):
        return super()._authentication_start(False)


if BUS:
    # bleak looks here.
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = BUS
    client.get_dbus_authenticator = manager.get_dbus_authenticator = Anonymous


@unittest.skipUnless(BUS and os.environ.get("POSTERN_SIM"), "POSTERN_LAB_BUS names no lab")
class Bluetooth(Cabinet):
    where = ["--ble", "hci1", "--config", str(pathlib.Path(__file__).parent / "cabinet.toml")]

    def test_opens_a_door_and_hears_of_it(self):
        asyncio.run(asyncio.wait_for(self.opens_a_door(), PATIENCE))

    async def opens_a_door(self):
        device = peer.P256Device(secret("device"))
        claims = self.claims(device, doors=[[3, 1]])
        request = peer.Request(peer.COLLECT, 3, peer.token(secret("issuer"), 1, claims), os.urandom(8))
        link, phone, reply = await self.asks(request, device)
        try:
            self.assertEqual(reply[0], 0, reply)
            receipt = phone.prove(reply[1], request, claims["cti"])
            self.assertEqual((receipt["outcome"], receipt["handshake"]), (0, phone.h[:16]))
            # The same session answers a status with the same receipt; events of the door may come first.
            status = peer.Request(peer.STATUS, 3, request.token, request.nonce)
            await link.send(phone.request(status, device.sign))
            reply = phone.receive(await link.receive())
            while reply[0] == 2:
                reply = phone.receive(await link.receive())
            self.assertEqual((reply[0], reply[1]), (3, 3))
            self.assertEqual(phone.prove(reply[3], request, claims["cti"]), receipt)
        finally:
            await link.close()

    async def asks(self, request, device):
        """A busy machine may answer a HELLO after the five seconds that it lasts: then as the protocol says, once more."""
        for _ in range(3):
            link = await ble.Link.to(self.locker_id, "hci0")
            phone = peer.Phone(self.locker, await link.hello())
            try:
                await link.send(phone.open(request, device.sign))
                return link, phone, phone.receive(await link.receive())
            except ConnectionError as error:
                print(f"asking once more: {error}")
                await link.close()
        raise AssertionError("the locker hung up on every request")

    def test_another_key_opens_nothing(self):
        asyncio.run(asyncio.wait_for(self.asks_with_another_key(), PATIENCE))

    async def asks_with_another_key(self):
        owner, thief = peer.Ed25519Device(secret("device")), peer.Ed25519Device(secret("guest"))
        claims = self.claims(owner, doors=[[4, 1]])
        request = peer.Request(peer.COLLECT, 4, peer.token(secret("issuer"), 1, claims), os.urandom(8))
        link = await ble.Link.to(self.locker_id, "hci0")
        try:
            phone = peer.Phone(self.locker, await link.hello())
            await link.send(phone.open(request, thief.sign))
            # It says no, and may hang up before that is heard.
            try:
                reply = phone.receive(await link.receive())
            except ConnectionError:
                reply = None
            self.assertIn(reply, (None, [1, 0]))
        finally:
            await link.close()


if __name__ == "__main__":
    unittest.main()
