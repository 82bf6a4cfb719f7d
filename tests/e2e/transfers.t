#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Kill the client, the agent or the connection at a random moment of a transfer, and look: what
# stands is whole, the old or the new; the next run ends with every digest right.
# KILLS sets how often (5), SEED makes it repeatable.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"
requires sshd python3
start_sshd
RANDOM=${SEED:-$$}
echo "# seed ${SEED:-$$}"
export JOBS='0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-one-1.1 1a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-two-1.1'

# make SEED: the Lab, with files of every size; of the seed before, most is the same.
make() {
	mkdir -p lab/{lab,revision,readme,host-tools/none/bin}
	# shellcheck disable=SC2086
	python3 - "$1" $JOBS <<-'PY'
	import hashlib, json, os, random, sys
	seed, jobs = int(sys.argv[1]), sys.argv[2:]
	files, runs = [], {}
	def put(path, data, mode=0o644):
	    os.makedirs(os.path.dirname("lab/" + path), exist_ok=True)
	    if os.path.exists("lab/" + path):
	        os.unlink("lab/" + path)
	    with open("lab/" + path, "wb") as f:
	        f.write(data)
	    os.chmod("lab/" + path, mode)
	    files.append({"path": path, "sha256": hashlib.sha256(data).hexdigest()})
	def bytes_of(name, size, change):
	    random.seed(name)
	    data = bytearray(random.randbytes(size))
	    if name.endswith("text"):
	        data = bytearray(b"a line of %s\n" % name.encode() * (size // 20))
	    if change and data:
	        random.seed(f"{name} {seed}")
	        for _ in range(1 + len(data) // 400000):
	            at = random.randrange(0, len(data))
	            data[at:at] = random.randbytes(random.randrange(1, 400))
	    return bytes(data)
	for n, job in enumerate(jobs):
	    for i in range(120):
	        put(f"jobs/{job}/small/f{i}", bytes_of(f"{n} small {i}", 10 + 37 * i, i % 10 == seed % 10))
	    for i in range(6):
	        put(f"jobs/{job}/middle/f{i}", bytes_of(f"{n} middle {i}", 300000 * i, i % 3 == seed % 3))
	    put(f"jobs/{job}/large", bytes_of(f"{n} large", 9 << 20, True))
	    put(f"jobs/{job}/log.text", bytes_of(f"{n} text", 4 << 20, True))
	    put(f"jobs/{job}/new", random.randbytes(random.randrange(1, 6 << 20)))
	    put(f"jobs/{job}/bin/x", b'#!/bin/sh\necho %d >"$1/o"\n' % seed, 0o755)
	    runs[job] = {"name": "x-1.1", "stage_type": "simple", "params": {}, "executables": {"main": {
	        "path": f"jobs/{job}/bin/x", "inputs": [], "outputs": {"o": "$out/o"}}}}
	put("revision/metadata-r.json", json.dumps({"name": "r", "jobs": runs}).encode())
	put("revision/metadata-top.json", json.dumps({"repx_version": "0.5.0", "gitHash": "none",
	    "runs": ["revision/metadata-r.json"]}).encode())
	with open("lab/lab/lab-metadata.json", "w") as f:
	    json.dump({"labId": "cccc0001", "lab_version": "1",
	               "metadata": "revision/metadata-top.json", "files": files}, f)
	PY
}
# The digests of a package, as one line.
sums() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum); }
store_of() { if [[ $1 == local ]]; then echo "$WORK/store"; else echo "$TB_BASE"; fi; }
agents_of() { pgrep -f "repx-agent session $(store_of "$1")\$" || true; }
run() { repx run r --lab lab --target "$1" --stale rerun; }
# Every package is one of the two.
whole() {
	local job there
	for job in $JOBS; do
		there=$(store_of "$1")/artifacts/jobs/$job
		[[ -e $there ]] || continue
		[[ $(sums "$there") == "$(cat "before.$1.$job" 2>/dev/null)" || $(sums "$there") == "$(sums "lab/jobs/$job")" ]] ||
			{ echo "$there is neither the old nor the new"; return 1; }
	done
}
right() {
	local job
	for job in $JOBS; do
		[[ $(sums "$(store_of "$1")/artifacts/jobs/$job") == "$(sums "lab/jobs/$job")" ]] || return 1
		sums "lab/jobs/$job" >"before.$1.$job"
	done
	echo "$((seed))" | cmp - "$(store_of "$1")/outputs/${JOBS%% *}/out/o"
}
kill_one() { # TARGET WHAT CLIENT
	# shellcheck disable=SC2086
	case $2 in
	client) kill -KILL "$3" ;;
	agent) pids=$(agents_of "$1") && { [[ -z $pids ]] || kill -KILL $pids; } ;;
	connection) if [[ $1 == local ]]; then kill -KILL "$3"; else "$TESTBED" drop-ssh "$TB_DIR"; fi ;;
	esac
}
round() { # TARGET WHAT MS
	local client status=0
	run "$1" >out 2>&1 & client=$!
	sleep "$(printf '%d.%03d' $(($3 / 1000)) $(($3 % 1000)))"
	kill_one "$1" "$2" "$client" 2>/dev/null || true
	wait "$client" || status=$?
	# nobody writes any more when the next run begins, or it would look as slow as it is
	within 30 eval '[[ -z $(agents_of "'"$1"'") ]]'
	if ! whole "$1" || ! timeout 120 repx run r --lab lab --target "$1" --stale rerun >again 2>&1; then
		cat out again
		return 1
	fi
	right "$1" || { cat out again; return 1; }
}
export -f make sums store_of agents_of run whole right kill_one round

targets=(local queue queue) whats=(client agent connection)
export seed=0
make 0
for target in local queue; do
	export target
	check "$target: a first transfer" 'run $target && right $target'
done
for ((i = 1; i <= ${KILLS:-5}; i++)); do
	seed=$i what=${whats[RANDOM % 3]} target=${targets[RANDOM % 3]} ms=$((RANDOM % 900))
	export what target ms
	make "$i"
	check "kill $i: $what, target $target, after $ms ms" 'round $target $what $ms'
done
check 'nothing is left in the staging directories' '
	for target in local queue; do
		run $target && within 10 eval "test -z \"\$(ls -A \$(store_of $target)/.repx/stage)\"" || exit 1
	done'
