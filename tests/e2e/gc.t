#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Collection: first as RepX's agent is called, on base paths that are made up; then our own, on
# one where jobs ran.
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

check 'without roots all goes, also what lies beside the collections; bin stays' '
	fresh; synth one j1; mkdir -p "$B/artifacts/odd" "$B/artifacts/bin/x" "$B/bin/x" "$B/outputs/dead"; collect >out;
	grep -E "^Deleted [0-9]+ artifact\(s\) and 2 job output\(s\)\. Freed [0-9.]+ (B|KB)\.$" out &&
	test ! -e "$B/artifacts/jobs/j1" && test ! -e "$B/outputs/j1" && test ! -e "$B/artifacts/odd" && test -d "$B/artifacts/bin/x" && test -d "$B/bin/x"'

check 'a pin keeps its Lab with the outputs, the dead go' '
	fresh; synth one j1; synth two j2; pin one; collect && lives one && test -f "$B/outputs/j1/out/result" && test -L "$B/gcroots/pinned/one" &&
	test ! -e "$B/outputs/j2" && test ! -e "$B/artifacts/lab/two-lab-metadata.json" && test ! -e "$B/artifacts/store/two-layer.tar" && test -d "$B/artifacts/host-tools/one-tools" && test ! -e "$B/artifacts/host-tools/two-tools"'

check 'so does an automatic root' '
	fresh; synth one j1; synth two j2; auto one; collect && lives one && test -d "$B/artifacts/jobs/j1" && test ! -e "$B/artifacts/jobs/j2"'

check 'dead entries of each collection go' '
	fresh; synth one j1; pin one; for c in host-tools images image jobs lab revision readme store; do mkdir -p "$B/artifacts/$c/dead"; done;
	collect && test -z "$(find "$B/artifacts" -name dead)" && lives one'

check 'files that share an inode go together, in whichever order they are met' '
	fresh; synth one j1; pin one; mkdir -p "$B/artifacts/jobs/dead/bin"; for i in $(seq 9); do echo $i >"$B/artifacts/jobs/dead/bin/$i"; ln "$B/artifacts/jobs/dead/bin/$i" "$B/artifacts/revision/a$i"; ln "$B/artifacts/revision/a$i" "$B/artifacts/revision/b$i"; ln "$B/artifacts/revision/a$i" "$B/artifacts/readme/c$i"; done; sleep 0.1;
	collect --dry-run | grep "^Would delete 28 artifact" && collect | grep "^Deleted 28 artifact" && collect | grep "Nothing to collect" && lives one'

check 'a root that leads nowhere is told, exit 0' '
	fresh; synth one j1; pin one; ln -s "$B/artifacts/0123456789" "$B/gcroots/pinned/gone"; collect >out && grep "warning: pinned root gone" out && lives one'

check 'a root whose metadata does not parse: exit 0, told, and nothing goes' '
	fresh; synth one j1; synth two j2; pin one; echo "{" >"$B/artifacts/revision/one-metadata-top.json"; before=$(picture);
	collect >out && grep "warning: pinned root one" out && grep "Nothing was collected" out && same "$before" "$(picture)"'

check 'a corrupt manifest that no root names is garbage' '
	fresh; synth one j1; pin one; echo "{" >"$B/artifacts/lab/dead-lab-metadata.json"; collect && test ! -e "$B/artifacts/lab/dead-lab-metadata.json" && lives one'

check 'a Lab that lacks a file lives, and hinders no other' '
	fresh; synth one j1; synth two j2; pin one; pin two; rm "$B/artifacts/store/one-layer.tar"; collect && test -d "$B/outputs/j1" && lives two'

check 'what two Labs share stays with the one that has a root' '
	fresh; synth A shared onlyA; synth Z shared onlyZ; auto A; collect && test -d "$B/outputs/shared" && test -d "$B/artifacts/jobs/shared" && test -d "$B/outputs/onlyA" && test ! -e "$B/outputs/onlyZ"'

check 'layers that only an image names stay, and a tag keeps its image' '
	fresh; synth one j1; a=$B/artifacts; mkdir -p "$a/images/img/l1"; : >"$a/images/img/manifest.json"; echo l >"$a/store/deep-layer.tar"; ln -s ../../../store/deep-layer.tar "$a/images/img/l1/layer.tar"; ln -s img "$a/images/tag"; ln -s other "$a/images/deadtag";
	sed -i "s|\"name\":\"r\"|\"name\":\"r\",\"image\":\"images/img\"|" "$a/revision/one-metadata-r.json"; pin one; collect &&
	test -f "$a/store/deep-layer.tar" && test -L "$a/images/tag" && test ! -L "$a/images/deadtag"'

