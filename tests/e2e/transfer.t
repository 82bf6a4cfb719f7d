#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a transfer costs, what is left of one that was cut, and how what went bad is found again.
#
# SIZE (MiB), CUTS and SEED make it larger and repeatable: tests/soak/cuts.sh.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd jq
start_sshd
RANDOM=${SEED:=$$}
echo "# seed $SEED"
export SIZE=${SIZE:-40} CUTS=${CUTS:-4}
export JOB=0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-hello-1.1
export LOCAL=$WORK/store
sed 's/targets.queue/targets.piped/' "$XDG_CONFIG_HOME/repx/config.toml" |
	sed -n '/^\[targets.piped\]/,/^\[targets.cluster/{/targets.cluster/!p}' >piped.toml
sed -i '/^\[targets.piped\]/a transport = "openssh"' piped.toml
sed -i '/^\[targets.queue\]/a transport = "ssh"' "$XDG_CONFIG_HOME/repx/config.toml"
cat piped.toml >>"$XDG_CONFIG_HOME/repx/config.toml"

# small_lab DIR LABID: one job that prints a greeting.
small_lab() {
	mkdir -p "$1"/{lab,revision,readme,host-tools/none/bin} "$1/jobs/$JOB"/{bin,deep/er}
	cat >"$1/lab/lab-metadata.json" <<-JSON
	{"labId":"$2","lab_version":"1","metadata":"revision/metadata-top.json","files":[]}
	JSON
	cat >"$1/revision/metadata-top.json" <<-JSON
	{"repx_version":"0.5.0","gitHash":"none-$2","runs":["revision/metadata-r.json"]}
	JSON
	cat >"$1/revision/metadata-r.json" <<-JSON
	{"name":"r","jobs":{"$JOB":{"params":{},"executables":{"main":{
	"path":"jobs/$JOB/bin/hello","outputs":{"txt":"\$out/h.txt"}}}}}}
	JSON
	printf '#!/bin/sh\necho one >"$1/h.txt"\n' >"$1/jobs/$JOB/bin/hello"
	chmod 755 "$1/jobs/$JOB/bin/hello"
	echo data >"$1/jobs/$JOB/deep/er/data"
}

# run LAB TARGET [OPTION...]: what it said is in the file `said`.
run() {
	local lab=$1 target=$2
	shift 2
	repx -v run r --lab "$WORK/$lab" --target "$target" --stale rerun "$@" >"$WORK/said" 2>&1
}
# bytes that went to the target, as the last run counted them
wire() {
	sed -n 's/.*wire: .*, \([0-9.]*\) \([KM]*i*B\) sent.*/\1 \2/p' "$WORK/said" | awk '
		{ print int($1 * ($2 == "MiB" ? 1048576 : $2 == "KiB" ? 1024 : 1)) }'
}
# files that the Lab phase sent
sent() { sed -n 's/.*lab: sent \([0-9]*\) files.*/\1/p' "$WORK/said"; }
same_packages() { diff -r "$WORK/$1/jobs" "$2/artifacts/jobs"; }
fresh_agent() { as_user rm -rf "$TB_BASE/artifacts" "$TB_BASE/.repx"; run small "$1"; }
export -f small_lab run wire sent same_packages fresh_agent as_user

small_lab small aaaa0001
small_lab big aaaa0002
head -c "${SIZE}M" /dev/urandom >"big/jobs/$JOB/blob"

# cut TARGET: fail CUTS times at random bytes, then go on to the end. Everything is counted.
cut() {
	local i n total=0 each=$((SIZE * 1048576 / (CUTS + 1)))
	fresh_agent "$1" || return 1
	for ((i = 0; i < CUTS; i++)); do
		n=$((each / 3 + (RANDOM * 32768 + RANDOM) % (each * 2 / 3)))
		must_fail run big "$1" --fault "cut-after=$n" || return 1
		total=$((total + n))
	done
	run big "$1" || return 1
	total=$((total + $(wire)))
	echo "$1: cut $CUTS times, $total bytes sent of $((SIZE * 1048576))" | tee -a "$WORK/cuts"
	same_packages big "$TB_BASE" && ((total * 10 <= SIZE * 1048576 * 11))
}
export -f cut must_fail
check 'cut at random bytes, over libssh2: at most 1.1 times the bytes' 'cut queue'
check 'and over openssh' 'cut piped'
sed 's/^/# /' "$WORK/cuts"

