# SPDX-License-Identifier: Apache-2.0
"""Near-duplicates among pages nobody here wrote: those of the package python3-doc, and copies of them with another
frame around and a few other words."""
import os, re, rig, unittest

ROOT = "/usr/share/doc/python3/html/library"
NAMES = [f"{n}.html" for n in ("abc", "argparse", "bisect", "calendar", "cmd", "copy", "csv", "dis", "enum", "gc", "heapq",
                               "html", "io", "json", "math", "os", "queue", "re", "sched", "select", "shlex", "ssl",
                               "string", "time", "uuid", "venv", "wave", "zlib")]


def copy_of(page):
    """Another header and footer, another link list, every 300th word another one."""
    page = re.sub(r"<body>", "<body><header><p>Mirrored for you by a friend of documentation, today.</p></header>", page, count=1)
    page = re.sub(r"&copy;", "Mirror of &copy;", page)
    count = 0

    def change(match):
        nonlocal count
        count += 1
        return "changed" if count % 300 == 0 else match.group(0)
    head, body = page.split("<body>", 1)
    return head + "<body>" + re.sub(r"(?<=[a-z] )[a-z]{5,}(?= [a-z])", change, body)


@unittest.skipUnless(os.path.isdir(ROOT), "no python3-doc")
class Near(rig.Case):
    def crawl(self, mode):
        pages = {}
        for name in NAMES:
            with open(f"{ROOT}/{name}", encoding="utf-8") as f:
                page = re.sub(r'href="[^"]*"', 'href="#x"', f.read())
            pages["/a/" + name] = page
            pages["/b/" + name] = copy_of(page)
        originals = "".join(f'<a href="/a/{n}">{n}</a> ' for n in NAMES)
        pages["/"] = f'<title>All</title><p>{originals}<a href="/second">the others</a>'
        pages["/second"] = '<title>Copies</title><p>' + "".join(f'<a href="/b/{n}">x {n}</a> ' for n in NAMES)
        site = self.site(pages)
        self.run_gleaner("crawl", site.url + "/", "--data", self.data, "--allow-net", "127.0.0.0/8",
                         "--set", f"text.near_duplicates={mode}", "--per-host", "1", "--threads", "1")
        return site, {d["url"][len(site.url):]: d for d in self.exported()}

    def test_each_copy_is_marked_with_its_original_and_nothing_else_is(self):
        site, stored = self.crawl("mark")
        self.assertEqual(len(stored), 2 * len(NAMES) + 2)
        marked = {path: d["near_duplicate_of"][len(site.url):] for path, d in stored.items() if d["near_duplicate_of"]}
        # Which of two came first is the frontier's matter; that it is its own twin is ours.
        self.assertEqual([pair for pair in marked.items() if pair[0][3:] != pair[1][3:]], [])
        self.assertEqual(len(marked), len(NAMES), sorted(marked))
        self.assertTrue(all(re.fullmatch("[0-9a-f]{16}", stored["/a/" + n]["simhash"]) for n in NAMES))

    def test_or_is_not_stored(self):
        _, stored = self.crawl("skip")
        self.assertEqual(len(stored), len(NAMES) + 2)
        self.assertEqual({path[3:] for path in stored if path[:3] in ("/a/", "/b/")}, set(NAMES))


rig.main()
