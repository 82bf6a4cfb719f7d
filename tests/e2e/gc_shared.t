#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Collection: of caches, killed at any moment, and beside RepX on one base path.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

# fresh: an empty base path in $B.
fresh() {
	rm -rf "$WORK/b"
	export B=$WORK/b
	mkdir -p "$B"/artifacts/{lab,revision,jobs,store,images,image,host-tools,readme} "$B"/gcroots/pinned "$B/outputs"
}

# synth ID JOB...: a Lab with these jobs and their outputs.
synth() {
	local id=$1 job jobs="" a=$B/artifacts
	shift
	for job in "$@"; do
		jobs+=${jobs:+,}"\"$job\":{\"params\":{},\"executables\":{}}"
		mkdir -p "$a/jobs/$job/bin" "$B/outputs/$job/out" "$B/outputs/$job/repx"
		echo x >"$a/jobs/$job/bin/run" && echo y >"$B/outputs/$job/out/result" && : >"$B/outputs/$job/repx/SUCCESS"
	done
	mkdir -p "$a/host-tools/$id-tools/bin" && : >"$a/host-tools/$id-tools/bin/sh"
	echo "layer" >"$a/store/$id-layer.tar"
	echo "{\"type\":\"run\",\"name\":\"r\",\"jobs\":{$jobs}}" >"$a/revision/$id-metadata-r.json"
	echo "{\"repx_version\":\"1\",\"gitHash\":\"x\",\"runs\":[\"revision/$id-metadata-r.json\"]}" >"$a/revision/$id-metadata-top.json"
	echo "{\"labId\":\"$id\",\"lab_version\":\"1\",\"metadata\":\"revision/$id-metadata-top.json\",\"files\":[
	{\"path\":\"host-tools/$id-tools/bin/sh\",\"sha256\":\"00\"},{\"path\":\"store/$id-layer.tar\",\"sha256\":\"00\"}]}" >"$a/lab/$id-lab-metadata.json"
}

pin() { ln -sfn "$B/artifacts/lab/$1-lab-metadata.json" "$B/gcroots/pinned/${2:-$1}"; }
auto() { mkdir -p "$B/gcroots/auto/p" && ln -s "$B/artifacts/lab/$1-lab-metadata.json" "$B/gcroots/auto/p/2026-01-01_00-00-0${2:-1}_$1"; }
collect() { repx internal-gc --base-path "${BASE:-$B}" "$@"; }
lives() { test -f "$B/artifacts/lab/$1-lab-metadata.json" && test -f "$B/artifacts/revision/$1-metadata-r.json" && test -f "$B/artifacts/store/$1-layer.tar"; }
# Everything below B but our own state, with contents.
picture() { (cd "$B" && find . -path ./.repx -prune -o \( -type f -exec sha256sum {} + , ! -type f -printf '%p %l\n' \) | sort); }

# ---- caches ----

check 'unpacked images and copies of a node that nothing names go; those in use stay' '
	fresh; synth one j1; pin one; a=$B/artifacts; mkdir -p "$a/images/keep.img"; : >"$a/images/keep.img/manifest.json"; sed -i "s|\"name\":\"r\"|\"name\":\"r\",\"image\":\"images/keep.img\"|" "$a/revision/one-metadata-r.json";
	N=$WORK/disk; for d in "$B/cache/images" "$N/repx/cache/images"; do mkdir -p "$d"/{keep,keep.0123456789abcdef,dead,used}/rootfs; done; mkdir -p "$N/repx/pkg/dead/bin" "$N/repx/host-tools/one-tools/bin" "$N/repx/host-tools/dead/bin" "$N/repx/pkg/.trash.1.x";
	: >"$N/repx/cache/images/used.use"; python3 -c "import fcntl,time,sys; f=open(sys.argv[1],\"r+\"); fcntl.lockf(f,fcntl.LOCK_SH); print(1,flush=True); time.sleep(60)" "$N/repx/cache/images/used.use" >held & holder=$!; within 10 test -s held;
	mkdir -p "$B/.repx"; printf "submission_target = \"local\"\n[targets.local]\nbase_path = \"%s\"\nnode_local_path = \"%s\"\n" "$B" "$N" >"$XDG_CONFIG_HOME/repx/config.toml";
	sleep 0.1; before=$(find "$B/cache" "$N" | sort); repx gc -y --dry-run && same "$before" "$(find "$B/cache" "$N" | sort)"; repx gc -y; kill $holder; rm "$XDG_CONFIG_HOME/repx/config.toml";
	same "keep keep.0123456789abcdef" "$(ls "$B/cache/images" | paste -sd " ")" && same "keep keep.0123456789abcdef used" "$(ls "$N/repx/cache/images" | grep -v use$ | paste -sd " ")" &&
	same "" "$(ls "$N/repx/pkg" -A | grep -v use$)" && same "one-tools" "$(ls "$N/repx/host-tools" | grep -v use$)"'

# ---- killed ----

check 'killed at any moment: nothing live is lost, nothing stands there in part, and the next one ends well' '
	fresh; synth live k1 k2; pin live; for i in $(seq 1 60); do mkdir -p "$B/artifacts/jobs/d$i/bin" "$B/outputs/d$i/out" "$B/outputs/d$i/repx"; for f in 1 2 3; do echo "$i" >"$B/artifacts/jobs/d$i/bin/$f"; echo "$i" >"$B/outputs/d$i/out/$f"; done; done;
	alive() { (cd "$B" && find artifacts/jobs/k* outputs/k* artifacts/lab artifacts/revision artifacts/store artifacts/host-tools gcroots -type f -exec sha256sum {} + | sort); }; want=$(alive); n=0;
	for t in 6 14 24 35 50; do
		repx internal-gc --base-path "$B" >/dev/null 2>&1 & pid=$!; sleep "0.0$(printf %02d $t)"; kill -KILL $pid 2>/dev/null && n=$((n + 1)); wait $pid || true; pgrep -f "internal-gc --base-path $B" | xargs -r kill -KILL; sleep 0.1;
		same "$want" "$(alive)"; for d in "$B"/artifacts/jobs/d* "$B"/outputs/d*; do test ! -e "$d" || test "$(find "$d" -type f | wc -l)" -eq 3 || { echo "half: $d"; exit 1; }; done
	done; echo "$n killed"; collect && same "$want" "$(alive)" && test -z "$(find "$B/artifacts/jobs" "$B/outputs" -name "d*" -maxdepth 1 -name "d[0-9]*")" && test -z "$(ls -A "$B/.repx/trash")"'

# ---- RepX, on the same base path ----

# A Lab whose only job waits until the file `go` is there.
mkdir -p "$WORK/slow/scripts"
printf '[lab]\nname = slow\n[run slow]\nstages = S\n[stage S]\nscript = scripts/s.sh\noutput.o = $out/o\n' >"$WORK/slow/lab.ini"
printf '#!/bin/sh\nuntil [ -e "%s/go" ]; do sleep 0.1; done\n[ -x "$0" ] && echo first >"$1/o"\n' "$WORK" >"$WORK/slow/scripts/s.sh"
chmod +x "$WORK/slow/scripts/s.sh"
make_lab "$WORK/slow" slowlab
make_lab "$TESTS/labs/reference"
export FIRST=$LAB OURS=$XDG_STATE_HOME/repx

check "RepX's collection deletes nothing live of ours, of two Labs" '
	LAB=$FIRST; repx run simulation-run --lab "$LAB" && : >"$WORK/go" && repx run slow --lab "$WORK/slowlab"; 
	test -z "$(find "$OURS/artifacts/host-tools/" -type f)"
	python3 "$TESTS/e2e/repx_gc.py" "$OURS" >gone.log; cat gone.log; ! grep -v -x -e "D output completions.jsonl" -e "D lab lab-metadata.json" -e "D host-tools [0-9a-f]*" gone.log; repx run simulation-run --lab "$LAB" >again.log 2>&1; cat again.log; grep "already complete" again.log && ! grep -E "lab: sent ([4-9]|[1-9][0-9])" again.log && repx run slow --lab "$WORK/slowlab" | grep "already complete" && repx gc -y | grep "Nothing to collect"'
check "while one of our jobs runs" '
	rm "$WORK/go"; sed -i "s/first/second/" "$WORK/slow/scripts/s.sh"; make_lab "$WORK/slow" slowlab3; repx run slow --lab "$LAB" >slow.log 2>&1 & pid=$!; s=$(jobs_of S); within 30 test -e "$OURS/outputs/$s/repx/stdout.log";
	python3 "$TESTS/e2e/repx_gc.py" "$OURS"; : >"$WORK/go"; wait $pid || { cat slow.log; exit 1; }; same second "$(cat "$OURS/outputs/$s/out/o")"'
check "what RepX has in Slurm's queue stays with all that its Lab names" '
	fresh; synth one j1-b2-x-1.0 p1; synth two j2; mkdir -p "$B/bin/abc"; : >"$B/bin/abc/repx"; mkdir -p "$WORK/fake"; printf "#!/bin/sh\nprintf \"%%s\\\\n\" j1-b2-x-1.0-b3-step other\n" >"$WORK/fake/squeue"; chmod 755 "$WORK/fake/squeue";
	PATH=$WORK/fake:$PATH collect >out; cat out; lives one && test -d "$B/outputs/p1" && test -d "$B/outputs/j1-b2-x-1.0" && ! test -e "$B/outputs/j2" && grep "in Slurm.s queue" out'
check "a queue that cannot be asked closes the collection; a job that no Lab names, too" '
	fresh; synth one j1; mkdir -p "$B/bin/abc" "$B/artifacts/jobs/lost"; : >"$B/bin/abc/repx"; printf "#!/bin/sh\necho slurm_load_jobs error: Unable to contact slurm controller >&2; exit 1\n" >"$WORK/fake/squeue"; before=$(picture);
	PATH=$WORK/fake:$PATH collect | grep "cannot be asked" && same "$before" "$(picture)"; printf "#!/bin/sh\necho lost\n" >"$WORK/fake/squeue"; PATH=$WORK/fake:$PATH collect | grep "job lost is in" && same "$before" "$(picture)"'