check '--dry-run tells and changes nothing' '
	fresh; synth one j1; synth two j2; pin one; auto two; before=$(picture); collect --dry-run --pinned-only >out;
	grep -E "^Would delete [0-9]+ artifact\(s\) and 1 job output\(s\)" out && same "$before" "$(picture)" && test ! -e "$B/.repx/trash"'

check 'nothing to collect is said' 'fresh; synth one j1; pin one; collect | grep -x "Nothing to collect."'

check '--pinned-only lets automatic roots go' '
	fresh; synth one j1; synth two j2; pin one; auto two; collect --pinned-only && lives one && test -L "$B/gcroots/pinned/one" && test -z "$(find "$B/gcroots/auto" -type l)" && test ! -e "$B/outputs/j2"'

check 'a base path reached through a link, roots made through the link or not' '
	fresh; synth one j1; synth two j2; synth three j3; ln -s "$B" "$WORK/alias"; ln -s "$WORK/alias/artifacts/lab/one-lab-metadata.json" "$B/gcroots/pinned/one"; pin two;
	BASE=$WORK/alias collect && lives one && lives two && test ! -e "$B/outputs/j3" && collect | grep -x "Nothing to collect." && rm "$WORK/alias"'

check 'a base path that was moved' '
	fresh; synth one j1; synth two j2; pin one; mv "$B" "$WORK/moved"; B=$WORK/moved; collect && lives one && test ! -e "$B/outputs/j2"; s=$?; rm -rf "$WORK/moved"; exit $s'

check 'a root that leads out of the base path: nothing goes' '
	fresh; synth one j1; ln -s /etc/passwd "$B/gcroots/pinned/x"; before=$(picture); collect | grep "leads out" && same "$before" "$(picture)"'

check 'read-only directories, as Nix makes them, go too' '
	fresh; synth one j1; chmod -R a-w "$B/artifacts/jobs/j1"; collect && test ! -e "$B/artifacts/jobs/j1" && test -z "$(ls -A "$B/.repx/trash")"'

check 'links are never followed' '
	fresh; synth one j1; mkdir "$WORK/outside" && echo keep >"$WORK/outside/f"; ln -s "$WORK/outside" "$B/artifacts/jobs/link"; ln -s "$WORK/outside" "$B/outputs/one-job";
	ln -s "$WORK/outside" "$B/artifacts/jobs/j1/x"; collect && test -f "$WORK/outside/f" && test ! -L "$B/artifacts/jobs/link" && rm -r "$WORK/outside"'

check 'completions.jsonl loses the collected jobs only' '
	fresh; synth one j1; synth two j2; pin one; printf "%s\n" "{\"id\":\"j1\",\"s\":\"ok\"}" "{\"id\":\"j2\",\"s\":\"ok\"}" "odd line" "{\"id\":\"j1\",\"s\":\"fail\"}" >"$B/outputs/completions.jsonl";
	collect && same "$(printf "%s\n" "{\"id\":\"j1\",\"s\":\"ok\"}" "odd line" "{\"id\":\"j1\",\"s\":\"fail\"}")" "$(cat "$B/outputs/completions.jsonl")"'

check 'somebody works on a job: its outputs and package stay' '
	fresh; synth one j1; synth two j2; collect --dry-run; mkdir -p "$B/.repx/live" && ln -s "20260101T000000Z-aaaaaaaa 0 k2222222222222222222222222" "$B/.repx/live/j1";
	collect && test -d "$B/outputs/j1" && test -d "$B/artifacts/jobs/j1" && test ! -e "$B/outputs/j2"'

check 'a run that cannot be read: nothing goes' '
	fresh; synth one j1; collect --dry-run; mkdir -p "$B/.repx/runs/20260101T000000Z-aaaaaaaa"; before=$(picture); collect | grep "cannot be read" && same "$before" "$(picture)"'

check 'what waited, and what was to come next, of runs that are no more' '
	fresh; synth one j1; pin one; collect --dry-run; d=$B/.repx; r=20260101T000000Z-aaaaaaaa; mkdir -p "$d/waiting" "$d/next" "$d/behind/j1" "$d/behind/j2"; : >"$d/waiting/$r"; : >"$d/waiting/$r.wish"; : >"$d/waiting/$r.branches.3"; : >"$d/waiting/notes";
	for k in j1/0000000001 j1/0000000002 j2/0000000001; do ln -s "$r 0 k2222222222222222222222222" "$d/behind/$k.k2222222222222222222222222"; done; : >"$d/behind/j2/notes";
	ln -s "$r 0 k2222222222222222222222222" "$d/next/j1"; ln -s elsewhere "$d/next/odd"; sleep 0.05; collect --dry-run && test "$(ls "$d/waiting" | wc -l)" -eq 4 && collect &&
	same "notes" "$(ls "$d/waiting")" && same "odd" "$(ls "$d/next")" && same "./j2 ./j2/notes" "$(cd "$d/behind" && find . -mindepth 1 | sort | paste -sd " ")"'

