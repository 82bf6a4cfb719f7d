#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Labs that share job ids, names of manifests and a base path, sent by several clients at the
# same moment; clients, agents and collections come and are killed or stopped meanwhile. What
# the jobs say tells whether each ran its own script on its own data, once, and alone.
#
#     tests/soak/side_by_side.sh [ROUNDS [SEED]]      (100)
#
# TARGET=queue sends them over ssh. KINDS says what may happen: of calm, client, agent, stop.
# shellcheck source=tests/e2e/lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/../e2e/lib.sh"
requires python3
ROUNDS=${1:-100} SEED=${2:-$RANDOM}
export ROUNDS SEED TARGET=${TARGET:-local} BASE=$XDG_STATE_HOME/repx
if [[ $TARGET == queue ]]; then
	requires sshd
	start_sshd
	BASE=$TB_BASE
	chmod 755 "$WORK"
fi
: >said && chmod 666 said

cat >side.py <<'PY'
import collections, glob, hashlib, json, os, random, shutil, signal, subprocess, sys, time
work, base, target = os.environ["WORK"], os.environ["BASE"], os.environ["TARGET"]
rounds, seed = int(os.environ["ROUNDS"]), int(os.environ["SEED"])
kinds = os.environ.get("KINDS", "calm calm client agent stop").split()
rng = random.Random(seed)
HASH = "0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5"
ID = {n: f"{HASH}{c}-{n}-1.1" for n, c in zip(("p", "t", "u", "a", "b"), "rsvwx")}
NEEDS = {"b": "a"}
SETS = (("p",), ("p", "t", "u"), ("a", "b"), ("p", "a", "b"), ("a",), ("t", "u", "a", "b"),
        ("p", "t"), ("u", "p", "a", "b"))
said = f"{work}/said"

SCRIPT = r"""#!/bin/sh
job=${1%%/attempts/*}; job=${job%%/out}; job=${job##*/}
here=$(cd "$(dirname "$0")/.." && pwd -P)
echo "begin LAB $job $$" >>SAID
seen=
for again in 1 2 3 4; do
	read -r d <"$(dirname "$0")/../data/one" || d=none
	read -r e <"$(dirname "$0")/../data/two" || e=none
	i=LAB
	path=$(sed -n 's/.*"in": *"\([^"]*\)".*/\1/p' "$2")
	if [ -n "$path" ]; then read -r i <"$path" || i=none; fi
	seen="$seen $d $e $i"
	sleep 0.0NAP
done
echo LAB >"$1/o"
echo "end LAB $job $$$seen" >>SAID
"""

def put(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)

def make(n, jobs):
    """Lab n: twins t and u have the very same package."""
    lab = f"{work}/lab{n}"
    shutil.rmtree(lab, ignore_errors=True)
    for d in ("readme", "host-tools/none/bin"):
        os.makedirs(f"{lab}/{d}")
    nap = rng.randrange(1, 10)
    all_ = {}
    for j in jobs:
        text = SCRIPT.replace("LAB", f"L{n}").replace("SAID", said).replace("NAP", str(nap))
        put(f"{lab}/jobs/{ID[j]}/bin/x", text, 0o755)
        for name in ("one", "two"):
            put(f"{lab}/jobs/{ID[j]}/data/{name}", f"L{n}\n")
        inputs = [{"job_id": ID[NEEDS[j]], "source_output": "o", "target_input": "in",
                   "type": "intra-pipeline"}] if j in NEEDS else []
        all_[ID[j]] = {"name": f"{j}-1.1", "stage_type": "simple", "params": {"lab": n},
                       "executables": {"main": {"path": f"jobs/{ID[j]}/bin/x",
                                                "inputs": inputs, "outputs": {"o": "$out/o"}}}}
    put(f"{lab}/revision/metadata-r.json", json.dumps({"name": "r", "jobs": all_}))
    put(f"{lab}/revision/metadata-top.json", json.dumps(
        {"repx_version": "0.5.0", "gitHash": "none", "runs": ["revision/metadata-r.json"]}))
    put(f"{lab}/lab/lab-metadata.json", json.dumps(
        {"labId": f"side{n}", "lab_version": "1", "metadata": "revision/metadata-top.json",
         "files": []}))
    return {f"jobs/{ID[j]}": tree(f"{lab}/jobs/{ID[j]}") for j in jobs}

def tree(top):
    out = {}
    for d, _, files in os.walk(top):
        for f in files:
            p = os.path.join(d, f)
            with open(p, "rb") as g:
                out[os.path.relpath(p, top)] = hashlib.sha256(g.read()).hexdigest()
    return out

