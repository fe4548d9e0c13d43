#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""three_processes.py [--jobs 300] [--lease 5000] [--members 1|3] [--seed N] : three gleaner processes on one queue, and the
application, which votes, comments and deletes on the same submissions with mongoose. One process is killed
(kill -9) while it has pages in work. In the end: each job claimed once, those of the killed process twice,
none pending, no vote or comment lost, nothing deleted that came back, one content document a page. With three
members the server is a replica set, and its primary steps down besides.

The site knows the processes by their User-Agent and keeps the victim waiting from its 12th page on, so it
dies with work in its hands on any machine. Needs node and `./dev mongoose` once (tests/mongoose)."""
import argparse, collections, http.server, json, os, random, shutil, subprocess, sys, tempfile, threading, time
from campaign import Mongod, gleaner, skip, wait_for
from campaign_mongo import ReplicaSet

APPLICATION = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../mongoose/application.mjs")
VICTIM, OTHERS = "one", ("two", "three")
BEFORE_HOLDING, HELD = 12, 4


class Site:
    def __init__(self):
        self.lock, self.by_agent, self.paths = threading.Lock(), collections.Counter(), collections.Counter()
        self.held, self.release = [], threading.Event()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                if self.path == "/robots.txt":
                    return self.answer(404, b"")
                agent = self.headers["user-agent"]
                with site.lock:
                    site.by_agent[agent] += 1
                    site.paths[self.path] += 1
                    hold = agent == VICTIM and site.by_agent[agent] > BEFORE_HOLDING
                    if hold:
                        site.held.append(self.path)
                if hold:
                    site.release.wait()
                time.sleep(0.03)  # a page takes its time: the application's changes fall into it
                self.answer(200, f"<title>page {self.path}</title><main><p>words of {self.path} here</main>".encode())

            def answer(self, status, body):
                try:
                    self.send_response(status)
                    self.send_header("content-type", "text/html")
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 128

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.release.set()
        self.server.shutdown()


def start(name, home, mongod, lease):
    data = f"{home}/{name}"
    with open(f"{data}.log", "w") as log:
        return subprocess.Popen(
            gleaner("run", "--to", mongod.uri, "--data", data, "--allow-net", "127.0.0.0/8", "--user-agent", name, "--lease", str(lease),
                    "--concurrency", "6", "--no-progress", "--log-level", "info"), stdout=log, stderr=log)


def answer(application, key):
    line = application.stdout.readline()
    if not line:
        raise SystemExit(f"FAILED: the application ended with {application.wait()}")
    return json.loads(line)[key]


def judge(report, held, site):
    """Prints what was found; the list of what is wrong."""
    wrong = [f"{what}: {report[what][:5]}" for what in ("missing", "undead", "votes", "comments", "empty", "unsaved", "contentsTwice") if report[what]]
    taken_over = {url for url, n in report["delivered"].items() if n > 1}
    fetched_twice = {site.url + path for path, n in site.paths.items() if n > 1}
    still_there = {url for url in held if url in report["delivered"]}
    if set(report["status"]) != {"completed"}:
        wrong.append(f"status: {report['status']}")
    if taken_over != still_there:
        wrong.append(f"claimed again, not held by the killed one: {sorted(taken_over - still_there)[:5]}; not taken over: {sorted(still_there - taken_over)[:5]}")
    if not fetched_twice <= set(held):
        wrong.append(f"fetched twice: {sorted(fetched_twice - set(held))[:5]}")
    if report["contents"] < len(report["delivered"]):
        wrong.append(f"{report['contents']} content documents of {len(report['delivered'])} pages")
    print(f"submissions={len(report['delivered'])} deleted={report['deleted']} status={report['status']} changes_by_the_application={report['actions']}")
    print(f"claimed_once={sum(n == 1 for n in report['delivered'].values())} held_by_the_killed={len(still_there)} taken_over={len(taken_over)}")
    print(f"votes={report['voteCount']} lost_votes={len(report['votes'])} comments={report['commentCount']} lost_comments={len(report['comments'])} "
          f"fetched_twice={len(fetched_twice)} content_documents={report['contents']}")
    print("requests " + " ".join(f"{name}={n}" for name, n in sorted(site.by_agent.items())))
    return wrong


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--jobs", type=int, default=300)
    a.add_argument("--lease", type=int, default=5000)
    a.add_argument("--members", type=int, choices=[1, 3], default=1)
    a.add_argument("--seed", type=int, default=random.randrange(1, 1 << 30))
    a = a.parse_args()
    node = shutil.which("node")
    if not node or not os.path.isdir(os.path.join(os.path.dirname(APPLICATION), "node_modules/mongoose")):
        skip("needs node and mongoose (`./dev mongoose` installs it)")
    site, home, started = Site(), tempfile.mkdtemp(prefix="gleaner-three-"), []
    mongod = Mongod() if a.members == 1 else ReplicaSet(home)
    print(f"seed={a.seed} jobs={a.jobs} lease={a.lease} members={a.members}", flush=True)
    try:
        application = subprocess.Popen([node, APPLICATION, mongod.uri, site.url, str(a.jobs), str(a.seed)], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        started.append(application)
        answer(application, "inserted")
        victim = start(VICTIM, home, mongod, a.lease)
        started += [victim, *(start(name, home, mongod, a.lease) for name in OTHERS)]
        wait_for("pages in the victim's hands", 60, lambda: len(site.held) >= HELD or victim.poll() is not None)
        victim.kill()
        victim.wait()
        application.stdin.write(f"killed {victim.pid}\n")
        application.stdin.flush()
        held = answer(application, "held")
        if a.members == 3:
            print(f"member {mongod.step_down()} steps down", flush=True)
        at = time.monotonic()
        report = answer(application, "report")
        print(f"killed with {len(site.held)} pages in flight, {len(held)} on lease; all over {time.monotonic() - at:.1f} s later")
        wrong = judge(report, held, site)
        if not set(site.held) <= {url.removeprefix(site.url) for url in held} | {p for p in site.held if site.url + p not in report["delivered"]}:
            wrong.append("a page was in flight and not on lease")
        for line in wrong:
            print(f"WRONG {line}")
        print("FAILED" if wrong else "OK")
        return 1 if wrong else 0
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait()
        site.close()
        mongod.stop()
        shutil.rmtree(home)


sys.exit(main())
