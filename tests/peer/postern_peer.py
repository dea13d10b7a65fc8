"""The locker protocol once more, in Python, written from PROTOCOL.md alone: Noise by hand, CBOR by cbor2.

Section numbers are those of crates/protocol/PROTOCOL.md. Nothing here is shared with the Rust code.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
import struct
from dataclasses import dataclass, field

import cbor2
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

SERVICE = bytes.fromhex("5dac0c55be9141f39860329d88135d4c")
NAME = b"Noise_KN_25519_ChaChaPoly_BLAKE2s"
COLLECT, REOPEN, DEPOSIT, ACCESS, STATUS, CARRY = range(6)
MAX_MESSAGE = 1024


class ProtocolError(Exception):
    """The other side broke a rule."""


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def raw(public) -> bytes:
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def canonical(value) -> bytes:
    return cbor2.dumps(value, canonical=True)


def strict(data: bytes):
    """Section 5: what does not encode to the same bytes again is refused."""
    value = cbor2.loads(data)
    if canonical(value) != data:
        raise ProtocolError("not the one encoding")
    return value


# 1. Keys


class Ed25519Device:
    def __init__(self, secret: bytes):
        self.key = Ed25519PrivateKey.from_private_bytes(secret)

    def cose(self) -> dict:
        return {1: 1, -1: 6, -2: raw(self.key.public_key())}

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message)


class P256Device:
    def __init__(self, secret: bytes):
        self.key = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())

    def cose(self) -> dict:
        point = self.key.public_key().public_numbers()
        return {1: 2, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y % 2 == 1}

    def sign(self, message: bytes) -> bytes:
        r, s = utils.decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@dataclass
class Locker:
    """What a phone knows of a locker."""

    id: bytes
    static_key: bytes
    receipt_key: bytes


# 3. Frames


def fragments(message: bytes, tag: int, size: int) -> list[bytes]:
    frames, rest, sequence = [], message, 0
    while rest:
        overhead = 4 if sequence == 0 else 2
        part, rest = rest[: size - overhead], rest[size - overhead :]
        header = sequence | (0x80 if sequence == 0 else 0) | (0 if rest else 0x40)
        length = struct.pack(">H", len(message)) if sequence == 0 else b""
        frames.append(bytes([header, tag]) + length + part)
        sequence += 1
    return frames


@dataclass
class Reassembler:
    tag: int | None = None
    partial: bytearray | None = None
    total: int = 0
    next: int = 0

    def push(self, frame: bytes) -> bytes | None:
        if self.tag is None:
            if len(frame) < 5 or not frame[0] & 0x80 or frame[4] != 0x01:
                return None
            self.tag = frame[1]
        if len(frame) < 2:
            raise ProtocolError("short frame")
        if frame[1] != self.tag:
            return None
        first, last, sequence = frame[0] & 0x80, frame[0] & 0x40, frame[0] & 0x3F
        if bool(first) != (self.partial is None):
            raise ProtocolError("out of sequence")
        if first:
            if len(frame) < 5:
                raise ProtocolError("short frame")
            (self.total,) = struct.unpack(">H", frame[2:4])
            if not 1 <= self.total <= MAX_MESSAGE:
                raise ProtocolError("length")
            self.partial, self.next, part = bytearray(), 0, frame[4:]
        else:
            part = frame[2:]
        if sequence != self.next or not part:
            raise ProtocolError("out of sequence")
        self.partial += part
        self.next += 1
        if len(self.partial) > self.total or bool(last) != (len(self.partial) == self.total):
            raise ProtocolError("length")
        if not last:
            return None
        message, self.partial = bytes(self.partial), None
        return message


# 4. Noise KN, the responder's side


def blake2s(data: bytes) -> bytes:
    return hashlib.blake2s(data).digest()


def hkdf2(chaining_key: bytes, material: bytes) -> tuple[bytes, bytes]:
    temporary = hmac.new(chaining_key, material, hashlib.blake2s).digest()
    one = hmac.new(temporary, b"\x01", hashlib.blake2s).digest()
    return one, hmac.new(temporary, one + b"\x02", hashlib.blake2s).digest()


class Cipher:
    def __init__(self, key: bytes):
        self.aead, self.counter = ChaCha20Poly1305(key), 0

    def nonce(self) -> bytes:
        nonce = bytes(4) + struct.pack("<Q", self.counter)
        self.counter += 1
        return nonce

    def seal(self, plaintext: bytes, ad: bytes = b"") -> bytes:
        return self.aead.encrypt(self.nonce(), plaintext, ad)

    def open(self, sealed: bytes, ad: bytes = b"") -> bytes:
        try:
            return self.aead.decrypt(self.nonce(), sealed, ad)
        except InvalidTag:
            raise ProtocolError("not authentic") from None


@dataclass
class Hello:
    boot: int
    clock: int
    time: int
    capabilities: int


class Phone:
    """One session: `Phone(locker, hello)`, `open(...)`, then `receive` and `request`."""

    def __init__(self, locker: Locker, message: bytes):
        if len(message) < 3 or message[0] != 1 or message[1] < message[2]:
            raise ProtocolError("no HELLO")
        if not message[2] <= 1 <= message[1]:
            raise ProtocolError(f"version {message[1]}")
        if len(message) != 50:
            raise ProtocolError("no HELLO")
        self.locker, self.remote = locker, message[3:35]
        self.hello = Hello(*struct.unpack(">IBQH", message[35:]))
        self.hello_nonce = sha256(b"postern/1 hello nonce\0" + message)[:16]
        # The name is longer than 32 bytes: it is hashed.
        self.ck = self.h = blake2s(NAME)
        prologue = b"postern" + message[1:3] + SERVICE + locker.id
        for part in (prologue, locker.static_key, self.remote, message[35:]):
            self.h = blake2s(self.h + part)

    def challenge(self, request: "Request", label: bytes = b"postern/1 open\0") -> bytes:
        delegation = sha256(request.delegation) if request.delegation else bytes(32)
        tail = struct.pack(">BH", request.operation, request.door) + request.nonce
        return label + self.h + sha256(request.token) + delegation + tail

    def open(self, request: "Request", sign, ephemeral: bytes | None = None) -> bytes:
        proof = sign(self.challenge(request))
        e = X25519PrivateKey.from_private_bytes(ephemeral or os.urandom(32))
        public = raw(e.public_key())
        self.h = blake2s(self.h + public)
        key = b""
        for other in (self.remote, self.locker.static_key):
            self.ck, key = hkdf2(self.ck, e.exchange(X25519PublicKey.from_public_bytes(other)))
        sealed = Cipher(key).seal(request.encode(proof), self.h)
        self.h = blake2s(self.h + sealed)
        down, up = hkdf2(self.ck, b"")
        self.down, self.up = Cipher(down), Cipher(up)
        return b"\x02" + public + sealed

    def request(self, request: "Request", sign) -> bytes:
        proof = sign(self.challenge(request, b"postern/1 request\0"))
        return b"\x03" + self.up.seal(request.encode(proof))

    def receive(self, message: bytes) -> list:
        if message[0] != 4:
            raise ProtocolError("no REPLY")
        return strict(self.down.open(message[1:]))

    def prove(self, receipt: bytes, request: "Request", cti: bytes, closing: bool = False) -> dict:
        """Section 8: takes a receipt of an opening, or of its closing, for proof, or says why not."""
        said = read_receipt(receipt, self.locker.receipt_key)
        if (said["outcome"] >= 4) != closing:
            raise ProtocolError("an opening for a closing, or the reverse")
        wanted = (self.locker.id, cti, request.nonce, request.door, request.operation)
        if (said["locker"], said["token"], said["nonce"], said["door"], said["operation"]) != wanted:
            raise ProtocolError("a receipt for something else")
        return said


@dataclass
class Request:
    operation: int
    door: int
    token: bytes
    nonce: bytes = field(default_factory=lambda: os.urandom(8))
    delegation: bytes | None = None
    bulletin: bytes | None = None

    def encode(self, proof: bytes) -> bytes:
        parts = [self.operation, self.door, self.nonce, self.token, self.delegation, self.bulletin, proof]
        return canonical(parts)


# 5. COSE_Sign1


def to_be_signed(purpose: str, protected: bytes, payload: bytes) -> bytes:
    return canonical(["Signature1", protected, f"postern/1 {purpose}".encode(), payload])


def sign1(purpose: str, key_id: int, payload: bytes, secret: bytes) -> bytes:
    protected = canonical({1: -8, 4: struct.pack(">I", key_id)})
    signature = Ed25519PrivateKey.from_private_bytes(secret).sign(to_be_signed(purpose, protected, payload))
    return canonical([protected, {}, payload, signature])


def verify1(purpose: str, message: bytes, public: bytes, header: dict) -> bytes:
    protected, unprotected, payload, signature = strict(message)
    if strict(protected) != header or unprotected != {}:
        raise ProtocolError("header")
    try:
        key = Ed25519PublicKey.from_public_bytes(public)
        key.verify(signature, to_be_signed(purpose, protected, payload))
    except InvalidSignature:
        raise ProtocolError("bad signature") from None
    return payload


def read_receipt(message: bytes, public: bytes) -> dict:
    names = "locker sequence previous token nonce door operation outcome at clock handshake source news".split()
    values = strict(verify1("receipt", message, public, {1: -8}))
    if len(values) != len(names):
        raise ProtocolError("no receipt")
    return dict(zip(names, values))


# 6, 7. Tokens and delegations, for tests that play the hub and the owner


def token(secret: bytes, key_id: int, claims: dict) -> bytes:
    body = [claims["locker"], claims["doors"], claims["operations"], claims["uses"], claims["delegable"]]
    if claims.get("hello_nonce") or claims.get("carry_key"):
        body.append(claims.get("hello_nonce") or None)
    if claims.get("carry_key"):
        body.append(claims["carry_key"])
    payload = {4: claims["exp"], 5: claims["nbf"], 6: claims["iat"], 7: claims["cti"], 8: {1: claims["key"]}, -65537: body}
    return sign1("token", key_id, canonical(payload), secret)


def delegation(sign, cti: bytes, to: dict, doors: list, operations: int, start: int, end: int, uses: int) -> bytes:
    payload = canonical([cti, to, doors, operations, start, end, uses])
    return canonical([payload, sign(b"postern/1 delegation\0" + payload)])


def delegation_name(message: bytes) -> bytes:
    """What uses are counted by: the signature, which has two forms, is not in it."""
    return sha256(b"postern/1 delegation\0" + strict(message)[0])[:16]


# 9. Bulletin


def bulletin(secret: bytes, key_id: int, said: dict) -> bytes:
    body = [said["locker"], said["issued_at"], said["number"], said["epochs"], said["revoked"], said["add_keys"], said["remove_keys"]]
    if said.get("hello_nonce"):
        body.append(said["hello_nonce"])
    return sign1("bulletin", key_id, canonical(body), secret)


# 13. Carrying: Noise N, the receiver's side


def open_carried(secret: bytes, locker: bytes, sealed: bytes) -> list[bytes]:
    key = X25519PrivateKey.from_private_bytes(secret)
    name = b"Noise_N_25519_ChaChaPoly_BLAKE2s"
    # The name has 32 bytes: it stands as it is.
    chaining_key = h = name
    remote, rest = sealed[:32], sealed[32:]
    for part in (b"postern/1 carry\0" + locker, raw(key.public_key()), remote):
        h = blake2s(h + part)
    chaining_key, message_key = hkdf2(chaining_key, key.exchange(X25519PublicKey.from_public_bytes(remote)))
    return strict(Cipher(message_key).open(rest, h))


# 11, 12. Opening code and PIN

BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def base45(data: bytes) -> str:
    text = ""
    for at in range(0, len(data), 2):
        chunk = data[at : at + 2]
        value = int.from_bytes(chunk, "big")
        for _ in range(len(chunk) + 1):
            text += BASE45[value % 45]
            value //= 45
    return text


def opening_code(token: bytes, operation: int, door: int, at: int, nonce: bytes, sign) -> str:
    tail = struct.pack(">BHQ", operation, door, at) + nonce
    signature = sign(b"postern/1 opening code\0" + sha256(token) + tail)
    return "PO1:" + base45(canonical([token, operation, door, at, nonce, signature]))


def pin(secret: bytes, locker: bytes, door: int, epoch: int, slot: int) -> str:
    message = b"postern/1 pin\0" + locker + struct.pack(">HIB", door, epoch, slot)
    digest = hmac.new(secret, message, hashlib.sha256).digest()
    return f"{int.from_bytes(digest[:8], 'big') % 10**8:08}"


# 14. Sharing in person

# y of the points of small order on Ed25519.
SMALL_ORDER = {0, 1, 2**255 - 20} | {
    int.from_bytes(bytes.fromhex(y), "little")
    for y in (
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    )
}
ACCESS = "token delegation locker static_key receipt_key label title locker_name reopen_minutes".split()


def base45_bytes(text: str) -> bytes:
    data = b""
    for at in range(0, len(text), 3):
        group = text[at : at + 3]
        value = sum(BASE45.index(character) * 45**place for place, character in enumerate(group))
        if len(group) == 1 or value >= 256 ** (len(group) - 1):
            raise ProtocolError("no base45")
        data += value.to_bytes(len(group) - 1, "big")
    return data


def invitation(device: dict) -> str:
    """Of a COSE_Key."""
    hardware = device[1] == 2
    public = (bytes([2 + device[-3]]) if hardware else b"") + device[-2]
    return "PI1:" + ("P" if hardware else "E") + (public + sha256(public)[:4]).hex().upper()


def read_invitation(text: str) -> dict:
    """The COSE_Key in it."""
    letter, digits = text[4:5], text[5:]
    if text[:4] != "PI1:" or letter not in ("E", "P") or set(digits) - set("0123456789ABCDEF"):
        raise ProtocolError("no invitation")
    data = bytes.fromhex(digits)
    public, check = data[:-4], data[-4:]
    if len(public) != (33 if letter == "P" else 32) or sha256(public)[:4] != check:
        raise ProtocolError("misread")
    if letter == "E":
        Ed25519PublicKey.from_public_bytes(public)
        if int.from_bytes(public, "little") & ~(1 << 255) in SMALL_ORDER:
            raise ProtocolError("small order")
        return {1: 1, -1: 6, -2: public}
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    return {1: 2, -1: 1, -2: public[1:], -3: public[0] == 3}


def access(said: dict) -> str:
    return "PA1:" + base45(canonical([said[name] for name in ACCESS]))


def read_access(text: str) -> dict:
    if text[:4] != "PA1:" or len(text) > 2048:
        raise ProtocolError("no access")
    values = strict(base45_bytes(text[4:]))
    if not isinstance(values, list) or [type(value) for value in values] != [bytes] * 5 + [str] * 3 + [int]:
        raise ProtocolError("types")
    said = dict(zip(ACCESS, values))
    sizes = [len(said[name]) for name in ("locker", "static_key", "receipt_key")]
    fits = sizes == [8, 32, 32] and 1 <= len(said["token"]) <= 384 and 1 <= len(said["delegation"]) <= 208
    names = len(said["title"]) <= 40 and len(said["locker_name"]) <= 40
    if not (fits and names and 0 <= said["reopen_minutes"] < 1 << 16):
        raise ProtocolError("out of range")
    return said


# 15. `air`: the GATT service over TCP


def record(kind: int, body: bytes = b"") -> bytes:
    return struct.pack(">HB", 1 + len(body), kind) + body


class Air:
    WATCH, CONNECT, SUBSCRIBE, READ, WRITE, MONITOR = 1, 2, 3, 4, 5, 6
    SIGHTING, CONNECTED, REFUSED, SUBSCRIBED, VALUE, WRITTEN, NOTIFY = 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87
    ADAPTER = 0x88
    # Lengths of the bodies of records that a server sends.
    LENGTHS = {
        SIGHTING: range(7, 32), CONNECTED: (2,), REFUSED: (1,), SUBSCRIBED: (0,), VALUE: range(513), WRITTEN: (1,),
        NOTIFY: range(1024), ADAPTER: (1,),
    }
    PREFACE = b"POSTERN\x01"

    def __init__(self, host: str, port: int, deadline: float = 10):
        self.socket = socket.create_connection((host, port), deadline)
        self.socket.sendall(self.PREFACE)

    def close(self) -> None:
        self.socket.close()

    def send(self, kind: int, body: bytes = b"") -> None:
        self.socket.sendall(record(kind, body))

    def take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the simulator has closed the connection")
            data += part
        return data

    def receive(self) -> tuple[int, bytes]:
        (length,) = struct.unpack(">H", self.take(2))
        if not 1 <= length <= 1024:
            raise ProtocolError("length of a record")
        kind, *body = self.take(length)
        if len(body) not in self.LENGTHS.get(kind, ()) or kind == self.ADAPTER and not 1 <= body[0] <= 4:
            raise ProtocolError(f"record {kind:02x}")
        return kind, bytes(body)


def find(host: str, port: int, locker: bytes) -> bytes:
    """Section 2: the address under which a locker advertises now."""
    air = Air(host, port)
    air.send(Air.WATCH)
    try:
        while True:
            kind, body = air.receive()
            data = body[7:]
            if kind == Air.SIGHTING and len(data) == 6 and data[0] == 1 and data[2:] == locker[:4]:
                return body[:6]
    finally:
        air.close()


class Link:
    """A connection to one locker that carries whole messages; the first is its HELLO."""

    def __init__(self, host: str, port: int, locker: bytes, mtu: int = 247):
        self.air, self.frames, self.waiting = Air(host, port), Reassembler(), []
        self.air.send(Air.CONNECT, find(host, port, locker) + struct.pack(">H", mtu))
        kind, body = self.air.receive()
        if kind != Air.CONNECTED:
            raise ConnectionError(f"refused: {body.hex()}")
        self.size = min(min(mtu, struct.unpack(">H", body)[0]) - 3, 510)
        self.call(Air.SUBSCRIBE, b"", Air.SUBSCRIBED)

    def call(self, kind: int, body: bytes, answer: int) -> bytes:
        self.air.send(kind, body)
        while True:
            kind, body = self.air.receive()
            if kind == Air.NOTIFY:
                self.waiting.append(body)
            elif kind == answer:
                return body
            else:
                raise ProtocolError(f"record {kind:02x}")

    def send(self, message: bytes) -> None:
        for frame in fragments(message, self.frames.tag, self.size):
            if self.call(Air.WRITE, frame, Air.WRITTEN) != b"\0":
                raise ProtocolError("write refused")

    def receive(self) -> bytes:
        while True:
            if not self.waiting:
                kind, body = self.air.receive()
                if kind != Air.NOTIFY:
                    raise ProtocolError(f"record {kind:02x}")
                self.waiting.append(body)
            message = self.frames.push(self.waiting.pop(0))
            if message is not None:
                return message

    def close(self) -> None:
        self.air.close()
