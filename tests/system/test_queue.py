# SPDX-License-Identifier: Apache-2.0
"""queue stats, list, dead, retry, drop: on the embedded store with and without a process, and on a real mongod."""
import json, os, signal, rig


class Queue(rig.Case):
    def setUp(self):
        super().setUp()
        self.where = ["--data", self.data]
        self.pages = {"/good.html": "<title>g</title><body><p>good text</p>"}
        self.web = self.site(self.pages)

    def serve(self, *more):
        process = self.start("run", *self.where, "--allow-net", "127.0.0.0/8", "--no-progress", *more)
        rig.wait_for(lambda: os.path.exists(f"{self.data}/gleaner.sock") or process.poll() is not None, "the status socket")
        return process

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        return self.finish(process, 0)

    def queue(self, *arguments, code=0):
        return self.run_gleaner("queue", *arguments, *self.where, code=code)[0]

    def jobs(self, *arguments):
        return [json.loads(line) for line in self.queue(*arguments, "--json").splitlines()]

    def submit(self, *paths, type="text"):
        self.run_gleaner("submit", *(self.web.url + p for p in paths), "--type", type, *self.where)

    def state(self, path):
        found = self.jobs("list", "--url", self.web.url + path)
        self.assertEqual(len(found), 1)
        return found[0]["state"]

    def check_all_actions(self, process_for_changes):
        """A job dies (404), is listed with its reason, and is done after a retry, its page being there by then."""
        process = self.serve()
        self.submit("/good.html", "/later.html")
        rig.wait_for(lambda: len(self.jobs("dead")) == 1, "the dead job")
        rig.wait_for(lambda: self.state("/good.html") == "done", "the good job")
        dead = self.jobs("dead")[0]
        self.assertEqual((dead["class"], dead["type"], dead["url"]), ("http_4xx", "text", self.web.url + "/later.html"))
        self.assertIn("404", self.queue("dead"))
        self.assertIn("1 done, 1 dead", self.queue("stats"))
        if not process_for_changes:
            self.stop(process)
        self.pages["/later.html"] = "<title>l</title><body><p>later text</p>"
        self.assertEqual(self.queue("retry", "--id", dead["id"]), "1 job to be tried again\n")
        self.assertEqual(self.queue("retry", "--id", dead["id"], code=1), "0 jobs to be tried again\n")
        if not process_for_changes:
            process = self.serve()
        rig.wait_for(lambda: self.state("/later.html") == "done", "the retried job")
        self.stop(process)

    def test_all_actions_beside_a_process_on_the_embedded_store(self):
        self.check_all_actions(True)

    def test_all_actions_without_a_process_on_the_embedded_store(self):
        self.check_all_actions(False)

    def test_all_actions_on_a_mongod(self):
        self.where += ["--to", self.mongod().uri]
        self.check_all_actions(True)

    def check_drop(self):
        self.submit("/good.html", "/b.html")
        self.submit("/good.html", type="image")
        self.assertEqual(self.queue("drop", "--type", "image"), "1 job dropped\n")
        self.assertEqual(self.queue("drop", "--url", "*/b.html"), "1 job dropped\n")
        self.assertEqual({j["class"] for j in self.jobs("dead")}, {"dropped"})
        process = self.serve()
        rig.wait_for(lambda: [j for j in self.jobs("list") if j["state"] == "done"], "the job that is left")
        self.stop(process)
        self.assertEqual(self.web.requests, ["/good.html"])

    def test_dropped_jobs_are_never_worked_on(self):
        self.check_drop()

    def test_dropped_jobs_are_never_worked_on_on_a_mongod(self):
        self.where += ["--to", self.mongod().uri]
        self.check_drop()

    def test_a_finished_crawl_goes_on_with_what_is_retried(self):
        self.pages["/"] = '<title>t</title><a href="/good.html">g</a> <a href="/later.html">l</a>'
        arguments = self.crawl_arguments(self.web.url + "/")
        self.run_gleaner(*arguments)
        self.assertEqual([j["url"] for j in self.jobs("dead")], [self.web.url + "/later.html"])
        self.pages["/later.html"] = "<title>l</title>text"
        before = self.web.count()
        self.assertEqual(self.queue("retry", "--all"), "1 job to be tried again\n")
        out, _ = self.run_gleaner(*arguments)
        self.assertIn("resumed", out)
        self.assertEqual(self.web.requests[before:], ["/later.html"])
        self.assertEqual(self.stored_paths(), {"/", "/good.html", "/later.html"})

    def test_mistakes_are_refused_with_a_remedy(self):
        self.submit("/good.html")
        for arguments, says in ((("retry",), "retry which?"), (("lsit",), "did you mean list?"), ((), "queue wants one of"),
                                (("list", "--state", "lost"), "is not one of ready|waiting"), (("drop", "--queue", "nope"), "there is no queue 'nope'")):
            with self.subTest(arguments=arguments):
                _, err = self.run_gleaner("queue", *arguments, *self.where, code=2)
                self.assertIn(says, err)
        self.assertEqual(self.queue("list", "--state", "dead"), "no job\n")


rig.main()
