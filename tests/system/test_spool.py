# SPDX-License-Identifier: Apache-2.0
"""Documents that wait for their server: seen, taken out, delivered; and a server that is not there."""
import json, os, signal, socket, sqlite3, rig


def dead_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Spool(rig.Case):
    def fill(self, uri, *more):
        """A crawl of two pages that cannot reach `uri`."""
        site = self.site({"/": '<title>one</title><a href="/b.html">b</a>', "/b.html": "<title>two</title>"})
        out, err = self.run_gleaner(*self.crawl_arguments(site.url + "/", "--to", uri, "--spool-wait", "0", *more), code=4)
        return site, out, err

    def spool(self, *more, code=0):
        return self.run_gleaner("spool", *more, "--data", self.data, code=code)

    def test_what_waits_is_listed_shown_and_exported(self):
        site, _, _ = self.fill(f"mongodb://127.0.0.1:{dead_port()}/app")
        out, err = self.spool("list")
        rows = [line.split() for line in out.splitlines()[1:]]
        self.assertEqual([row[-1] for row in rows], [site.url + "/", site.url + "/b.html"])
        self.assertIn("mongodb://127.0.0.1:", err)
        self.assertEqual(json.loads(self.spool("show", rows[1][0])[0])["title"], "two")
        exported = [json.loads(line) for line in self.spool("export")[0].splitlines()]
        self.assertEqual([d["title"] for d in exported], ["one", "two"])
        self.assertTrue(all("_id" in d for d in exported))
        self.assertIn("no document 999", self.spool("show", "999", code=2)[1])
        self.assertIn("not 'x'", self.spool("show", "x", code=2)[1])
        self.assertIn("2 wait in the spool", self.run_gleaner("export", "--data", self.data)[1])

    def test_a_damaged_entry_is_listed_as_such(self):
        self.fill(f"mongodb://127.0.0.1:{dead_port()}/app")
        with sqlite3.connect(f"{self.data}/gleaner.db") as db:
            db.execute("UPDATE spool SET crc = crc + 1 WHERE seq = (SELECT min(seq) FROM spool)")
            number = str(db.execute("SELECT min(seq) FROM spool").fetchone()[0])
        db.close()
        out, err = self.spool("list")
        self.assertEqual([line.endswith("(damaged)") for line in out.splitlines()[1:]], [True, False])
        self.assertIn("1 of them are damaged", err)
        self.assertIn("checksum", self.spool("show", number, code=5)[1])
        self.assertEqual(len(self.spool("export")[0].splitlines()), 1)

    def test_drain_knows_the_server_and_delivers_once_it_is_there(self):
        mongod = self.mongod()
        mongod.kill()
        _, out, _ = self.fill(mongod.uri)
        self.assertIn(f"gleaner spool drain --data {self.data}", out)
        out, err = self.spool("drain", "--spool-wait", "0", code=4)
        self.assertIn("2 left", out)
        mongod.start()
        out, _ = self.spool("drain")
        self.assertIn("2 documents delivered", out)
        self.assertIn("no document waits", self.spool("list")[0])
        out, _ = self.run_gleaner("export", "--to", mongod.uri)
        self.assertEqual(len(out.splitlines()), 2)

    def test_a_server_with_a_password_has_to_be_named_again(self):
        uri = f"mongodb://u:topsecret@127.0.0.1:{dead_port()}/app"
        _, out, err = self.fill(uri)
        self.assertIn("--to", out[out.index("gleaner spool drain"):].splitlines()[0])
        told = out + err + "".join(self.spool("list")) + "".join(self.spool("drain", code=2))
        self.assertIn("password", told)
        self.assertNotIn("topsecret", told)


class DeadServer(rig.Case):
    def test_commands_say_which_server_and_why(self):
        uri = f"mongodb://127.0.0.1:{dead_port()}/app"
        for command in (["export"], ["submit", "http://127.0.0.1:9/"]):
            _, err = self.run_gleaner(*command, "--to", uri, "--operation-timeout", "3000", code=5)
            self.assertIn(f"{uri} cannot be used: ", err)
            self.assertIn("Failed to connect", err)

    def test_the_service_waits_for_its_server_and_works_then(self):
        mongod = self.mongod()
        mongod.kill()
        site = self.site({"/a.html": "<title>t</title><p>text"})
        service = self.start("run", "--to", mongod.uri, "--data", self.data, "--allow-net", "127.0.0.0/8", "--backoff-base", "100", "--backoff-cap", "200")
        lines = []
        rig.wait_for(lambda: lines.append(service.stderr.readline()) or "waiting for " + mongod.uri in lines[-1], "the service's word")
        mongod.start()
        self.run_gleaner("submit", site.url + "/a.html", "--to", mongod.uri)
        rig.wait_for(lambda: "/a.html" in site.requests, "the job's page")
        service.send_signal(signal.SIGTERM)
        self.finish(service, 0)

    def test_status_calls_an_absent_server_away_and_does_not_wait_for_it(self):
        mongod = self.mongod()
        service = self.start("run", "--to", mongod.uri, "--data", self.data, "--backoff-base", "100", "--backoff-cap", "200")
        rig.wait_for(lambda: os.path.exists(f"{self.data}/gleaner.sock"), "the status socket")
        mongod.kill()
        out = rig.wait_for(lambda: (t := self.run_gleaner("status", "--data", self.data)[0]) and "server away" in t and t, "the outage")
        self.assertNotIn("embedded", out)
        service.send_signal(signal.SIGTERM)
        self.finish(service, 0)

    def test_a_service_that_waits_can_be_stopped(self):
        service = self.start("run", "--to", f"mongodb://127.0.0.1:{dead_port()}/app", "--data", self.data)
        rig.wait_for(lambda: "waiting for" in service.stderr.readline(), "the service's word")
        service.send_signal(signal.SIGTERM)
        self.finish(service, 0)


rig.main()
