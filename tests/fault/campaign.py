# SPDX-License-Identifier: Apache-2.0
"""What the campaigns of this folder share: a site served by nginx with a request log, a mongod of our
own, an independent crawl of the site, and the stored documents as `gleaner export` prints them.

Only the Python standard library. Everything is started here, on loopback, and ended by its pid.
"""
import collections, html.parser, json, os, random, shutil, signal, socket, subprocess, sys, tempfile, time
import urllib.error, urllib.parse, urllib.request

DOC_ROOTS = ["/usr/share/doc/python3.11/html", "/usr/share/doc/python3/html", "/usr/share/doc/python3.13/html"]
POSTGRESQL_ROOTS = [f"/usr/share/doc/postgresql-doc-{version}/html" for version in (15, 17, 18)]


def skip(why):
    """As ctest and `./dev fault` understand it."""
    print(f"skipped: {why}")
    sys.exit(77)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, seconds, test):
    """Wait for an event; the limit only ends a test that hangs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = test()
        if value:
            return value
        time.sleep(0.01)
    raise SystemExit(f"FAILED: waited {seconds} s for {what}")


class Site:
    """nginx on a free port, one log line a request."""

    @staticmethod
    def find(roots=DOC_ROOTS):
        return next((r for r in roots if os.path.isdir(r)), None) or skip(f"needs the pages of a documentation package: {roots[0]}")

    def __init__(self, root=None):
        self.root = root or self.find()
        if shutil.which("nginx") is None and not os.path.exists("/usr/sbin/nginx"):
            skip("needs nginx (`./dev deps` installs it)")
        self.dir, self.port = tempfile.mkdtemp(prefix="gleaner-site-"), free_port()
        os.chmod(self.dir, 0o755)
        self.log = f"{self.dir}/access.log"
        self.url = f"http://127.0.0.1:{self.port}/index.html"
        conf = f"""daemon off; worker_processes 1; pid {self.dir}/pid; error_log {self.dir}/error.log crit; user root;
events {{ worker_connections 1024; }}
http {{ include /etc/nginx/mime.types; log_format u '$request_uri $status'; access_log {self.log} u;
  keepalive_requests 1000000; client_body_temp_path {self.dir}/b; proxy_temp_path {self.dir}/p;
  fastcgi_temp_path {self.dir}/f; uwsgi_temp_path {self.dir}/u; scgi_temp_path {self.dir}/s;
  server {{ listen 127.0.0.1:{self.port}; root {self.root}; index index.html; }} }}"""
        with open(f"{self.dir}/conf", "w") as f:
            f.write(conf)
        self.process = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-p", self.dir, "-c", f"{self.dir}/conf"])
        wait_for("nginx", 10, self.answers)

    def answers(self):
        try:
            urllib.request.urlopen(self.url, timeout=1).read(1)
            return True
        except OSError:
            return False

    def clear_log(self):
        open(self.log, "w").close()
        os.kill(self.process.pid, signal.SIGUSR1)  # reopen
        wait_for("the log to be reopened", 10, lambda: os.path.exists(self.log))

    def request_list(self):
        with open(self.log) as f:
            return [line.split()[0] for line in f]

    def requests(self):
        """Counter of request paths, robots.txt left out."""
        return collections.Counter(path for path in self.request_list() if path != "/robots.txt")

    def request_count(self):
        with open(self.log, "rb") as f:
            return f.read().count(b"\n")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.dir)


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.links = []

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.links += [v for k, v in attrs if k == "href" and v]


def independent_pages(start):
    """Breadth-first with the standard library: the URLs of all HTML pages with status 200."""
    origin = urllib.parse.urlsplit(start)[:2]
    seen, queue, pages = {start}, collections.deque([start]), set()
    while queue:
        url = queue.popleft()
        try:
            with urllib.request.urlopen(url, timeout=10) as r:
                if not (r.headers.get("content-type") or "").startswith("text/html"):
                    continue
                body, final = r.read().decode("utf-8", "replace"), r.url
        except urllib.error.HTTPError:
            continue
        pages.add(final)
        parser = Links()
        parser.feed(body)
        for href in parser.links:
            u = urllib.parse.urldefrag(urllib.parse.urljoin(final, href.strip()))[0]
            if urllib.parse.urlsplit(u)[:2] == origin and u not in seen:
                seen.add(u)
                queue.append(u)
    return pages


class Mongod:
    """A mongod on a port that stays the same over restarts."""

    @staticmethod
    def find():
        return os.environ.get("MONGOD") or shutil.which("mongod") or skip("needs a mongod (MONGOD or PATH)")

    def __init__(self):
        self.binary = self.find()
        self.dir, self.port, self.process = tempfile.mkdtemp(prefix="gleaner-mongod-"), free_port(), None
        self.uri = f"mongodb://127.0.0.1:{self.port}/campaign"
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [self.binary, "--dbpath", self.dir, "--port", str(self.port), "--bind_ip", "127.0.0.1", "--nounixsocket",
             "--wiredTigerCacheSizeGB", "0.25"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("mongod", 30, self.listens)

    def listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.dir)


def spread(numbers):
    """A distribution in a line."""
    n = sorted(numbers) or [0]
    return f"{sum(n)} (min {n[0]}, median {n[len(n) // 2]}, p90 {n[len(n) * 9 // 10]}, max {n[-1]})"


def gleaner(*args):
    return [os.environ.get("GLEANER", "gleaner"), *args]


def exported(*args):
    """The stored documents, as the program itself gives them out."""
    out = subprocess.run(gleaner("export", "--format", "jsonl", *args), capture_output=True, text=True)
    if out.returncode != 0:
        raise SystemExit(f"FAILED: export ended with {out.returncode}: {out.stderr}")
    return [json.loads(line) for line in out.stdout.splitlines()]


def compare(documents, expected):
    """Prints and returns whether every page is stored exactly once."""
    urls = collections.Counter(d["url"] for d in documents)
    twice = {u for u, n in urls.items() if n > 1}
    missing, extra = expected - set(urls), set(urls) - expected
    print(f"documents={len(documents)} expected={len(expected)} missing={len(missing)} extra={len(extra)} twice={len(twice)}")
    for name, group in (("missing", missing), ("extra", extra), ("twice", twice)):
        for u in sorted(group)[:5]:
            print(f"  {name}: {u}")
    return not (missing or extra or twice)