def run(n, tag):
    log = open(f"{work}/out{n}", "a")
    log.write(f"--- {tag} {time.time():.3f}\n")
    log.flush()
    return subprocess.Popen(["repx", "run", "r", "--lab", f"{work}/lab{n}", "--target", target,
                             "--stale", "rerun"], stdout=log, stderr=log)

def agents():
    """Sessions of agents that belong to this test."""
    found = []
    for p in glob.glob("/proc/[0-9]*"):
        try:
            with open(p + "/cmdline", "rb") as f:
                line = f.read().replace(b"\0", b" ").decode()
            if "repx-agent" in line and " session" in line and work in line:
                found.append(int(p[6:]))
        except OSError:
            pass
    return found

def hit(pid, sig):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass

class Wrong(Exception):
    pass

def mixture(trees, seen):
    """What has a job's name now is one Lab's package, whole."""
    for j in ID.values():
        top = f"{base}/artifacts/jobs/{j}"
        try:
            fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            texts = set()
            for name in ("bin/x", "data/one", "data/two"):
                f = os.open(name, os.O_RDONLY, dir_fd=fd)
                text = os.read(f, 4096).decode()
                os.close(f)
                texts.add(text.split("begin ")[1].split()[0] if "begin" in text else text.strip())
            if len(texts) != 1:
                raise Wrong(f"a mixture at {j}: {texts}")
            seen[0] += 1
        except FileNotFoundError:
            pass # taken away meanwhile
        finally:
            os.close(fd)

def one(number):
    kind = rng.choice(kinds)
    labs = list(range(1, rng.randrange(3, 5) + 1))
    jobs = {n: rng.choice(SETS) for n in labs}
    fresh = rng.random() < 0.5
    if fresh:
        for _ in range(50):
            shutil.rmtree(base + "/artifacts", ignore_errors=True)
            shutil.rmtree(base, ignore_errors=True)
            if not os.path.exists(base):
                break
            time.sleep(0.1)
    offset = 1000 * number # Labs of another round are others
    names = {n: offset + n for n in labs}
    trees = {n: make(names[n], jobs[n]) for n in labs}
    for n in labs:
        open(f"{work}/out{names[n]}", "w").close()
    open(said, "w").close()
    story = [f"{kind}{' fresh' if fresh else ''}: " + " ".join(f"L{names[n]}={''.join(jobs[n])}" for n in labs)]
    begun = time.time()
    at = {n: rng.uniform(0, 0.05) for n in labs}
    events = [(at[n], "run", n) for n in labs]
    if kind == "client":
        for n in rng.sample(labs, rng.randrange(1, 3)):
            events.append((at[n] + rng.uniform(0.0, 0.6), "kill", n))
    if kind in ("agent", "stop"):
        for _ in range(rng.randrange(1, 3)):
            events.append((rng.uniform(0.02, 0.6), kind, None))
    if rng.random() < 0.4:
        events.append((rng.uniform(0, 1.0), "gc", None))
    clients, killed, stopped, gcs, seen, agent_hit = {}, set(), [], [], [0], False
    events.sort(key=lambda e: e[0])
    def tick():
        nonlocal stopped
        now = time.time() - begun
        for t, pid in stopped:
            if now >= t:
                hit(pid, signal.SIGCONT)
        stopped = [(t, p) for t, p in stopped if now < t]
        mixture(trees, seen)
    for t, what, n in events:
        while time.time() - begun < t:
            tick()
            time.sleep(0.001)
        if what == "run":
            clients[n] = run(names[n], "first")
        elif what == "kill":
            clients[n].kill()
            killed.add(n)
            story.append(f"client {names[n]} killed at {t:.3f}")
        elif what == "gc":
            gcs.append(subprocess.Popen(["repx", "gc", "--target", target],
                                        stdout=open(f"{work}/gc", "w"), stderr=subprocess.STDOUT))
            story.append(f"gc at {t:.3f}")
        else:
            there = agents()
            if there:
                pid = rng.choice(sorted(there))
                if what == "agent":
                    agent_hit = True
                    hit(pid, signal.SIGKILL)
                else:
                    hit(pid, signal.SIGSTOP)
                    stopped.append((time.time() - begun + rng.choice((0.1, 0.4, 1.5, 3.5)), pid))
                story.append(f"{what} of session {pid} at {t:.3f}")
    codes, deadline = {}, time.time() + 90
    while len(codes) < len(labs) or stopped:
        tick()
        for n in labs:
            if n not in codes and clients[n].poll() is not None:
                codes[n] = clients[n].returncode
        if time.time() > deadline:
            raise Wrong(f"hangs: {[names[n] for n in labs if n not in codes]}; " + "; ".join(story))
        time.sleep(0.002)
    again = [n for n in labs if n in killed or (agent_hit and codes[n] != 0)]
    try:
        for n in labs:
            if codes[n] != 0 and n not in again:
                raise Wrong(f"client {names[n]} exits {codes[n]}")
        more = {n: run(names[n], "again") for n in again}
        for n, c in more.items():
            if c.wait(90) != 0:
                raise Wrong(f"client {names[n]} run again exits {c.returncode}")
        for g in gcs:
            if g.wait(60) != 0:
                raise Wrong("gc: " + open(f"{work}/gc").read())
        judge(labs, names, jobs, trees, set(again))
    except (Wrong, subprocess.TimeoutExpired) as e:
        raise Wrong(f"{e}; " + "; ".join(story))
    return story[0], seen[0], len(again)

