# SPDX-License-Identifier: Apache-2.0
"""A crawl stores every reachable page exactly once: compared with a list that another program made."""
import html.parser, json, os, urllib.error, urllib.parse, urllib.request, rig


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.hrefs = []

    def handle_starttag(self, tag, attributes):
        if tag == "a" and dict(attributes).get("href") is not None:
            self.hrefs.append(dict(attributes)["href"])


def independent_paths(start):
    """Breadth first with urllib and html.parser."""
    seen, todo, pages = {start}, [start], set()
    while todo:
        url = todo.pop()
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                if answer.headers.get_content_type() != "text/html":
                    continue
                text = answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError:
            continue
        pages.add(urllib.parse.urlsplit(url).path)
        links = Links()
        links.feed(text)
        for href in links.hrefs:
            link = urllib.parse.urldefrag(urllib.parse.urljoin(url, href)).url
            if link.startswith(start.rsplit("/", 1)[0].split("/p0")[0]) and link not in seen:
                seen.add(link)
                todo.append(link)
    return pages


class Complete(rig.Case):
    def build(self):
        site = self.site(rig.linked_site(300))
        site.pages["/p7.html"] += '<a href="/gone.html">x</a> <a href="/moved.html">y</a> <a href="mailto:a@b">z</a>'
        site.pages["/moved.html"] = lambda handler: handler.answer(301, b"", Location="/p8.html")
        site.pages["/p9.html"] += '<a href="/data.bin">x</a>'
        site.pages["/data.bin"] = lambda handler: handler.answer(200, b"\0\1", Content_Type="application/octet-stream")
        expected = {f"/p{i}.html" for i in range(300)}
        found = independent_paths(site.url + "/p0.html") - {"/moved.html"}
        self.assertEqual(found, expected, "the independent list is not what the site was built from")
        site.requests.clear()
        return site, expected

    def check_fetched_once(self, site):
        twice = {p for p in site.requests if site.requests.count(p) > 1}
        self.assertEqual(twice, set())

    def test_on_the_embedded_store(self):
        site, expected = self.build()
        out, _ = self.run_gleaner(*self.crawl_arguments(site.url + "/p0.html", "--json"))
        summary = json.loads(out)
        self.assertEqual(self.stored_paths(), expected)
        self.assertGreaterEqual(summary["documents"]["new"], len(expected))
        self.assertEqual(summary["failures"], {"http_4xx": 1})
        self.check_fetched_once(site)

    def test_on_a_mongod(self):
        mongod = self.mongod()
        site, expected = self.build()
        out, _ = self.run_gleaner(*self.crawl_arguments(site.url + "/p0.html", "--to", mongod.uri, "--collection", "found"))
        self.assertIn("complete", out)
        self.assertEqual(self.stored_paths("--to", mongod.uri, "--collection", "found"), expected)
        self.check_fetched_once(site)

    def test_on_a_mongod_that_comes_after_the_crawl(self):
        mongod = self.mongod()
        mongod.kill()
        site, expected = self.build()
        arguments = self.crawl_arguments(site.url + "/p0.html", "--to", mongod.uri, "--spool-wait", "0")
        self.run_gleaner(*arguments, code=4)
        mongod.start()
        out, _ = self.run_gleaner("drain", "--data", self.data, "--to", mongod.uri)
        self.assertIn(" 0 left", out)
        self.assertEqual(self.stored_paths("--to", mongod.uri), expected)

    def test_the_spool_of_one_server_is_not_given_to_another(self):
        mongod = self.mongod()
        site = self.site({"/p0.html": "<title>t</title>"})
        away = "mongodb://127.0.0.1:9/app"
        self.run_gleaner(*self.crawl_arguments(site.url + "/p0.html", "--to", away, "--spool-wait", "0"), code=4)
        _, err = self.run_gleaner(*self.crawl_arguments(site.url + "/p0.html", "--to", mongod.uri), code=2)
        self.assertIn("deliver them there first", err)
        self.assertEqual(self.stored_paths("--to", mongod.uri), set())

    def test_limits_hold(self):
        site = self.site(rig.linked_site(100))
        self.run_gleaner(*self.crawl_arguments(site.url + "/p0.html", "--depth", "1"))
        self.assertEqual(self.stored_paths(), {f"/p{i}.html" for i in range(5)})
        self.data += "2"
        self.run_gleaner(*self.crawl_arguments(site.url + "/p0.html", "--pages", "10"))
        self.assertEqual(len(self.stored_paths()), 10)
        self.data += "3"
        self.run_gleaner(*self.crawl_arguments(site.url + "/p0.html", "--exclude", "*/p2.html", "--include", "*/p?.html"))
        self.assertEqual(self.stored_paths(), {f"/p{i}.html" for i in range(10)} - {"/p2.html", "/p9.html"})

    def test_to_none_keeps_nothing(self):
        site = self.site(rig.linked_site(20))
        out, _ = self.run_gleaner("crawl", site.url + "/p0.html", "--to", "none", "--allow-net", "127.0.0.0/8", "--no-progress")
        self.assertIn("pages      20", out)
        left = [os.path.join(d, f) for d, _, files in os.walk(self.home) for f in files]
        self.assertEqual(left, [])


rig.main()
