#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scenarios.py [all | NUMBER...] : the ten acceptance scenarios of the application, each by the suites and faults that decide it; without a number, their names

A scenario passes when everything behind it does. What cannot run here (no node, no mongod, no network
namespaces) says so; then the scenario counts as skipped, not as passed. All ten take some 15 minutes, of
which number 7 takes five: its server is frozen for 90 s, once with our pool and once with libmongoc's."""
import os, re, subprocess, sys, time
from campaign import gleaner

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.dirname(os.path.abspath(gleaner()[0]))
LIMIT_S = 900


def suite(room, name, *filters):
    """A Criterion suite; filters are patterns of its tests."""
    program = f"{BUILD}/tests/{room}/test_{name}"
    return [[program, "--filter", pattern] for pattern in filters] or [[program]]


def fault(program, *arguments):
    return [[f"{BUILD}/tests/fault/fault_{program}", *arguments]]


def script(name, *arguments):
    return [[sys.executable, "-B", f"{HERE}/{name}.py", *arguments]]


def mongoose(*names):
    """Tests of tests/mongoose by their names: one run for all who ask."""
    return [["mongoose", *names]]


SCENARIOS = {
    1: ("a text hit, in order, each sentence once, one content document that mongoose saves again",
        mongoose("a text hit is completed in document order", "the same address again stores no second")),
    2: ("a miss, an empty or non-HTML body: completed, no content document", mongoose("is completed without content")),
    3: ("images absolute and unique, again none; videos stored",
        mongoose("images are absolute and unique", "videos are stored and shown")
        + suite("worker_image", "worker_image") + suite("worker_video", "worker_video")),
    4: ("hostile network: class and reason, inside the deadline, others keep pace",
        mongoose("fails with its class and reason") + suite("fetch", "fetch_engine", "tls/self_signed*", "limits/*")),
    5: ("20 writers, 50 jobs, mongod killed for 3 s", fault("server_faults", "kill")),
    6: ("100 callers, idle rules, three refreshes, 10^6 operations", suite("supervisor", "supervisor", "scenario_6/*") + fault("db_refresh")),
    7: ("frozen for 90 s, packets dropped; a profile within 1 s",
        fault("server_faults", "freeze", "90") + fault("network_faults", "partition") + fault("profile_read")),
    8: ("primary dead at the start: fallback, back by itself, held writes replayed once", fault("fallback_faults", "fallback") + fault("spool_kill", "10")),
    9: ("down for 30 minutes with 200 callers", suite("supervisor", "supervisor", "scenario_9/*") + fault("db_outage")),
    10: ("three processes and the application's own changes", script("three_processes")),
}


class Mongoose:
    """All of tests/mongoose, run once."""

    def __init__(self):
        self.code, self.text = None, ""

    def outcome(self, names):
        if self.code is None:
            self.code, self.text = run(["node", f"{HERE}/../mongoose/run.mjs"])
        if self.code == 77:
            return "skipped"
        passed = {n for n in names if re.search(rf"^\s*✔ .*{re.escape(n)}", self.text, re.M)}
        failed = {n for n in names if re.search(rf"^\s*✖ .*{re.escape(n)}", self.text, re.M)}
        return "passed" if passed == set(names) and not failed else "FAILED"


def run(command):
    """Exit code and what it said."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S)
        return done.returncode, done.stdout
    except FileNotFoundError as why:
        return 77, f"{why}\n"
    except subprocess.TimeoutExpired as late:
        return 124, (late.stdout or b"").decode(errors="replace")


def outcome(command, suites):
    if command[0] == "mongoose":
        return suites.outcome(command[1:])
    code, said = run(command)
    verdict = {0: "passed", 77: "skipped"}.get(code, "FAILED")
    if "Tested: 0" in said:
        verdict = "FAILED"  # a suite that has no such test any more
    if verdict == "FAILED":
        print(said[-3000:])
    for line in said.splitlines():
        if line.endswith((": met", ": MISSED")):
            print(f"      {line}")
    return verdict


def words(command):
    """A command for people."""
    parts = [part for part in command if part not in ("-B", "--filter", sys.executable)]
    return " ".join(part if "*" in part else os.path.basename(part) for part in parts)


def asked_for(arguments):
    """The numbers that the command line names; ends the program where it names something else."""
    if arguments == ["all"]:
        return list(SCENARIOS)
    strange = [word for word in arguments if not word.isdigit() or int(word) not in SCENARIOS]
    if strange:
        sys.exit(f"scenarios: no scenario {strange[0]}; there are {min(SCENARIOS)} to {max(SCENARIOS)}, and all")
    return [int(word) for word in arguments]


def main():
    wanted = asked_for(sys.argv[1:])
    if not wanted:  # `./dev fault` runs everything: what is behind the scenarios is in it by itself
        for number, (title, commands) in SCENARIOS.items():
            print(f"scenario {number:2}: {title}\n             {'; '.join(words(c) for c in commands)}")
        return 0
    suites, verdicts = Mongoose(), {}
    for number in wanted:
        title, commands = SCENARIOS[number]
        print(f"== scenario {number}: {title}", flush=True)
        seen, began = [], time.monotonic()
        for command in commands:
            seen.append(outcome(command, suites))
            print(f"   {words(command)}: {seen[-1]}", flush=True)
        verdicts[number] = next((v for v in ("FAILED", "skipped") if v in seen), "passed")
        print(f"   scenario {number} {verdicts[number]}, {time.monotonic() - began:.0f} s", flush=True)
    print("\n" + "\n".join(f"scenario {n:2}: {verdicts[n]:8} {SCENARIOS[n][0]}" for n in wanted))
    return 1 if "FAILED" in verdicts.values() else 0


sys.exit(main())
