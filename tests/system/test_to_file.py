# SPDX-License-Identifier: Apache-2.0
"""gleaner crawl --to FILE and --to -: every page once in the file, whatever interrupts; what is in the way is
replaced, refused or named; and nothing but documents on standard output."""
import csv, gzip, io, json, os, re, urllib.parse
import rig

NAMES = ("pages.jsonl", "pages.csv", "pages.warc", "pages.warc.gz")
HALF = {"pages.jsonl": b'{ "_id" : { "$oi', "pages.csv": b'0011,"half', "pages.warc": b"WARC/1.1\r\nWARC-Type: resp",
        "pages.warc.gz": b"\x1f\x8b\x08\0\0"}


class ToFile(rig.Case):
    def path(self, name):
        return f"{self.home}/{name}"

    def urls(self, name):
        """What the file holds, by the format alone."""
        with open(self.path(name), "rb") as file:
            data = file.read()
        if name.endswith(".jsonl"):
            return [json.loads(line)["url"] for line in data.splitlines()]
        if name.endswith(".csv"):
            return [row["url"] for row in csv.DictReader(io.StringIO(data.decode(), newline=""))]
        data = gzip.decompress(data) if name.endswith(".gz") else data
        return [url.decode() for url in re.findall(rb"WARC-Type: response\r\n(?:[^\r]+\r\n)*?WARC-Target-URI: ([^\r]+)\r\n", data)]

    def assert_holds(self, name, site):
        self.assertEqual(sorted(urllib.parse.urlsplit(u).path for u in self.urls(name)), sorted(site.pages), name)

    def test_every_format_holds_every_page_once_and_the_store_none(self):
        site = self.site(rig.linked_site(40))
        for name in NAMES:
            with self.subTest(name=name):
                out, _ = self.run_gleaner(*self.crawl_arguments(f"{site.url}/p0.html", "--to", self.path(name)))
                self.assert_holds(name, site)
                self.assertIn(f"40 records written to {self.path(name)}", out)
        self.assertEqual(self.exported(), [])

    def test_killed_again_and_again_every_page_is_there_once(self):
        site = self.site(rig.linked_site(120))
        for name in NAMES:
            with self.subTest(name=name):
                arguments = self.crawl_arguments(f"{site.url}/p0.html", "--to", self.path(name), "--batch-pages", "4",
                                                 "--concurrency", "4")
                before = site.count()
                for kill_at in (5, 40, 80):
                    process = self.start(*arguments)
                    rig.wait_for(lambda: site.count() - before >= kill_at or process.poll() is not None, "requests")
                    process.kill()
                    process.communicate()
                    with open(self.path(name), "ab") as file:  # what a power cut adds: half a record
                        file.write(HALF[name])
                self.run_gleaner(*arguments)
                self.assert_holds(name, site)

    def test_the_same_again_replaces_and_something_else_is_left_alone(self):
        site = self.site(rig.linked_site(10))
        crawl = self.crawl_arguments(f"{site.url}/p0.html", "--to", "pages.jsonl")
        for _ in range(2):
            self.run_gleaner(*crawl)
            self.assert_holds("pages.jsonl", site)
        _, err = self.run_gleaner(*crawl, "--depth", "1", code=2)
        self.assertIn("is not empty", err)
        self.assertIn("--fresh", err)
        self.assert_holds("pages.jsonl", site)
        self.run_gleaner(*crawl, "--depth", "0", "--fresh")
        self.assertEqual(len(self.urls("pages.jsonl")), 1)

    def test_the_file_is_the_same_from_another_directory(self):
        site = self.site(rig.linked_site(60))
        site.hold_after = 20
        os.mkdir(self.path("below"))
        crawl = self.crawl_arguments(f"{site.url}/p0.html", "--drain-ms", "0", "--batch-pages", "2", "--to")
        process = self.start(*crawl, "below/pages.jsonl")
        rig.wait_for(lambda: os.path.exists(self.path("below/pages.jsonl")) and os.path.getsize(self.path("below/pages.jsonl")), "a page")
        rig.interrupt(process)
        self.finish(process, 3)
        site.hold_after = None
        site.gate.set()
        out, _ = self.run_gleaner(*crawl, self.path("below/pages.jsonl"))
        self.assertIn("resumed", out)
        self.assert_holds("below/pages.jsonl", site)

    def test_a_file_that_was_taken_away_is_missed(self):
        site = self.site(rig.linked_site(60))
        site.hold_after = 20
        crawl = self.crawl_arguments(f"{site.url}/p0.html", "--drain-ms", "0", "--batch-pages", "2", "--to", "pages.jsonl")
        process = self.start(*crawl)
        rig.wait_for(lambda: os.path.exists(self.path("pages.jsonl")) and os.path.getsize(self.path("pages.jsonl")), "a page")
        rig.interrupt(process)
        self.finish(process, 3)
        os.unlink(self.path("pages.jsonl"))
        site.hold_after = None
        site.gate.set()
        _, err = self.run_gleaner(*crawl, code=2)
        self.assertIn("is gone", err)
        self.run_gleaner(*crawl, "--fresh")
        self.assert_holds("pages.jsonl", site)

    def test_names_that_are_no_file_are_refused_with_what_would_be_one(self):
        os.mkdir(self.path("folder.csv"))
        for name, code, says in (("pages.txt", 2, ".warc.gz"), ("pages.jsonl.gz", 2, "jsonl:FILE"), ("absent/pages.csv", 2, "absent"),
                                 ("folder.csv", 5, "Is a directory"), ("jsonl:/dev/null", 2, "no regular file")):
            with self.subTest(name=name):
                _, err = self.run_gleaner(*self.crawl_arguments("http://127.0.0.1:1/", "--to", name), code=code)
                self.assertIn(says, err)
        _, err = self.run_gleaner(*self.crawl_arguments("http://127.0.0.1:1/", "--to", "a.csv", "--also", "./a.csv"), code=2)
        self.assertIn("named twice", err)
        _, err = self.run_gleaner("export", "--data", self.data, "--to", "a.csv", code=2)
        self.assertIn("gleaner crawl alone", err)


class ToStandardOutput(rig.Case):
    def test_nothing_but_documents_is_there(self):
        site = self.site(rig.linked_site(40))
        out, err = self.run_gleaner("crawl", f"{site.url}/p0.html", "--allow-net", "127.0.0.0/8", "--to", "-")
        self.assertEqual(sorted(urllib.parse.urlsplit(json.loads(line)["url"]).path for line in out.splitlines()), sorted(site.pages))
        self.assertIn("pages      40", err)
        out, err = self.run_gleaner(*self.crawl_arguments(f"{site.url}/p0.html", "--to", "csv:-"))
        self.assertEqual(len(list(csv.DictReader(io.StringIO(out)))), 40)
        self.assertEqual(err, "")

    def test_a_reader_who_has_enough_ends_the_crawl_quietly(self):
        site = self.site(rig.linked_site(2000))
        process = self.start(*self.crawl_arguments(f"{site.url}/p0.html", "--to", "-", "--batch-pages", "1"))
        self.assertTrue(json.loads(process.stdout.readline())["url"].startswith(site.url))
        process.stdout.close()
        self.assertEqual(process.wait(timeout=rig.LIMIT), 1)
        self.assertEqual(process.stderr.read(), "")
        process.stderr.close()
        self.assertLess(site.count(), 2000)


if __name__ == "__main__":
    rig.main()
