#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill_gleaner.py [--kills 50] [--seed N] [--store embedded|mongodb|shared|both] [--site python|postgresql] : kill -9 gleaner at random instants of crawls, started again each time

At the end of each crawl: the set is complete, nothing is stored twice, and after no kill more was fetched again
than was on lease then. An instant is a random number of further requests seen by the server and a random part
of 30 ms more, so the kills fall inside the crawl on any machine, and between requests as well as into a settle.
A kill may come between a crawl's end and its process's: the next start begins anew then, and so does the count.
`shared` is a frontier on the server. A crawl has as many kills as fit in; then another begins, until there were
enough."""
import argparse, collections, random, re, shutil, subprocess, sys, tempfile, time
from campaign import DOC_ROOTS, POSTGRESQL_ROOTS, Mongod, Site, compare, exported, gleaner, independent_pages, spread, wait_for


class Crawl:
    """One crawl, killed up to so many times."""

    def __init__(self, site, expected, store, number, mongod, rng):
        self.site, self.expected, self.rng, self.mongod = site, expected, rng, mongod
        self.data = tempfile.mkdtemp(prefix="gleaner-kill-")
        self.target = ["--data", self.data, "--to", mongod.uri if mongod else "embedded"]
        if mongod:
            self.target += ["--database", f"killed{number}"]
        more = ["--frontier", "shared"] if store == "shared" else []
        self.command = gleaner("crawl", site.url, *self.target, *more, "--allow-net", "127.0.0.0/8", "--concurrency", "8", "--no-progress",
                               "--log-level", "info")
        self.begins = []  # requests seen when each run began

    def start(self):
        self.begins.append(self.site.request_count())
        with open(f"{self.data}/log.{len(self.begins)}", "w") as log:
            return subprocess.Popen(self.command, stdout=log, stderr=log)

    def kill_at_random(self, process, most):
        """False when the crawl was over first."""
        more = self.rng.randrange(1, most)
        wait_for("requests or the end", 120, lambda: self.site.request_count() >= self.begins[-1] + more or process.poll() is not None)
        time.sleep(self.rng.uniform(0, 0.03))  # the instant, not an order
        if process.poll() is not None:
            return False
        process.kill()
        process.wait()
        return True

    def run(self, kills):
        killed, most = 0, max(2, 2 * len(self.expected) // (min(kills, 25) + 2))
        process = self.start()
        while killed < kills and self.kill_at_random(process, most):
            killed += 1
            process = self.start()
        return killed, process.wait(300)

    def again_after_kills(self, logs):
        """Pages fetched again in each run but the first."""
        seen, again, current = set(), [0] * len(self.begins), 0
        for number, path in enumerate(self.site.request_list()):
            run = max(i for i, begin in enumerate(self.begins) if begin <= number)
            if any("event=crawl_opened" in log and "resumed=no" in log for log in logs[current + 1:run + 1]):
                seen.clear()
            current = run
            again[run] += path in seen and path != "/robots.txt"
            seen.add(path)
        return again[1:]

    def judge(self, killed, code):
        logs = [open(f"{self.data}/log.{number + 1}").read() for number in range(len(self.begins))]
        log = "".join(logs)
        leased = [int(n) for n in re.findall(r"event=leases_taken_back count=(\d+)", log)]
        again = self.again_after_kills(logs)
        ok = compare(exported(*self.target), self.expected) and code == 0
        if not ok:
            print(f"exit={code} after {killed} kills\n{log[-3000:]}")
        return ok, again, leased

    def close(self):
        shutil.rmtree(self.data)


def campaign(a, store, root):
    rng, site, mongod = random.Random(a.seed), Site(root), Mongod() if store != "embedded" else None
    all_again, all_leased, kills, crawls, failed = [], [], 0, 0, 0
    try:
        expected = independent_pages(site.url)
        while kills < a.kills and failed == 0:
            site.clear_log()
            crawl = Crawl(site, expected, store, crawls, mongod, rng)
            try:
                killed, code = crawl.run(a.kills - kills)
                ok, again, leased = crawl.judge(killed, code)
            finally:
                crawl.close()
            kills, crawls, failed = kills + killed, crawls + 1, failed + (not ok)
            all_again += again
            all_leased += leased
    finally:
        site.stop()
        if mongod:
            mongod.stop()
    ok = failed == 0 and sum(all_again) <= sum(all_leased)
    print(f"store={store} kills={kills} crawls={crawls} of {len(expected)} pages: fetched again after a kill {spread(all_again)}; "
          f"on lease at a kill {spread(all_leased)}: {'OK' if ok else 'FAILED'}")
    return ok


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kills", type=int, default=50)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    p.add_argument("--store", choices=["embedded", "mongodb", "shared", "both"], default="both")
    p.add_argument("--site", choices=["python", "postgresql"], default="python")
    a = p.parse_args()
    print(f"seed={a.seed} kills={a.kills} site={a.site}", flush=True)
    stores = ["embedded", "mongodb"] if a.store == "both" else [a.store]
    results = [campaign(a, store, Site.find(DOC_ROOTS if a.site == "python" else POSTGRESQL_ROOTS)) for store in stores]
    print("OK" if all(results) else "FAILED")
    return 0 if all(results) else 1


sys.exit(main())
