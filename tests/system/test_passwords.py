# SPDX-License-Identifier: Apache-2.0
"""A password given in a URI appears nowhere: not in outputs, errors, status, metrics, nor in our files."""
import os, signal, socket, subprocess, rig

SECRET = "s3cret-Pass"
ENCODED = "s3cret%2DPass"


class Passwords(rig.Case):
    def setUp(self):
        super().setUp()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]  # nobody listens there any more
        self.seen = 0

    def no_secret(self, *texts):
        for text in texts:
            self.seen += len(text)
            self.assertNotIn(SECRET, text)
            self.assertNotIn(ENCODED, text)

    def no_secret_in_files(self):
        for directory, _, files in os.walk(self.data):
            for name in files:
                path = os.path.join(directory, name)
                if os.path.isfile(path):
                    with open(path, "rb") as f:
                        self.assertNotIn(SECRET.encode(), f.read(), path)

    def test_in_commands_that_fail(self):
        for password in (SECRET, ENCODED):
            for uri in (f"mongodb://app:{password}@127.0.0.1:{self.port}/app", f"mongodb://app:{password}@127.0.0.1:port/app",
                        f"mongodb://app:{password}@/app", f"mongdb://app:{password}@h/app", f"mongodb://app:{password}@h:1/app?nonsense=1&tls=maybe",
                        f"http://app:{password}@h/app"):
                for arguments in (["crawl", "http://127.0.0.1:9/", "--spool-wait", "0"], ["submit", "http://127.0.0.1:9/", "--operation-timeout", "300"],
                                  ["config"], ["drain", "--spool-wait", "0"]):
                    for given in (["--to", uri], [f"--to={uri}"], ["--fallback", uri]):
                        process = self.start(*arguments, *given, "--data", self.data, "--log-level", "debug")
                        self.no_secret(*process.communicate(timeout=rig.LIMIT))
                process = self.start("config", environment={"MONGODB_URI": uri})
                self.no_secret(*process.communicate(timeout=rig.LIMIT))
        with open(f"{self.home}/c.yaml", "w") as f:
            f.write(f"database:\n  uri: mongodb://app:{SECRET}@h:port/app\n")
        self.no_secret(*self.run_gleaner("config", "--config", "c.yaml", code=2))
        self.no_secret_in_files()
        self.assertGreater(self.seen, 1000, "nothing was said at all")

    def test_in_a_crawl_that_spools_and_its_status(self):
        site = self.site(rig.linked_site(30))
        site.hold_after = 10
        uri = f"mongodb://app:{SECRET}@127.0.0.1:{self.port}/app"
        process = self.start(*self.crawl_arguments(site.url + "/p0.html", "--to", uri, "--log-level", "debug"))
        rig.wait_for(lambda: (site.count() > 10 and os.path.exists(f"{self.data}/gleaner.sock")) or process.poll() is not None, "the crawl")
        self.no_secret(*self.run_gleaner("status", "--data", self.data), *self.run_gleaner("status", "--data", self.data, "--json"))
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(f"{self.data}/gleaner.sock")
            s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            text = b""
            while chunk := s.recv(65536):
                text += chunk
        self.no_secret(text.decode())
        process.send_signal(signal.SIGINT)
        site.gate.set()
        out, err = self.finish(process, 3)
        self.no_secret(out, err)
        self.assertIn("cannot be used now", err)
        self.no_secret_in_files()

    def test_in_a_refused_login(self):
        mongod = self.mongod()
        site = self.site({"/": "<title>t</title>"})
        uri = f"mongodb://app:{SECRET}@127.0.0.1:{mongod.port}/app"
        process = self.start(*self.crawl_arguments(site.url + "/", "--to", uri, "--log-level", "debug", "--spool-wait", "0"))
        out, err = self.finish(process, 4)
        self.no_secret(out, err)
        self.no_secret_in_files()


rig.main()
