# SPDX-License-Identifier: Apache-2.0
"""What annoyed the first user: each case failed, or said nothing useful, before its fix."""
import json, os, shutil, signal, sqlite3, subprocess, rig


class Crawl(rig.Case):
    def test_a_limit_names_the_option_that_moves_it(self):
        site = self.site({"/": '<title>t</title><a href="/big.html">x</a>', "/big.html": "<p>" + "x" * 5000})
        out, _ = self.run_gleaner(*self.crawl_arguments(site.url + "/", "--max-body", "2000"))
        self.assertIn("--max-body BYTES", out)
        self.assertIn("given up   " + site.url + "/big.html: ", out)

    def test_a_summary_that_cannot_be_written_is_no_success(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        site = self.site({"/": "<title>t</title>"})
        for more in ([], ["--json"]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([rig.GLEANER, *self.crawl_arguments(site.url + "/", *more)], cwd=self.home, env=self.environment,
                                      stdout=full, stderr=subprocess.PIPE, text=True, timeout=rig.LIMIT)
            self.assertEqual(done.returncode, 1)
            self.assertIn("the output could not be written: No space left", done.stderr)

    def test_what_was_refused_at_the_start_is_no_crawl_to_resume(self):
        site = self.site({"/": "<title>t</title>"})
        _, err = self.run_gleaner(*self.crawl_arguments(site.url + "/", "--allow-net", "300.0.0.0/8"), code=2)
        self.assertIn("300.0.0.0/8", err)
        out, _ = self.run_gleaner(*self.crawl_arguments(site.url + "/"))
        self.assertEqual(out.splitlines()[0], "complete")

    def test_two_signals_at_once_are_one_wish(self):
        """timeout(1) signals its child, then the group of the child."""
        site = self.site(rig.linked_site(40))
        site.hold_after = 10
        process = self.start(*self.crawl_arguments(site.url + "/p0.html", "--drain-ms", "60000"))
        rig.wait_for(lambda: site.count() > 10, "held requests")
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        site.gate.set()
        out, err = self.finish(process, 3)
        self.assertIn("URLs are left; the same command goes on", out)
        self.assertNotIn("ended at once", err)

    def test_a_collection_that_no_server_takes_is_refused_at_once(self):
        for name in ("a$b", "system.users", ".a"):
            _, err = self.run_gleaner(*self.crawl_arguments("http://127.0.0.1:9/", "--collection", name), code=2)
            self.assertIn(f"'{name}' is not", err)

    def test_certificates_that_cannot_be_read_are_refused_at_once(self):
        _, err = self.run_gleaner(*self.crawl_arguments("http://127.0.0.1:9/", "--ca-file", "absent.pem"), code=2)
        self.assertIn("absent.pem: No such file", err)


class Configuration(rig.Case):
    def test_a_tab_is_named_with_its_line(self):
        with open(f"{self.home}/c.yaml", "w") as f:
            f.write("process:\n\tlog_level: info\n")
        _, err = self.run_gleaner("config", "--config", "c.yaml", code=2)
        self.assertIn("c.yaml:2: ", err)
        self.assertIn("tab", err)


class Database(rig.Case):
    def test_a_refused_write_ends_soon_and_shows_no_document(self):
        mongod = self.mongod()
        site = self.site({"/": "<title>t</title><p>private words"})
        client = self.user(mongod)
        out, err = self.run_gleaner(*self.crawl_arguments(site.url + "/", "--to", client, "--storage-patience", "200", "--drain-ms", "3600000",
                                                          "--log-level", "debug"), code=5)
        self.assertIn("not authorized", out)
        self.assertNotIn("private words", out + err)
        self.assertNotIn("_id", out + err)

    def user(self, mongod):
        """A server with authentication and a user who may only read."""
        script = ("import sys, pymongo; c = pymongo.MongoClient(sys.argv[1]); "
                  "c.app.command('createUser', 'reader', pwd='topsecret', roles=['read'])")
        # Debian's package belongs to the system's Python, which need not be the first in PATH.
        for python in filter(os.path.exists, (os.environ.get("PYMONGO", ""), shutil.which("python3") or "", "/usr/bin/python3")):
            if subprocess.run([python, "-c", script, mongod.uri], capture_output=True).returncode == 0:
                break
        else:
            self.skipTest("no pymongo (PYMONGO)")
        mongod.kill()
        mongod.program, program = f"{self.home}/mongod-auth", mongod.program
        with open(mongod.program, "w") as f:
            f.write(f'#!/bin/sh\nexec "{program}" --auth "$@"\n')
        os.chmod(mongod.program, 0o755)
        mongod.start()
        return mongod.uri.replace("://", "://reader:topsecret@")


rig.main()
