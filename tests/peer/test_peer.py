"""The Python client against the frozen vectors, and against the simulator's firmware over `air`.

    pip install -r tests/peer/requirements.txt
    POSTERN_SIM=target/debug/postern-sim python3 -m unittest discover -s tests/peer

Without POSTERN_SIM the live tests are skipped, and say so.
"""

import base64
import hashlib
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import unittest

import postern_peer as peer
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VECTORS = pathlib.Path(__file__).parents[2] / "crates/protocol/vectors"


def load(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def secret(name):
    return hashlib.sha256(f"postern test {name}".encode()).digest()


def locker_of(locker_id, seed):
    """Section 1: both keys of a locker from its seed."""

    def derive(label):
        return HKDF(hashes.SHA256(), 32, None, label + locker_id).derive(seed)

    static = X25519PrivateKey.from_private_bytes(derive(b"postern/1 locker static"))
    receipt = Ed25519PrivateKey.from_private_bytes(derive(b"postern/1 locker receipt"))
    return peer.Locker(locker_id, peer.raw(static.public_key()), peer.raw(receipt.public_key()))


TEST_LOCKER = locker_of(secret("locker id")[:8], secret("locker seed"))


class Vectors(unittest.TestCase):
    def test_keys(self):
        keys = load("keys")
        self.assertEqual(TEST_LOCKER.id.hex(), keys["locker"]["id"]["value"])
        self.assertEqual(TEST_LOCKER.static_key.hex(), keys["locker"]["static_key"])
        self.assertEqual(TEST_LOCKER.receipt_key.hex(), keys["locker"]["receipt_key"])

    def test_frames(self):
        for case in load("frames"):
            message = bytes.fromhex(case["message"])
            frames = peer.fragments(message, case["tag"], case["max_frame"])
            self.assertEqual([frame.hex() for frame in frames], case["frames"])
            reassembler = peer.Reassembler(tag=case["tag"])
            self.assertEqual([reassembler.push(frame) for frame in frames][-1], message)

    def test_tokens(self):
        public = bytes.fromhex(load("keys")["issuer"]["public"])
        for case in load("token"):
            said = case["claims"]
            device = peer.Ed25519Device if "ed25519" in said["key"] else peer.P256Device
            claims = {
                "exp": said["expires"], "nbf": said["not_before"], "iat": said["issued_at"],
                "cti": bytes.fromhex(said["id"]), "key": device(secret("device")).cose(),
                "locker": bytes.fromhex(said["locker"]), "doors": said["doors"],
                "operations": sum(1 << operation for operation in said["operations"]),
                "uses": said["uses"], "delegable": said["delegable"],
                "hello_nonce": bytes.fromhex(said["hello_nonce"] or ""),
                "carry_key": bytes.fromhex(said["carry_key"] or ""),
            }
            made = peer.token(secret("issuer"), 1, claims)
            self.assertEqual(made.hex(), case["bytes"], case["name"])
            self.assertEqual(peer.sha256(made).hex(), case["hash"])
            peer.verify1("token", made, public, {1: -8, 4: b"\0\0\0\1"})

    def test_delegations(self):
        for case in load("delegation"):
            if case["owner"] != "ed25519":
                continue  # This library's ECDSA is randomised.
            said, owner = case["delegation"], peer.Ed25519Device(secret("device"))
            guest = (peer.Ed25519Device if "ed25519" in said["to"] else peer.P256Device)(secret("guest"))
            made = peer.delegation(
                owner.sign, bytes.fromhex(said["token"]), guest.cose(), said["doors"],
                sum(1 << operation for operation in said["operations"]), said["not_before"], said["expires"], said["uses"],
            )
            self.assertEqual(made.hex(), case["bytes"])
            self.assertEqual(peer.delegation_name(made).hex(), case["name"])

    def test_bulletins(self):
        for case in load("bulletin"):
            said = case["bulletin"]
            news = {
                **said, "locker": bytes.fromhex(said["locker"]),
                "revoked": [[kind, bytes.fromhex(name), at] for kind, name, at in said["revoked"]],
                "add_keys": [[number, bytes.fromhex(key)] for number, key in said["add_keys"]],
                "hello_nonce": bytes.fromhex(said["hello_nonce"] or ""),
            }
            self.assertEqual(peer.bulletin(secret("issuer"), 1, news).hex(), case["bytes"], case["name"])

    def test_carried_receipts(self):
        for case in load("carried"):
            receipts = peer.open_carried(secret("hub carry"), bytes.fromhex(case["locker"]), bytes.fromhex(case["sealed"]))
            self.assertEqual([receipt.hex() for receipt in receipts], case["receipts"])

    def test_names_of_devices(self):
        keys = load("keys")
        for name, device in [("device_ed25519", peer.Ed25519Device), ("device_p256", peer.P256Device)]:
            made = peer.sha256(peer.canonical(device(secret("device")).cose()))[:16]
            self.assertEqual(made.hex(), keys[name]["name_in_bulletins"])

    def test_receipts(self):
        previous = bytes(16)
        for case in load("receipt"):
            said = peer.read_receipt(bytes.fromhex(case["bytes"]), TEST_LOCKER.receipt_key)
            self.assertEqual({k: v.hex() if isinstance(v, bytes) else v for k, v in said.items()}, case["receipt"])
            self.assertEqual(said["previous"], previous)
            previous = peer.sha256(bytes.fromhex(case["bytes"]))[:16]

    def test_opening_code_and_pins(self):
        case = load("opening_code")[0]
        said = case["code"]
        text = peer.opening_code(
            bytes.fromhex(said["token"]), said["operation"], said["door"], said["at"], bytes.fromhex(said["nonce"]),
            peer.Ed25519Device(secret("device")).sign,
        )
        self.assertEqual(text, case["text"])
        for case in load("pin"):
            made = peer.pin(secret("pin secret"), bytes.fromhex(case["locker"]), case["door"], case["epoch"], case["slot"])
            self.assertEqual(made, case["pin"])

    def test_sharing_in_person(self):
        said = load("in_person")
        for case in said["invitations"]:
            device = (peer.Ed25519Device if "ed25519" in case["key"] else peer.P256Device)(secret("guest"))
            self.assertEqual(peer.invitation(device.cose()), case["text"])
            self.assertEqual(peer.read_invitation(case["text"]), device.cose())
        for case in said["access"]:
            text = ("label", "title", "locker_name", "reopen_minutes")
            fields = {name: case[name] if name in text else bytes.fromhex(case[name]) for name in peer.ACCESS}
            self.assertEqual(peer.access(fields), case["text"])
            self.assertEqual(peer.read_access(case["text"]), fields)
        self.assertGreater(len(said["refused"]), 20)
        for case in said["refused"]:
            for read in (peer.read_invitation, peer.read_access):
                with self.assertRaises(Exception, msg=case["why"]):
                    read(case["text"])

    def test_air(self):
        said = load("air")
        self.assertEqual(peer.Air.PREFACE.hex(), said["preface"])
        for case in said["records"]:
            kind = getattr(peer.Air, case["kind"])
            body = b""
            if "address" in case:
                body += bytes.fromhex(case["address"])
            if "mtu" in case:
                body += case["mtu"].to_bytes(2, "big")
            if "rssi" in case:
                rssi = 127 if case["rssi"] is None else case["rssi"]
                body += rssi.to_bytes(1, "big", signed=True) + bytes.fromhex(case["data"])
            for name in ("state", "reason", "status"):
                body += bytes([case[name]]) if name in case else b""
            for name in ("frame", "value"):
                body += bytes.fromhex(case.get(name, ""))
            self.assertEqual(peer.record(kind, body).hex(), case["bytes"], case["kind"])
            if kind >= 0x80:
                self.assertEqual(self.received(case["bytes"]), (kind, body))
        for case in said["refused"]:
            with self.assertRaises(peer.ProtocolError, msg=case["why"]):
                self.received(case["bytes"])

    @staticmethod
    def received(octets):
        """What the client makes of a record."""
        air = peer.Air.__new__(peer.Air)
        air.socket, server = socket.socketpair()
        with air.socket, server:
            server.sendall(bytes.fromhex(octets))
            server.shutdown(socket.SHUT_WR)
            return air.receive()

    def test_sessions(self):
        for case in load("session"):
            phone = peer.Phone(TEST_LOCKER, bytes.fromhex(case["hello"]["message"]))
            self.assertEqual(phone.hello_nonce.hex(), case["hello"]["hello_nonce"])
            self.assertEqual(phone.hello.time, case["hello"]["floor"])
            said = case["open"]
            request = peer.Request(
                said["operation"], said["door"], bytes.fromhex(said["token"]), bytes.fromhex(said["nonce"]),
                bytes.fromhex(said["delegation"]) if said["delegation"] else None,
            )
            self.assertEqual(phone.challenge(request).hex(), said["challenge"])
            # The frozen proof: ECDSA of this library is randomised.
            message = phone.open(request, lambda _: bytes.fromhex(said["proof"]), bytes.fromhex(case["phone_ephemeral"]))
            self.assertEqual(message.hex(), said["message"])
            self.assertEqual(phone.h.hex(), case["handshake_hash"])
            replies = [phone.receive(bytes.fromhex(reply["message"])) for reply in case["replies"]]
            self.assertEqual(replies[1:3] + replies[4:], [[2, 7, 1], [2, 7, 5], [1, 1, 30], [1, 2]])
            receipt = phone.prove(replies[0][1], request, secret("cti")[:16])
            self.assertEqual(receipt["handshake"], phone.h[:16])
            self.assertEqual(replies[3][0], 5)
            closing = phone.prove(replies[3][1], request, secret("cti")[:16], closing=True)
            self.assertEqual((closing["outcome"], closing["previous"]), (6, peer.sha256(replies[0][1])[:16]))
            request.operation = peer.STATUS
            status = case["status"]
            message = phone.request(request, lambda _: bytes.fromhex(status["proof"]))
            self.assertEqual(message.hex(), status["request"])
            report = phone.receive(bytes.fromhex(status["reply"]))
            self.assertEqual((report[0], report[3], report[6]), (3, replies[0][1], replies[3][1]))

    def test_what_must_be_refused(self):
        public = bytes.fromhex(load("keys")["issuer"]["public"])
        for case in load("refused"):
            with self.assertRaises(Exception, msg=case["why"]):
                payload = peer.verify1("token", bytes.fromhex(case["token"]), public, {1: -8, 4: b"\0\0\0\1"})
                claims = peer.strict(payload)
                # False and true are not 0 and 1.
                if not isinstance(claims[-65537][4], bool) or canonical_types(claims):
                    raise peer.ProtocolError("types")


def canonical_types(value):
    """Whether anything in there is of a type that the protocol does not use."""
    if isinstance(value, dict):
        return any(canonical_types(item) for pair in value.items() for item in pair)
    if isinstance(value, (list, tuple)):
        return any(canonical_types(item) for item in value)
    return not isinstance(value, (int, bytes, bool))


class Cabinet(unittest.TestCase):
    """A cabinet of the simulator, provisioned by a network of this test's own."""

    # How it is on the air.
    where = ["--air", "127.0.0.1:0"]

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.folder.name)
        public = Ed25519PrivateKey.from_private_bytes(secret("issuer")).public_key()

        def text(data):
            return base64.urlsafe_b64encode(data).decode().rstrip("=")

        given = {
            "issuer_keys": [{"id": 1, "key": text(peer.raw(public))}],
            "pin_secret": text(secret("pin secret")),
            "now": int(time.time()),
        }
        (folder / "given.json").write_text(json.dumps(given))
        ready = folder / "ready.json"
        cls.process = subprocess.Popen(
            [os.environ["POSTERN_SIM"], "serve", "--data", str(folder / "data"), "--provision", str(folder / "given.json"),
             *cls.where, "--ready-file", str(ready)],
            stdout=subprocess.DEVNULL,
        )
        end = time.monotonic() + 60
        while not ready.exists():
            if cls.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the simulator does not start")
            time.sleep(0.02)
        told = json.loads(ready.read_text())
        cls.air = told.get("air")
        cls.locker_id = bytes.fromhex(told["cabinets"][0])
        cls.locker = locker_of(cls.locker_id, cls.find_seed(folder / "data"))

    @classmethod
    def find_seed(cls, data):
        """The simulator keeps each cabinet's provisioning seed in its data folder."""
        for path in data.rglob("*.json"):
            said = json.loads(path.read_text())
            if isinstance(said, dict) and "seed" in said and said.get("id", cls.locker_id.hex()) == cls.locker_id.hex():
                return bytes.fromhex(said["seed"])
        raise RuntimeError("no seed in the data folder")

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.wait(10)
        cls.folder.cleanup()

    def claims(self, device, **changes):
        now = int(time.time())
        return {
            "exp": now + 900, "nbf": now - 5, "iat": now - 5, "cti": os.urandom(16), "key": device.cose(),
            "locker": self.locker_id, "doors": [[1, 1]], "operations": 0b10011, "uses": 1, "delegable": True, **changes,
        }


