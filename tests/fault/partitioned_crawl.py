#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""partitioned_crawl.py [--runs 3] [--seed N] [--cut data|both|web] [--delay 100] [--lease 6000] [--hosts 16] [--pages 60] : one process killed, one partitioned, the primary stepped down

Three `gleaner crawl --frontier shared` processes and a replica set of three, each of the six in a network
namespace of its own, and a site of many host names on four addresses, whose server logs host, path, process
and time of each request. At random instants (numbers of requests), in random order: one process is killed
(kill -9), one is cut off, the primary is told to step down. `data`: the cut one reaches the site and no
database, which tells what its lease is worth; `both`: neither, so that requests on their way arrive when the
cable is back; `web`: only the database. The cut is half a lease to three leases long. Then:
  complete        every page stored, none twice
  fetched again   no more pages than the killed and the cut one had on lease then
  polite          no two requests to one host within the delay, whoever made them, by the server's log
  fenced          the cut one asks nobody any more from its lease's end on until the cable is back
  both survivors end with 0
Needs root, MONGOD and nothing else that one could not do without."""
import argparse, collections, os, random, re, shutil, subprocess, sys, tempfile, threading, time
from campaign import Mongod, exported, gleaner, wait_for
from campaign_hosts import Manners, ManyHosts
from campaign_mongo import ReplicaSet
from campaign_net import Net, enter, name_hosts

PROCESSES, MEMBERS, ADDRESSES = ["p1", "p2", "p3"], ["m1", "m2", "m3"], 4
PORT, LIMIT = 27017, 300


class Campaign:
    def __init__(self, a, net, servers, number, seed):
        self.a, self.net, self.servers, self.rng = a, net, servers, random.Random(seed)
        self.cut = a.cut or ["data", "both", "web"][number % 3]
        self.database, self.home = f"run{number}", tempfile.mkdtemp(prefix="gleaner-partitioned-")
        self.site = ManyHosts([f"site{i}.test" for i in range(a.hosts)], a.pages, 60)
        self.processes, self.held = {}, {}
        self.killed, self.parted = self.rng.sample(PROCESSES, 2)
        self.cut_at = self.mended_at = None
        print(f"run={number} seed={seed} killed={self.killed} cut_off={self.parted} cut={self.cut}", flush=True)

    def start(self, name):
        command = gleaner("crawl", self.site.url(0, 0), "--frontier", "shared", "--to", self.servers.uri, "--database", self.database, "--data",
                          f"{self.home}/{name}", "--allow-net", f"10.{self.net.switches['web']}.0.0/24", "--no-same-host", "--user-agent", name, "--delay",
                          str(self.a.delay), "--lease", str(self.a.lease), "--concurrency", "64", "--threads", "2", "--storage-patience", "120000", "--no-progress", "--log-level", "info")
        with open(f"{self.home}/{name}.log", "w") as log:
            self.processes[name] = subprocess.Popen(self.net.command(name, command), stdout=log, stderr=log)

    # ---- the three events ----

    def on_lease(self, process):
        query = {"owner": {"$regex": f"/{process.pid}$"}, "state": "open"}
        return self.servers.run({"count": "gleaner_frontier", "query": query}, self.database)["n"]

    def kill(self):
        process = self.processes[self.killed]
        process.kill()
        process.wait()
        self.held[self.killed] = self.on_lease(process)
        return f"{self.killed} killed with {self.held[self.killed]} on lease"

    def switches(self):
        return {"data": ["data"], "web": ["web"], "both": ["data", "web"]}[self.cut]

    def part(self):
        for switch in self.switches():
            self.net.cut(self.parted, switch)
        self.cut_at = time.monotonic()
        length = self.a.lease / 1000 * self.rng.uniform(0.5, 3)
        threading.Timer(length, self.mend).start()
        self.held[self.parted] = self.on_lease(self.processes[self.parted])
        return f"{self.parted} cut off with {self.held[self.parted]} on lease, for {length:.1f} s"

    def mend(self):
        self.mended_at = time.monotonic()
        for switch in self.switches():
            self.net.mend(self.parted, switch)

    def step_down(self):
        return f"{MEMBERS[self.servers.step_down()]} steps down"

    def play(self):
        for name in PROCESSES:
            self.start(name)
        total = self.a.hosts * self.a.pages
        events = [self.kill, self.part, self.step_down]
        self.rng.shuffle(events)
        for event, at in zip(events, sorted(self.rng.uniform(0.08, 0.6) for _ in events)):
            wait_for("requests", 180, lambda w=at * total: len(self.site.log) >= w)
            print(f"after {len(self.site.log)} of {total} requests: {event()}", flush=True)
        for name in PROCESSES:
            try:
                wait_for(f"{name} to end", LIMIT, lambda n=name: self.processes[n].poll() is not None)
            except SystemExit:
                self.print_logs()
                raise

    def print_logs(self):
        for name in PROCESSES:
            print(f"--- {name}\n" + "".join(open(f"{self.home}/{name}.log").readlines()[-25:]))

    # ---- what came of it ----

    def judge(self):
        manners, a = Manners(self.site), self.a
        stored = collections.Counter(d["url"] for d in exported("--to", self.servers.uri, "--database", self.database))
        missing, twice = self.site.all_urls() - set(stored), [u for u, n in stored.items() if n > 1]
        most = sum(self.held.values())
        print(f"requests={manners.requests} pages={len(manners.pages)} missing={len(missing)} stored_twice={len(twice)} "
              f"fetched_again={len(manners.again)} (on lease then: {most})")
        manners.print(a.delay)
        wrong = [f"{name} ended with {self.processes[name].returncode}" for name in PROCESSES if name != self.killed and self.processes[name].returncode != 0]
        if missing or twice:
            wrong.append(f"missing {sorted(missing)[:5]} stored twice {twice[:5]}")
        if len(manners.again) > most:
            wrong.append(f"{len(manners.again)} pages requested again, {most} were on lease: {manners.again[:5]}")
        if manners.too_close(a.delay):
            wrong.append(f"two requests within the delay: {manners.too_close(a.delay)[:5]}")
        return wrong + self.judge_fence()

    def judge_fence(self):
        if self.cut == "web":
            return []
        asked = [at for at, _, _, agent in self.site.log if agent == self.parted and self.cut_at <= at < self.mended_at]
        last = (max(asked) - self.cut_at) * 1000 if asked else 0
        print(f"last_request_of_the_cut_one_ms={last:.0f} after the cut (lease {self.a.lease}, cut {(self.mended_at - self.cut_at) * 1000:.0f})")
        return [] if last <= self.a.lease else [f"{self.parted} asked {last:.0f} ms after it was cut off"]

    def close(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.home)


def run(a, net, servers, number, seed):
    campaign = Campaign(a, net, servers, number, seed)
    try:
        campaign.play()
        wrong = campaign.judge()
        if wrong:
            campaign.print_logs()
        return wrong
    finally:
        campaign.close()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    p.add_argument("--cut", choices=["data", "both", "web"])
    p.add_argument("--hosts", type=int, default=16)
    p.add_argument("--pages", type=int, default=60)
    p.add_argument("--delay", type=int, default=100)
    p.add_argument("--lease", type=int, default=6000)
    a = p.parse_args()
    Mongod.find()
    enter()
    home, failed, servers = tempfile.mkdtemp(prefix="gleaner-partitioned-"), 0, None
    try:
        net = Net({"data": 91, "web": 92}, PROCESSES + MEMBERS, ours=ADDRESSES)
        name_hosts(f"{home}/hosts", {f"site{i}.test": f"10.92.0.{1 + i % ADDRESSES}" for i in range(a.hosts)})
        servers = ReplicaSet(home, [(net.address(m, "data"), PORT, net.command(m, [])) for m in MEMBERS])
        for number in range(a.runs):
            wrong = run(a, net, servers, number, a.seed + number)
            for line in wrong:
                print(f"WRONG {line}")
            failed += len(wrong) > 0
    finally:
        if servers:
            servers.stop()
        shutil.rmtree(home)
    print(f"{a.runs - failed} of {a.runs} runs: complete, nothing twice, polite, fenced: {'FAILED' if failed else 'OK'}")
    return 1 if failed else 0


sys.exit(main())
