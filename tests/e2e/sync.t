#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What arrives on a target, and what is not sent twice.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

export BASE=$XDG_STATE_HOME/repx
export JOB=0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-hello-1.1

# small_lab DIR LABID: one job that prints a greeting. No integrity list: it is edited below.
small_lab() {
	mkdir -p "$1"/{lab,revision,readme,host-tools/none/bin} "$1/jobs/$JOB/bin"
	cat >"$1/lab/lab-metadata.json" <<-JSON
	{"labId":"$2","lab_version":"1","metadata":"revision/metadata-top.json","files":[]}
	JSON
	cat >"$1/revision/metadata-top.json" <<-JSON
	{"repx_version":"0.5.0","gitHash":"none","runs":["revision/metadata-r.json"]}
	JSON
	cat >"$1/revision/metadata-r.json" <<-JSON
	{"name":"r","jobs":{"$JOB":{"params":{},"executables":{"main":{
	"path":"jobs/$JOB/bin/hello","outputs":{"txt":"\$out/h.txt"}}}}}}
	JSON
	printf '#!/bin/sh\necho one >"$1/h.txt"\n' >"$1/jobs/$JOB/bin/hello"
	chmod 755 "$1/jobs/$JOB/bin/hello"
	echo data >"$1/jobs/$JOB/data.txt"
	ln -s data.txt "$1/jobs/$JOB/link"
	touch -d @1 "$1/jobs/$JOB/bin/hello" "$1/jobs/$JOB/data.txt"
}

sync() { repx run r --lab "$1" --stale rerun; }
package() { echo "$BASE/artifacts/jobs/$JOB"; }
export -f small_lab sync package
small_lab "$WORK/a" aaaa0001

check 'a Lab arrives as it is' '
	sync a && diff -r --no-dereference a/jobs "$BASE/artifacts/jobs"'

check 'again: nothing is sent, and nothing on the target changes' '
	find "$BASE/artifacts" -printf "%p %i %T@ %C@\n" | sort >before &&
	repx -v run r --lab a >again 2>&1 && ! grep "lab: sent" again &&
	find "$BASE/artifacts" -printf "%p %i %T@ %C@\n" | sort >after &&
	diff before after'

check 'a script of the same size and the same time is another script' '
	sed -i "s/one/two/" "a/jobs/$JOB/bin/hello" && touch -d @1 "a/jobs/$JOB/bin/hello" &&
	sync a && grep two "$(package)/bin/hello" &&
	same two "$(cat "$BASE/outputs/$JOB/out/h.txt")"'

check 'a mode alone is a difference' '
	chmod 755 "a/jobs/$JOB/data.txt" && sync a && test -x "$(package)/data.txt"'

check 'so is where a link leads' '
	ln -sfn bin/hello "a/jobs/$JOB/link" && sync a &&
	same bin/hello "$(readlink "$(package)/link")"'

check 'what was taken out of a package goes' '
	rm "a/jobs/$JOB/link" && sync a && test ! -e "$(package)/link"'

check 'what somebody removed on the target comes back' '
	rm -r "$(package)" && sync a && diff -r a/jobs "$BASE/artifacts/jobs"'

check 'what somebody wrote there is put right when the Lab changes next' '
	echo broken >"$(package)/data.txt" && echo more >"a/jobs/$JOB/more.txt" &&
	sync a && diff -r a/jobs "$BASE/artifacts/jobs"'

check 'two Labs keep their own manifests beside the common names' '
	small_lab b bbbb0002 && sync b && sync a &&
	for id in aaaa0001 bbbb0002; do
		jq -e ".labId == \"$id\" and .metadata == \"revision/$id-metadata-top.json\"" \
			"$BASE/artifacts/lab/$id-lab-metadata.json" &&
		jq -e ".runs == [\"revision/$id-metadata-r.json\"]" \
			"$BASE/artifacts/revision/$id-metadata-top.json" &&
		test -f "$BASE/artifacts/revision/$id-metadata-r.json" || exit 1
	done &&
	jq -e ".labId == \"aaaa0001\"" "$BASE/artifacts/lab/lab-metadata.json"'

check 'each has one root, which leads to its manifest' '
	test "$(find "$BASE/gcroots/auto" -type l | wc -l)" -eq 2 &&
	test "$(find -L "$BASE/gcroots/auto" -type f -name "*_aaaa0001" | wc -l)" -eq 1 &&
	find "$BASE/gcroots/auto" -type l -lname "$BASE/artifacts/lab/*-lab-metadata.json" | wc -l | grep -x 2'

check 'a link out of the Lab never gets there' '
	cp -a a c && ln -s ../../../../../etc "c/jobs/$JOB/out" &&
	must_fail sync c && test ! -e "$(package)/out"'

check 'a collection that is a link on the target is not written through' '
	mkdir elsewhere && rm -rf "$WORK/odd" && mkdir -p "$WORK/odd/repx/artifacts" &&
	ln -s "$WORK/elsewhere" "$WORK/odd/repx/artifacts/jobs" &&
	must_fail env XDG_STATE_HOME="$WORK/odd" repx run r --lab a &&
	test -z "$(ls -A elsewhere)"'

# Large enough to be caught on its way. When there are two, one at least is whole.
arrives() {
	for ((i = 0; i < 3000; i++)); do
		if (($(find "$1" -size +28M 2>/dev/null | wc -l) >= 2)); then return 0; fi
		sleep 0.01
	done
	return 1
}
export -f arrives

check 'killed within a transfer: the next run sends the rest only' '
	small_lab big cccc0003 &&
	for i in 1 2 3 4 5 6 7 8 9; do head -c 30000000 /dev/urandom >"big/jobs/$JOB/f$i"; done &&
	export XDG_STATE_HOME=$WORK/killed && stage=$XDG_STATE_HOME/repx/.repx/stage &&
	repx list --lab big >/dev/null &&
	{ repx run r --lab big & client=$!; } &&
	arrives "$stage" && kill -KILL "$client" && { wait "$client" || true; } &&
	within 30 eval "! pgrep -f \"repx-agent session $XDG_STATE_HOME\"" &&
	kept=$(find "$stage" -size +28M | wc -l) && test "$kept" -gt 0 &&
	repx -v run r --lab big >rest 2>&1 && cat rest &&
	sent=$(sed -n "s/.*lab: sent \([0-9]*\) files.*/\1/p" rest) && echo "kept $kept, sent $sent" &&
	test "$sent" -gt 0 && test $((kept + sent)) -le 14 &&
	diff -r big/jobs "$XDG_STATE_HOME/repx/artifacts/jobs" &&
	within 10 eval "test -z \"\$(ls -A \"$stage\")\""'
