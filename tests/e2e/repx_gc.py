# SPDX-License-Identifier: MIT
# The collection of RepX as the description of its layout has it: repx_gc.py BASE.
# What no root names goes, and is printed.

import json, os, shutil, sys
base = sys.argv[1]; art = base + "/artifacts"
jobs, files = set(), set()
def load(p): return json.load(open(p))
for top, _, names in os.walk(base + "/gcroots"):
    for n in names + _:
        p = os.path.join(top, n)
        if not os.path.islink(p): continue
        real = os.path.realpath(p)
        if not real.startswith(art) or not os.path.isfile(real): continue
        lab = load(real); files.add(os.path.relpath(real, art)); files.add(lab["metadata"])
        for f in lab["files"]: files.add(f["path"])
        for r in load(art + "/" + lab["metadata"])["runs"]:
            files.add(r); run = load(art + "/" + r)
            if run.get("image"): os.stat(art + "/" + run["image"]); files.add(run["image"])
            for j in run["jobs"]: jobs.add(j); files.add("jobs/" + j)
live = {"/".join(f.split("/")[:2]) for f in files}
def gone(p):
    if os.path.islink(p) or os.path.isfile(p): os.unlink(p)
    else: shutil.rmtree(p)
for c in os.listdir(art):
    if c == "bin": continue
    if c not in ("host-tools", "images", "image", "jobs", "lab", "revision", "readme", "store"): print("D", c); gone(art + "/" + c); continue
    for n in os.listdir(art + "/" + c):
        if c + "/" + n not in live: print("D", c, n); gone(art + "/" + c + "/" + n)
for n in os.listdir(base + "/outputs"):
    if n not in jobs: print("D output", n); gone(base + "/outputs/" + n)
