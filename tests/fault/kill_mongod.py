#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill_mongod.py [--down 5] : during a crawl to a real mongod, kill -9 the server once some documents are in.
First part: it is started again after --down seconds; the crawl ends by itself with the complete set.
Second part: it stays away; the crawl ends on the spool; the server is started again and the spool drains."""
import argparse, shutil, subprocess, sys, tempfile, time
from campaign import Mongod, Site, compare, exported, gleaner, independent_pages, wait_for


def crawl(site, mongod, data, log):
    # a small delay keeps the crawl running while the server is away
    return subprocess.Popen(gleaner("crawl", site.url, "--data", data, "--to", mongod.uri, "--allow-net", "127.0.0.0/8",
                                    "--concurrency", "4", "--delay", "5", "--no-progress"), stdout=log, stderr=log)


def one(site, expected, down):
    """down: seconds until the server is back, or None for after the crawl."""
    mongod, data = Mongod(), tempfile.mkdtemp(prefix="gleaner-mongod-campaign-")
    site.clear_log()
    try:
        with open(f"{data}/log", "w") as log:
            process = crawl(site, mongod, data, log)
            wait_for("100 requests", 60, lambda: site.request_count() >= 100 or process.poll() is not None)
            mongod.kill()
            at = site.request_count()
            if down is not None:
                time.sleep(down)
                mongod.start()
            code = process.wait(300)
        print(f"killed after {at} requests, {'back after %s s' % down if down is not None else 'away for good'}: exit={code}")
        ok = code == (0 if down is not None else 4)
        if down is None:
            mongod.start()
            drain = subprocess.run(gleaner("drain", "--data", data, "--to", mongod.uri), capture_output=True, text=True)
            print(f"drain: exit={drain.returncode} {drain.stdout.strip()}")
            ok = ok and drain.returncode == 0
        again = sum(n - 1 for n in site.requests().values())
        ok = compare(exported("--data", data, "--to", mongod.uri), expected) and ok and again == 0
        print(f"fetched_again={again}")
        if not ok:
            print(open(f"{data}/log").read()[-4000:])
        return ok
    finally:
        mongod.stop()
        shutil.rmtree(data)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--down", type=float, default=5)
    a = a.parse_args()
    site = Site()
    try:
        expected = independent_pages(site.url)
        ok = one(site, expected, a.down)
        ok = one(site, expected, None) and ok
    finally:
        site.stop()
    print("OK" if ok else "FAILED")
    return 0 if ok else 1


sys.exit(main())
