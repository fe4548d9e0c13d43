#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""spool_full.py [--pages 120] : the server is away and the disk under the spool is full (a tmpfs of 3 MB). The
crawl has to end with what is wrong, and nothing that it took in may be lost: room is made, the server comes
back, the same command ends the crawl, and every page is in the server once.

Needs root for the tmpfs, which lives in a mount namespace of its own and ends with it."""
import argparse, os, subprocess, sys, tempfile, threading, http.server, urllib.parse
from campaign import Mongod, compare, exported, gleaner

FILLER = 1500


class Site:
    """Pages that link to the next ones, each some 40 KB of text."""

    def __init__(self, count):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                name = self.path.removeprefix("/p").removesuffix(".html")
                if not name.isdigit() or int(name) >= count:
                    return self.answer(404, b"")
                i = int(name)
                links = "".join(f'<a href="/p{j}.html">{j}</a> ' for j in range(4 * i + 1, min(4 * i + 5, count)))
                text = "".join(f"<p>page {i} paragraph {n} of filler {i * n % 97}</p>" for n in range(FILLER))
                self.answer(200, f"<title>page {i}</title><body>{links}{text}".encode())

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("content-type", "text/html")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Namespace:
    """A shell whose mounts nobody else sees."""

    def __init__(self):
        self.shell = subprocess.Popen(["unshare", "-m", "sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, command):
        """Exit code and standard output."""
        self.shell.stdin.write(f"{command}\necho \"end $?\"\n")
        self.shell.stdin.flush()
        lines = []
        for line in self.shell.stdout:
            if line.startswith("end "):
                return int(line[4:]), "".join(lines)
            lines.append(line)
        raise SystemExit("FAILED: the shell ended")

    def close(self):
        self.shell.stdin.close()
        self.shell.wait()


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--pages", type=int, default=120)
    a = a.parse_args()
    if os.geteuid() != 0:
        print("skipped: needs root for a tmpfs")
        return 77
    mongod, site, space, home = Mongod(), Site(a.pages), Namespace(), tempfile.mkdtemp(prefix="gleaner-spool-full-")
    data = f"{home}/data"
    crawl = " ".join(gleaner("crawl", f"{site.url}/p0.html", "--data", data, "--to", mongod.uri, "--allow-net", "127.0.0.0/8",
                             "--no-progress", "--batch-pages", "5", "--spool-wait", "0", "--storage-patience", "500"))
    ok = True
    try:
        space.run(f"mkdir -p {data} && mount -t tmpfs -o size=3m none {data}")
        mongod.kill()
        code, _ = space.run(f"{crawl} >{home}/first 2>&1")
        said = open(f"{home}/first").read()
        full = "full" in said
        _, waiting = space.run(" ".join(gleaner("spool", "list", "--data", data)) + " 2>/dev/null | tail -n +2 | wc -l")
        print(f"server away, disk full: exit={code} says_so={full} documents_in_the_spool={waiting.strip()} of {a.pages}")
        ok = ok and code == 5 and full and 0 < int(waiting) < a.pages
        space.run(f"mount -o remount,size=300m {data}")
        mongod.start()
        code, _ = space.run(f"{crawl} >{home}/second 2>&1")
        print(f"room and server are back: exit={code}")
        ok = ok and code == 0
        code, left = space.run(" ".join(gleaner("spool", "drain", "--data", data, "--to", mongod.uri)) + " 2>&1")
        expected = {f"{site.url}/p{i}.html" for i in range(a.pages)}
        ok = compare(exported("--to", mongod.uri), expected) and ok
        if not ok:
            print(said[-2000:], open(f"{home}/second").read()[-2000:], left)
    finally:
        space.close()
        mongod.stop()
        subprocess.run(["rm", "-rf", home])
    print("OK" if ok else "FAILED")
    return 0 if ok else 1


sys.exit(main())
