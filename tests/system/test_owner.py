# SPDX-License-Identifier: Apache-2.0
"""What a killed service held on a server: the next process of its data directory has it at once, uncounted; another
process does not take it."""
import json, os, rig


class Owner(rig.Case):
    def setUp(self):
        super().setUp()
        self.server = self.mongod()
        self.web = self.site({"/page.html": self.held_page})
        self.where = ["--to", self.server.uri]

    def held_page(self, handler):
        self.web.gate.wait(rig.LIMIT)
        handler.answer(200, b"<title>t</title><body><p>words</p>")

    def serve(self, data=None):
        data = data or self.data
        process = self.start("run", "--data", data, *self.where, "--allow-net", "127.0.0.0/8", "--no-progress", "--max-deliveries", "2")
        rig.wait_for(lambda: os.path.exists(f"{data}/gleaner.sock") or process.poll() is not None, "the status socket")
        return process

    def job(self):
        out, _ = self.run_gleaner("queue", "list", "--json", *self.where)
        return json.loads(out)

    def kill_with_the_page_in_hand(self):
        before = self.web.count()
        process = self.serve()
        rig.wait_for(lambda: self.web.count() > before, "the request")
        process.kill()
        process.wait()

    def test_a_process_killed_again_and_again_loses_no_job_and_waits_for_no_lease(self):
        self.run_gleaner("submit", f"{self.web.url}/page.html", "--type", "text", *self.where)
        for _ in range(3):  # more than the deliveries that make a dead letter
            self.kill_with_the_page_in_hand()
        self.web.gate.set()
        process = self.serve()  # a lease lasts a minute, which is half of what is waited here
        rig.wait_for(lambda: self.job()["state"] not in ("ready", "leased"), "the end of the job")
        self.assertEqual((self.job()["state"], self.job()["deliveries"]), ("done", 1))
        process.terminate()
        self.finish(process, 0)

    def test_only_the_same_data_directory_and_only_a_dead_process(self):
        self.run_gleaner("submit", f"{self.web.url}/page.html", "--type", "text", *self.where)
        first = self.serve()
        rig.wait_for(lambda: self.web.count() == 1, "the request")
        second = self.start("run", "--data", self.data, *self.where, "--allow-net", "127.0.0.0/8", "--no-progress", "--log-level", "info")
        rig.wait_for(lambda: "event=no_owner_file" in second.stderr.readline(), "its word that the directory is used")
        second.kill()
        second.wait()
        first.kill()
        first.wait()
        other = self.serve(f"{self.home}/other")
        self.assertEqual(self.job()["state"], "leased", "its lease runs on")
        other.kill()
        other.wait()
        self.assertEqual(self.web.count(), 1)


rig.main()
