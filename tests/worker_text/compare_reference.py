#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare_reference.py BENCH_EXTRACT REFERENCE.json.gz FOLDER

Every page of an independent crawl (a reference file of the peers' contract: title, hash of the text
without white space, links, images) against what the text module makes of the same file.
FOLDER is what was served at the root of the crawled site. Exits with the number of pages that
differ in anything (at most 99)."""
import collections
import gzip
import hashlib
import json
import os
import subprocess
import sys
import urllib.parse


def text_key(text):
    squashed = "".join(text.split())
    return [hashlib.sha1(squashed.encode("utf-8", "replace")).hexdigest()[:16], len(squashed)]


def main():
    extract, reference, folder = sys.argv[1:4]
    with gzip.open(reference, "rt") as f:
        pages = json.load(f)["pages"]
    lines = []
    for url in pages:
        path = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
        if path.endswith("/"):
            path += "index.html"
        lines.append(url + "\t" + os.path.join(folder, path.lstrip("/")))
    answers = subprocess.run([extract, "--json"], input="\n".join(lines) + "\n", text=True,
                             stdout=subprocess.PIPE, check=True).stdout.split("\n")
    wrong = collections.Counter()
    bad_pages = 0
    tree_passes = 0
    for url, answer in zip(pages, answers):
        want, got = pages[url], json.loads(answer)
        tree_passes += got.get("text_tree_passes", 0)
        bad = []
        if got["url"] != url:
            bad.append("url")
        if got["title"] != want["title"]:
            bad.append("title")
        if text_key(got["text"]) != want["text"]:
            bad.append("text")
        for field in "links", "images":
            if len(set(got[field])) != len(got[field]):
                bad.append(field + " not unique")
            if set(got[field]) != set(want[field]):
                bad.append(field)
            elif got[field] != want[field]:
                bad.append(field + " order")
        wrong.update(bad)
        bad_pages += bool(bad)
        if bad and bad_pages <= 20:
            print(url, bad, file=sys.stderr)
    print(f"{len(pages) - bad_pages} of {len(pages)} pages equal; tree passes {tree_passes}; "
          f"differences: {dict(wrong)}")
    return min(bad_pages, 99)


if __name__ == "__main__":
    sys.exit(main())
