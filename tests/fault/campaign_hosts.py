# SPDX-License-Identifier: Apache-2.0
"""A site of many hosts with a log, and what that log says of politeness."""
import asyncio, collections, random, re, threading, time


class ManyHosts:
    """HTTP/1.1 in one thread; /p/N of a host links to its next pages and to the first page of other hosts.
    The log has (time, host, path, agent) of each request, taken when its head is complete."""

    def __init__(self, names, pages, late_ms, address="0.0.0.0"):
        self.names, self.pages, self.late_ms, self.log = names, pages, late_ms, []
        ready = threading.Event()
        self.loop = asyncio.new_event_loop()

        async def main():
            server = await asyncio.start_server(self.serve, address, 0, backlog=1024)
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
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


class Manners:
    """What the log says: pages asked for again, and the time between two requests to one host."""

    def __init__(self, site):
        self.requests, self.pages, self.again = len(site.log), set(), []
        self.agents = collections.Counter(agent for _, _, _, agent in site.log)
        self.owners = collections.defaultdict(list)
        by_host = collections.defaultdict(list)
        for at, name, path, agent in sorted(site.log):
            by_host[name].append((at, path, agent))
            if path.startswith("/p/"):
                self.note_page(name, path, agent)
        # (seconds, host, first path and process, second path and process)
        self.gaps = sorted((b[0] - a[0], host, a[1:], b[1:]) for host, log in by_host.items() for a, b in zip(log, log[1:]))
        self.between = [gap for gap in self.gaps if gap[2][1] != gap[3][1]]

    def note_page(self, name, path, agent):
        if (name, path) in self.pages:
            self.again.append((name, path, agent))
        self.pages.add((name, path))
        if not self.owners[name] or self.owners[name][-1] != agent:
            self.owners[name].append(agent)

    def too_close(self, delay_ms):
        return [gap for gap in self.gaps if gap[0] * 1000 < delay_ms - 1]

    def print(self, delay_ms):
        between = f"{self.between[0][0] * 1e3:.1f}" if self.between else "none"
        print(f"smallest_gap_ms={self.gaps[0][0] * 1e3:.1f} (delay {delay_ms}) smallest_between_processes_ms={between}")
        print(f"hosts_changed_hands={sum(len(o) > 1 for o in self.owners.values())} of {len(self.owners)} requests "
              + " ".join(f"{k}={n}" for k, n in sorted(self.agents.items())))
