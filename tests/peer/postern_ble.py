"""The same client over Bluetooth LE, by bleak: sections 2 and 3 of PROTOCOL.md on a real stack."""

from __future__ import annotations

import asyncio

from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError

from postern_peer import ProtocolError, Reassembler, fragments

SERVICE = "5dac0c55-be91-41f3-9860-329d88135d4c"
RX = "5dac0c56-be91-41f3-9860-329d88135d4c"
TX = "5dac0c57-be91-41f3-9860-329d88135d4c"
COMPANY = 0xFFFF
# What a GATT server may hold at most, whatever the MTU.
LONGEST_VALUE = 512
# Section 3: a HELLO that has not come by then is read.
HELLO_WAIT = 0.3


async def find(locker: bytes, adapter: str, deadline: float):
    """Section 2: by service and short id, never by address or name. None when none was heard."""

    def ours(_device, advertisement):
        data = advertisement.manufacturer_data.get(COMPANY, b"")
        return len(data) == 6 and data[0] == 1 and data[2:] == locker[:4]

    return await BleakScanner.find_device_by_filter(
        ours, timeout=deadline, service_uuids=[SERVICE], bluez={"adapter": adapter}
    )


class Link:
    """A connection to one locker that carries whole messages; the first is its HELLO."""

    def __init__(self, device, adapter: str, deadline: float):
        self.frames, self.values = Reassembler(), asyncio.Queue()
        self.client = BleakClient(
            device,
            disconnected_callback=lambda _client: self.values.put_nowait(None),
            timeout=deadline,
            bluez={"adapter": adapter},
        )

    @classmethod
    async def to(cls, locker: bytes, adapter: str, deadline: float = 60) -> "Link":
        """Nothing has been asked of the locker yet: a link that breaks while it is made is made again."""
        async with asyncio.timeout(deadline):
            while True:
                device = await find(locker, adapter, 10)
                if device is None:
                    continue
                link = cls(device, adapter, deadline)
                try:
                    await link.client.connect()
                    # BlueZ can hand notifications over by a file descriptor; a message bus over TCP cannot.
                    await link.client.start_notify(TX, link.heard, bluez={"use_start_notify": True})
                    return link
                except BleakError as error:
                    print(f"connecting once more: {error}")
                    await link.close()

    def heard(self, _sender, value) -> None:
        self.values.put_nowait(bytes(value))

    async def hello(self) -> bytes:
        """The first message, by notification or, where that was lost, by reading."""
        try:
            return await asyncio.wait_for(self.receive(), HELLO_WAIT)
        except TimeoutError:
            self.frames = Reassembler()
            message = self.frames.push(bytes(await self.client.read_gatt_char(TX)))
            if message is None:
                raise ProtocolError("no HELLO to read") from None
            return message

    async def send(self, message: bytes) -> None:
        # What BlueZ knows of this link's MTU; the client's own number would only be a guess.
        longest = self.client.services.get_characteristic(RX).max_write_without_response_size
        size = min(longest, LONGEST_VALUE)
        for frame in fragments(message, self.frames.tag, size):
            await self.client.write_gatt_char(RX, frame, response=True)

    async def receive(self) -> bytes:
        while True:
            value = await self.values.get()
            if value is None:
                raise ConnectionError("the locker has hung up")
            message = self.frames.push(value)
            if message is not None:
                return message

    async def close(self) -> None:
        await self.client.disconnect()

