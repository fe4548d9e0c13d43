# SPDX-License-Identifier: Apache-2.0
"""The example module as somebody else has it: copied out of an installed prefix, built with nothing but what is
there (pkg-config, CMake), loaded by the installed program; and the page of README.md about it is that example."""
import json, os, shutil, subprocess, sys, tempfile
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
import rig

TOP = os.path.join(HERE, "..", "..")
BUILD, CMAKE = os.environ["BUILD"], os.environ.get("CMAKE", "cmake")
PAGE = '<title>t</title><h1>One</h1><p>text<h2 class="x">Two</h2><h4>Four</h4><a href="%s/b.html">b</a>'
HEADINGS = [{"level": 1, "text": "One"}, {"level": 2, "text": "Two"}]


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


class Module(rig.Case):
    @classmethod
    def setUpClass(cls):
        cls.prefix = tempfile.mkdtemp(prefix="gleaner-prefix-")
        cls.addClassCleanup(shutil.rmtree, cls.prefix)
        run(CMAKE, "--install", BUILD, "--prefix", cls.prefix)
        cls.gleaner = f"{cls.prefix}/bin/gleaner"
        cls.pkgconfig = os.path.dirname(cls.find("gleaner-module.pc"))

    @classmethod
    def find(cls, name):
        found = [os.path.join(where, name) for where, _, files in os.walk(cls.prefix) if name in files]
        assert len(found) == 1, f"{name}: {found}"
        return found[0]

    def outside(self):
        """A copy of the example that knows nothing of where it comes from."""
        place = f"{self.home}/outline"
        shutil.copytree(os.path.dirname(self.find("outline.c")), place)
        return place

    def by_compiler(self):
        place = self.outside()
        flags = run("pkg-config", "--cflags", "gleaner-module", env={**os.environ, "PKG_CONFIG_PATH": self.pkgconfig}).split()
        self.assertNotIn("mongo", " ".join(flags))  # a module needs no driver to be built
        run("cc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", *flags, "-o", "outline.so", "outline.c", cwd=place)
        return f"{place}/outline.so"

    def by_cmake(self):
        place = self.outside()
        run(CMAKE, "-S", place, "-B", f"{place}/build", f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run(CMAKE, "--build", f"{place}/build")
        return f"{place}/build/outline.so"

    def run_installed(self, *arguments, code=0):
        return self.finish(self.start(*arguments, program=self.gleaner), code)

    def site_of_two(self):
        site = self.site({})
        site.pages["/"] = site.pages["/b.html"] = PAGE % site.url
        return site

    def test_a_crawl_stores_what_it_finds_and_follows_its_links(self):
        for build in (self.by_compiler, self.by_cmake):
            for more in ((), ("--isolate",)):
                with self.subTest(build=build.__name__, more=more):
                    shutil.rmtree(f"{self.home}/outline", ignore_errors=True)
                    site, module = self.site_of_two(), build()
                    out, _ = self.run_installed(*self.crawl_arguments(site.url + "/", "--module", module, "--to", "-", *more))
                    documents = sorted(map(json.loads, out.splitlines()), key=lambda d: d["url"])
                    self.assertEqual([(d["url"], d["headings"]) for d in documents],
                                     [(site.url + "/", HEADINGS), (site.url + "/b.html", HEADINGS)])

    def test_a_job_of_its_type_and_a_page_that_is_looked_at(self):
        module = self.by_compiler()
        with open(f"{self.home}/page.html", "w") as f:
            f.write(PAGE)
        out, _ = self.run_installed("scrape", "page.html", "--module", module, "--type", "outline", "--set", "outline.depth=1", "--json")
        self.assertIn('"One"', out)
        self.assertNotIn('"Two"', out)
        _, err = self.run_installed("scrape", "page.html", "--module", module, "--set", "outline.dept=1", code=2)
        self.assertIn("did you mean depth?", err)
        site = self.site_of_two()
        service = self.start("run", "--data", self.data, "--allow-net", "127.0.0.0/8", "--no-progress", "--module", module,
                             program=self.gleaner)
        rig.wait_for(lambda: os.path.exists(f"{self.data}/gleaner.sock") or service.poll() is not None, "the status socket")
        self.run_installed("submit", site.url + "/", "--type", "outline", "--data", self.data)
        rig.wait_for(lambda: json.loads(self.run_installed("status", "--data", self.data, "--json")[0])["queue"]["done"], "the job")
        status = json.loads(self.run_installed("status", "--data", self.data, "--json")[0])
        self.assertEqual(status["counters"]["outline_headings"], 2)
        service.terminate()
        self.finish(service)
        out, _ = self.run_installed("export", "--data", self.data)
        self.assertEqual([json.loads(line)["headings"] for line in out.splitlines()], [HEADINGS])

    def test_the_page_in_the_readme_is_the_example(self):
        with open(f"{TOP}/README.md") as readme, open(f"{TOP}/runtime/module/example/outline.c") as example:
            indented = "".join(f"    {line}" if line.strip() else line for line in list(example)[1:])  # without the licence line
            self.assertIn(indented, readme.read())


if __name__ == "__main__":
    rig.main()
