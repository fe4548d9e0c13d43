#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Includes go one way only, and every file says its licence.

The build keeps rooms apart by their include folders; this says it in words, sees transitive doors that a
link would let through, and knows the three libraries that belong to one room each."""
import pathlib, re, subprocess, sys

BASE = {"base", "sync"}
CLIENT = {"pool", "connection", "mongo"} | BASE
# Room -> rooms whose headers it may name. Order and content: runtime/README.md.
MAY_INCLUDE = {
    "base": set(),
    "url": {"base"},
    "sync": {"base"},
    "mongo": {"base"},
    "pool": BASE,
    "connection": {"pool"} | BASE,
    "supervisor": CLIENT,
    "monitor": CLIENT | {"supervisor"},
    "db": CLIENT | {"supervisor", "monitor"},
    "profile": CLIENT | {"db"},
    "store": CLIENT | {"db"},
    "sink": {"store"} | BASE,
    "scan": {"base"},
    "search": {"store", "db", "mongo"} | BASE,
    "queue": CLIENT | {"store"},
    "fetch": {"url"} | BASE,
    "module": BASE,
    "worker": {"pool", "connection", "store", "queue", "fetch", "module", "db", "url"} | BASE,
    "tool": {"queue", "fetch", "module", "url"} | BASE,
    "admin": {"worker", "fetch", "queue", "store", "db", "pool", "connection", "module", "monitor"} | BASE,
    "process": None,  # everything
}
MODULE_ROOMS = {"url"}  # pure, without state: a library that the modules have too
OWN_LIBRARY = [
    (re.compile(r"#\s*include\s*<(urcu|pthread)"), {"sync"}, "liburcu and pthreads belong to runtime/sync"),
    (re.compile(r"#\s*include\s*<mongoc"), {"mongo"}, "libmongoc belongs to runtime/mongo"),
    (re.compile(r"#\s*include\s*<microhttpd"), {"admin", "process"}, "libmicrohttpd belongs to runtime/admin"),
]
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)


def owners(top):
    """Header name -> rooms that have one of that name (worker.h is a door; gleaner/worker.h is the ABI's)."""
    found = {}
    for header in top.glob("runtime/*/*.h"):
        found.setdefault(header.name, set()).add(header.parent.name)
    return found


def check_source(path, room, headers):
    text = path.read_text(encoding="utf-8")
    allowed = MAY_INCLUDE.get(room)
    for name in INCLUDE.findall(text):
        if name.startswith("gleaner/"):
            continue
        rooms = headers.get(name, set())
        if not rooms or room in rooms:
            continue
        if room is None and rooms != MODULE_ROOMS:
            yield f'"{name}": modules see only include/ and the resolver of links'
        elif allowed is not None and not rooms & allowed:
            yield f'"{name}": {room} may not include {"/".join(sorted(rooms))}'
        if name.endswith("_internal.h"):
            yield f'"{name}": internal to {"/".join(sorted(rooms))}'
    for pattern, rooms, why in OWN_LIBRARY:
        if pattern.search(text) and room not in rooms:
            yield why


def main():
    top = pathlib.Path(__file__).resolve().parent.parent
    tracked = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=top,
                             capture_output=True, text=True, check=True).stdout.split()
    headers, complaints = owners(top), []
    for name in tracked:
        path = top / name
        if not path.is_file():
            continue
        if path.suffix in {".c", ".h", ".py", ".cmake"} or path.name in {"CMakeLists.txt", "dev", "run"}:
            head = path.read_text(encoding="utf-8")[:200]
            if head and "SPDX-License-Identifier: Apache-2.0" not in head:
                complaints.append(f"{name}: no SPDX line on top")
        parts = name.split("/")
        if path.suffix in {".c", ".h"} and parts[0] in {"runtime", "workers"} and len(parts) > 2:
            room = parts[1] if parts[0] == "runtime" else None
            complaints += [f"{name}: {why}" for why in check_source(path, room, headers)]
    print("\n".join(complaints) or "includes go one way; every file has its licence line")
    sys.exit(bool(complaints))


main()
