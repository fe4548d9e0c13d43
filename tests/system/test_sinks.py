# SPDX-License-Identifier: Apache-2.0
"""gleaner crawl --also FILE: what is in the files after a crawl, after kill -9, on a full disk; WARC
judged by warcio (python3 -m venv V && V/bin/pip install warcio; run with WARCIO=V/bin/warcio)."""
import collections, csv, gzip, io, json, os, resource, shutil, signal, subprocess, unittest, urllib.parse
import rig

WARCIO = os.environ.get("WARCIO") or shutil.which("warcio")


def warc_records(data):
    """(type, URL, block) of each record, by the format alone."""
    text, found = gzip.decompress(data), []
    while text:
        head, _, rest = text.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert lines[0] == "WARC/1.1", lines[0]
        fields = dict(line.split(": ", 1) for line in lines[1:])
        length = int(fields["Content-Length"])
        assert rest[length:length + 4] == b"\r\n\r\n"
        found.append((fields["WARC-Type"], fields.get("WARC-Target-URI"), rest[:length]))
        text = rest[length + 4:]
    return found


class Sinks(rig.Case):
    def path(self, name):
        return f"{self.home}/{name}"

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def json_paths(self, name="pages.jsonl"):
        return [urllib.parse.urlsplit(json.loads(line)["url"]).path for line in self.read(name).splitlines()]

    def also(self, *names):
        return [argument for name in names for argument in ("--also", self.path(name))]

    def test_all_formats_hold_every_page_once(self):
        site = self.site(rig.linked_site(40))
        self.run_gleaner(*self.crawl_arguments(f"{site.url}/p0.html", *self.also("pages.jsonl", "pages.csv", "pages.warc.gz")))
        wanted = sorted(site.pages)
        self.assertEqual(sorted(self.json_paths()), wanted)
        rows = list(csv.DictReader(io.StringIO(self.read("pages.csv").decode(), newline="")))
        self.assertEqual(sorted(urllib.parse.urlsplit(row["url"]).path for row in rows), wanted)
        stored = {d["_id"]["$oid"]: d for d in self.exported()}
        for line in self.read("pages.jsonl").splitlines():
            document = json.loads(line)
            self.assertEqual(document, stored[document["_id"]["$oid"]])
        records = warc_records(self.read("pages.warc.gz"))
        for kind in ("request", "response", "metadata"):
            self.assertEqual(sorted(urllib.parse.urlsplit(url).path for k, url, _ in records if k == kind), wanted, kind)
        for kind, url, block in records:
            if kind == "response":
                self.assertEqual(block.partition(b"\r\n\r\n")[2].decode(), site.pages[urllib.parse.urlsplit(url).path])

    def test_a_redirect_is_in_the_warc_too(self):
        def moved(handler):
            handler.answer(301, b"", Location="/b.html")
        site = self.site({"/a.html": moved, "/b.html": "<title>b</title>there"})
        self.run_gleaner(*self.crawl_arguments(f"{site.url}/a.html", *self.also("a.warc.gz")))
        responses = {urllib.parse.urlsplit(url).path: block for k, url, block in warc_records(self.read("a.warc.gz")) if k == "response"}
        self.assertEqual(set(responses), {"/a.html", "/b.html"})
        self.assertTrue(responses["/a.html"].startswith(b"HTTP/1.1 301"))

    def test_a_second_crawl_appends(self):
        site = self.site(rig.linked_site(5))
        for _ in range(2):
            self.run_gleaner(*self.crawl_arguments(f"{site.url}/p0.html", *self.also("pages.jsonl")))
        self.assertEqual(set(collections.Counter(self.json_paths()).values()), {2})

    def test_killed_again_and_again_nothing_is_lost_or_doubled(self):
        site = self.site(rig.linked_site(120))
        names = ("pages.jsonl", "pages.csv", "pages.warc.gz")
        arguments = self.crawl_arguments(f"{site.url}/p0.html", *self.also(*names), "--batch-pages", "4", "--concurrency", "4")
        for kill_at in (5, 30, 60, 90):
            process = self.start(*arguments)
            rig.wait_for(lambda: site.count() >= kill_at or process.poll() is not None, "requests")
            process.kill()
            process.communicate()
            for name in names:  # what a power cut adds: half a record
                with open(self.path(name), "ab") as file:
                    file.write({"pages.jsonl": b'{ "_id" : { "$oi', "pages.csv": b'0011,"half', "pages.warc.gz": b"\x1f\x8b\x08\0\0"}[name])
        # the first file alone may have been made of that half when the process had not come so far
        self.run_gleaner(*arguments)
        wanted = sorted(site.pages)
        self.assertEqual(sorted(self.json_paths()), wanted)
        rows = list(csv.DictReader(io.StringIO(self.read("pages.csv").decode(), newline="")))
        self.assertEqual(sorted(urllib.parse.urlsplit(row["url"]).path for row in rows), wanted)
        records = warc_records(self.read("pages.warc.gz"))
        self.assertEqual(sorted(urllib.parse.urlsplit(url).path for k, url, _ in records if k == "response"), wanted)
        self.assertEqual(self.stored_paths(), set(wanted))

    def test_a_full_file_system_acknowledges_nothing_and_the_same_command_goes_on(self):
        if not rig.can_mount():
            self.skipTest("no mount here")
        site = self.site(rig.linked_site(200))
        os.mkdir(self.path("small"))
        script = ('mount -t tmpfs -o size=32k none "$0"; "$@"; code=$?; cp "$0"/* "$0".saved; exit $code')
        process = self.start("-m", "sh", "-c", script, self.path("small"), rig.GLEANER,
                             *self.crawl_arguments(f"{site.url}/p0.html", "--also", self.path("small/pages.jsonl"),
                                                   "--storage-patience", "300", "--batch-pages", "8"), program=shutil.which("unshare"))
        _, err = self.finish(process, 5)
        self.assertIn("No space left", err)
        os.rename(self.path("small.saved"), self.path("small/pages.jsonl"))
        held = self.json_paths("small/pages.jsonl")
        self.assertLess(len(held), 200)
        self.assertLessEqual(self.stored_paths(), set(held))  # stored = acknowledged: in the file before
        self.run_gleaner(*self.crawl_arguments(f"{site.url}/p0.html", "--also", self.path("small/pages.jsonl")))
        self.assertEqual(sorted(self.json_paths("small/pages.jsonl")), sorted(site.pages))

    def test_a_name_that_says_no_format_is_refused_with_the_formats(self):
        _, err = self.run_gleaner(*self.crawl_arguments("http://127.0.0.1:1/", "--also", "pages.txt"), code=2)
        self.assertIn(".warc.gz", err)

    @unittest.skipUnless(WARCIO, "no warcio (pip install warcio; WARCIO)")
    def test_warcio_finds_nothing_wrong(self):
        site = self.site(rig.linked_site(30))
        self.run_gleaner(*self.crawl_arguments(f"{site.url}/p0.html", *self.also("pages.warc.gz")))
        with open(self.path("texts.warc.gz"), "wb") as file:
            subprocess.run([rig.GLEANER, "export", "--data", self.data, "--format", "warc"], stdout=file, check=True, env=self.environment)
        for name, count in (("pages.warc.gz", 3 * 30 + 1), ("texts.warc.gz", 30 + 1)):
            done = subprocess.run([WARCIO, "check", "-v", self.path(name)], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertNotIn("digest failed", done.stdout)
            self.assertIn("digest pass", done.stdout)
            listed = subprocess.run([WARCIO, "index", self.path(name)], capture_output=True, text=True, check=True)
            self.assertEqual(len(listed.stdout.splitlines()), count)


if __name__ == "__main__":
    rig.main()
