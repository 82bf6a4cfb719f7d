#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""background.py VERB WORKDIR: a scheduler in one script (repx-scheduler-helper(7)) that runs
units as background processes. WORKDIR/KEY is a unit; whoever holds the lock in it runs it."""
import fcntl, json, os, signal, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor

verb, workdir, OPEN = sys.argv[1], sys.argv[2], ("pending", "running")
path = lambda key, name: os.path.join(workdir, key, name)

def load(key, name="unit"):
    with open(path(key, name)) as f:
        return json.load(f)

def save(key, name, value):  # whole or not at all
    with open(path(key, name + ".tmp"), "w") as f:
        json.dump(value, f)
    os.rename(path(key, name + ".tmp"), path(key, name))

def alive(key):
    with open(path(key, "lock")) as f:
        try:
            fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        except OSError:
            return True

def states(key):  # (state, exit) of each index
    lives = alive(key)  # first: what ends in between has left its exit status
    for i in range(load(key).get("array") or 1):
        if os.path.exists(path(key, f"exit.{i}")):
            code = load(key, f"exit.{i}")
            yield ("failed" if code else "done"), code
        elif os.path.exists(path(key, "canceled")):
            yield "canceled", -1
        else:
            yield "ended" if not lives else OPEN[os.path.exists(path(key, "started"))], -1

def state(key):
    words = [word for word, _ in states(key)]
    order = ("running", "pending", "failed", "canceled", "ended")
    return next((w for w in order if w in words), "done")

def say(**answer):
    print(json.dumps({"v": 1, **answer}), flush=True)

def run(key, lock):  # in the background: wait for the dependencies, then run
    os.set_inheritable(lock, False)
    while True:
        unit = load(key)  # again each time: amend replaces the dependencies
        deps = [(d["type"], state(d.get("id") or d["key"])) for d in unit.get("deps", [])]
        if any(kind == "ok" and s not in OPEN + ("done",) for kind, s in deps):
            return save(key, "canceled", "a dependency failed")
        if not any(s in OPEN for _, s in deps):
            break
        time.sleep(0.2)
    save(key, "started", True)
    corr = [d.get("id") or d["key"] for d in unit.get("deps", []) if d["type"] == "corr"]
    def one(i):
        if any(list(states(other))[i][0] != "done" for other in corr):
            return save(key, f"exit.{i}", 1)
        env = {**os.environ, "REPX_UNIT": key, "REPX_INDEX": str(i)}
        code = subprocess.call(unit["argv"], cwd=unit["workdir"], env=env)
        save(key, f"exit.{i}", code if code >= 0 else 128 - code)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(one, range(unit.get("array") or 1)))

def submit(key, unit):
    os.makedirs(path(key, ""), exist_ok=True)
    with open(path(key, "lock"), "a") as lock, open(path(key, "log"), "a") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the child's from here on
        save(key, "unit", unit)
        child = subprocess.Popen([__file__, "run", workdir, key, str(lock.fileno())], stdout=log,
            stdin=subprocess.DEVNULL, stderr=log, pass_fds=[lock.fileno()], start_new_session=True)
        save(key, "pid", child.pid)

if verb == "run":
    sys.exit(run(sys.argv[3], int(sys.argv[4])))
ask = json.load(sys.stdin)
known = [k for k in os.listdir(workdir) if os.path.exists(path(k, "pid"))]
if verb == "limits":  # what is left out is not known
    say(array_max=10000, poll_ms=1000, node_submits=1)
elif verb == "submit":
    for i, unit in enumerate(ask["units"]):
        if unit["key"] not in known:
            submit(unit["key"], unit)
        say(i=i, result="accepted", id=unit["key"])
elif verb == "status":
    for key in known:
        for i, (word, code) in enumerate(states(key)):
            say(id=key, key=key, index=i if load(key).get("array") else -1, state=word, exit=code)
elif verb == "find":
    for key in set(ask["keys"]) & set(known):
        say(key=key, id=key, state=state(key))
elif verb == "cancel":
    for key in [k for k in set(ask["ids"]) & set(known) if state(k) in OPEN]:
        save(key, "canceled", "by the user")
        os.killpg(load(key, "pid"), signal.SIGTERM)
elif verb == "amend":
    save(ask["id"], "unit", {**load(ask["id"]), "deps": ask["deps"]})
