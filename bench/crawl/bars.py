#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bars.py RESULTS [store|none]: the bars on the results of run.py or none.py, as ratios of medians (peer / gleaner), geometric
mean of the sites. A wall time without one quiet run behind it leaves its bar open. Ends with 1 where a bar is missed or open, or a
page was not what it should be."""
import json, math, statistics, sys

QUIET = 0.25  # cores that anything else kept busy: runs above count only where a peer has no other
BARS = {
    "store": {"scrapy": 15, "colly": 3, "spider": 2, "the best": 1.3},
    "none": {"the best": 1.5},
}
STRETCH_CPU, RSS_MB = 2.0, 70


def cpu_s(run):
    return run["user"] + run["sys"]


def wall_s(run):
    return run["wall"]


def median(runs, site, peer, figure):
    all_runs = [r for r in runs if r["site"] == site and r["peer"] == peer]
    quiet = [r for r in all_runs if r["foreign"] <= QUIET]
    return statistics.median(figure(r) for r in quiet or all_runs)


def has_quiet_runs(runs, peer):
    """On each site, of the peer and of gleaner."""
    return all(any(r["foreign"] <= QUIET for r in runs if r["site"] == s and r["peer"] == p)
               for s in {r["site"] for r in runs} for p in (peer, "gleaner"))


def wrong_pages(runs):
    """Sentences about runs of ours that did not store exactly the reference's pages."""
    for r in runs:
        if r["peer"] != "gleaner":
            continue
        differ = sum(r.get("differ", {}).values())
        if r["rc"] != 0 or r.get("missing", 0) or r.get("extra", 0) or differ:
            yield (f"{r['site']}, round {r['round']}: exit code {r['rc']}, {r.get('missing')} pages missing, "
                   f"{r.get('extra')} too many, {differ} different fields")


def word(met):
    return "met" if met else "MISSED"


def main():
    runs = json.load(open(sys.argv[1]))["runs"]
    kind = sys.argv[2] if len(sys.argv) > 2 else "store"
    sites = list(dict.fromkeys(r["site"] for r in runs))
    peers = [p for p in dict.fromkeys(r["peer"] for r in runs) if p != "gleaner"]
    ratio = {}
    for peer in peers:
        for name, figure in (("CPU", cpu_s), ("wall", wall_s)):
            each = [median(runs, s, peer, figure) / median(runs, s, "gleaner", figure) for s in sites]
            ratio[peer, name] = (math.prod(each) ** (1 / len(each)), each)
    if peers:
        for name in ("CPU", "wall"):
            ratio["the best", name] = min(ratio[p, name] for p in peers)
    print(f"\ntimes as much as gleaner (geometric mean of {', '.join(sites)}; each site):")
    good = True
    for (peer, name), (mean, each) in ratio.items():
        bar = BARS[kind].get(peer)
        asked = peers if peer == "the best" else [peer]
        is_open = bar is not None and name == "wall" and not all(has_quiet_runs(runs, p) for p in asked)
        verdict = "no bar" if bar is None else f"bar {bar}: " + ("open, no run was quiet" if is_open else word(mean >= bar))
        good = good and (bar is None or (mean >= bar and not is_open))
        if (peer, name, kind) == ("the best", "CPU", "store"):
            verdict += f"; stretch {STRETCH_CPU}: {'met' if mean >= STRETCH_CPU else 'not met'}"
        print(f"  {peer:9} {name:4} {mean:6.2f}  ({', '.join(f'{e:.2f}' for e in each)})  {verdict}")
    for peer in BARS[kind]:
        if (peer, "CPU") not in ratio:
            print(f"  {peer:9} was not run: its bar is open")
    rss = max(r["rss_mb"] for r in runs if r["peer"] == "gleaner")
    print(f"  peak RSS {rss:.0f} MB  bar {RSS_MB}: {word(rss <= RSS_MB)}")
    wrong = list(wrong_pages(runs))
    for sentence in wrong:
        print(f"  WRONG PAGES: {sentence}")
    return 0 if good and rss <= RSS_MB and not wrong else 1


sys.exit(main())
