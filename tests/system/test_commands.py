# SPDX-License-Identifier: Apache-2.0
"""The command line and the configuration, as a person meets them."""
import os, rig, subprocess


class Commands(rig.Case):
    def test_help_names_every_command_and_exit_code(self):
        out, _ = self.run_gleaner("--help")
        for word in ("crawl", "run", "submit", "export", "status", "config", "spool", "drain", "Exit codes"):
            self.assertIn(word, out)
        for command in ("crawl", "run", "submit", "queue", "export", "status", "config", "set", "reload", "spool", "drain"):
            out, err = self.run_gleaner(command, "--help")
            self.assertIn("Options", out)
            self.assertEqual(err, "")
            self.assertEqual(self.run_gleaner("help", command)[0], out)

    def test_help_fits_a_terminal_and_shows_choices(self):
        out, _ = self.run_gleaner("crawl", "--help")
        options = out[out.index("Options"):out.index("Exit codes")]
        self.assertLessEqual(max(map(len, options.splitlines())), 80)
        for word in ("--content text|markdown", "--[no-]robots"):
            self.assertIn(word, options)
        self.assertNotIn("--server-selection", options)
        self.assertIn("--server-selection", self.run_gleaner("config", "--help")[0])

    def test_help_of_a_command_lists_the_options_that_are_its_own(self):
        for command, options in (("queue", ("--id ID", "--state ready|waiting|leased|done|dead", "--all", "--url URL")),
                                 ("robots", ("--agent TOKEN", "--file FILE", "--batch")), ("fetch", ("--verbose",)),
                                 ("scrape", ("--type TYPE", "--url URL")), ("config", ("--live",)), ("search", ("--limit N",))):
            out, _ = self.run_gleaner(command, "--help")
            for option in options:
                with self.subTest(command=command, option=option):
                    self.assertIn(option, out)

    def test_closed_standard_files_are_not_given_to_others(self):
        site = self.site({"/": "<title>t</title>text"})
        command = [rig.GLEANER, *self.crawl_arguments(site.url + "/", "--log-level", "debug")]
        done = subprocess.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *command], cwd=self.home, env=self.environment, timeout=rig.LIMIT)
        self.assertEqual(done.returncode, 0)
        for name in os.listdir(self.data):
            with open(f"{self.data}/{name}", "rb") as f:
                self.assertNotIn(b"complete\n", f.read(), name)

    def test_version_names_the_libraries(self):
        out, _ = self.run_gleaner("--version")
        for word in ("gleaner ", "libmongoc", "libcurl", "sqlite", "lexbor", "libmicrohttpd", "libcyaml"):
            self.assertIn(word, out)

    def test_mistakes_are_usage_errors_with_a_remedy(self):
        for arguments, says in (
            ((), "Commands"),
            (("crwal",), "did you mean crawl?"),
            (("https://example.org/",), "did you mean gleaner crawl URL?"),
            (("crawl",), "crawl wants a URL"),
            (("crawl", "example.org"), "did you mean https://example.org"),
            (("crawl", "/page.html"), "'/page.html' is no absolute URL\n"),
            (("crawl", "not a url"), "'not a url' is no absolute URL\n"),
            (("crawl", "ftp://example.org/"), "only http:// and https:// can be fetched"),
            (("crawl", "http://a/", "--to", "postgres://a/b"), "is not mongodb://HOST/DB"),
            (("run", "http://a/"), "gleaner submit"),
            (("submit",), "submit wants a URL"),
            (("status", "extra"), "'extra'"),
            (("export", "extra"), "'extra'"),
            (("help", "cral"), "did you mean crawl?"),
            (("spool", "lost"), "list, show, drain and export"),
            (("drain",), "nothing was stored in this directory yet"),
        ):
            with self.subTest(arguments=arguments):
                _, err = self.run_gleaner(*arguments, code=2)
                self.assertIn(says, err)

    def test_an_unknown_option_names_the_nearest(self):
        for wrong, near in (("--dpeth", "depth"), ("--timeout", "total-timeout"), ("--max-pages", "pages"), ("--user", "user-agent"),
                            ("--conc", "concurrency"), ("--output", "to"), ("--quiet", "no-progress"), ("--workers", "threads")):
            with self.subTest(wrong=wrong):
                _, err = self.run_gleaner("crawl", "http://a/", wrong, "1", code=2)
                self.assertIn(f"did you mean --{near}?", err)
        _, err = self.run_gleaner("crawl", "http://a/", "--zzz", code=2)
        self.assertIn("--help lists what there is", err)

    def test_every_option_with_a_typing_mistake_is_recognised(self):
        for command in ("crawl", "run", "scan", "queue", "export", "search", "scrape"):
            out, _ = self.run_gleaner(command, "--help")
            options = [line.split()[0].removeprefix("--").removeprefix("[no-]") for line in out.splitlines() if line.startswith("  --")]
            self.assertGreater(len(options), 5)
            for option in options:
                if len(option) < 5:
                    continue  # the nearest of a word of four letters may be another
                with self.subTest(command=command, option=option):
                    wrong = option[:2] + option[3] + option[2] + option[4:] if option[2] != option[3] else option + "x"
                    _, err = self.run_gleaner(command, f"--{wrong}", "1", code=2)
                    self.assertIn(f"did you mean --{option}?", err)

    def test_a_tool_that_waits_for_its_questions_ends_at_the_first_signal(self):
        for command in ("scrape", "url", "robots"):
            process = subprocess.Popen([rig.GLEANER, command, "--batch"], cwd=self.home, env=self.environment, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            process.stdin.write("{}\n")
            process.stdin.flush()
            self.assertIn("error", process.stdout.readline())
            rig.interrupt(process)
            self.assertEqual(process.wait(timeout=rig.LIMIT), 3)
            self.assertEqual(process.stderr.read(), "")
            for file in (process.stdin, process.stdout, process.stderr):
                file.close()

    def test_a_reader_who_has_enough_is_no_failure_and_a_full_disk_is(self):
        site = self.site(rig.linked_site(300))
        self.run_gleaner(*self.crawl_arguments(f"{site.url}/p0.html"))
        for arguments in (("export", "--data", self.data), ("config",), ("queue", "list", "--all", "--data", self.data), ("crawl", "--help"),
                          ("search", "text", "--data", self.data), ("spool", "list", "--data", self.data)):
            with self.subTest(arguments=arguments):
                read_end, write_end = os.pipe()
                os.close(read_end)
                closed = subprocess.run([rig.GLEANER, *arguments], stdout=write_end, stderr=subprocess.PIPE, env=self.environment, text=True)
                os.close(write_end)
                self.assertEqual((closed.returncode, closed.stderr), (0, ""))
                with open("/dev/full", "w") as full:
                    failed = subprocess.run([rig.GLEANER, *arguments], stdout=full, stderr=subprocess.PIPE, env=self.environment, text=True)
                if arguments[0] != "spool":  # nothing waits there: nothing is printed
                    self.assertEqual(failed.returncode, 1)
                    self.assertIn("writ", failed.stderr)
                    self.assertEqual(len(failed.stderr.splitlines()), 1)

    def test_config_says_where_each_value_comes_from(self):
        with open(f"{self.home}/c.yaml", "w") as f:
            f.write("fetch:\n  delay_ms: 7\n  per_host: 3\ncrawl:\n  depth: 2\n")
        with open(f"{self.home}/.env", "w") as f:
            f.write("WORKER_TIMEOUT=1234\n")
        out, _ = self.run_gleaner("config", "--config", "c.yaml", "--depth", "9", environment={"LOG_LEVEL": "INFO"})
        lines = {line.split()[0]: line for line in out.splitlines()}
        for key, value, origin in (("fetch.delay_ms", "7", "c.yaml:2"), ("fetch.per_host", "3", "c.yaml:3"), ("crawl.depth", "9", "--depth"),
                                   ("worker.handle_ms", "1234", ".env:1"), ("process.log_level", "info", "environment LOG_LEVEL"),
                                   ("fetch.concurrency", "64", "default")):
            self.assertEqual(lines[key].split()[1], value, lines[key])
            self.assertTrue(lines[key].endswith("# " + origin), lines[key])

    def test_a_mistake_in_the_file_is_named_with_its_line(self):
        for text, says in (("crawl:\n  depht: 2\n", "c.yaml:2: unknown key 'depht' in crawl; did you mean depth?"),
                           ("crawl:\n  content: pdf\n", "c.yaml:2: crawl.content: 'pdf' is not one of text|markdown"),
                           ("database:\n  uri: mongo://x\n", "c.yaml:2: database.uri: 'mongo://x' is not mongodb://HOST/DB"),
                           ("fetch:\n  per_host: 1\n  delay_ms: 1\n  per_host: 2\n", "c.yaml:4: per_host: stands there twice"),
                           ("fetch:\n  per_host: 1\ncrawl:\n  depth: 1\nfetch:\n  delay_ms: 1\n", "c.yaml:5: fetch: stands there twice"),
                           ("crawl:\n  pages: 0\n", "c.yaml:2: crawl.pages: '0' is not a whole number from 1 on, or unlimited"),
                           ("fetch: [1]\n", "c.yaml:1: fetch: a section is wanted")):
            with self.subTest(text=text):
                with open(f"{self.home}/c.yaml", "w") as f:
                    f.write(text)
                _, err = self.run_gleaner("config", "--config", "c.yaml", code=2)
                self.assertIn(says, err)

    def test_status_without_a_process_says_so(self):
        os.mkdir(self.data)
        _, err = self.run_gleaner("status", "--data", self.data, code=1)
        self.assertIn("no gleaner process works in", err)


rig.main()
