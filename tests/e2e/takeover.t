#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A base path that RepX filled: what is there and right is not sent again, finished jobs are
# finished, nothing of RepX's goes, and what is damaged is found and mended.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd bwrap busybox jq python3
start_sshd
sh "$TESTS/labs/reference-image/make.sh" "$WORK/imaged" || exit 1
sed -i 's/execution_types = .*/execution_types = ["bwrap"]/' "$XDG_CONFIG_HOME/repx/config.toml"
make_lab "$WORK/imaged"
repx run simulation-run --lab "$LAB" >"$WORK/first.log" 2>&1 || { cat "$WORK/first.log"; exit 1; }

# plain FROM TO: a directory out or repx as RepX has it: real, and without what is ours.
plain() {
	mkdir -p "$2"
	cp -RL "$1/out" "$1/repx" "$2"
	rm -f "$2"/repx/{manifest,attempt.json}
	chmod -R u+w "$2"
	sed -i "s|$WORK/store|$TB_BASE|g" "$2"/repx/*.json 2>/dev/null || true
}

# What the jobs gave, as RepX has it, in $WORK/outputs.
results() {
	local job from to step
	for job in "$LAB"/jobs/*; do
		from=$WORK/store/outputs/${job##*/} to=$WORK/outputs/${job##*/}
		[[ -d $from ]] || continue
		plain "$from" "$to"
		[[ ! -d $from/scatter ]] || plain "$from/scatter" "$to/scatter"
		for step in "$from"/branch-*/step-*; do
			[[ ! -d $step ]] || plain "$step" "$to/${step#"$from"/}"
		done
		echo "{\"id\":\"${job##*/}\",\"s\":\"ok\"}" >>"$WORK/outputs/completions.jsonl"
	done
}
results