check 'one collection at a time' '
	fresh; synth one j1; collect --dry-run; mkdir -p "$B/.repx/lease"; s=$(cut -d" " -f22 /proc/$$/stat);
	echo "{\"v\":1,\"host\":\"$(uname -n)\",\"boot\":\"$(cat /proc/sys/kernel/random/boot_id)\",\"pid\":$$,\"start\":$s,\"epoch\":0,\"t\":0}" >"$B/.repx/lease/gc";
	must_fail collect 2>err; cat err; grep "another collection" err && test -d "$B/outputs/j1"'

check 'what a crash left in the trash goes with the next collection' '
	fresh; synth one j1; pin one; collect && mkdir -p "$B/.repx/trash/7.1/x" && collect && test -z "$(ls -A "$B/.repx/trash")"'

check 'attempts that do not count and are old go' '
	fresh; synth one j1; pin one; j=$B/outputs/j1; rm -r "$j/out" "$j/repx"; mkdir -p "$j"/attempts/{0,1,2,3}/{out,repx}; ln -s attempts/3/out "$j/out"; ln -s attempts/3/repx "$j/repx";
	touch -d "8 days ago" "$j/attempts/0" "$j/attempts/1" "$j/attempts/3"; collect && same "0 2 3" "$(ls "$j/attempts" | paste -sd " ")"'

