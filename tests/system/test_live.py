# SPDX-License-Identifier: Apache-2.0
"""Settings of a running process: set, SIGHUP, reload, config --live."""
import os, signal, rig


class Live(rig.Case):
    def serve(self, *more, **pages):
        process = self.start("run", "--data", self.data, "--allow-net", "127.0.0.0/8", "--no-progress", *more)
        rig.wait_for(lambda: os.path.exists(f"{self.data}/gleaner.sock") or process.poll() is not None, "the status socket")
        return process

    def set(self, *pairs, code=0):
        return self.run_gleaner("set", *pairs, "--data", self.data, code=code)[code != 0]

    def in_force(self, key):
        """(value, origin) of a setting of the running process."""
        out, _ = self.run_gleaner("config", "--live", "--data", self.data)
        line = next(line for line in out.splitlines() if line.split()[0] == key)
        return line.split()[1], line.split("# ", 1)[1]

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        return self.finish(process, 0)

    def test_what_is_set_is_in_force_and_says_where_it_comes_from(self):
        process = self.serve("--delay", "3")
        self.assertEqual(self.in_force("fetch.delay_ms"), ("3", "--delay"))
        out = self.set("fetch.delay_ms=7", "process.log_level=info")
        self.assertIn("fetch.delay_ms = 7 (was 3)\n", out)
        self.assertIn("process.log_level = info (was warn)\n", out)
        self.assertEqual(self.in_force("fetch.delay_ms"), ("7", "set at run time"))
        self.assertEqual(self.in_force("process.log_level"), ("info", "set at run time"))
        self.assertEqual(self.in_force("fetch.per_host"), ("8", "default"))
        self.stop(process)

    def test_what_is_wrong_is_refused_with_a_remedy_and_nothing_is_changed(self):
        process = self.serve()
        for pair, says in (("fetch.dely_ms=5", "unknown setting 'fetch.dely_ms'; did you mean fetch.delay_ms?"),
                           ("process.log_level=loud", "'loud' is not one of error|warn|info|debug"),
                           ("fetch.per_host=none", "'none' is not a whole number from 1 to 10000"),
                           ("fetch.robots=false", "fetch.robots cannot change while the process runs: it needs a restart"),
                           ("database.min_pool_size=20", "database.min_pool_size (20) is larger than"),
                           ("fetch.per_host", "is not KEY=VALUE")):
            with self.subTest(pair=pair):
                self.assertIn(says, self.set("fetch.delay_ms=9", pair, code=2))
                self.assertEqual(self.in_force("fetch.delay_ms"), ("0", "default"))
        self.assertIn("set wants KEY=VALUE", self.set(code=2))
        self.stop(process)

    def test_without_a_process_there_is_nothing_to_set(self):
        os.mkdir(self.data)
        self.assertIn("no gleaner process works in", self.set("fetch.delay_ms=9", code=1))
        self.assertIn("no gleaner process works in", self.run_gleaner("config", "--live", "--data", self.data, code=1)[1])
        self.assertIn("no gleaner process works in", self.run_gleaner("reload", "--data", self.data, code=1)[1])

    def test_more_concurrency_is_used_at_once(self):
        site = self.site(rig.linked_site(20, fan=19))
        site.hold_after = 1  # the first page names the others
        process = self.start(*self.crawl_arguments(site.url + "/p0.html", "--concurrency", "1"))
        rig.wait_for(lambda: site.count() == 2 or process.poll() is not None, "the one transfer")
        self.set("fetch.concurrency=5", "fetch.per_host=5")
        rig.wait_for(lambda: site.count() == 6 or process.poll() is not None, "five transfers at once")
        site.gate.set()
        self.finish(process)
        self.assertEqual(self.stored_paths(), set(site.pages))

    def test_a_budget_of_pages_given_to_a_running_crawl_ends_it(self):
        site = self.site(rig.linked_site(60))
        site.hold_after = 5
        process = self.start(*self.crawl_arguments(site.url + "/p0.html", "--concurrency", "2"))
        rig.wait_for(lambda: site.count() > 5 or process.poll() is not None, "six requests")
        self.set("crawl.pages=12", "fetch.concurrency=2")
        site.gate.set()
        self.finish(process)
        self.assertEqual(len(self.stored_paths()), 12)

    def test_sighup_and_reload_read_the_file_and_keep_what_was_set(self):
        def write(text):
            with open(f"{self.home}/c.yaml", "w") as f:
                f.write(text)
        write("fetch:\n  delay_ms: 1\n  per_host: 2\n")
        process = self.serve("--config", "c.yaml")
        self.set("fetch.delay_ms=7")
        write("fetch:\n  delay_ms: 3\n  per_host: 4\n  robots: false\n")
        out, _ = self.run_gleaner("reload", "--data", self.data)
        self.assertIn("fetch.per_host = 4 (was 2)\n", out)
        self.assertIn("fetch.robots = false (was true): at a restart\n", out)
        self.assertEqual(self.in_force("fetch.delay_ms"), ("7", "set at run time"))
        self.assertEqual(self.in_force("fetch.per_host"), ("4", "c.yaml:3"))
        write("fetch:\n  per_host: 0\n")
        _, err = self.run_gleaner("reload", "--data", self.data, code=2)
        self.assertIn("c.yaml:2: fetch.per_host: '0' is not", err)
        write("fetch:\n  per_host: 5\n")
        process.send_signal(signal.SIGHUP)
        rig.wait_for(lambda: self.in_force("fetch.per_host")[0] == "5", "the new value")
        self.stop(process)

    def test_the_pool_of_connections_follows(self):
        process = self.serve("--to", self.mongod().uri)
        self.assertIn("database.max_pool_size = 6 (was 10)\n", self.set("database.max_pool_size=6", "database.health_interval_ms=5000"))
        out, _ = self.run_gleaner("status", "--data", self.data)
        self.assertIn(" of 6:", out)
        self.assertIn("database.max_pool_size = 60 (was 6)\n", self.set("database.max_pool_size=60", "database.slow_ms=250",
                                                                       "database.driver_pools=3"))
        self.assertIn(" of 60:", self.run_gleaner("status", "--data", self.data)[0])
        self.assertEqual(self.in_force("database.slow_ms"), ("250", "set at run time"))
        self.stop(process)

    def test_the_server_can_be_reached_in_another_way_but_not_be_another_one(self):
        mongod = self.mongod()

        def write(uri):
            with open(f"{self.home}/c.yaml", "w") as f:
                f.write(f"database:\n  uri: {uri}\n")
        write(mongod.uri)
        process = self.serve("--config", "c.yaml")
        for uri in ("embedded", "none", f"{mongod.uri}2", mongod.uri.replace("127.0.0.1", "localhost")):
            with self.subTest(uri=uri):
                self.assertIn("another server or database needs a restart", self.set(f"database.uri={uri}", code=2))
                write(uri)  # a file that names another one is for the next start
                self.assertIn("): at a restart\n", self.run_gleaner("reload", "--data", self.data)[0])
                self.assertEqual(self.in_force("database.uri"), (mongod.uri, "c.yaml:2"))
        self.assertIn("database.name cannot change", self.set("database.name=other", code=2))
        write(f"{mongod.uri}?retryReads=false")
        out, _ = self.run_gleaner("reload", "--data", self.data)
        self.assertIn(f"database.uri = {mongod.uri}?retryReads=false (was {mongod.uri})\n", out)
        out = self.set(f"database.uri={mongod.uri}?retryReads=true")
        self.assertIn(f"database.uri = {mongod.uri}?retryReads=true (was", out)
        self.assertEqual(self.in_force("database.uri"), (f"{mongod.uri}?retryReads=true", "set at run time"))
        self.stop(process)


rig.main()
