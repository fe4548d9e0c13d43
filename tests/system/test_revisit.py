# SPDX-License-Identifier: Apache-2.0
"""A crawl that is run again over pages already stored asks whether they have changed: counted by the site."""
import hashlib, json, os, shutil, socket, subprocess, tempfile, time, unittest, urllib.parse, rig


class ConditionalSite:
    """Pages of a rig.Site with an ETag each; answers 304 as RFC 9110 has it and counts."""

    def __init__(self, test, count):
        self.site = test.site({})
        self.texts = rig.linked_site(count)
        self.answers = {200: [], 304: []}
        for path in self.texts:
            self.site.pages[path] = self.answer
        self.url = self.site.url + "/p0.html"

    def answer(self, handler):
        body = self.texts[handler.path].encode()
        tag = '"%s"' % hashlib.sha1(body).hexdigest()
        same = tag in (handler.headers.get("If-None-Match") or "")
        with self.site.lock:
            self.answers[304 if same else 200].append(handler.path)
        if same:
            handler.send_response(304)
            handler.send_header("ETag", tag)
            handler.end_headers()
        else:
            handler.answer(200, body, ETag=tag)

    def take(self):
        with self.site.lock:
            counted = {code: sorted(paths) for code, paths in self.answers.items()}
            self.answers = {200: [], 304: []}
        return counted


class Revisit(rig.Case):
    def crawl(self, site, *more):
        out, _ = self.run_gleaner(*self.crawl_arguments(site.url, "--json", *more))
        return json.loads(out)

    def check_three_runs(self, *place, where=()):
        """First, unchanged, then with one page changed and a new one behind it."""
        count = 60
        site = ConditionalSite(self, count)
        documents = lambda: {urllib.parse.urlsplit(d["url"]).path: d for d in self.exported(*where)}
        summary = self.crawl(site, *place)
        self.assertEqual(summary["pages"]["processed"], count)
        self.assertEqual(summary["pages"]["unchanged"], 0)
        self.assertEqual({k: len(v) for k, v in site.take().items()}, {200: count, 304: 0})
        first = documents()

        summary = self.crawl(site, *place)
        self.assertEqual(summary["pages"]["unchanged"], count)
        self.assertEqual(summary["pages"]["processed"], 0)
        self.assertEqual(summary["documents"]["replaced"] + summary["documents"]["new"], 0)
        self.assertEqual({k: len(v) for k, v in site.take().items()}, {200: 0, 304: count})
        second = documents()
        self.assertEqual(set(second), set(first))
        for path in first:
            before, after = dict(first[path]), dict(second[path])
            self.assertLess(before.pop("fetched_at")["$date"], after.pop("fetched_at")["$date"], path)
            self.assertEqual(before, after)

        leaf = f"/p{count - 1}.html"
        site.texts[leaf] += ' changed <a href="/new.html">new</a>'
        site.texts["/new.html"] = "<title>new</title><body>new"
        site.site.pages["/new.html"] = site.answer
        summary = self.crawl(site, *place)
        counted = site.take()
        self.assertEqual(counted[200], sorted([leaf, "/new.html"]))
        self.assertEqual(len(counted[304]), count - 1)
        self.assertEqual(summary["documents"]["replaced"], 1)
        third = documents()
        self.assertEqual(set(third), set(first) | {"/new.html"})
        self.assertIn("changed", third[leaf]["text"])
        return site

    def test_on_the_embedded_store(self):
        site = self.check_three_runs()
        out, _ = self.run_gleaner(*self.crawl_arguments(site.url))
        self.assertIn("; stored before: 61 unchanged, 0 not asked for", out)

    def test_on_a_mongod(self):
        uri = self.mongod().uri
        self.check_three_runs("--to", uri, where=("--to", uri))

    def test_with_the_frontier_on_a_mongod(self):
        uri = self.mongod().uri
        self.check_three_runs("--to", uri, "--frontier", "shared", where=("--to", uri))

    def test_what_is_asked_for_is_said(self):
        site = ConditionalSite(self, 20)
        self.crawl(site)
        site.take()
        self.assertEqual(self.crawl(site, "--revisit-after", "3600")["pages"]["fresh"], 20)
        self.assertEqual(site.take(), {200: [], 304: []})
        self.assertEqual(self.crawl(site, "--revisit", "never")["pages"]["fresh"], 20)
        self.assertEqual(site.take(), {200: [], 304: []})
        self.assertEqual(self.crawl(site, "--revisit", "always")["pages"]["processed"], 20)
        self.assertEqual(len(site.take()[200]), 20)
        self.assertEqual(self.crawl(site, "--content", "markdown")["pages"]["processed"], 20)
        site.take()
        self.assertEqual(self.crawl(site, "--content", "markdown", "--set", "text.main_text=true")["pages"]["processed"], 20)

    def test_a_server_that_is_away_costs_a_whole_fetch(self):
        mongod = self.mongod()
        site = ConditionalSite(self, 10)
        self.crawl(site, "--to", mongod.uri)
        site.take()
        mongod.kill()
        self.run_gleaner(*self.crawl_arguments(site.url, "--to", mongod.uri, "--spool-wait", "0"), code=4)
        self.assertEqual({k: len(v) for k, v in site.take().items()}, {200: 10, 304: 0})

    @unittest.skipUnless(shutil.which("nginx"), "no nginx")
    def test_with_nginx(self):
        root = tempfile.mkdtemp(prefix="gleaner-nginx-")
        self.addCleanup(shutil.rmtree, root, ignore_errors=True)
        os.chmod(root, 0o755)
        for path, text in rig.linked_site(40).items():
            with open(root + path, "w") as file:
                file.write(text)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        with open(f"{root}/nginx.conf", "w") as file:
            file.write(f"daemon off; pid {root}/pid; error_log {root}/error.log; events {{}}\n"
                       f"http {{ log_format s '$status $uri'; access_log {root}/access.log s; types {{ text/html html; }}\n"
                       f"server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n")
        nginx = subprocess.Popen(["nginx", "-p", root, "-c", f"{root}/nginx.conf"], stderr=subprocess.DEVNULL)
        self.addCleanup(nginx.wait)
        self.addCleanup(nginx.terminate)

        def answers():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        rig.wait_for(answers, "nginx")
        url = f"http://127.0.0.1:{port}/p0.html"
        for _ in range(2):
            self.run_gleaner(*self.crawl_arguments(url))

        def statuses():
            with open(f"{root}/access.log") as file:
                return [line.split()[0] for line in file if ".html" in line]
        rig.wait_for(lambda: len(statuses()) >= 80, "nginx's log")
        self.assertEqual([statuses().count(s) for s in ("200", "304")], [40, 40])


rig.main()
