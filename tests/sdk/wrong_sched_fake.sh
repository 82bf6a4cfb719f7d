#!/bin/bash
# SPDX-License-Identifier: MIT
# wrong_sched_fake.sh TOOL MANIFEST-TOOL SCHED-SLURM.so: the helper of sched-slurm with one promise
# broken at a time, against a fake Slurm; the check that was made for it fails.
set -u
tool=$1 manifest=$2 so=$3
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
chmod 700 "$dir"
real=$(ls "${so%.so}"-linux-*)

# NAME PART SENTENCE-OF-THE-CHECK CASE: a case of the verb, $1
wrong() {
	local said status name=$1 part=$2 sentence=$3
	mkdir "$dir/$name" && cp "$so" "$dir/$name/sched-slurm.so"
	printf '#!/bin/sh\nreal=%s\ncase $1 in\n%s ;;\nesac\nexec $real "$@"\n' "$real" "$4" \
		>"$dir/$name/${real##*/}"
	chmod 700 "$dir/$name/${real##*/}"
	"$manifest" "$dir/$name/sched-slurm.so" >/dev/null || return
	said=$("$tool" "$dir/$name/sched-slurm.so" --fake slurm --part "$part" --patience 3 --batch 3)
	status=$?
	if [ $status -eq 1 ] && grep -q "^not ok [0-9]* - .*$sentence" <<<"$said"; then
		echo "ok - $name fails on: $sentence" >"$dir/$name.said"
	else
		{ echo "not ok - $name should fail on: $sentence"; grep -v '^ok' <<<"$said" | tail -n 20 | while IFS= read -r line; do echo "# $line"; done; } >"$dir/$name.said"
	fi
}

quiet='$real "$@" | grep -v error; exit 0'
wrong refuses faults 'submit that is done but never answered is answered' \
	'submit) $real "$@" | sed s/perhaps/refused/; exit' &
wrong believes faults 'submit that is answered with garbage' \
	'submit) $real "$@" | sed "s/\"perhaps\"/\"accepted\",\"id\":\"77\"/"; exit' &
wrong empty faults 'status, where the answer is down' "status) $quiet" &
wrong unknown faults 'find, where the answer is down' "find) $quiet" &
wrong happy faults 'cancel, where the answer is down' "cancel) $quiet" &
wait
wrong asks many 'status for 120 units asks few commands' \
	'status) for i in 1 2 3 4 5; do squeue -h >/dev/null; done' &
wrong hoards many 'status of 1000000 units within' \
	'status) $real "$@" | awk "{ a[NR] = \$0 \$0 \$0 } END { for (i in a) print a[i] }"; exit' &
wrong keeps many 'killed in the middle' \
	'submit) said=$($real "$@"); status=$?; echo "$said"; exit $status' &
wrong late many 'a deadline in the middle' \
	'submit) sed "s/\"timeout_ms\":[0-9]*,//" | $real "$@"; exit' &
wrong loose units 'an index whose index failed never runs' \
	'submit) sed "s/\"corr\"/\"any\"/g" | $real "$@"; exit' &
wrong all units 'a resource with a command in it' \
	'submit) cat >/tmp/$$.in; sh -c "$(grep -o "touch [^\\\\]*" /tmp/$$.in | head -n 1)"; $real "$@" </tmp/$$.in; s=$?; rm /tmp/$$.in; exit $s' &
wait
cat "$dir"/*.said | awk '{ if (/^#/) print; else { n++; sub(/ok -/, "ok " n " -"); print; bad += /^not/ } } END { print "1.." n; exit bad > 0 }'