check 'old agents go: not the newest, not one in use, never what is not ours' '
	fresh; synth one j1; pin one; for d in old theirs newest; do mkdir -p "$B/bin/$d"; : >"$B/bin/$d/repx-agent"; test $d != theirs || : >"$B/bin/theirs/repx"; touch -d "8 days ago" "$B"/bin/$d/*; sleep 0.05; done;
	mkdir "$B/bin/young" && : >"$B/bin/young/sched-x" && : >"$B/bin/old/sched-x" && touch -d "8 days ago" "$B/bin/old/sched-x" && sleep 0.05 && : >"$B/bin/young/sched-x"; collect && same "newest theirs young" "$(ls "$B/bin" | paste -sd " ")"'

# ---- our own, where jobs ran ----

make_lab "$TESTS/labs/reference"
export BASE=$XDG_STATE_HOME/repx
repx run simulation-run --lab "$LAB" >"$WORK/run.log" 2>&1 || exit 1
ID=$(jq -r .labId "$LAB"/lab/*lab-metadata.json)
export ID
B=$BASE

check 'after a run nothing is garbage, and the next run submits nothing' '
	repx gc -y --lab "$LAB" | grep "Nothing to collect" && repx run simulation-run --lab "$LAB" | grep "already complete"'

check 'list shows the automatic root; status, pin, unpin' '
	repx gc list | grep -E "^KIND +NAME +HASH +PROJECT" && repx gc list | grep -E "^auto " && repx gc list | grep -E "^1 root\(s\)" &&
	repx gc list --sizes | grep -E " (KB|MB|B) " && repx gc list --kind pinned | grep "No GC roots found" && repx gc list --project nosuch | grep "No GC roots found" &&
	repx gc status --lab "$LAB" >s && grep "is not pinned" s && grep "1 auto root" s && repx gc pin --lab "$LAB" | grep "Pinned .$ID." &&
	repx gc pin "$ID" --name mine | grep "Pinned .mine." && repx gc pin "$ID" --name mine && repx gc status --lab "$LAB" | grep "is pinned" && repx gc list --kind pinned | grep -E "^2 root" &&
	repx gc list --sizes --json | jq -e "length == 3 and (map(select(.kind == \"pinned\")) | length) == 2 and .[0].bytes > 0" &&
	repx gc status --lab "$LAB" --json | jq -e ".pinned and (.roots | length) == 3" &&
	repx gc unpin min | grep "Unpinned .mine." && must_fail repx gc unpin nosuch 2>err && grep "No GC root found" err && must_fail repx gc pin nosuch && must_fail repx gc pin "$ID" --name a/b && must_fail repx gc pin "$ID" --name ..'

check 'declining is not an error, and nothing happens' 'before=$(picture); echo n | repx gc --pinned-only | grep -x "Aborted." && same "$before" "$(picture)"'

check 'pinned, the Lab outlives --pinned-only; its results are still believed' '
	repx gc -y --pinned-only && test -z "$(find "$BASE/gcroots/auto" -type l)" && repx run simulation-run --lab "$LAB" | grep "already complete" && rm -rf "$BASE/gcroots/auto"'

check 'what is not of ours stays, and is told' '
	mkdir -p "$BASE/outputs/notes" "$BASE/artifacts/theirs" && echo x >"$BASE/outputs/notes/f" && repx gc -y >out && grep "outputs/notes" out && test -f "$BASE/outputs/notes/f" && test -d "$BASE/artifacts/theirs"'

check 'unpinned, all goes; then everything runs again' '
	repx gc unpin "$ID" && repx gc -y >out && grep -E "^Deleted [0-9]+ artifact\(s\) and 16 job output\(s\)" out && test -z "$(ls "$BASE/artifacts/jobs")" &&
	test ! -s "$BASE/outputs/completions.jsonl" && repx run simulation-run --lab "$LAB" && same "540 540 595 595" "$(outputs_of "$BASE" E total.txt)"'

check 'records of runs that ended long ago go with their submissions' '
	r=$(ls "$BASE/.repx/runs" | head -n 1) && touch -d "31 days ago" "$BASE/.repx/runs/$r" "$BASE/.repx/runs/$r/events" && before=$(ls "$BASE/.repx/sub" | wc -l) && repx gc -y &&
	test ! -e "$BASE/.repx/runs/$r" && test "$(ls "$BASE/.repx/sub" | wc -l)" -lt "$before"'

# A Lab whose only job waits until the file `go` is there.
mkdir -p "$WORK/slow/scripts"
cat >"$WORK/slow/lab.ini" <<-'X'
	[lab]
	name = slow
	version = 1
	[run slow]
	stages = S
	[stage S]
	script = scripts/s.sh
	output.o = $out/o
X
cat >"$WORK/slow/scripts/s.sh" <<-X
	#!/bin/sh
	i=0
	while [ ! -e "$WORK/go" ] && [ \$i -lt 600 ]; do sleep 0.1; i=\$((i + 1)); done
	[ -x "\$0" ] && echo done >"\$1/o"
X
chmod +x "$WORK/slow/scripts/s.sh"
FIRST=$LAB
make_lab "$WORK/slow" slowlab
export FIRST

check 'while a run goes on, what it needs stays, root or none' '
	repx run slow --lab "$LAB" >slow.log 2>&1 & pid=$!; s=$(jobs_of S); within 30 test -e "$BASE/outputs/$s/repx/stdout.log" || { cat slow.log; exit 1; };
	r=$(ls -t "$BASE/.repx/runs" | head -n 1); mkdir -p "$BASE/.repx/waiting" "$BASE/.repx/next"; : >"$BASE/.repx/waiting/$r.wish"; ln -s "$r 0 k2222222222222222222222222" "$BASE/.repx/next/$s";
	b=$BASE/.repx/behind/$s/0000000001.k3333333333333333333333333; mkdir -p "${b%/*}"; ln -s "$r 0 k3333333333333333333333333" "$b";
	rm -rf "$BASE/gcroots"; repx gc -y >out || exit 1; cat out; test -e "$BASE/.repx/waiting/$r.wish" && test -L "$BASE/.repx/next/$s" && test -L "$b" || { : >"$WORK/go"; exit 1; }; grep "has not ended" out && test -d "$BASE/artifacts/jobs/$s" && test -d "$BASE/outputs/$s" &&
	test -z "$(find "$BASE/artifacts/jobs" -name "*-E-*")"; rc=$?; : >"$WORK/go"; wait $pid || rc=1; cat slow.log; test -f "$BASE/outputs/$s/out/o" || rc=1; exit $rc'

check 'when it has ended it is garbage without a root' '
	repx gc -y && test -z "$(ls "$BASE/.repx/waiting" "$BASE/.repx/next" | grep -v :)" && test -z "$(ls "$BASE/.repx/behind")" && test -z "$(ls "$BASE/artifacts/jobs")" && test -z "$(find "$BASE/outputs" -mindepth 1 -maxdepth 1 -name "*-S-*")"'

check 'collections during runs: each run ends well, or is refused before anything was submitted' '
	LAB=$FIRST; (while test ! -e over; do repx gc -y >>gcs.log 2>&1; sleep 0.3; done) & loop=$!; bad=0;
	for i in 1 2 3 4 5 6 7 8; do
		rm -rf "$BASE/outputs" "$BASE/gcroots";
		if repx run simulation-run --lab "$LAB" >run.$i 2>&1; then same "540 540 595 595" "$(outputs_of "$BASE" E total.txt)" || bad=1;
		else tail -n 1 run.$i; grep -E "run again|No such file" run.$i && ! grep "failed" run.$i || bad=1; fi
	done; : >over; wait $loop; repx run simulation-run --lab "$LAB" && same "540 540 595 595" "$(outputs_of "$BASE" E total.txt)"; test $bad -eq 0'
