# SPDX-License-Identifier: Apache-2.0
"""What the scripts of this folder share: a site on loopback that a test shapes, the program under test
with a home of its own, and a mongod of our own. Waiting is always for an event; limits only end a test
that hangs."""
import http.server, json, os, shutil, signal, socket, subprocess, sys, tempfile, threading, time, unittest, urllib.parse

GLEANER = os.environ.get("GLEANER", "gleaner")
LIMIT = 120


def wait_for(test, what, seconds=LIMIT):
    end = time.monotonic() + seconds
    while not (value := test()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.005)
    return value


class Site:
    """Pages by path: text (200, text/html), or a function that gets the request handler."""

    def __init__(self, pages):
        self.pages, self.requests, self.lock = pages, [], threading.Lock()
        self.gate = threading.Event()  # pages of hold_after wait for it
        self.hold_after = None
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                with site.lock:
                    if self.path != "/robots.txt":
                        site.requests.append(self.path)
                    held = site.hold_after is not None and len(site.requests) > site.hold_after
                if held:
                    site.gate.wait(LIMIT)
                page = site.pages.get(self.path)
                if callable(page):
                    page(self)
                else:
                    self.answer(404 if page is None else 200, (page or "not here").encode())

            def answer(self, code, body, **headers):
                try:
                    self.send_response(code)
                    for name, value in {"Content_Type": "text/html", "Content_Length": str(len(body)), **headers}.items():
                        self.send_header(name.replace("_", "-"), value)
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def count(self):
        with self.lock:
            return len(self.requests)

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


def linked_site(count, fan=4):
    """A tree with cross links: page i names its children, its parent, and itself with a fragment."""
    pages = {}
    for i in range(count):
        links = [f"/p{j}.html" for j in range(fan * i + 1, min(fan * i + 1 + fan, count))]
        links += [f"/p{(i - 1) // fan}.html" if i else "/p0.html", f"p{i}.html#here"]
        pages[f"/p{i}.html"] = f"<title>page {i}</title><body>text {i} " + " ".join(f'<a href="{u}">x</a>' for u in links)
    return pages


class Mongod:
    """A server of our own on a free port, or a skipped test."""

    def __init__(self, directory):
        program = os.environ.get("MONGOD") or shutil.which("mongod")
        if not program or not os.access(program, os.X_OK):
            raise unittest.SkipTest("no mongod (MONGOD)")
        self.program, self.directory = program, directory
        os.makedirs(directory, exist_ok=True)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.uri = f"mongodb://127.0.0.1:{self.port}/app"
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "--dbpath", self.directory, "--port", str(self.port), "--bind_ip", "127.0.0.1", "--nounixsocket",
             "--wiredTigerCacheSizeGB", "0.25"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def answers():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0
        wait_for(answers, "mongod")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Case(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="gleaner-system-")
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.data = f"{self.home}/data"
        # Without the last, libmongoc warns when a killed process of the same number left a file in /dev/shm.
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.home, "TMPDIR": self.home, "MONGOC_DISABLE_SHM": "1"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def site(self, pages):
        site = Site(pages)
        self.addCleanup(site.close)
        return site

    def mongod(self):
        mongod = Mongod(f"{self.home}/mongod")
        self.addCleanup(mongod.kill)
        return mongod

    def start(self, *arguments, environment=None, program=GLEANER, **more):
        process = subprocess.Popen([program, *arguments], cwd=self.home, text=True, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={**self.environment, **(environment or {})}, **more)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def finish(self, process, code=0):
        out, err = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, code, f"stdout:\n{out}\nstderr:\n{err}")
        return out, err

    def run_gleaner(self, *arguments, code=0, environment=None):
        """Standard output and error of a run that has to end with this code."""
        return self.finish(self.start(*arguments, environment=environment), code)

    def crawl_arguments(self, url, *more):
        return ["crawl", url, "--data", self.data, "--allow-net", "127.0.0.0/8", "--no-progress", *more]

    def exported(self, *more):
        out, _ = self.run_gleaner("export", "--data", self.data, *more)
        return [json.loads(line) for line in out.splitlines()]

    def stored_paths(self, *more):
        """Paths of the stored pages; each has to be there once."""
        paths = [urllib.parse.urlsplit(d["url"]).path for d in self.exported(*more)]
        self.assertEqual(len(paths), len(set(paths)), "a page is stored twice")
        return set(paths)


def can_mount():
    return os.geteuid() == 0 and shutil.which("unshare") and subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0


def interrupt(process):
    process.send_signal(signal.SIGINT)


def main():
    """Exit code 77, which ctest shows as skipped, when all that could run has passed and something could not."""
    result = unittest.main(exit=False).result
    for test, why in result.skipped:
        print(f"skipped: {test}: {why}")
    sys.exit(1 if not result.wasSuccessful() else 77 if result.skipped else 0)
