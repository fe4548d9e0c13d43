# SPDX-License-Identifier: Apache-2.0
"""Sites, disks and files that are wrong: each has a clear message, a documented exit code, and loses nothing."""
import gzip, os, shutil, socket, subprocess, unittest, rig


def redirect_loop(handler):
    handler.answer(302, b"", Location="/loop.html?" + str(len(handler.path)) + "x" * (len(handler.path) % 50))


def endless(handler):
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    try:
        while True:
            handler.wfile.write(b"<p>more " * 8192)
    except OSError:
        pass


def bomb(handler):
    handler.answer(200, gzip.compress(b"0" * (64 << 20)), Content_Encoding="gzip")


def short_body(handler):
    handler.answer(200, b"<p>short", Content_Length="1000")
    handler.close_connection = True


class Sites(rig.Case):
    def check(self, url, code, *says, more=()):
        out, _ = self.run_gleaner(*self.crawl_arguments(url, "--max-attempts", "1", *more), code=code)
        for text in says:
            self.assertIn(text, out)
        return out

    def test_unknown_host(self):
        self.check("http://no-such-host.invalid/", 6, "dns 1", "no-such-host.invalid")

    def test_refused_port(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.check(f"http://127.0.0.1:{port}/", 6, "connect 1")

    def test_not_found(self):
        self.check(self.site({}).url + "/x.html", 6, "http_4xx 1", "answered 404")

    def test_private_address_without_leave(self):
        site = self.site({"/": "x"})
        out, _ = self.run_gleaner("crawl", site.url + "/", "--data", self.data, "--no-progress", code=6)
        self.assertIn("--allow-net", out)
        self.assertEqual(site.requests, [])

    def test_redirect_loop_ends(self):
        site = self.site({"/": '<title>t</title><a href="/loop.html">x</a>'})
        site.pages["/loop.html"] = lambda handler: handler.answer(302, b"", Location="/loop2.html")
        site.pages["/loop2.html"] = lambda handler: handler.answer(302, b"", Location="/loop.html")
        self.check(site.url + "/", 0, "documents  1 new")
        self.assertLessEqual(site.count(), 3)

    def test_a_start_that_leads_away_says_where_to(self):
        away = self.site({"/": "<title>t</title><p>text"})
        site = self.site({"/": lambda handler: handler.answer(301, b"", Location=away.url + "/")})
        self.check(site.url + "/", 6, "redirect 1", f"leads to {away.url}/, which is not in the crawl's scope", "--no-same-host")
        self.assertEqual(away.requests, [])
        self.check(site.url + "/", 0, "documents  1 new", more=("--no-same-host",))
        linked = self.site({"/": '<title>t</title><a href="/out.html">x</a>',
                            "/out.html": lambda handler: handler.answer(301, b"", Location=away.url + "/")})
        self.check(linked.url + "/", 0, "failures   0")  # a page's link that leads away is only not followed

    def test_a_robots_file_that_fails_twice_costs_no_page(self):
        answers = iter((500, 500))
        site = self.site({"/": "<title>t</title><p>text", "/robots.txt": lambda handler: handler.answer(next(answers, 404), b"")})
        out, _ = self.run_gleaner(*self.crawl_arguments(site.url + "/"))
        self.assertIn("documents  1 new", out)

    def test_endless_body_is_given_up_at_its_limit(self):
        site = self.site({"/": '<a href="/endless.html">x</a>', "/endless.html": endless})
        self.check(site.url + "/", 0, "too_large 1", more=("--max-body", "1000000"))

    def test_a_bomb_is_given_up_at_its_decoded_size(self):
        site = self.site({"/": '<a href="/bomb.html">x</a>', "/bomb.html": bomb})
        self.check(site.url + "/", 0, "too_large 1", more=("--max-body", "1000000"))

    def test_a_body_that_ends_early_is_no_page(self):
        site = self.site({"/": '<a href="/short.html">x</a>', "/short.html": short_body})
        self.check(site.url + "/", 0, "network 1", "documents  1 new")

    def test_an_unreachable_server_keeps_documents_in_the_spool(self):
        site = self.site({"/": "<title>t</title><p>text"})
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            uri = f"mongodb://127.0.0.1:{s.getsockname()[1]}/app"
        out, _ = self.run_gleaner(*self.crawl_arguments(site.url + "/", "--to", uri, "--spool-wait", "0"), code=4)
        self.assertIn("gleaner spool drain", out)
        self.assertIn("1 by way of the spool (1 still there)", out)

    def test_a_server_that_never_was_there_is_not_waited_for_long_and_that_is_said(self):
        site = self.site({"/": "<title>t</title><p>text"})
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            uri = f"mongodb://127.0.0.1:{s.getsockname()[1]}/app"
        for more, says in (((), "up to 2 s"), (("--spool-wait", "3000"), "up to 3 s")):
            process = self.start(*self.crawl_arguments(site.url + "/", "--to", uri, "--server-selection", "100", *more))
            _, err = self.finish(process, 4)
            self.assertIn(says, err)


class Files(rig.Case):
    def test_data_directory_that_cannot_be_made(self):
        with open(f"{self.home}/file", "w") as f:
            f.write("x")
        self.data = f"{self.home}/file/data"
        _, err = self.run_gleaner(*self.crawl_arguments("http://127.0.0.1:9/"), code=5)
        self.assertIn(self.data, err)

    def test_unwritable_data_directory(self):
        os.mkdir(self.data, 0o555)
        os.chmod(self.home, 0o755)
        more = {}
        if os.geteuid() == 0:  # root may write everywhere; nobody may not even enter root's home
            more = {"user": 65534, "program": shutil.copy(rig.GLEANER, self.home)}
        process = self.start(*self.crawl_arguments("http://127.0.0.1:9/"), **more)
        _, err = self.finish(process, 5)
        self.assertIn(self.data, err)

    def test_a_truncated_store_is_refused_and_left_as_it_is(self):
        site = self.site(rig.linked_site(30))
        self.run_gleaner(*self.crawl_arguments(site.url + "/p0.html"))
        path = f"{self.data}/gleaner.db"
        size = os.path.getsize(path)
        os.truncate(path, size // 2)
        with open(path, "rb") as f:
            before = f.read()
        for arguments in (self.crawl_arguments(site.url + "/p0.html"), ["export", "--data", self.data]):
            _, err = self.run_gleaner(*arguments, code=5)
            self.assertIn("gleaner.db", err)
        with open(path, "rb") as f:
            self.assertEqual(f.read(), before)

    def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(self):
        os.mkdir(self.data)
        with open(f"{self.data}/gleaner.db", "w") as f:
            f.write("this is somebody's letter\n" * 100)
        self.run_gleaner(*self.crawl_arguments("http://127.0.0.1:9/"), code=5)
        with open(f"{self.data}/gleaner.db") as f:
            self.assertEqual(f.read(), "this is somebody's letter\n" * 100)

    def test_a_module_that_is_none(self):
        with open(f"{self.home}/letter.so", "w") as f:
            f.write("no module")
        _, err = self.run_gleaner(*self.crawl_arguments("http://127.0.0.1:9/", "--module", f"{self.home}/letter.so"), code=2)
        self.assertIn("letter.so", err)
        _, err = self.run_gleaner(*self.crawl_arguments("http://127.0.0.1:9/", "--module", "absent.so"), code=2)
        self.assertIn("absent.so", err)

    @unittest.skipUnless(rig.can_mount(), "needs leave to mount a tmpfs")
    def test_a_full_disk_stops_the_crawl_and_room_lets_it_end(self):
        pages = rig.linked_site(120)
        for path in pages:
            pages[path] += "".join(f"<p>{path} paragraph {i} of filler</p>" for i in range(1500))
        site = self.site(pages)
        crawl = " ".join(self.crawl_arguments(site.url + "/p0.html", "--batch-pages", "5", "--storage-patience", "500"))
        script = f"""
            mkdir -p {self.data} && mount -t tmpfs -o size=2m none {self.data}
            {rig.GLEANER} {crawl} >{self.home}/first 2>&1; echo first $?
            {rig.GLEANER} export --data {self.data} >{self.home}/between; echo export $?
            mount -o remount,size=300m {self.data}
            {rig.GLEANER} {crawl} >{self.home}/second 2>&1; echo second $?
            {rig.GLEANER} export --data {self.data} >{self.home}/after; echo export $?"""
        out = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=rig.LIMIT,
                             cwd=self.home, env=self.environment)
        read = lambda name: open(f"{self.home}/{name}").read()
        self.assertEqual(out.stdout.split("\n")[:4], ["first 5", "export 0", "second 0", "export 0"],
                         out.stderr + read("first") + read("second"))
        self.assertIn("storage failed", read("first"))
        self.assertIn("full", read("first"))
        between, after = read("between").splitlines(), read("after").splitlines()
        self.assertLess(len(between), 120)
        self.assertEqual(len(after), 120)
        self.assertLessEqual(set(b[:50] for b in between), set(a[:50] for a in after))  # by _id


    def test_a_setting_that_no_module_asks_for_is_refused_with_the_nearest(self):
        for entry, says in (("text.unknown=1", "no setting 'unknown'"), ("text.main_txt=true", "did you mean main_text?"),
                            ("txt.main_text=true", "no module 'txt'; did you mean text?"), ("image.main_text=true", "there are: dimensions, document, relevance")):
            for command in (["crawl", "http://127.0.0.1:1/"], ["run"], ["scrape", "page.html"]):
                with self.subTest(entry=entry, command=command):
                    _, err = self.run_gleaner(*command, *(() if command[0] == "scrape" else ("--data", self.data)), "--set", entry, code=2)
                    self.assertIn("--set: modules.settings", err)
                    self.assertIn(says, err)
        with open(f"{self.home}/c.yaml", "w") as f:
            f.write("modules:\n  settings: [text.near=1]\n")
        _, err = self.run_gleaner("scrape", "page.html", "--config", "c.yaml", code=2)
        self.assertIn("c.yaml:2: modules.settings: 'text.near=1'", err)


rig.main()