# fill MODE: $TB_BASE as RepX 0.5 leaves it. MODE is of the directories below
# artifacts: 555 as Nix makes them and a local target keeps them, 755 after a sync over ssh.
fill() {
	local lab=$LAB a=$TB_BASE/artifacts image manifest
	find "$TB_BASE" -type d -exec chmod u+w {} +
	find "$TB_BASE" -mindepth 1 -maxdepth 1 ! -name bin -exec rm -rf {} +
	cp -R "$lab" "$a"
	cp -R "$WORK/outputs" "$TB_BASE/outputs"
	mkdir -p "$TB_BASE"/{gcroots/auto/no_remote_0123,gcroots/pinned,submissions/x,lab-tars,repx/temp,bin/0123}
	manifest=$(echo "$a"/lab/*lab-metadata.json)
	ln -s "$manifest" "$TB_BASE/gcroots/auto/no_remote_0123/2026-01-01_10-00-00_$(jq -r .labId "$manifest")"
	ln -s "$manifest" "$TB_BASE/gcroots/pinned/kept"
	echo '{}' >"$TB_BASE/submissions/x/plan.json"
	echo tar >"$TB_BASE/lab-tars/x.tar"
	printf '#!/bin/sh\nexit 1\n' >"$TB_BASE/bin/0123/repx"
	: >"$TB_BASE/repx/temp/repx-extract-x.lock"
	for image in "$lab"/images/*/; do
		[[ -d $image ]] || continue
		image=$(basename "$image")
		ln -s "$image" "$a/images/${image%.*}.tag"
		mkdir -p "$TB_BASE/cache/images/$image/rootfs/bin" && : >"$TB_BASE/cache/images/$image/SUCCESS"
		echo old >"$TB_BASE/cache/images/$image/rootfs/bin/sh"
	done
	chown -R "$TB_SSH_USER" "$TB_BASE"
	find "$a" -type f -exec chmod a-w {} +
	find "$a" -exec touch -h -d @1 {} +
	find "$a" -type d -exec chmod "$1" {} +
}
# Everything that is RepX's, with contents.
picture() {
	(cd "$TB_BASE" && find . \( -path ./.repx -o -path './bin/????*[0-9a-f]' -o -name completions.jsonl \) -prune -o \
		\( -type f -exec sha256sum {} + , -type l -printf '%p -> %l\n' \) | grep -v 'bin/[0-9a-f]\{64\}' | sort)
}
nothing_went() { comm -23 "$1" <(picture) >went && { cat went; test ! -s went; }; }
wire() {
	sed -n 's/.*wire: .*, \([0-9.]*\) \([KM]*i*B\) sent.*/\1 \2/p' said |
		awk '{ print int($1 * ($2 == "MiB" ? 1048576 : $2 == "KiB" ? 1024 : 1)) }'
}
run() { repx -v run simulation-run --lab "$LAB" --target queue >said 2>&1 || { cat said; return 1; }; }
right() { same "$TOTALS" "$(outputs_of "$TB_BASE" E total.txt)" && diff -r --no-dereference "$LAB/jobs" "$TB_BASE/artifacts/jobs"; }
job() { jobs_of "$1" | head -n 1; }
export -f fill plain picture nothing_went wire run right job outputs_of jobs_of

fill 755
run || exit 1 # agent and helper are there
for mode in 755 555; do
	export mode
	check "directories $mode: nothing is sent, nothing runs, nothing goes" '
		fill $mode && picture >before && run && cat said && grep "already complete" said && ! grep "lab: sent" said && ! grep "image: sent" said &&
		echo "$(wire) bytes" && test "$(wire)" -lt 40000 && right && nothing_went before'
	check "directories $mode: what has to run again finds all it needs there" '
		e=$(job E) && d=$(job D) && rm "$TB_BASE"/outputs/{$e,$d}/repx/SUCCESS && : >"$TB_BASE/outputs/$d/repx/FAIL" && chmod a-w "$TB_BASE/outputs/$e/out" &&
		picture | grep -v -e "outputs/$e" -e "outputs/$d" >before && run && cat said && grep "Executed 2 jobs" said && ! grep "sent" <(grep -e "lab:" -e "image:" said) && right && nothing_went before &&
		test -f "$TB_BASE/outputs/$e/attempts/0/out/total.txt" && test -f "$TB_BASE/outputs/$d/attempts/0/repx/FAIL"'
	[[ $mode == 555 ]] || continue
	check "directories $mode: another script travels alone" '
		sed -i "1a # $mode" "$WORK/imaged/scripts/e.sh" && old=$LAB && make_lab "$WORK/imaged" "lab$mode" && run && cat said && grep "lab: sent" said && ! grep "image: sent" said &&
		same "$TOTALS" "$(outputs_of "$TB_BASE" E total.txt)" && test "$(wire)" -lt 60000 && diff -r "$old/jobs/$(LAB=$old job E)" "$TB_BASE/artifacts/jobs/$(LAB=$old job E)"'
	check "directories $mode: what is damaged, of the same length and time, is found and mended" '
		fill $mode && e=$(job E) && rm "$TB_BASE/outputs/$e/repx/SUCCESS" && f=$(find "$TB_BASE/artifacts/jobs/$e/bin" -type f | head -n 1) && chmod u+w "$f" && printf x | dd of="$f" bs=1 seek=9 conv=notrunc status=none && touch -d @1 "$f" &&
		l=$(ls -S "$TB_BASE"/artifacts/store/*-layer.tar | head -n 1) && chmod u+w "$l" && printf x | dd of="$l" bs=1 seek=700000 conv=notrunc status=none && touch -d @1 "$l" &&
		chmod u-w "$f" "$l" && run && cat said && right && cmp "$l" "$LAB/store/${l##*/}" && grep "image: sent 1 file" said'
done

# The same Lab as RepX 0.4 made it: manifest, metadata and readme carry a hash in their names.
old_form() {
	rm -rf "$WORK/old" && cp -R "$LAB" "$WORK/old" && (cd "$WORK/old" && python3 - <<-'PY'
	import glob, hashlib, json, os
	h = "0" * 31 + "z-"
	m = json.load(open("lab/lab-metadata.json")); top = json.load(open(m["metadata"]))
	moved = {}
	def move(path):
	    to = os.path.dirname(path) + "/" + h + os.path.basename(path); os.rename(path, to); moved[path] = to; return to
	top["runs"] = [move(r) for r in top["runs"]]
	json.dump(top, open(m["metadata"], "w")); m["metadata"] = move(m["metadata"])
	for r in glob.glob("readme/*"): move(r)
	for f in m["files"]: f["path"] = moved.get(f["path"], f["path"])
	for f in m["files"]: f["sha256"] = hashlib.sha256(open(f["path"], "rb").read()).hexdigest()
	json.dump(m, open("lab/" + h + "lab-metadata.json", "w")); os.unlink("lab/lab-metadata.json")
	PY
	) && LAB=$WORK/old
}
export -f old_form
check 'one that RepX 0.4 filled: the same' '
	old_form && fill 555 && picture >before && run && cat said && grep "already complete" said && ! grep "lab: sent" said && ! grep "image: sent" said &&
	test "$(wire)" -lt 40000 && right && nothing_went before && e=$(job E) && rm "$TB_BASE/outputs/$e/repx/SUCCESS" && run && grep "Executed 1 jobs" said && right'

check "RepX's collection afterwards takes nothing of ours" '
	fill 755 && run && python3 "$TESTS/e2e/repx_gc.py" "$TB_BASE" >gone && cat gone && run && cat said && grep "already complete" said && ! grep "image: sent" said && right &&
	repx gc -y --target queue | tee gc.log && grep "Nothing to collect" gc.log && right'

# filled DIR JOB SUB: a Lab whose one package has 40 files of 3,000 bytes in SUB.
filled() {
	local i data=$1/jobs/$2/$3
	mkdir -p "$1"/{lab,revision,host-tools/t/bin} "$1/jobs/$2/bin" "$data"
	printf '#!/bin/sh\necho "%s" >"$1/o"\n' "$2" >"$1/jobs/$2/bin/run" && chmod 755 "$1/jobs/$2/bin/run"
	for i in $(seq 40); do openssl enc -aes-128-ctr -nosalt -K "$(printf %032x "$i")" -iv 0 </dev/zero 2>/dev/null | head -c 3000 >"$data/$i"; done
	echo "{\"labId\":\"$2\",\"lab_version\":\"1\",\"metadata\":\"revision/metadata-top.json\",\"files\":[]}" >"$1/lab/lab-metadata.json"
	echo '{"repx_version":"0.5.0","gitHash":"none","runs":["revision/metadata-r.json"]}' >"$1/revision/metadata-top.json"
	echo "{\"name\":\"r\",\"jobs\":{\"$2\":{\"params\":{},\"executables\":{\"main\":{\"path\":\"jobs/$2/bin/run\",\"outputs\":{\"o\":\"\$out/o\"}}}}}}" >"$1/revision/metadata-r.json"
}
refill() { rm -rf "$TB_BASE"/{artifacts,outputs,.repx} && cp -R "$WORK/one" "$TB_BASE/artifacts" && chown -R "$TB_SSH_USER" "$TB_BASE"; }
run_r() { repx run r --lab "$1" --target queue "${@:2}" >said 2>&1 || { cat said; return 1; }; cat said; }
export -f refill run_r
filled "$WORK/one" aaaa-one-1.0 share
filled "$WORK/two" bbbb-two-1.0 data/deep
check 'of a package that is there in part what lacks is sent, and no more' '
	refill && rm "$TB_BASE/artifacts/jobs/aaaa-one-1.0/share/7" && run_r "$WORK/one" && grep "lab: sent 1 files, 2.9 KiB" said && diff -r "$WORK/one/jobs" "$TB_BASE/artifacts/jobs" &&
	refill && : >"$TB_BASE/artifacts/jobs/aaaa-one-1.0/share/more" && run_r "$WORK/one" && grep "lab: nothing was missing" said && diff -r "$WORK/one/jobs" "$TB_BASE/artifacts/jobs" &&
	as_user rm -rf "$TB_BASE/.repx/index" "$TB_BASE/.repx/known" && head -c 3000 /dev/zero >"$TB_BASE/artifacts/jobs/aaaa-one-1.0/share/8" && run_r "$WORK/one" --verify && grep "lab: sent 1 files, 2.9 KiB" said && diff -r "$WORK/one/jobs" "$TB_BASE/artifacts/jobs"'
check 'what lies in a package of RepX under other names is not sent' '
	refill && run_r "$WORK/two" && grep "lab: sent 3 files" said && diff -r "$WORK/two/jobs/bbbb-two-1.0" "$TB_BASE/artifacts/jobs/bbbb-two-1.0"'
check 'a layer that lies there under another name is not sent' '
	fill 755 && for l in "$TB_BASE"/artifacts/store/*-layer.tar; do mv "$l" "${l%-layer.tar}00-layer.tar"; done && rm "$TB_BASE/outputs/$(job E)/repx/SUCCESS" && run && cat said &&
	! grep "image: sent" said && right && test "$(wire)" -lt 80000'
check 'of an archive, too' '
	sh "$TESTS/labs/image_form.sh" "$LAB" tar.gz && fill 755 && n=0 &&
	mkdir -p "$TB_BASE/x" && tar -xzf "$(echo "$LAB"/images/*.tar.gz)" -C "$TB_BASE/x" && as_user mkdir -p "$TB_BASE/artifacts/store" &&
	for l in "$TB_BASE"/x/*/layer.tar; do n=$((n + 1)); cp "$l" "$TB_BASE/artifacts/store/odd$n-layer.tar"; done && chown -R "$TB_SSH_USER" "$TB_BASE/artifacts" && rm -rf "$TB_BASE/x" "$TB_BASE/outputs/$(job E)/repx/SUCCESS" &&
	run && cat said && same "$TOTALS" "$(outputs_of "$TB_BASE" E total.txt)" && test "$(wire)" -lt 80000'
