# SPDX-License-Identifier: Apache-2.0
"""--isolate: a module that crashes, loops or exits costs its page and nothing else."""
import os, re, sqlite3, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import rig

FIXTURES = os.environ["FIXTURES"]


class Isolate(rig.Case):
    def fragile(self, count, broken):
        """One page with links to all; `broken` says which of them breaks how."""
        site = self.site({})
        paths = [f"/p{i}.html" for i in range(count)]
        site.pages["/"] = "".join(f'<a href="{site.url}{path}">x</a>' for path in paths)
        for path in paths:
            site.pages[path] = f"page {path} then {broken.get(path, 'on')}"
        return site

    def arguments(self, site, *more):
        return self.crawl_arguments(site.url + "/", "--isolate", "--module-dir", FIXTURES, "--retry-base", "1", "--retry-cap", "2",
                                    "--threads", "3", *more)

    def test_without_trouble_it_stores_what_the_process_itself_would(self):
        site = self.fragile(20, {})
        self.run_gleaner(*self.arguments(site, "--set", "fragile.word=told"))
        isolated = {d.pop("url"): d for d in self.exported()}
        processes = {d.pop("process") for d in isolated.values()}
        self.assertEqual({d["word"] for d in isolated.values()}, {"told"})
        self.assertLessEqual(len(processes), 3 + 1)
        self.data += "2"
        self.run_gleaner(*[a for a in self.arguments(site, "--set", "fragile.word=told") if a != "--isolate"])
        within = {d.pop("url"): d for d in self.exported()}
        self.assertEqual(len({d.pop("process") for d in within.values()}), 1)
        self.assertEqual(isolated, within)

    def test_a_setting_that_the_module_does_not_ask_for_is_refused_as_it_is_without(self):
        for more in ((), ("--isolate",)):
            for entry, says in (("text.main_txt=true", "did you mean main_text?"), ("txt.main_text=1", "did you mean text?")):
                with self.subTest(more=more, entry=entry):
                    _, err = self.run_gleaner(*self.crawl_arguments("http://127.0.0.1:1/", "--set", entry, *more), code=2)
                    self.assertIn(says, err)
        site = self.fragile(1, {})  # a module that does not say what it asks for takes whatever is given
        self.run_gleaner(*self.arguments(site, "--set", "fragile.anything=1"))

    def test_an_image_that_is_no_text_arrives_as_it_was_sent(self):
        png = (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (300).to_bytes(4, "big") + (200).to_bytes(4, "big") + b"\x08\x02\0\0\0")
        answers = []
        for more in ((), ("--isolate",)):
            site = self.site({"/a.png": lambda handler: handler.answer(200, png, Content_Type="image/png")})
            out, _ = self.run_gleaner("scrape", site.url + "/a.png", "--type", "image", "--allow-net", "127.0.0.0/8", "--json", *more)
            answers.append(re.sub(r'"\$date":"[^"]*"', "", out.replace(site.url, "")))
        self.assertIn("300", answers[0])
        self.assertEqual(answers[0], answers[1])

    def test_a_page_for_our_own_robots_token_alone_is_known_to_be_ours(self):
        site = self.site({"/": "<meta name=tokenbot content=noindex><p>text"})
        for more in ((), ("--isolate",)):
            for token, code in (("tokenbot", 1), ("otherbot", 0)):
                with self.subTest(more=more, token=token):
                    self.run_gleaner("scrape", site.url + "/", "--allow-net", "127.0.0.0/8", "--robots-agent", token, *more, code=code)
                    self.data += "2"
                    self.run_gleaner(*self.crawl_arguments(site.url + "/", "--robots-agent", token, *more))
                    self.assertEqual(len(self.exported()), 1 - code)

    def dead(self):
        """url -> (class, reason) of the dead letters, read from the embedded file."""
        with sqlite3.connect(f"file:{self.data}/gleaner.db?mode=ro", uri=True) as db:
            return {url: (kind, why) for url, kind, why in db.execute(
                "select url, class, reason from jobs where class in ('poison', 'crash')")}

    def check_broken(self, how, said, *more):
        site = self.fragile(60, {"/p7.html": how})
        self.run_gleaner(*self.arguments(site, *more))
        self.assertEqual(self.stored_paths(), {"/"} | {f"/p{i}.html" for i in range(60)} - {"/p7.html"})
        dead = self.dead()
        self.assertEqual(list(dead), [f"{site.url}/p7.html"])
        kind, why = dead[f"{site.url}/p7.html"]
        self.assertIn(said, why)
        return site, kind

    def test_a_page_that_segfaults_is_parked_and_the_others_are_stored(self):
        site, kind = self.check_broken("segfault", "signal 11", "--max-deliveries", "2")
        self.assertEqual(kind, "poison")
        self.assertEqual(site.requests.count("/p7.html"), 2)  # by deliveries

    def test_a_page_that_loops_is_ended_by_the_watchdog(self):
        self.check_broken("loop", "deadline", "--max-deliveries", "2", "--worker-timeout", "300")

    def test_a_module_that_exits_ends_its_own_process_only(self):
        self.check_broken("exit", "exit code 7", "--max-deliveries", "3")

    def test_many_crashes_lose_no_other_page(self):
        broken = {f"/p{i}.html": "segfault" for i in range(0, 60, 10)}
        site = self.fragile(60, broken)
        self.run_gleaner(*self.arguments(site, "--max-deliveries", "2"))
        self.assertEqual(self.stored_paths(), {"/"} | {f"/p{i}.html" for i in range(60)} - set(broken))
        self.assertEqual(len(self.dead()), len(broken))

    def test_children_go_with_a_killed_parent(self):
        site = self.fragile(3, {"/p1.html": "loop"})
        process = self.start(*self.arguments(site))
        children = f"/proc/{process.pid}/task"

        def find():
            found = set()
            for task in os.listdir(children):
                with open(f"{children}/{task}/children") as file:
                    found |= set(file.read().split())
            return found if "/p1.html" in site.requests and len(found) >= 1 else None
        found = rig.wait_for(find, "children")
        process.kill()
        process.communicate()
        rig.wait_for(lambda: not any(self.lives(pid) for pid in found), "their end")

    @staticmethod
    def lives(pid):
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
        except OSError:
            return False

    def test_a_module_that_is_none_is_refused_with_its_reason(self):
        with open(f"{self.home}/none.so", "w") as file:
            file.write("no module")
        _, err = self.run_gleaner(*self.crawl_arguments("http://127.0.0.1:1/", "--isolate", "--module", f"{self.home}/none.so"), code=2)
        self.assertIn("none.so", err)


if __name__ == "__main__":
    rig.main()
