#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_run.py BASE N: the state of a run of N jobs on the target with that base path, as
docs/state-format.md has it: all submitted in arrays of 1000, three quarters started, half ended,
one in a thousand of these badly. Prints the run's name."""
import hashlib
import json
import os
import struct
import sys

NODES = 8
STATES = (("submitted", 1.0), ("start", 0.75), ("end", 0.5))
T = 1760000000000


def job_id(i):
    return hashlib.sha256(str(i).encode()).hexdigest()[:32] + "-work-1.0"


def plan_line(i):
    job = job_id(i)
    exe = {"path": f"jobs/{job}/bin/work", "outputs": {"n": "$out/n"}, "res": {"cpus": 1, "mem": 1 << 30}}
    return {"v": 1, "id": job, "key": "0" * 64, "pkg": "0" * 64, "run": "work", "type": "simple",
            "params": {"i": i}, "inputs": {}, "exes": {"main": exe}, "deps": [], "wanted": True,
            "runtime": "native", "image": None}


def event(i, count, what):
    e = {"v": 1, "t": T + i, "i": i, "e": what}
    if what == "submitted":
        e.update(key="k" + "a" * 25, id=f"{i // 1000 + 1}_{i % 1000}", array=1000, index=i % 1000)
    elif what == "start":
        e.update(n=1, pid=1000 + i, node=f"n{i % NODES}", id=f"{i // 1000 + 1}_{i % 1000}")
    else:
        ok = i % 1000 != 7
        e.update(n=1, ok=ok, exit=0 if ok else 1, signal=None, ms=1000, mem=1 << 20, cpu_ms=900)
        if not ok:
            e["reason"] = "exit 1"
    return e


def write_lines(path, lines):
    with open(path, "w", encoding="ascii") as f:
        for line in lines:
            f.write(json.dumps(line, separators=(",", ":")) + "\n")


def main():
    base, count = sys.argv[1], int(sys.argv[2])
    state = os.path.join(base, ".repx")
    run = f"20260101T000000Z-{count:08d}".replace("0", "a").replace("1", "b")
    run = "20260101T000000Z-" + run[-8:]
    folder = os.path.join(state, "runs", run)
    os.makedirs(os.path.join(folder, "events"))
    os.makedirs(os.path.join(base, "outputs"), exist_ok=True)
    at = 0
    with open(f"{folder}/plan", "w", encoding="ascii") as plan, open(f"{folder}/plan.idx", "wb") as index:
        for i in range(count):
            text = json.dumps(plan_line(i), separators=(",", ":")) + "\n"
            index.write(struct.pack("<Q", at))
            plan.write(text)
            at += len(text)
        index.write(struct.pack("<Q", at))
    write_lines(f"{folder}/events/login", (event(i, count, "submitted") for i in range(count)))
    for node in range(NODES):
        mine = range(node, count, NODES)
        write_lines(f"{folder}/events/n{node}",
                    (event(i, count, what) for what, part in STATES[1:] for i in mine if i < count * part))
    record = {"v": 1, "run": run, "lab": "bench", "lab_digest": "0" * 64, "target": "local", "scheduler": "slurm",
              "config": {}, "helper": {}, "agents": {}, "specs": ["work"], "user": "bench", "host": "login",
              "t": T, "client": "bench", "keep_going": False, "fail_fast": False, "count": count}
    write_lines(f"{folder}/run.json", [record])
    print(run)


main()
