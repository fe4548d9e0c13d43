#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""crawl_shared.py [--processes 4] [--hosts 24] [--pages 60] [--delay 60] [--lease 3000] [--trouble none|kill|stop|freeze] [--runs 1]

Several `gleaner crawl --frontier shared` processes on one mongod, one site of many hosts (127.0.1.x, all on one
port), whose server logs host, path, process (its User-Agent) and time of each request. In the end:
  duplicates    requests of a page that was requested before (0; with a process killed or frozen: those it had in work)
  missing       pages not stored (0), stored twice (0)
  smallest gap  between two requests to one host, whoever made them (>= the delay - 1 ms)
  owners        hosts that changed hands, and how many processes did something
`kill` ends one process with kill -9 in the middle, `stop` with SIGTERM, `freeze` stops one for twice its lease
and lets it go on. Needs MONGOD."""
import argparse, collections, shutil, signal, subprocess, sys, tempfile, time
from campaign import Mongod, exported, gleaner, wait_for
from campaign_hosts import Manners, ManyHosts


def start(name, home, mongod, site, a, database):
    with open(f"{home}/{name}.log", "w") as log:
        return subprocess.Popen(
            gleaner("crawl", site.url(0, 0), "--frontier", "shared", "--to", mongod.uri, "--database", database, "--data", f"{home}/{name}",
                    "--allow-net", "127.0.0.0/8", "--no-same-host", "--user-agent", name, "--delay", str(a.delay), "--lease", str(a.lease),
                    "--concurrency", str(a.in_flight), "--threads", "2", "--no-progress", "--log-level", "info"), stdout=log, stderr=log)


def make_trouble(a, processes, site):
    """In the middle of the crawl, to the process that made the last request."""
    wanted = a.hosts * a.pages // 3
    wait_for("a third of the requests", 120, lambda: len(site.log) >= wanted)
    name = next(agent for _, _, _, agent in reversed(site.log))
    victim = processes[name]
    if a.trouble == "kill":
        victim.kill()
    elif a.trouble == "stop":
        victim.terminate()
    elif a.trouble == "freeze":
        victim.send_signal(signal.SIGSTOP)
        time.sleep(2 * a.lease / 1000)  # what it is about: longer than its lease
        victim.send_signal(signal.SIGCONT)
    return name


def judge(a, site, mongod, database, victim, seconds):
    manners = Manners(site)
    if not manners.pages:
        return ["no page was requested"]
    stored = collections.Counter(d["url"] for d in exported("--to", mongod.uri, "--database", database))
    missing, twice = site.all_urls() - set(stored), [u for u, n in stored.items() if n > 1]
    print(f"requests={manners.requests} in {seconds:.1f} s pages={len(manners.pages)} duplicates={len(manners.again)} missing={len(missing)} stored_twice={len(twice)}")
    manners.print(a.delay)
    wrong = []
    allowed = a.in_flight if a.trouble in ("kill", "freeze") else 0
    if len(manners.again) > allowed:
        wrong.append(f"{len(manners.again)} pages requested again: {manners.again[:5]}")
    if missing or twice:
        wrong.append(f"missing {sorted(missing)[:5]} stored twice {twice[:5]}")
    if manners.too_close(a.delay):
        wrong.append(f"two requests within the delay: {manners.too_close(a.delay)[:5]}")
    if len(manners.agents) < min(a.processes, 2):
        wrong.append("one process did it all")
    return wrong


def run(a, mongod, number):
    site = ManyHosts([f"127.0.1.{i + 1}" for i in range(a.hosts)], a.pages, 20)
    home, processes = tempfile.mkdtemp(prefix="gleaner-shared-"), {}
    database, victim = f"shared{number}", None
    try:
        begin = time.monotonic()
        names = [f"p{i + 1}" for i in range(a.processes)]
        for name in names:
            processes[name] = start(name, home, mongod, site, a, database)
        if a.trouble != "none":
            victim = make_trouble(a, processes, site)
            print(f"trouble={a.trouble} process={victim} after {len(site.log)} requests")
        for name, process in processes.items():
            wait_for(f"{name} to end", 300, lambda p=process: p.poll() is not None)
        wrong = judge(a, site, mongod, database, victim, time.monotonic() - begin)
        wrong += [f"{name} ended with {p.returncode}" for name, p in processes.items() if p.returncode != 0 and name != victim]
        if wrong:
            for name in names:
                print(f"--- {name}\n" + "".join(open(f"{home}/{name}.log").readlines()[-25:]))
        return wrong
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(home)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--processes", type=int, default=4)
    p.add_argument("--hosts", type=int, default=24)
    p.add_argument("--pages", type=int, default=60)
    p.add_argument("--delay", type=int, default=60)
    p.add_argument("--lease", type=int, default=3000)
    p.add_argument("--in-flight", type=int, default=64)
    p.add_argument("--trouble", choices=["none", "kill", "stop", "freeze"], default="none")
    p.add_argument("--runs", type=int, default=1)
    a = p.parse_args()
    mongod, failed = Mongod(), 0
    try:
        for number in range(a.runs):
            for line in run(a, mongod, number):
                print(f"WRONG {line}")
                failed += 1
    finally:
        mongod.stop()
    print("FAILED" if failed else "OK")
    return 1 if failed else 0


sys.exit(main())
