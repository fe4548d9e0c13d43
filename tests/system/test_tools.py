# SPDX-License-Identifier: Apache-2.0
"""What a person uses while writing a scraper, and tables run through --batch."""
import base64, gzip, json, os, rig, subprocess

TABLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")

PAGE = ('<html lang="en"><title>A page</title><meta name="description" content="About it">'
        '<nav><a href="/n#x">nav</a></nav><p>Some text.</p><img src="i.png"><a href="/n">again</a>')


class Tools(rig.Case):
    def tool(self, *arguments, code=0, stdin=None):
        done = subprocess.run([rig.GLEANER, *arguments], input=stdin, capture_output=True, cwd=self.home,
                              env=self.environment, timeout=rig.LIMIT)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout.decode(), done.stderr.decode()

    def batch(self, tool, questions):
        text = "".join((q if isinstance(q, str) else json.dumps(q)) + "\n" for q in questions)
        out, err = self.tool(tool, "--batch", stdin=text.encode())
        self.assertEqual(err, "")
        answers = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(len(answers), len(questions))
        return answers

    def test_the_robots_table_has_the_decisions_of_the_table(self):
        with open(f"{TABLES}/fetch/data/google_robotstxt.json") as f:
            cases = json.load(f)
        answers = self.batch("robots", [{k: c[k] for k in ("robots", "robots_b64", "agent", "url") if k in c} for c in cases])
        self.assertEqual([c["id"] for c, a in zip(cases, answers) if a.get("allowed") != c["allowed"]], [])

    def test_the_url_table_has_the_addresses_of_the_table(self):
        with open(f"{TABLES}/url/data/url_table.txt") as f:
            rows = [line.rstrip("\n").split("\t") for line in f if line.count("\t") == 2 and "\\" not in line]
        self.assertGreater(len(rows), 100)
        answers = self.batch("url", [{"base": base or None, "href": href} for base, href, _ in rows])
        wrong = [(row, a) for row, a in zip(rows, answers) if row[2].startswith("http") and a.get("url") != row[2]]
        self.assertEqual(wrong, [])

    def test_a_page_a_sitemap_and_a_bad_line_in_one_go(self):
        good, bad, coded = self.batch("scrape", [{"html": PAGE, "url": "http://a.b/c/"}, "nonsense",
                                                 {"html_b64": base64.b64encode(b"<title>\xe9</title>").decode(), "url": "http://a/",
                                                  "content_type": "text/html; charset=koi8-r"}])
        self.assertEqual((good["title"], good["links"], good["language"], good["charset"]), ("A page", ["http://a.b/n"], "en", "UTF-8"))
        self.assertEqual(good["images"], ["http://a.b/c/i.png"])
        self.assertEqual(set(good) & {"text", "main_text", "videos", "metadata"}, {"text", "main_text", "videos", "metadata"})
        self.assertIn("error", bad)
        self.assertEqual((coded["title"], coded["charset"]), ("И", "KOI8-R"))
        body = base64.b64encode(gzip.compress(b"<urlset><url><loc>/x</loc></url></urlset>")).decode()
        self.assertEqual(self.batch("sitemap", [{"body_b64": body, "url": "http://a/s.xml.gz"}]), [{"urls": ["http://a/x"], "sitemaps": []}])

    def test_one_page_on_the_net(self):
        site = self.site({"/": PAGE, "/robots.txt": "User-agent: *\nDisallow: /no\n", "/sitemap.xml": "<urlset><url><loc>/x</loc></url></urlset>"})
        near = ("--allow-net", "127.0.0.0/8")
        report = json.loads(self.tool("scrape", site.url + "/", "--json", *near)[0])
        self.assertEqual(report["documents"][0]["document"]["title"], "A page")
        self.assertTrue(report["stored"])
        self.assertFalse(os.path.exists(self.data))
        out, err = self.tool("fetch", "-v", site.url + "/", *near)
        self.assertEqual(out, PAGE)
        self.assertIn("< HTTP/1.1 200", err)
        self.assertEqual(self.tool("robots", site.url + "/no", *near, code=1)[0], "forbidden by line 2: Disallow: /no\n")
        self.tool("robots", site.url + "/yes", *near)
        self.assertEqual(self.tool("sitemap", site.url + "/sitemap.xml", *near)[0], site.url + "/x\n")
        self.assertIn("guarded", self.tool("fetch", site.url + "/", code=1)[1])

    def test_files_and_scope(self):
        page = f"{self.home}/page.html"
        with open(page, "w") as f:
            f.write(PAGE)
        report = json.loads(self.tool("scrape", page, "--url", "http://z.example/d/", "--json")[0])
        self.assertEqual(report["links"], ["http://z.example/n"])
        self.assertEqual(self.tool("url", "http://a/x/", "../y")[0], "http://a/y\nin scope\n")
        self.tool("url", "http://a/x/", "http://b/", code=1)
        self.tool("url", "http://a/x/", "http://b/", "--no-same-host")
        self.tool("url", "http://a/x/", "/y.pdf", "--exclude", "*.pdf", code=1)

    def test_mistakes_are_usage_errors(self):
        for arguments in (("robots",), ("url", "http://a/"), ("fetch", "nonsense"), ("scrape", "/nonexistent"), ("sitemap", "/nonexistent"),
                          ("robots", "--batch", "http://a/"), ("scrape", "-v", "x"), ("url", "--agent", "x")):
            _, err = self.tool(*arguments, code=2, stdin=b"")
            self.assertTrue(err.startswith("gleaner: "), err)


rig.main()
