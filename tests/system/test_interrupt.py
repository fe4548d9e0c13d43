# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, SIGTERM, twice; and the same command again."""
import collections, signal, rig


class Interrupt(rig.Case):
    pages = 60

    def begin(self, *more):
        """A crawl whose site holds everything after its 20th request."""
        site = self.site(rig.linked_site(self.pages))
        site.hold_after = 20
        arguments = self.crawl_arguments(site.url + "/p0.html", "--concurrency", "8", *more)
        process = self.start(*arguments)
        rig.wait_for(lambda: site.count() > 20 or process.poll() is not None, "20 requests")
        return site, arguments, process

    def check_the_rest(self, site, arguments):
        site.hold_after = None
        site.gate.set()
        out, _ = self.run_gleaner(*arguments)
        self.assertIn("complete (resumed", out)
        self.assertEqual(self.stored_paths(), set(site.pages))
        times = collections.Counter(site.requests)
        self.assertLessEqual(sum(n - 1 for n in times.values()), 2 * 8 + 8, "more was fetched again than was on lease")

    def test_the_first_signal_finishes_what_is_in_flight_and_the_command_goes_on(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number):
                self.data = f"{self.home}/{number}"
                site, arguments, process = self.begin()
                process.send_signal(number)
                site.gate.set()
                out, _ = self.finish(process, 3)
                self.assertIn("the same command goes on", out)
                self.check_the_rest(site, arguments)

    def test_what_does_not_finish_in_time_is_handed_back(self):
        site, arguments, process = self.begin("--drain-ms", "100")
        rig.interrupt(process)
        self.finish(process, 3)
        self.check_the_rest(site, arguments)

    def test_the_second_signal_ends_at_once_and_loses_nothing(self):
        site, arguments, process = self.begin("--drain-ms", "3600000", "--log-level", "info")
        rig.interrupt(process)
        line = ""
        while "stop_wanted" not in line:
            line = process.stderr.readline()
            self.assertNotEqual(line, "")
        stored = self.stored_paths()
        # One that comes right after the first is taken for the same wish: until it is the second one.
        rig.wait_for(lambda: process.poll() is not None or rig.interrupt(process), "the end")
        self.finish(process, 3)
        self.assertLessEqual(stored, self.stored_paths())
        self.check_the_rest(site, arguments)

    def test_kill_loses_nothing(self):
        site, arguments, process = self.begin()
        process.kill()
        self.finish(process, -signal.SIGKILL)
        self.check_the_rest(site, arguments)

    def test_a_limit_of_pages_counts_what_was_stored_before(self):
        for ending, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 3)):
            with self.subTest(ending=ending):
                self.data = f"{self.home}/{ending}"
                site, arguments, process = self.begin("--pages", "40", "--drain-ms", "100")
                rig.wait_for(lambda: len(self.stored_paths()) >= 10, "ten stored pages")
                process.send_signal(ending)
                self.finish(process, code)
                site.hold_after = None
                site.gate.set()
                self.run_gleaner(*arguments)
                self.assertEqual(len(self.stored_paths()), 40)

    def test_fresh_starts_anew(self):
        site, arguments, process = self.begin()
        process.kill()
        self.finish(process, -signal.SIGKILL)
        site.hold_after = None
        site.gate.set()
        before = site.count()
        out, _ = self.run_gleaner(*arguments, "--fresh")
        self.assertNotIn("resumed", out)
        self.assertEqual(site.count() - before, self.pages)


rig.main()
