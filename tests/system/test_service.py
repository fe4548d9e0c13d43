# SPDX-License-Identifier: Apache-2.0
"""run, submit, status: the service on the embedded store and on a real mongod."""
import json, os, signal, socket, rig


class Service(rig.Case):
    def setUp(self):
        super().setUp()
        self.pages = {"/a.html": "<title>A</title><body><p>alpha</p>", "/b.html": "<title>B</title><body><p>beta</p>"}

    def serve(self, *more):
        process = self.start("run", "--data", self.data, "--allow-net", "127.0.0.0/8", "--no-progress", *more)
        rig.wait_for(lambda: os.path.exists(f"{self.data}/gleaner.sock") or process.poll() is not None, "the status socket")
        return process

    def status(self):
        out, _ = self.run_gleaner("status", "--data", self.data, "--json")
        return json.loads(out)

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        return self.finish(process, 0)

    def check_jobs_are_done(self, target):
        site = self.site(self.pages)
        process = self.serve(*target)
        where = target or ("--data", self.data)
        out, _ = self.run_gleaner("submit", f"{site.url}/a.html", f"{site.url}/b.html", "--type", "text", *where)
        self.assertEqual(out.count("submitted text"), 2, out)
        rig.wait_for(lambda: self.status()["pages"]["processed"] >= 2, "both jobs")
        rig.wait_for(lambda: self.status()["queue"]["done"] >= 2, "both outcomes")
        out, _ = self.run_gleaner("status", "--data", self.data)
        self.assertIn("pages      2", out)
        out, _ = self.stop(process)
        self.assertIn("stopped", out)
        self.assertFalse(os.path.exists(f"{self.data}/gleaner.sock"))

    def test_submitted_jobs_are_done_on_the_embedded_store(self):
        self.check_jobs_are_done(())

    def test_submitted_jobs_are_done_on_a_mongod(self):
        self.check_jobs_are_done(("--to", self.mongod().uri))

    def test_a_job_submitted_before_the_service_is_found_by_it(self):
        site = self.site(self.pages)
        out, _ = self.run_gleaner("submit", f"{site.url}/a.html", "--data", self.data)
        self.assertIn("submitted", out)
        out, _ = self.run_gleaner("submit", f"{site.url}/a.html", "--data", self.data)
        self.assertIn("known already", out)
        process = self.serve()
        rig.wait_for(lambda: self.status()["queue"]["done"] >= 1, "the job")
        self.stop(process)
        self.assertEqual(site.requests, ["/a.html"])

    def test_metrics_are_served_on_a_socket_of_the_owner_alone(self):
        process = self.serve()
        self.assertEqual(os.stat(f"{self.data}/gleaner.sock").st_mode & 0o777, 0o600)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(f"{self.data}/gleaner.sock")
            s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            text = b""
            while chunk := s.recv(65536):
                text += chunk
        self.assertIn(b"# TYPE gleaner_pages_total counter\ngleaner_pages_total 0\n", text)
        self.assertIn(b'gleaner_failures_total{class="timeout"} 0\n', text)
        self.stop(process)

    def test_a_second_process_in_the_same_directory_is_refused(self):
        process = self.serve()
        _, err = self.run_gleaner("run", "--data", self.data, "--no-progress", code=5)
        self.assertIn(self.data, err)
        self.stop(process)

    def test_sighup_applies_what_is_live(self):
        with open(f"{self.home}/c.yaml", "w") as f:
            f.write("process:\n  log_level: info\n")
        process = self.serve("--config", "c.yaml")
        with open(f"{self.home}/c.yaml", "w") as f:
            f.write("process:\n  log_level: warn\nfetch:\n  delay_ms: 5\nworker:\n  threads: 3\n")
        process.send_signal(signal.SIGHUP)
        seen = ""
        while "key=worker.threads" not in seen:
            line = process.stderr.readline()
            self.assertNotEqual(line, "", seen)
            seen += line
        self.assertIn("key=fetch.delay_ms applied=now", seen)
        self.assertIn("key=worker.threads applied=at_restart", seen)
        self.stop(process)


rig.main()
