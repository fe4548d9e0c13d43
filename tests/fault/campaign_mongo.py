# SPDX-License-Identifier: Apache-2.0
"""A replica set of our own, and commands to it, spoken with the standard library alone: OP_MSG and the BSON types
that replies have."""
import itertools, os, socket, struct, subprocess
from campaign import Mongod, free_port, wait_for

numbers = itertools.count(1)


def encode(value):
    """Type byte and bytes of one value."""
    if isinstance(value, bool):
        return b"\x08", b"\x01" if value else b"\x00"
    if isinstance(value, int):
        return (b"\x10", struct.pack("<i", value)) if -(1 << 31) <= value < 1 << 31 else (b"\x12", struct.pack("<q", value))
    if isinstance(value, float):
        return b"\x01", struct.pack("<d", value)
    if isinstance(value, str):
        raw = value.encode() + b"\0"
        return b"\x02", struct.pack("<i", len(raw)) + raw
    if isinstance(value, list):
        return b"\x04", document({str(i): one for i, one in enumerate(value)})
    return b"\x03", document(value)


def document(fields):
    body = b""
    for name, value in fields.items():
        kind, raw = encode(value)
        body += kind + name.encode() + b"\0" + raw
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def text_at(data, at):
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1


def decode_value(kind, data, at):
    if kind in (0x01, 0x09, 0x10, 0x11, 0x12):
        form = {0x01: "<d", 0x09: "<q", 0x10: "<i", 0x11: "<Q", 0x12: "<q"}[kind]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if kind == 0x02:
        length = struct.unpack_from("<i", data, at)[0]
        return data[at + 4:at + 3 + length].decode(), at + 4 + length
    if kind in (0x03, 0x04):
        length = struct.unpack_from("<i", data, at)[0]
        fields = decode(data[at:at + length])
        return list(fields.values()) if kind == 0x04 else fields, at + length
    if kind == 0x05:
        length = struct.unpack_from("<i", data, at)[0]
        return data[at + 5:at + 5 + length], at + 5 + length
    if kind == 0x07:
        return data[at:at + 12].hex(), at + 12
    if kind == 0x08:
        return data[at] == 1, at + 1
    if kind == 0x0A:
        return None, at
    raise ValueError(f"BSON type {kind:#x}")


def decode(data):
    fields, at = {}, 4
    while data[at] != 0:
        kind = data[at]
        name, at = text_at(data, at + 1)
        fields[name], at = decode_value(kind, data, at)
    return fields


class Wire:
    """One connection; OSError when the server does not answer within the limit."""

    def __init__(self, host, port, limit=5):
        self.socket = socket.create_connection((host, port), limit)

    def read(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError("closed")
            data += more
        return data

    def run(self, database, command):
        body = struct.pack("<IB", 0, 0) + document({**command, "$db": database})
        self.socket.sendall(struct.pack("<iiii", 16 + len(body), next(numbers), 0, 2013) + body)
        length = struct.unpack("<i", self.read(4))[0]
        return decode(self.read(length - 4)[17:])  # behind the rest of the header, flags and kind

    def close(self):
        self.socket.close()


def ask(host, port, database, command, limit=5):
    wire = Wire(host, port, limit)
    try:
        return wire.run(database, command)
    finally:
        wire.close()


class ReplicaSet:
    """places: (address, port, words before the command) of each member; by default three on loopback."""

    def __init__(self, home, places=None):
        self.places = places or [("127.0.0.1", free_port(), []) for _ in range(3)]
        self.uri = "mongodb://" + ",".join(f"{address}:{port}" for address, port, _ in self.places) + "/campaign?replicaSet=rs"
        self.running = [self.start(f"{home}/member{i}", *place) for i, place in enumerate(self.places)]
        for place in self.places:
            wait_for(f"mongod {place[0]}", 60, lambda p=place: self.ask(p, {"ping": 1}))
        begun = self.ask(self.places[0], {"replSetInitiate": {
            "_id": "rs", "members": [{"_id": i, "host": f"{address}:{port}"} for i, (address, port, _) in enumerate(self.places)],
            "settings": {"electionTimeoutMillis": 3000, "heartbeatIntervalMillis": 500}}})
        if begun["ok"] != 1:
            raise SystemExit(f"FAILED: replSetInitiate: {begun}")
        self.primary()

    @staticmethod
    def start(data, address, port, before):
        os.mkdir(data)
        return subprocess.Popen([*before, Mongod.find(), "--dbpath", data, "--port", str(port), "--bind_ip", address, "--nounixsocket", "--replSet", "rs",
                                 "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @staticmethod
    def ask(place, command, database="admin"):
        """None when it does not answer."""
        try:
            return ask(place[0], place[1], database, command)
        except OSError:
            return None

    def primary(self):
        """Its number."""
        def find():
            found = [i for i, place in enumerate(self.places) if (self.ask(place, {"hello": 1}) or {}).get("isWritablePrimary")]
            return [found[0]] if found else None
        return wait_for("a primary", 60, find)[0]

    def run(self, command, database):
        """On the primary, whoever that is."""
        def answer():
            reply = self.ask(self.places[self.primary()], command, database)
            return reply if reply and reply["ok"] == 1 else None
        return wait_for("the primary's answer", 60, answer)

    def step_down(self):
        """The number of the one that was told to."""
        number = self.primary()
        self.ask(self.places[number], {"replSetStepDown": 20, "secondaryCatchUpPeriodSecs": 5})
        return number

    def stop(self):
        for process in self.running:
            process.kill()
        for process in self.running:
            process.wait()