check 'sshd is killed on the way: the next run sends the rest' '
	fresh_agent piped && { run big piped --fault drop-after=16000000 & client=$!; } &&
	within 20 eval "test \$(find \"$TB_BASE/.repx/stage\" -size +8M 2>/dev/null | wc -l) -gt 0" &&
	"$TESTBED" drop-ssh "$cluster" && { wait "$client" && echo "it was too fast" || true; } &&
	run big piped && echo "$(wire) bytes more" && test "$(wire)" -lt $((SIZE * 1048576 - 6000000)) &&
	same_packages big "$TB_BASE"'

check 'one wrong bit on the way: only its megabyte is sent again' '
	run small local && run big local --fault garble-after=$((SIZE * 700000)) && wire &&
	test "$(wire)" -lt $((SIZE * 1048576 + 1200000)) && same_packages big "$LOCAL"'

check 'of an interrupted transfer gc leaves what is new and takes what is old' '
	small_lab gone aaaa0009 && head -c 3M /dev/urandom >"gone/jobs/$JOB/blob" &&
	must_fail run gone local --fault cut-after=1500000 && parts=$LOCAL/.repx/stage/.parts &&
	within 10 test -n "$(ls "$parts")" && repx gc --yes --target local && test -n "$(ls "$parts")" &&
	touch -d "8 days ago" "$parts"/* && repx gc --yes --target local && test -z "$(ls "$parts")"'

# ---- compression ----

small_lab text aaaa0003
awk 'BEGIN { for (i = 0; i < 400000; i++) print "line", i * 7919 % 100003, "of many" }' >"text/jobs/$JOB/text"
small_lab noise aaaa0004
head -c 9M /dev/urandom >"noise/jobs/$JOB/noise"
export TEXT NOISE
TEXT=$(stat -c %s "text/jobs/$JOB/text") NOISE=$(stat -c %s "noise/jobs/$JOB/noise")

check 'text shrinks on its way over ssh' '
	fresh_agent queue && run text queue && echo "$(wire) of $TEXT" && test $(($(wire) * 2)) -lt "$TEXT"'
check 'what does not shrink grows by less than a hundredth' '
	run noise queue && echo "$(wire) of $NOISE" && test $(($(wire) * 100)) -lt $((NOISE * 101))'
check 'to a target on this machine nothing is compressed' '
	run text local && echo "$(wire) of $TEXT" && test $(($(wire) * 100)) -ge $((TEXT * 99))'

# ---- what went bad ----

check 'a file that a purge took is found by the next run, wherever it lay' '
	run small local && run small local && ! grep "lab: sent" said &&
	rm "$LOCAL/artifacts/jobs/$JOB/deep/er/data" && run small local &&
	test "$(sent)" = 1 && same_packages small "$LOCAL" &&
	rm "$LOCAL/artifacts/revision/metadata-r.json" && run small local &&
	test -s "$LOCAL/artifacts/revision/metadata-r.json" &&
	rm -r "$LOCAL/artifacts/jobs/$JOB/deep" && run small local && same_packages small "$LOCAL"'
check 'bytes that rot are found with --verify, and mended' '
	file=$LOCAL/artifacts/jobs/$JOB/deep/er/data && stamp=$(stat -c %y "$file") &&
	echo dada >"$file" && touch -d "$stamp" "$file" && run small local --verify &&
	test "$(sent)" = 1 && same_packages small "$LOCAL" && run small local --verify && ! grep "lab: sent" said'
check 'files of the store and of packages, at random: the next run mends all' '
	for i in 1 2 3; do
		find "$LOCAL/artifacts" -type f | shuf -n 3 | xargs rm && run small local && same_packages small "$LOCAL" || exit 1
	done'
check 'two Labs in turn: neither sends anything twice' '
	small_lab other aaaa0005 && run small local && run other local && run small local && ! grep "lab: sent" said &&
	run other local && ! grep "lab: sent" said &&
	jq -e ".labId == \"aaaa0005\"" "$LOCAL/artifacts/lab/lab-metadata.json" && same_packages other "$LOCAL"'
check 'of a Lab that changed a little only that is declared' '
	cp -a small wide && for i in $(seq 300); do echo "$i" >"wide/jobs/$JOB/deep/$i"; done &&
	run wide local && first=$(wire) && echo "{}" >wide/readme/x && run wide local && echo "$first then $(wire)" &&
	test "$(sent)" = 1 && test "$(wire)" -lt 6000'
