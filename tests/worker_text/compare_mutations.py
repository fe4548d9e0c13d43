#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare_mutations.py BENCH_EXTRACT FOLDER [COUNT [SEED]]

Breaks the HTML files of FOLDER (tags dropped, doubled, swapped, moved; rare elements put in) and
compares title, text, links and images with what selectolax's tree says of the same bytes.
Needs selectolax and ada-url. Exits with the number of differing pages (at most 99) and keeps them."""
import glob
import json
import os
import random
import re
import subprocess
import sys
import tempfile

import ada_url
from selectolax.lexbor import LexborHTMLParser

SPICE = """<table> </table> <tr> <td> </td> </tr> <tbody> <caption> </caption> <noscript> </noscript>
<template> </template> <svg> </svg> <svg><title>T</title></svg> <math><mi>x</mi></math> <p> </p> <div> </div>
<select><option>o</select> <textarea> </textarea> <b> </b> <a&href="x.html"> </a> <li> </li> <title>t</title>
<iframe>raw<b></iframe> <style>s</style> <script>s</script> <base&href="/b/"> <foreignObject> </foreignObject>
<![CDATA[c]]> <!--c--> </body> </html> <head> </head> <body> <br> </br> <hr> <form> </form> <button> </button>
<desc> </desc> <col> <colgroup> </colgroup> <th> &amp; &notin; <xmp> </xmp> <noframes>n</noframes> <object> </object>
<img&src="i.png"> <image&src="j.png"> <input> <option> <optgroup> <dl> <dt> <dd> </dl> <h1> </h1> <frameset>
<svg><a&href="s.html"> <svg><style>x</style></svg> <annotation-xml> <plaintext> <ruby> <rt> </ruby> <nobr> <i> </i>""".split()


def resolve(href, base):
    try:
        u = ada_url.URL(href, base=base)
    except ValueError:
        return None
    if u.protocol not in ("http:", "https:"):
        return None
    u.hash = ""
    return u.href


def oracle(body, url):
    p = LexborHTMLParser(body)
    base = url
    b = p.css_first("base[href]")
    if b is not None:
        base = resolve(b.attributes.get("href") or "", url) or url
    unique = lambda nodes, name: list(dict.fromkeys(
        u for u in (resolve(n.attributes.get(name) or "", base) for n in nodes) if u))
    links, images = unique(p.css("a[href]"), "href"), unique(p.css("img[src]"), "src")
    t = next((n for n in p.css("title") if n.parent is None or not inside_svg(n)), None)
    title = " ".join(t.text().split()) if t is not None else ""
    p.strip_tags(["script", "style", "noscript", "template"])
    text = p.body.text(separator=" ") if p.body is not None else ""
    return title, "".join(text.split()), links, images


def inside_svg(node):
    while node is not None:
        if node.tag in ("svg", "math"):
            return True
        if node.tag in ("foreignobject", "foreignObject", "desc"):
            return False
        node = node.parent
    return False


def mutate(rng, text):
    parts = re.split(r"(<[^>]*>)", text)
    if len(parts) > 400:  # a piece of a big page, so that many pages are tried
        start = rng.randrange(0, len(parts) - 300)
        head = next((i for i, part in enumerate(parts) if part.startswith("<body")), 0)
        parts = parts[:rng.choice([0, head + 1])] + parts[start:start + 250]
    for _ in range(rng.randrange(1, 8)):
        i, j = rng.randrange(len(parts)), rng.randrange(len(parts))
        what = rng.randrange(5)
        if what == 0:
            parts[i] = ""
        elif what == 1:
            parts[i], parts[j] = parts[j], parts[i]
        elif what == 2:
            parts.insert(i, parts[j])
        else:
            parts.insert(i, rng.choice(SPICE).replace("&href", " href").replace("&src", " src"))
    return "".join(parts)


def main():
    extract, folder = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.randrange(1 << 30)
    rng = random.Random(seed)
    files = sorted(glob.glob(folder + "/**/*.html", recursive=True))
    out = tempfile.mkdtemp(prefix="gleaner-mutations-")
    url, bodies, lines = "http://h.test/d/p.html", [], []
    for n in range(count):
        with open(rng.choice(files), encoding="utf-8", errors="replace") as f:
            body = mutate(rng, f.read()).encode()
        path = f"{out}/{n}.html"
        with open(path, "wb") as f:
            f.write(body)
        bodies.append(body)
        lines.append(f"{url}\t{path}")
    answers = subprocess.run([extract, "--json"], input="\n".join(lines) + "\n", text=True,
                             stdout=subprocess.PIPE, check=True).stdout.split("\n")
    bad_pages = trees = 0
    for n, body in enumerate(bodies):
        got = json.loads(answers[n])
        trees += got.get("text_tree_passes", 0)
        title, text, links, images = oracle(body, url)
        bad = [field for field, same in (
            ("title", got["title"] == title), ("text", "".join(got["text"].split()) == text),
            ("links", got["links"] == links), ("images", got["images"] == images)) if not same]
        if bad:
            bad_pages += 1
            if bad_pages <= 15:
                print(f"{out}/{n}.html", bad, "tree" if got.get("text_tree_passes") else "tokens",
                      file=sys.stderr)
        else:
            os.unlink(f"{out}/{n}.html")
    print(f"seed {seed}: {count - bad_pages} of {count} equal; {trees} took the tree pass")
    return min(bad_pages, 99)


if __name__ == "__main__":
    sys.exit(main())
