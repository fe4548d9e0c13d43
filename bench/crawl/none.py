#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""none.py --harness DIR --out FILE [--sites python,postgres] [--peers reqwest,colly,spider] [--rounds 3]

gleaner `--to none` (frontier and documents in memory, nothing kept) beside peers that keep nothing either. The harness's peers
always store, so copies of their sources are built (once, under $PEERS_HOME/none) whose writer drops each document: all else, the
extraction too, is as it was. What a peer gave up is less than what gleaner does here, which puts its documents into a store in
memory. Checked: exit codes, and that each handles exactly the number of pages of the reference (what stands in them is compared
where they are stored: run.py).
"""
import argparse, fcntl, json, os, pathlib, re, shutil, subprocess, sys

SKIPPED = 77

DROPPING_WRITER = """pub async fn writer(_: String, _: String, _: String, mut rx: tokio::sync::mpsc::Receiver<Document>) {
    let mut pages = 0;
    while let Some(d) = rx.recv().await { std::hint::black_box(d); pages += 1 }
    println!("pages {pages}");
}
"""
DROPPING_LOOP = """go func() {
\t\tdefer wg.Done()
\t\tpages := 0
\t\tfor range docs {
\t\t\tpages++
\t\t}
\t\tprintln("pages", pages)
\t}()
"""


def replaced(text, pattern, by):
    """Exactly one place, or the harness is another one than these changes were written for."""
    changed, count = re.subn(pattern, lambda _: by, text, flags=re.S)
    if count != 1:
        sys.exit(f"none.py: {count} places match {pattern!r} in the harness's peer, not 1: adapt none.py")
    return changed


def edit(path, *changes):
    text = path.read_text()
    for pattern, by in changes:
        text = replaced(text, pattern, by)
    os.chmod(path, 0o644)
    path.write_text(text)


def copy_sources(source, target):
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)
    for path in [target, *target.rglob("*")]:
        os.chmod(path, 0o755 if path.is_dir() else 0o644)


def build_rust(name, sources, home):
    built = home / "rust" / name  # of the storing peer: its dependencies are compiled there
    tree = home / "none" / "rust"
    program = built / "release" / f"none-{name}"
    if program.exists():
        return program
    if not (built / "release").is_dir() or shutil.which("cargo") is None:
        return None
    copy_sources(sources / "rust", tree)
    edit(tree / "common.rs", (r"pub async fn writer\(.*\Z", DROPPING_WRITER))
    edit(tree / name / "Cargo.toml", (r'name = "peer-\w+"', f'name = "none-{name}"'))
    for how in (["--offline"], []):
        if subprocess.run(["cargo", "build", "--quiet", "--release", "--target-dir", built, *how], cwd=tree / name).returncode == 0:
            return program
    return None


def build_colly(sources, home):
    program = home / "none" / "none-colly"
    if program.exists():
        return program
    if shutil.which("go") is None:
        return None
    tree = home / "none" / "colly"
    copy_sources(sources / "colly", tree)
    edit(tree / "main.go",
         (r"start, uri, db, coll := os.Args\[1\], os.Args\[2\], os.Args\[3\], os.Args\[4\]", "start := os.Args[1]"),
         (r"\tbatch := 100\n.*?c := client\.Database\(db\)\.Collection\(coll\)\n", ""),
         (r"go func\(\) \{\n\t\tdefer wg\.Done\(\).*?\n\t\}\(\)\n", DROPPING_LOOP),
         (r"\t_ = client\.Disconnect\(context\.Background\(\)\)\n", ""),
         (r'\t"context"\n', ""),
         (r'(\t"go\.mongodb\.org/[^\n]*\n)+', ""))
    # The tags `bson:"..."` of the struct need no package.
    built = subprocess.run(["go", "build", "-mod=mod", "-o", program, "."], cwd=tree)
    return program if built.returncode == 0 else None


def pages_of(log):
    """"pages 526" of a peer, "pages      526 in 0.4 s" of gleaner's summary."""
    found = re.search(r"^pages\s+(\d+)", log, re.M)
    return int(found.group(1)) if found else -1


def measure(harness, program, start, concurrency, home):
    environment = dict(os.environ, PEERS_HOME=str(home))
    web = harness.pid_tree(f"{home}/nginx/nginx.pid")
    busy, served = harness.busy(), harness.cpu_of(web)
    run = harness.run_once(str(program), start, "none", "none", "none", concurrency, environment, 300)
    nginx = harness.cpu_of(web) - served
    others = harness.busy() - busy - nginx - run["user"] - run["sys"]
    run |= dict(nginx=nginx, mongod=0.0, foreign=max(0.0, others) / run["wall"])
    run["stored"] = pages_of(pathlib.Path(home, "last-peer.log").read_text(errors="replace"))
    return run


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--harness", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--sites", default="python,postgres")
    parser.add_argument("--peers", default="reqwest,colly,spider")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--lock", default="/tmp/bench.lock")
    a = parser.parse_args()

    sys.path.insert(0, a.harness)
    sys.dont_write_bytecode = True
    import reference, run as harness
    home = pathlib.Path(harness.H)
    sources = pathlib.Path(a.harness) / "peers"
    (home / "none").mkdir(exist_ok=True)
    programs = {"gleaner": pathlib.Path(__file__).resolve().parent / "peer-gleaner"}
    for name in a.peers.split(","):
        program = build_colly(sources, home) if name == "colly" else build_rust(name, sources, home)
        if program is None:
            print(f"{name} could not be built without its store: left out", file=sys.stderr)
        else:
            programs[name] = program
    if len(programs) == 1:
        print("no peer can be built without its store: setup.sh of the harness, cargo and go are needed", file=sys.stderr)
        sys.exit(SKIPPED)
    harness.high_priority()
    runs = []
    for site in a.sites.split(","):
        wanted = reference.load(site)
        known = harness.prepare(wanted)
        least, most = len(set(known["pages"]) - known["optional"]), len(set(known["pages"]) | known["optional"])
        with open(a.lock, "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for turn in range(a.rounds):
                names = list(programs)
                for name in names[turn % len(names):] + names[:turn % len(names)]:
                    r = measure(harness, programs[name], wanted["start"], a.concurrency, home)
                    r |= dict(site=site, peer=name, round=turn, missing=max(0, least - r["stored"]),
                              extra=max(0, r["stored"] - most))
                    runs.append(r)
                    print(f"  {site:9} {name:10} round {turn}  {r['wall']:7.2f} s  cpu {r['user'] + r['sys']:7.2f} s  rss {r['rss_mb']:6.0f} MB"
                          f"  rc {r['rc']}  {r['stored']} pages  foreign {r['foreign']:.2f} cores", file=sys.stderr, flush=True)
    json.dump(dict(runs=runs), open(a.out, "w"), indent=1)
    harness.report(runs)


if __name__ == "__main__":
    main()