def judge(labs, names, jobs, trees, again):
    lines = [l.split() for l in open(said)]
    ended, working = collections.Counter(), {}
    for l in lines:
        what, lab, job, pid = l[:4]
        if what == "begin":
            if job in working:
                raise Wrong(f"two at once: {working[job]} and {l}")
            working[job] = l
            continue
        if working.pop(job, [None] * 4)[1:4] != l[1:4]:
            raise Wrong(f"out of order: {l}")
        ended[lab, job] += 1
        if len(l) != 16 or set(l[4:]) != {lab}:
            raise Wrong(f"not its own data: {l}")
    if working:
        raise Wrong(f"no end: {working}")
    for n in labs:
        lab = f"L{names[n]}"
        for j in jobs[n]:
            count = ended[lab, ID[j]]
            if not 1 <= count <= (2 if again else 1):
                raise Wrong(f"{lab} {j} ran {count} times")
            if count > 1 and not any(ID[j] in t for t in (k[1] for k in ended if k[0] != lab)):
                raise Wrong(f"{lab} {j} ran {count} times, and nobody else had it")
    for n in labs:
        own = f"{base}/artifacts/lab/side{names[n]}-lab-metadata.json"
        top = json.load(open(f"{base}/artifacts/" + json.load(open(own))["metadata"]))
        run_ = json.load(open(f"{base}/artifacts/" + top["runs"][0]))
        if set(run_["jobs"]) != {ID[j] for j in jobs[n]} or \
                any(v["params"]["lab"] != names[n] for v in run_["jobs"].values()):
            raise Wrong(f"root of Lab {names[n]} is another's: {run_}")
    have = [t for n in labs for t in [trees[n]]]
    for j in {j for n in labs for j in jobs[n]}:
        is_ = tree(f"{base}/artifacts/jobs/{ID[j]}")
        if not any(t.get(f"jobs/{ID[j]}") == is_ for t in have):
            raise Wrong(f"artifacts/jobs/{ID[j]} is nobody's: {is_}")
    for d in ("next", "behind", "live"):
        left = glob.glob(f"{base}/.repx/{d}/*")
        if left:
            time.sleep(1)
            left = glob.glob(f"{base}/.repx/{d}/*")
            if left and not again:
                raise Wrong(f"left: {left}")

bad = looks = reruns = 0
for number in range(1, rounds + 1):
    try:
        story, seen, again = one(number)
        looks, reruns = looks + seen, reruns + again
        if os.environ.get("TELL"):
            print(f"# round {number}: {story}", flush=True)
        for f in glob.glob(f"{work}/lab*") + glob.glob(f"{work}/out*"):
            shutil.rmtree(f, ignore_errors=True) if os.path.isdir(f) else os.unlink(f)
    except Wrong as e:
        bad += 1
        print(f"round {number}: {e}", flush=True)
        for f in sorted(glob.glob(f"{work}/out*")):
            text = open(f).read()
            if text:
                print(f"  {os.path.basename(f)}:\n    " + text.replace("\n", "\n    "))
        print("  said:\n    " + open(said).read().replace("\n", "\n    "), flush=True)
        if os.environ.get("STOP"):
            if os.environ.get("KEEP"):
                shutil.copytree(base, f"{work}/base", symlinks=True, dirs_exist_ok=True)
            break
        shutil.rmtree(base, ignore_errors=True)
print(f"{rounds} rounds, {bad} bad; {looks} looks at packages, {reruns} clients run again")
sys.exit(bad > 0)
PY
echo "# seed $SEED"
python3 side.py >told 2>&1
export end=$?
tail -n 1 told | sed 's/^/# /'
grep -a '^round' told | cut -c 1-1000 | sed 's/^/# /'
[[ -z ${TELL:-} ]] || grep -a '^# round' told
[[ -z ${LOG:-} ]] || cp told "$LOG"
check "$ROUNDS rounds: each job ran its own script, once, on its own data" '
	head -c 14000 told; test "$end" -eq 0'