@unittest.skipUnless(os.environ.get("POSTERN_SIM"), "POSTERN_SIM names no simulator")
class Simulator(Cabinet):
    def session(self, device, claims, door=1, mtu=247, delegation=None, tamper=None, operation=peer.COLLECT, nonce=None, bulletin=None):
        """Connects and sends OPEN; the link, the phone, the request and the first reply (or none)."""
        # A locker has few places: one link at a time.
        self.doCleanups()
        host, port = self.air.rsplit(":", 1)
        link = peer.Link(host, int(port), self.locker_id, mtu)
        self.addCleanup(link.close)
        hello = link.receive()
        phone = peer.Phone(self.locker, tamper(hello) if tamper else hello)
        request = peer.Request(operation, door, peer.token(secret("issuer"), 1, claims), nonce or os.urandom(8), delegation, bulletin)
        link.send(phone.open(request, device.sign))
        try:
            return link, phone, request, phone.receive(link.receive())
        except (ConnectionError, TimeoutError):
            return link, phone, request, None

    def opens(self, device, door, mtu, **more):
        claims = more.pop("claims", None) or self.claims(device, doors=[[door, 1]])
        link, phone, request, reply = self.session(device, claims, door, mtu, **more)
        self.assertIsNotNone(reply)
        self.assertEqual(reply[0], 0, reply)
        receipt = phone.prove(reply[1], request, claims["cti"])
        self.assertEqual(receipt["outcome"], 0)
        return link, phone, request, receipt, claims

    def test_opens_doors_at_every_mtu_with_both_kinds_of_key(self):
        devices = [peer.Ed25519Device(secret("device")), peer.P256Device(secret("device"))]
        for door, (mtu, device) in enumerate([(m, d) for m in (23, 185, 517) for d in devices], start=1):
            with self.subTest(mtu=mtu, device=type(device).__name__):
                link, phone, request, receipt, claims = self.opens(device, door, mtu)
                self.assertEqual(receipt["handshake"], phone.h[:16])
                # A status in the same session shows the same receipt; events may come first.
                status = peer.Request(peer.STATUS, door, request.token, request.nonce)
                link.send(phone.request(status, device.sign))
                reply = phone.receive(link.receive())
                while reply[0] == 2:
                    reply = phone.receive(link.receive())
                self.assertEqual((reply[0], reply[1]), (3, door))
                self.assertEqual(phone.prove(reply[3], request, claims["cti"]), receipt)

    def test_a_retry_brings_the_same_receipt(self):
        device = peer.Ed25519Device(secret("device"))
        link, phone, request, receipt, claims = self.opens(device, 7, 247)
        link.close()
        *_, again, _ = self.opens(device, 7, 247, claims=claims, nonce=request.nonce)
        self.assertEqual(again, receipt)
        *_, reply = self.session(device, claims, 7)
        self.assertEqual(reply, [1, 0], "the token's one use is spent")

    def test_a_courier_carries_what_the_hub_lacks(self):
        """Sealed for the hub, in parts, from wherever it wants; a customer's token carries nothing."""
        self.opens(peer.Ed25519Device(secret("device")), 9, 247)
        courier = peer.Ed25519Device(secret("courier"))
        hub = X25519PrivateKey.from_private_bytes(secret("hub carry"))
        claims = self.claims(
            courier, doors=[[10, 1]], operations=1 << peer.DEPOSIT | 1 << peer.CARRY, delegable=False,
            carry_key=peer.raw(hub.public_key()),
        )
        wanted, chain = 0, []
        link, phone, request, reply = self.session(courier, claims, 10, operation=peer.CARRY, nonce=bytes(8))
        while True:
            self.assertEqual(reply[0], 4, reply)
            _, sealed, following, head = reply
            chain += peer.open_carried(secret("hub carry"), self.locker_id, sealed)
            if following == head:
                break
            self.assertGreater(following, wanted)
            wanted = following
            more = peer.Request(peer.CARRY, 10, request.token, wanted.to_bytes(8, "big"))
            link.send(phone.request(more, courier.sign))
            reply = phone.receive(link.receive())
        previous = bytes(16)
        for sequence, receipt in enumerate(chain):
            said = peer.read_receipt(receipt, self.locker.receipt_key)
            self.assertEqual((said["sequence"], said["previous"]), (sequence, previous))
            previous = peer.sha256(receipt)[:16]
        self.assertEqual(len(chain), head)
        customer = peer.Ed25519Device(secret("device"))
        *_, reply = self.session(customer, self.claims(customer), operation=peer.CARRY, nonce=bytes(8))
        self.assertEqual(reply, [1, 0])

    def test_what_a_bulletin_names_opens_nothing(self):
        device, other = peer.Ed25519Device(secret("device")), peer.Ed25519Device(secret("other"))
        ended, kept = self.claims(device, doors=[[11, 1]]), self.claims(other, doors=[[11, 1]])
        news = peer.bulletin(secret("issuer"), 1, {
            "locker": self.locker_id, "issued_at": int(time.time()), "number": int(time.time()), "epochs": [],
            "revoked": [[0, ended["cti"], ended["exp"]]], "add_keys": [], "remove_keys": [],
        })
        *_, reply = self.session(other, kept, 11, operation=peer.STATUS, bulletin=news)
        self.assertEqual(reply[0], 3)
        *_, reply = self.session(device, ended, 11)
        self.assertEqual(reply, [1, 0])
        self.opens(other, 11, 247, claims=kept)

    def test_a_guest_opens_with_a_delegation_and_not_without(self):
        owner, guest = peer.P256Device(secret("device")), peer.Ed25519Device(secret("guest"))
        claims = self.claims(owner, doors=[[8, 1]])
        part = peer.delegation(
            owner.sign, claims["cti"], guest.cose(), [8], 1 << peer.COLLECT, claims["nbf"], claims["exp"], 1
        )
        *_, reply = self.session(guest, claims, 8)
        self.assertIn(reply, (None, [1, 0]))
        self.opens(guest, 8, 247, claims=claims, delegation=part)

    def test_what_is_not_allowed_moves_nothing(self):
        device = peer.Ed25519Device(secret("device"))
        now = int(time.time())
        for name, changes, door in [
            ("another door", {}, 2),
            ("another locker", {"locker": bytes(8)}, 1),
            ("expired", {"nbf": now - 900, "exp": now - 600, "iat": now - 900}, 1),
            ("another operation", {"operations": 1 << peer.DEPOSIT}, 1),
            ("another key", {"key": peer.Ed25519Device(secret("guest")).cose()}, 1),
        ]:
            with self.subTest(name):
                *_, reply = self.session(device, self.claims(device, **changes), door)
                self.assertIn(reply, (None, [1, 0]))
        *_, reply = self.session(
            device, self.claims(device), tamper=lambda hello: hello[:41] + bytes([hello[41] ^ 1]) + hello[42:]
        )
        self.assertIsNone(reply)


if __name__ == "__main__":
    unittest.main()
