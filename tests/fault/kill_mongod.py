#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill_mongod.py [--kills 50] [--seed N] [--frontier embedded|shared] [--part kills|away|all] : kill -9 mongod at random instants of crawls; at last it stays away until the crawl is over

First part: at random instants (a number of further requests and a part of 30 ms) the server is killed and
started again after up to a second; each crawl ends by itself with 0 and the complete set, nothing stored twice
and no page fetched again. As many kills a crawl as fit in; crawls until there were enough.
Second part: it stays away; the crawl ends on the spool with exit code 4 and says so; the server is started
again and the spool drains. The set is an independent crawl's each time."""
import argparse, random, shutil, subprocess, sys, tempfile, time
from campaign import Mongod, Site, compare, exported, gleaner, independent_pages, spread, wait_for


class Crawl:
    def __init__(self, site, mongod, database, *more):
        self.site, self.data = site, tempfile.mkdtemp(prefix="gleaner-mongod-campaign-")
        self.target = ["--data", self.data, "--to", mongod.uri, "--database", database]
        site.clear_log()
        # a small delay keeps the crawl running while the server is away
        with open(f"{self.data}/log", "w") as log:
            self.process = subprocess.Popen(gleaner("crawl", site.url, *self.target, "--allow-net", "127.0.0.0/8", "--concurrency", "4", "--delay", "15",
                                                    "--no-progress", *more), stdout=log, stderr=log)

    def is_over(self):
        return self.process.poll() is not None

    def again(self):
        return sum(n - 1 for n in self.site.requests().values())

    def is_complete(self, expected, code, wanted):
        ok = compare(exported(*self.target), expected) and code == wanted and self.again() == 0
        if not ok:
            print(f"exit={code} fetched_again={self.again()}\n{self.log()[-4000:]}")
        return ok

    def log(self):
        with open(f"{self.data}/log") as log:
            return log.read()

    def close(self):
        if not self.is_over():
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.data)


def one_with_kills(site, mongod, expected, rng, number, most, frontier):
    """A crawl during which the server is killed up to so many times: how often it was, and whether all is well."""
    more = ["--frontier", "shared", "--storage-patience", "120000"] if frontier == "shared" else []
    crawl, killed = Crawl(site, mongod, f"killed{number}", *more), 0
    try:
        while killed < most:
            wanted = site.request_count() + rng.randrange(1, 100)
            wait_for("requests or the end", 120, lambda w=wanted: site.request_count() >= w or crawl.is_over())
            time.sleep(rng.uniform(0, 0.03))  # the instant, not an order
            if crawl.is_over():
                break
            mongod.kill()
            killed += 1
            time.sleep(rng.uniform(0, 1))  # how long it is away
            mongod.start()
        return killed, crawl.is_complete(expected, crawl.process.wait(300), 0), crawl.again()
    finally:
        crawl.close()


def kill_often(a, site, expected):
    rng, mongod, kills, crawls, ok, again = random.Random(a.seed), Mongod(), 0, [], True, []
    try:
        while kills < a.kills and ok:
            killed, ok, fetched = one_with_kills(site, mongod, expected, rng, len(crawls), a.kills - kills, a.frontier)
            kills += killed
            crawls.append(killed)
            again.append(fetched)
    finally:
        mongod.stop()
    print(f"frontier={a.frontier} kills={kills} in {len(crawls)} crawls of {len(expected)} pages (a crawl {spread(crawls)}): "
          f"fetched again {spread(again)}: {'OK' if ok else 'FAILED'}")
    return ok


def stay_away(site, expected):
    mongod = Mongod()
    crawl = Crawl(site, mongod, "away", "--spool-wait", "1000")
    try:
        wait_for("100 requests", 60, lambda: site.request_count() >= 100 or crawl.is_over())
        mongod.kill()
        at = site.request_count()
        code = crawl.process.wait(300)
        said = [line.strip() for line in crawl.log().splitlines() if "gleaner spool drain" in line]
        print(f"killed after {at} requests, away for good: exit={code}; it said: {said[-1] if said else 'NOTHING'}")
        mongod.start()
        drain = subprocess.run(gleaner("drain", *crawl.target), capture_output=True, text=True)
        print(f"drain: exit={drain.returncode} {drain.stdout.strip()}")
        return crawl.is_complete(expected, code, 4) and drain.returncode == 0 and len(said) > 0
    finally:
        crawl.close()
        mongod.stop()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kills", type=int, default=50)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    p.add_argument("--frontier", choices=["embedded", "shared"], default="embedded")
    p.add_argument("--part", choices=["kills", "away", "all"], default="all")
    a = p.parse_args()
    print(f"seed={a.seed}", flush=True)
    site, ok = Site(), True
    try:
        expected = independent_pages(site.url)
        if a.part != "away":
            ok = kill_often(a, site, expected)
        if a.part != "kills":
            ok = stay_away(site, expected) and ok
    finally:
        site.stop()
    print("OK" if ok else "FAILED")
    return 0 if ok else 1


sys.exit(main())
