# SPDX-License-Identifier: Apache-2.0
"""A controlled restart, also with a server that is frozen: the process ends while the server still is. How long
that took is printed; what decides is the order of the events."""
import contextlib, json, os, signal, time, rig

HOUR_MS = "3600000"


class Frozen(rig.Case):
    def setUp(self):
        super().setUp()
        self.server = self.mongod()
        self.held = self.site({"/held.html": "<title>held</title><body><p>text</p>"})

    def serve(self, data, *more):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{data}/gleaner.sock")  # of one that was killed: a new one is to be seen
        process = self.start("run", "--data", data, "--to", self.server.uri, "--allow-net", "127.0.0.0/8", "--no-progress", *more)
        rig.wait_for(lambda: os.path.exists(f"{data}/gleaner.sock") or process.poll() is not None, "the status socket")
        return process

    def submit(self):
        out, _ = self.run_gleaner("submit", f"{self.held.url}/held.html", "--to", self.server.uri)
        self.assertIn("submitted", out)

    @contextlib.contextmanager
    def frozen(self):
        self.server.process.send_signal(signal.SIGSTOP)
        try:
            yield
            with open(f"/proc/{self.server.process.pid}/stat") as f:
                self.assertEqual(f.read().rsplit(")", 1)[1].split()[0], "T", "the server is not frozen any more")
        finally:
            self.server.process.send_signal(signal.SIGCONT)

    def end(self, process, what, code=0, number=signal.SIGTERM):
        at = time.monotonic()
        process.send_signal(number)
        out, _ = self.finish(process, code)
        print(f"{what}: {1000 * (time.monotonic() - at):.0f} ms from the signal to the end", flush=True)
        return out


    def wait_done(self, data):
        def done():
            out, _ = self.run_gleaner("status", "--data", data, "--json")
            return json.loads(out).get("queue", {}).get("done", 0) >= 1
        rig.wait_for(done, "the job to be done")

    def test_a_service_with_a_job_in_work_ends_while_its_server_is_frozen(self):
        self.held.hold_after = 0
        process = self.serve(self.data, "--drain-ms", "1000", "--lease", "2000")
        self.submit()
        rig.wait_for(lambda: self.held.count() >= 1, "the request")
        with self.frozen():
            out = self.end(process, "service, job in work, drain 1000 ms")
            self.assertIn("stopped", out)
        self.held.hold_after = None
        self.held.gate.set()
        self.stop_after_done()

    def stop_after_done(self):
        """The next process takes the job over when its lease has run out."""
        process = self.serve(self.data)
        self.wait_done(self.data)
        self.end(process, "the next service, healthy server")

    def test_an_idle_service_ends_while_its_server_is_frozen(self):
        process = self.serve(self.data, "--drain-ms", "1000")
        with self.frozen():
            self.assertIn("stopped", self.end(process, "idle service, drain 1000 ms"))

    def test_a_service_that_cannot_start_for_a_frozen_server_ends(self):
        with self.frozen():
            process = self.start("run", "--data", self.data, "--to", self.server.uri, "--no-progress", "--log-level", "debug")
            self.assertNotEqual(process.stderr.readline(), "")
            self.end(process, "service that waits for its server")

    def test_a_crawl_ends_while_its_server_is_frozen_and_goes_on_later(self):
        pages = rig.linked_site(30)
        site = self.site(pages)
        site.hold_after = 10
        arguments = self.crawl_arguments(site.url + "/p0.html", "--to", self.server.uri, "--drain-ms", "500")
        process = self.start(*arguments)
        rig.wait_for(lambda: site.count() > 10 or process.poll() is not None, "10 requests")
        with self.frozen():
            self.end(process, "crawl, drain 500 ms", code=3)
        site.hold_after = None
        site.gate.set()
        self.run_gleaner(*arguments)
        self.assertEqual(self.stored_paths("--to", self.server.uri), set(pages))

    def states(self):
        out, _ = self.run_gleaner("queue", "list", "--to", self.server.uri, "--json")
        return {job["url"].rsplit("/", 1)[1]: job["state"] for job in map(json.loads, out.splitlines())}

    def test_a_clean_stop_hands_its_leases_back(self):
        self.held.pages["/next.html"] = "<title>next</title><body><p>text</p>"
        self.held.hold_after = 0
        process = self.serve(self.data, "--drain-ms", "600000", "--lease", HOUR_MS, "--per-host", "1")
        self.submit()
        rig.wait_for(lambda: self.held.count() >= 1, "the request")
        self.run_gleaner("submit", f"{self.held.url}/next.html", "--to", self.server.uri)
        rig.wait_for(lambda: self.states() == {"held.html": "leased", "next.html": "leased"}, "both leases")
        process.send_signal(signal.SIGTERM)
        rig.wait_for(lambda: self.states()["next.html"] == "ready", "what was not begun to be handed back")
        self.held.gate.set()
        out, _ = self.finish(process)
        self.assertIn("handed back", out)
        self.assertEqual(self.states(), {"held.html": "done", "next.html": "ready"})
        process = self.serve(self.data, "--lease", HOUR_MS)
        rig.wait_for(lambda: self.states()["next.html"] == "done", "the job in the next process")  # the lease had an hour
        self.assertEqual(self.held.requests, ["/held.html", "/next.html"])
        self.end(process, "the next service")

    def test_a_killed_process_is_followed_when_its_lease_has_run_out(self):
        self.held.hold_after = 0
        process = self.serve(self.data, "--lease", "1500")
        self.submit()
        rig.wait_for(lambda: self.held.count() >= 1, "the request")
        process.kill()
        self.finish(process, -signal.SIGKILL)
        self.held.gate.set()
        process = self.serve(self.data)
        self.wait_done(self.data)
        self.assertEqual(self.held.count(), 2)
        self.end(process, "the next service")


rig.main()
