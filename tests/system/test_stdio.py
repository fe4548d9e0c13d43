# SPDX-License-Identifier: Apache-2.0
"""gleaner worker --stdio: the application's messages, one JSON object a line, one reply for each request."""
import json, os, signal, subprocess, rig


class Stdio(rig.Case):
    def setUp(self):
        super().setUp()
        self.web = self.site({
            "/text.html": "<title>T</title><body><h1>Head</h1><p>Some words to find.</p>",
            "/images.html": '<body><img src="a.png" alt="one"><img src="/b.png"><img src="a.png">',
            "/videos.html": '<body><video src="v.mp4"></video>',
            "/empty.html": "<body></body>",
        })

    def worker(self, *more):
        process = subprocess.Popen([rig.GLEANER, "worker", "--stdio", "--data", self.data, "--allow-net", "127.0.0.0/8", "--no-progress", *more],
                                   cwd=self.home, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def talk(self, *lines, arguments=(), code=0):
        """Replies by requestId, of a worker that gets these lines and then the end of its input."""
        process = self.worker(*arguments)
        out, err = process.communicate("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines), timeout=rig.LIMIT)
        self.assertEqual(process.returncode, code, err)
        replies = [json.loads(line) for line in out.splitlines()]
        for reply in replies:
            self.assertEqual(set(reply), {"type", "data", "requestId"})
            self.assertLessEqual({"success", "message", "contentFound", "content"}, set(reply["data"]))
        self.assertEqual(len(replies), len([line for line in lines if line != ""]), out)
        return replies

    def one(self, **request):
        return self.talk({"requestId": "r", **request})[0]

    def stored(self, collection):
        return self.exported("--collection", collection)

    def test_a_text_is_replied_and_stored(self):
        reply = self.one(type="scrape_url", url=self.web.url + "/text.html")
        self.assertEqual((reply["type"], reply["requestId"], reply["data"]["success"], reply["data"]["contentFound"]), ("scrape_result", "r", True, True))
        self.assertIn("# Head", reply["data"]["content"])
        self.assertIn("Some words to find.", self.stored("bambicontents")[0]["content"])

    def test_images_and_videos_are_replied_and_stored(self):
        reply = self.one(type="scrape_images", url=self.web.url + "/images.html")
        self.assertEqual([i["url"] for i in reply["data"]["content"]], [self.web.url + "/a.png", self.web.url + "/b.png"])
        self.assertEqual(len(self.stored("imagecontents")), 2)
        reply = self.one(type="scrape_videos", url=self.web.url + "/videos.html")
        self.assertEqual([v["url"] for v in reply["data"]["content"]], [self.web.url + "/v.mp4"])
        self.assertEqual(len(self.stored("bambivideocontents")), 1)

    def test_a_miss_is_a_success_without_content(self):
        data = self.one(type="scrape_images", url=self.web.url + "/text.html")["data"]
        self.assertEqual((data["success"], data["contentFound"], data["content"]), (True, False, []))

    def test_what_cannot_be_fetched_is_a_reply_with_the_reason(self):
        for url, says in ((self.web.url + "/none.html", "404"), ("ftp://a/", "only http"), ("nonsense", "no absolute URL"), ("http://127.0.0.1:1/", "connect")):
            with self.subTest(url=url):
                reply = self.one(type="scrape_url", url=url)
                self.assertEqual((reply["type"], reply["data"]["success"], reply["data"]["contentFound"]), ("scrape_result", False, False))
                self.assertIn(says, reply["data"]["error"])

    def test_a_line_that_is_no_request_is_answered_and_the_next_one_served(self):
        bad = ["nonsense", "[1]", "{", "7", '{"type": 3, "requestId": 1}', '{"requestId": 2}', '{"type": "fly", "requestId": {"a": [1]}}',
               '{"type": "scrape_url", "requestId": 4}', '{"type": "scrape_url", "url": 5, "requestId": 5}', "x" * (3 << 20), "\x00"]
        replies = self.talk(*bad, "", {"type": "scrape_url", "url": self.web.url + "/text.html", "requestId": 99})
        by_id = {json.dumps(r["requestId"]): r for r in replies}
        self.assertEqual([r["type"] for r in replies].count("error"), len(bad))
        for name in ("1", "2", '{"a": [1]}', "4", "5"):
            self.assertEqual(by_id[name]["type"], "error", name)
            self.assertIn("error", by_id[name]["data"])
        self.assertTrue(by_id["99"]["data"]["success"])

    def test_the_last_line_needs_no_end(self):
        process = self.worker()
        out, _ = process.communicate(json.dumps({"type": "scrape_url", "url": self.web.url + "/text.html", "requestId": 1}), timeout=rig.LIMIT)
        self.assertEqual(json.loads(out)["requestId"], 1)

    def test_many_requests_have_one_reply_each(self):
        kinds = ("scrape_url", "scrape_images", "scrape_videos")
        requests = [{"type": kinds[i % 3], "url": f"{self.web.url}/{('text', 'images', 'videos', 'none')[i % 4]}.html?{i}", "requestId": i} for i in range(300)]
        self.web.pages.update({f"/{name}.html?{i}": self.web.pages[f"/{name}.html"] for i in range(300) for name in ("text", "images", "videos")})
        replies = self.talk(*requests, arguments=("--concurrency", "8", "--threads", "4"))
        self.assertEqual(sorted(r["requestId"] for r in replies), list(range(300)))
        self.assertEqual({r["requestId"] for r in replies if not r["data"]["success"]}, {i for i in range(300) if i % 4 == 3})

    def test_replies_come_before_the_input_ends_and_no_more_is_held_than_allowed(self):
        self.web.pages.update({f"/p{i}.html": "<body><p>text" for i in range(20)})
        self.web.hold_after = 0
        process = self.worker("--concurrency", "3", "--per-host", "3")
        process.stdin.write("".join(json.dumps({"type": "scrape_url", "url": f"{self.web.url}/p{i}.html", "requestId": i}) + "\n" for i in range(20)))
        process.stdin.flush()
        rig.wait_for(lambda: self.web.count() >= 3, "three requests")
        self.web.gate.set()
        replies = [json.loads(process.stdout.readline()) for _ in range(20)]
        self.assertEqual(sorted(r["requestId"] for r in replies), list(range(20)))
        process.stdin.close()
        self.assertEqual(process.wait(rig.LIMIT), 0)

    def test_shutdown_is_answered_last_and_ends_the_process(self):
        process = self.worker()
        for request in ({"type": "scrape_url", "url": self.web.url + "/text.html", "requestId": "page"}, {"type": "shutdown", "requestId": "end"}):
            process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        self.assertEqual([json.loads(process.stdout.readline())["requestId"] for _ in range(2)], ["page", "end"])
        self.assertEqual(process.wait(rig.LIMIT), 0)

    def test_a_directory_is_scanned_and_its_content_found(self):
        os.mkdir(f"{self.home}/notes")
        with open(f"{self.home}/notes/a.md", "w") as f:
            f.write("# Gardening\n\nTomatoes want sun.\n")
        reply = self.one(type="scan_directory", directory=f"{self.home}/notes")
        self.assertEqual((reply["type"], reply["data"]["contentFound"], reply["data"]["content"]), ("scan_result", True, {"files": 1, "stored": 1}))
        reply = self.one(type="search_content", query="tomatoes")
        self.assertEqual((reply["type"], len(reply["data"]["content"])), ("search_result", 1))
        self.assertIn("a.md", reply["data"]["content"][0]["url"])
        self.assertFalse(self.one(type="search_content", query="potatoes")["data"]["contentFound"])
        self.assertIn("error", self.one(type="scan_directory", directory=f"{self.home}/none")["data"])

    def test_a_signal_answers_what_was_read_and_ends(self):
        self.web.hold_after = 0
        process = self.worker("--drain-ms", "100")
        process.stdin.write(json.dumps({"type": "scrape_url", "url": self.web.url + "/text.html", "requestId": 1}) + "\n")
        process.stdin.flush()
        rig.wait_for(lambda: self.web.count() >= 1, "the request")
        process.send_signal(signal.SIGTERM)
        reply = json.loads(process.stdout.readline())
        self.assertEqual((reply["requestId"], reply["data"]["success"]), (1, False))
        self.assertEqual(process.wait(rig.LIMIT), 3)

    def test_on_a_mongod_documents_arrive_there(self):
        server = self.mongod()
        self.talk({"type": "scrape_url", "url": self.web.url + "/text.html", "requestId": 1}, arguments=("--to", server.uri))
        self.run_gleaner("spool", "drain", "--data", self.data, "--to", server.uri)
        self.assertEqual(len(self.exported("--to", server.uri, "--collection", "bambicontents")), 1)

    def test_without_stdio_there_is_a_usage_error(self):
        _, err = self.run_gleaner("worker", "--data", self.data, code=2)
        self.assertIn("gleaner worker --stdio", err)


rig.main()
