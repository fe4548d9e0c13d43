# SPDX-License-Identifier: Apache-2.0
"""A module's file is replaced while jobs run: new jobs go to the new one, who is inside the old one finishes there."""
import json, os, shutil, signal, rig

FIXTURES = os.environ.get("FIXTURES", "")


class Reload(rig.Case):
    more = ()

    def setUp(self):
        super().setUp()
        self.module = f"{self.home}/modules/versioned.so"
        os.mkdir(f"{self.home}/modules")
        self.replace("1")

    def replace(self, version):
        shutil.copy(f"{FIXTURES}/versioned_{version}.so", f"{self.home}/next")
        os.replace(f"{self.home}/next", self.module)

    def serve(self, *more):
        process = self.start("run", "--data", self.data, "--allow-net", "127.0.0.0/8", "--no-progress", "--module-dir",
                             f"{self.home}/modules", "--threads", "4", *self.more, *more)
        rig.wait_for(lambda: os.path.exists(f"{self.data}/gleaner.sock") or process.poll() is not None, "the status socket")
        return process

    def submit(self, site, paths):
        self.run_gleaner("submit", *(site.url + path for path in paths), "--type", "versioned", "--data", self.data)

    def queue(self):
        out, _ = self.run_gleaner("status", "--data", self.data, "--json")
        return json.loads(out)["queue"]

    def versions(self):
        """Version by path; each page has to be there once."""
        documents = self.exported("--collection", "versions")
        found = {"/" + d["url"].split("/", 3)[3]: d["version"] for d in documents}
        self.assertEqual(len(found), len(documents))
        return found

    def places(self, process):
        """Where the module's code may be: process numbers."""
        return [process.pid]

    def mapped(self, process):
        """Generations of the module: the files behind its mappings."""
        found = set()
        for pid in self.places(process):
            try:
                with open(f"/proc/{pid}/maps") as f:
                    found |= {line.split()[4] for line in f if "versioned.so" in line}
            except OSError:
                pass  # it has just ended
        return found

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        return self.finish(process, 0)

    def test_who_is_inside_the_old_one_finishes_there_and_then_it_is_unloaded(self):
        go = f"{self.home}/go"
        site = self.site({"/held.html": f"<body>hold {go}\n", "/after.html": "<body>text"})
        process = self.serve()
        self.submit(site, ["/held.html"])
        rig.wait_for(lambda: os.path.exists(f"{go}.inside"), "somebody inside the old one")
        old = self.mapped(process)
        self.assertEqual(len(old), 1)
        self.replace("2")
        out, _ = self.run_gleaner("reload", "--data", self.data)
        self.assertEqual(out, "module versioned: 2 replaces 1\n")
        self.submit(site, ["/after.html"])
        rig.wait_for(lambda: self.versions().get("/after.html"), "the page of the new one")
        self.assertEqual(self.versions(), {"/after.html": "2"})
        self.assertEqual(len(self.mapped(process)), 2)
        open(go, "w").close()
        rig.wait_for(lambda: self.versions().get("/held.html"), "the page of the old one")
        self.assertEqual(self.versions(), {"/after.html": "2", "/held.html": "1"})
        rig.wait_for(lambda: len(self.mapped(process)) == 1, "the old one to be unloaded")
        self.assertFalse(self.mapped(process) & old)
        self.stop(process)

    def test_replaced_again_and_again_under_load_no_job_fails_and_none_is_lost(self):
        paths = [f"/p{i}.html" for i in range(240)]
        every = set(paths)
        site = self.site({path: "<body>text" for path in paths})
        process = self.serve()
        for version in ("2", "1"):  # each is seen to work before the next replaces it under its jobs
            self.replace(version)
            self.run_gleaner("reload", "--data", self.data)
            self.submit(site, [paths.pop() for _ in range(40)])
            rig.wait_for(lambda: version in self.versions().values(), f"a page of version {version}")
        for i in range(0, 160, 40):
            self.submit(site, paths[i:i + 40])
            self.replace("2" if i % 80 == 0 else "1")
            if i % 120 == 0:
                process.send_signal(signal.SIGHUP)
            else:
                self.run_gleaner("reload", "--data", self.data)
        rig.wait_for(lambda: self.queue()["done"] + self.queue()["dead"] >= 240, "all jobs")
        self.assertEqual(self.queue()["dead"], 0)
        self.assertEqual(set(self.versions()), every)
        self.assertEqual(set(self.versions().values()), {"1", "2"})
        self.stop(process)

    def test_a_broken_successor_is_refused_and_the_old_one_serves_on(self):
        site = self.site({"/a.html": "<body>text"})
        process = self.serve()
        with open(f"{self.home}/next", "wb") as f:
            f.write(b"\x7fELF")
        os.replace(f"{self.home}/next", self.module)
        _, err = self.run_gleaner("reload", "--data", self.data, code=2)
        self.assertIn("the old one serves on", err)
        self.submit(site, ["/a.html"])
        rig.wait_for(lambda: self.versions().get("/a.html") == "1", "the page")
        self.stop(process)


class ReloadIsolated(Reload):
    """The same with modules in child processes."""
    more = ("--isolate",)

    def places(self, process):
        found = []
        for task in os.listdir(f"/proc/{process.pid}/task"):
            try:
                with open(f"/proc/{process.pid}/task/{task}/children") as f:
                    found += map(int, f.read().split())
            except OSError:
                pass
        return found

    def test_a_child_that_is_started_after_the_file_was_replaced_runs_the_code_of_its_generation(self):
        site = self.site({"/a.html": "<body>text", "/b.html": "<body>text"})
        process = self.serve()
        children = rig.wait_for(lambda: self.places(process), "the module's process")
        self.replace("2")
        for pid in children:  # the next page needs a new one; nobody has asked for a reload
            os.kill(pid, signal.SIGKILL)
        self.submit(site, ["/a.html"])
        rig.wait_for(lambda: self.versions().get("/a.html"), "a page")
        self.run_gleaner("reload", "--data", self.data)
        self.submit(site, ["/b.html"])
        rig.wait_for(lambda: self.versions().get("/b.html"), "a page")
        self.assertEqual(self.versions(), {"/a.html": "1", "/b.html": "2"})
        self.stop(process)


rig.main()
