# SPDX-License-Identifier: Apache-2.0
"""gleaner profile: an answer within a second from a server that is well, frozen, or gone."""
import json, os, signal, socket, struct, time, rig

LIVE, NONE, STALE, DEFAULT = 0, 1, 4, 6


def bson(value):
    """Texts, numbers, objects and lists."""
    pairs = value.items() if isinstance(value, dict) else ((str(i), v) for i, v in enumerate(value))
    out = b""
    for name, v in pairs:
        key = name.encode() + b"\0"
        if isinstance(v, str):
            out += b"\x02" + key + struct.pack("<i", len(v.encode()) + 1) + v.encode() + b"\0"
        elif isinstance(v, int):
            out += b"\x10" + key + struct.pack("<i", v)
        else:
            out += (b"\x03" if isinstance(v, dict) else b"\x04") + key + bson(v)
    return struct.pack("<i", len(out) + 5) + out + b"\0"


def insert(port, collection, document):
    body = struct.pack("<I", 0) + b"\0" + bson({"insert": collection, "documents": [document], "$db": "app"})
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(struct.pack("<iiii", len(body) + 16, 1, 0, 2013) + body)
        assert b"\x10n\0\1\0\0\0" in s.recv(4096), "not inserted"


class Profile(rig.Case):
    def read(self, name, code, *more, environment=None):
        started = time.monotonic()
        out, err = self.run_gleaner("profile", name, "--data", self.data, "--json", *more, code=code, environment=environment)
        self.seconds = time.monotonic() - started
        print(f"profile {name}: exit {code}, {self.seconds:.2f} s")
        return json.loads(out)

    def test_live_then_stale_then_default(self):
        mongod = self.mongod()
        insert(mongod.port, "profiles", {"username": "ada", "displayName": "Ada", "settings": {"a": 1}})
        to = ("--to", mongod.uri)
        live = self.read("ada", LIVE, *to)
        self.assertEqual((live["source"], live["ageMs"], live["profile"]["displayName"]), ("live", 0, "Ada"))
        none = self.read("bob", NONE, *to)
        self.assertIsNone(none["profile"])
        mongod.process.send_signal(signal.SIGSTOP)
        self.check_without(to)
        mongod.process.send_signal(signal.SIGCONT)
        rig.wait_for(lambda: self.start("profile", "ada", "--data", self.data, *to).wait(rig.LIMIT) == LIVE, "the server")
        mongod.kill()
        self.check_without(to)

    def check_without(self, to):
        stale = self.read("ada", STALE, *to)
        self.assertEqual((stale["source"], stale["profile"]["displayName"], stale["profile"]["isStale"]), ("stale", "Ada", True))
        self.assertGreater(stale["ageMs"], 0)
        self.assertTrue(stale["reason"])
        default = self.read("bob", DEFAULT, *to)
        self.assertEqual((default["source"], default["profile"]["isFallback"]), ("default", True))

    def test_the_servers_of_the_profiles_come_first(self):
        mongod = self.mongod()
        insert(mongod.port, "profiles", {"username": "ada", "displayName": "Ada"})
        live = self.read("ada", LIVE, environment={"MONGODB_PROFILES": mongod.uri, "MONGODB_URI": "mongodb://127.0.0.1:1/app"})
        self.assertEqual(live["profile"]["displayName"], "Ada")

    def test_what_is_asked_wrongly_is_refused(self):
        for arguments, says in ((["profile", "ada"], "profiles are on a server"), (["profile"], "profile wants one name"),
                                (["profile", "", "--to", "mongodb://127.0.0.1:1/app"], "is not a profile's name")):
            _, err = self.run_gleaner(*arguments, "--data", self.data, code=2)
            self.assertIn(says, err)


rig.main()
