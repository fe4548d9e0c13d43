#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How well is main text found? Runs gleaner over the article extraction benchmark (scrapinghub/article-extraction-benchmark,
181 pages) and writes output/gleaner.json there; its own evaluate.py compares it with the others' stored outputs.

    article_benchmark.py GLEANER CHECKOUT && cd CHECKOUT && python3 evaluate.py"""
import base64, gzip, json, pathlib, subprocess, sys

program, checkout = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
truth = json.loads((checkout / "ground-truth.json").read_text())
names = sorted(truth)
questions = "".join(json.dumps({"url": truth[n]["url"], "html_b64": base64.b64encode(gzip.decompress(
    (checkout / "html" / f"{n}.html.gz").read_bytes())).decode()}) + "\n" for n in names)
lines = subprocess.run([program, "scrape", "--batch"], input=questions, capture_output=True, text=True, check=True).stdout.rstrip("\n").split("\n")
assert len(lines) == len(names), "one answer a page"
answers = {n: {"articleBody": json.loads(line).get("main_text") or "", "url": truth[n]["url"]} for n, line in zip(names, lines)}
(checkout / "output" / "gleaner.json").write_text(json.dumps(answers))
print(len(answers), "pages")
