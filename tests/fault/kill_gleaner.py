#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill_gleaner.py [--kills 20] [--seed N] [--store embedded|mongodb] : kill -9 gleaner at random instants
of a crawl, start it again each time; at the end the set is complete, nothing is stored twice, and no more
was fetched again than was on lease at the kills. An instant is a random number of further requests seen
by the server, so the kills fall inside the crawl on any machine."""
import argparse, os, random, re, shutil, subprocess, sys, tempfile
from campaign import Mongod, Site, compare, exported, gleaner, independent_pages, wait_for


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--kills", type=int, default=20)
    a.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    a.add_argument("--store", choices=["embedded", "mongodb"], default="embedded")
    a = a.parse_args()
    rng = random.Random(a.seed)
    site, data = Site(), tempfile.mkdtemp(prefix="gleaner-kill-")
    mongod = Mongod() if a.store == "mongodb" else None
    target = mongod.uri if mongod else "embedded"
    command = gleaner("crawl", site.url, "--data", data, "--to", target, "--allow-net", "127.0.0.0/8", "--concurrency", "8", "--no-progress", "--log-level", "info")
    print(f"seed={a.seed} store={a.store} kills={a.kills}", flush=True)
    try:
        expected = independent_pages(site.url)
        site.clear_log()
        killed, leased = 0, 0
        while True:
            before = site.request_count()
            with open(f"{data}/log", "a") as log:
                process = subprocess.Popen(command, stdout=log, stderr=log)
            if killed < a.kills:
                more = rng.randrange(1, max(2, 2 * len(expected) // (a.kills + 2)))
                wait_for("requests or the end", 120, lambda: site.request_count() >= before + more or process.poll() is not None)
                if process.poll() is None:
                    process.kill()
                    process.wait()
                    killed += 1
                    continue
            code = process.wait(300)
            break
        log = open(f"{data}/log").read()
        leased = sum(int(n) for n in re.findall(r"event=leases_taken_back count=(\d+)", log))
        requests = site.requests()
        again = sum(n - 1 for n in requests.values())
        print(f"killed={killed} exit={code} requests={sum(requests.values())} fetched_again={again} on_lease_at_kills={leased}")
        ok = compare(exported("--data", data, "--to", target), expected) and code == 0 and again <= leased
        if killed < a.kills:
            print(f"the crawl was over after {killed} kills")
        print("OK" if ok else "FAILED")
        if not ok:
            print(log[-3000:])
        return 0 if ok else 1
    finally:
        site.stop()
        if mongod:
            mongod.stop()
        shutil.rmtree(data)


sys.exit(main())
