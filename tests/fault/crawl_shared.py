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
import argparse, asyncio, collections, random, re, shutil, signal, subprocess, sys, tempfile, threading, time
from campaign import Mongod, exported, gleaner, wait_for


class Site:
    """HTTP/1.1 in one thread; /p/N of a host links to its next pages and to the first page of other hosts."""

    def __init__(self, hosts, pages, late_ms):
        self.names = [f"127.0.1.{i + 1}" for i in range(hosts)]
        self.pages, self.late_ms, self.log = pages, late_ms, []
        ready = threading.Event()
        self.loop = asyncio.new_event_loop()

        async def main():
            server = await asyncio.start_server(self.serve, "0.0.0.0", 0, backlog=1024)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()

        def run():
            self.loop.run_until_complete(main())
            self.loop.run_forever()

        threading.Thread(target=run, daemon=True).start()
        ready.wait()

    def url(self, host, page):
        return f"http://{self.names[host]}:{self.port}/p/{page}"

    def all_urls(self):
        return {self.url(h, p) for h in range(len(self.names)) for p in range(self.pages)}

    def body(self, host, page):
        links = [self.url(host, p) for p in (2 * page + 1, 2 * page + 2) if p < self.pages]
        links += [self.url((host * 2 + i) % len(self.names), 0) for i in (1, 2)]
        return f"<title>{host}/{page}</title><p>words</p>" + "".join(f'<a href="{u}">x</a>' for u in links)

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                at = time.monotonic()
                path = head.split(b" ", 2)[1].decode()
                name = re.search(rb"(?i)\r\nhost: ([^:\r]+)", head)[1].decode()
                agent = re.search(rb"(?i)\r\nuser-agent: ([^\r]+)", head)[1].decode()
                self.log.append((at, name, path, agent))
                if self.late_ms:
                    await asyncio.sleep(random.random() * self.late_ms / 1000)
                status, body = "404 No", b""
                if path.startswith("/p/"):
                    status, body = "200 OK", self.body(self.names.index(name), int(path[3:])).encode()
                writer.write(f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


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
    by_host, seen, duplicates, owners = collections.defaultdict(list), set(), [], collections.defaultdict(list)
    for at, name, path, agent in sorted(site.log):
        by_host[name].append((at, agent))
        if path.startswith("/p/"):
            if (name, path) in seen:
                duplicates.append((name, path, agent))
            seen.add((name, path))
            if not owners[name] or owners[name][-1] != agent:
                owners[name].append(agent)
    if not seen:
        return ["no page was requested"]
    gaps = [(b[0] - x[0], host, x[1], b[1]) for host, log in by_host.items() for x, b in zip(log, log[1:])]
    between = [g for g in gaps if g[2] != g[3]]
    smallest = min(gaps)
    stored = collections.Counter(d["url"] for d in exported("--to", mongod.uri, "--database", database))
    missing, twice = site.all_urls() - set(stored), [u for u, n in stored.items() if n > 1]
    agents = collections.Counter(agent for _, _, _, agent in site.log)
    print(f"requests={len(site.log)} in {seconds:.1f} s pages={len(seen)} duplicates={len(duplicates)} missing={len(missing)} stored_twice={len(twice)}")
    print(f"smallest_gap_ms={smallest[0] * 1e3:.1f} (delay {a.delay}) smallest_between_processes_ms={min(between)[0] * 1e3:.1f}" if between else
          f"smallest_gap_ms={smallest[0] * 1e3:.1f} (delay {a.delay}) no host changed hands")
    print(f"hosts_changed_hands={sum(len(o) > 1 for o in owners.values())} of {len(owners)} requests " + " ".join(f"{k}={n}" for k, n in sorted(agents.items())))
    wrong = []
    allowed = a.in_flight if a.trouble in ("kill", "freeze") else 0
    if len(duplicates) > allowed:
        wrong.append(f"{len(duplicates)} pages requested again: {duplicates[:5]}")
    if missing or twice:
        wrong.append(f"missing {sorted(missing)[:5]} stored twice {twice[:5]}")
    if smallest[0] * 1000 < a.delay - 1:
        wrong.append(f"two requests within the delay: {smallest}")
    if len(agents) < min(a.processes, 2):
        wrong.append("one process did it all")
    return wrong


def run(a, mongod, number):
    site, home, processes = Site(a.hosts, a.pages, 20), tempfile.mkdtemp(prefix="gleaner-shared-"), {}
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
