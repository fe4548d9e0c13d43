#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How well is main text found on pages that nobody here has seen? The evaluation set of trafilatura (github.com/adbar/trafilatura,
folder tests: some 990 pages in many languages, each with a few pieces of text that have to be in the main text and a few that must
not be), scored as its own eval_common.py does: pieces are looked for with white space collapsed.

    chunks_benchmark.py GLEANER CHECKOUT [--worst N]

Beside ours: the page's whole text, and the F1 that trafilatura itself is held to there (eval_baseline.json)."""
import argparse, base64, json, pathlib, re, subprocess

parser = argparse.ArgumentParser()
parser.add_argument("gleaner")
parser.add_argument("checkout", type=pathlib.Path)
parser.add_argument("--worst", type=int, default=0, help="show so many pages with the most wrong pieces")
a = parser.parse_args()

tests = a.checkout / "tests"
pages = json.loads((tests / "evaldata.json").read_text())


def bytes_of(name):
    return next(p for p in (tests / "cache" / name, tests / "eval" / name) if p.is_file()).read_bytes()


def collapsed(text):
    return re.sub(r"\s+", " ", text).strip()


def count(item, text):
    """Pieces found and missed of those wanted, found and left out of the others."""
    text = collapsed(text)
    found = sum(collapsed(piece) in text for piece in item["with"])
    noise = sum(collapsed(piece) in text for piece in item["without"])
    return found, len(item["with"]) - found, noise, len(item["without"]) - noise


def show(name, counts):
    found, missed, noise, left_out = (sum(c[i] for c in counts) for i in range(4))
    precision, recall = found / max(1, found + noise), found / max(1, found + missed)
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    accuracy = (found + left_out) / max(1, found + missed + noise + left_out)
    print(f"{name:24} precision {precision:.3f}  recall {recall:.3f}  accuracy {accuracy:.3f}  F1 {f1:.4f}")


def address_of(url):
    """Some pages there have a name of another kind ("hard::...")."""
    return url if url.startswith(("http://", "https://")) else "http://example.org/"


urls = sorted(pages)
questions = "".join(json.dumps({"url": address_of(url), "html_b64": base64.b64encode(bytes_of(pages[url]["file"])).decode()}) + "\n" for url in urls)
lines = subprocess.run([a.gleaner, "scrape", "--batch"], input=questions, capture_output=True, text=True, check=True).stdout.rstrip("\n").split("\n")
assert len(lines) == len(urls), "one answer a page"
answers = {url: json.loads(line) for url, line in zip(urls, lines)}
ours = {url: count(pages[url], answers[url].get("main_text") or "") for url in urls}
print(f"{len(urls)} pages, {sum(len(p['with']) for p in pages.values())} pieces wanted, {sum(len(p['without']) for p in pages.values())} not wanted")
show("gleaner, main text", ours.values())
show("gleaner, whole text", [count(pages[url], answers[url].get("text") or "") for url in urls])
baseline = tests / "eval_baseline.json"
if baseline.is_file():
    for name, floor in json.loads(baseline.read_text())["floors"].items():
        print(f"{'trafilatura, ' + name:24} F1 at least {floor:.4f}, says its eval_baseline.json")
errors = [url for url in urls if "error" in answers[url]]
if errors:
    print(f"{len(errors)} answers are errors: {errors[:5]}")
for url in sorted(urls, key=lambda u: -(ours[u][1] + ours[u][2]))[:a.worst]:
    print(f"{ours[url][1]} missed, {ours[url][2]} noise  {pages[url]['file']}  {url}")
