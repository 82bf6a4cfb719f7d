#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two clients send Labs with one job id, one name for their manifests and different scripts at
# the same moment to a base path that holds nothing: each job runs its own script, and each
# Lab has a root of its own.
# ROUNDS sets how often (8).
# shellcheck source=lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"

export JOB=0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-same-1.1
export BASE=$XDG_STATE_HOME/repx ROUNDS=${ROUNDS:-8}

lab() { # NUMBER
	mkdir -p "lab$1"/{lab,revision,readme,host-tools/none/bin} "lab$1/jobs/$JOB/bin"
	cat >"lab$1/jobs/$JOB/bin/x" <<-SH
	#!/bin/sh
	sleep 0.2
	cat "\$(dirname "\$0")/d" >>"$WORK/said"
	echo $1 >"\$1/o"
	SH
	chmod 755 "lab$1/jobs/$JOB/bin/x"
	echo "$1" >"lab$1/jobs/$JOB/bin/d"
	cat >"lab$1/lab/lab-metadata.json" <<-JSON
	{"labId":"two$1","lab_version":"1","metadata":"revision/metadata-top.json","files":[]}
	JSON
	cat >"lab$1/revision/metadata-top.json" <<-JSON
	{"repx_version":"0.5.0","gitHash":"none","runs":["revision/metadata-r.json"]}
	JSON
	cat >"lab$1/revision/metadata-r.json" <<-JSON
	{"name":"r","jobs":{"$JOB":{"params":{"lab":$1},"executables":{"main":{
	"path":"jobs/$JOB/bin/x","outputs":{"o":"\$out/o"}}}}}}
	JSON
}

# The second begins some milliseconds after the first, another number each time.
both() { # ROUND
	rm -rf "$BASE" && : >"$WORK/said"
	repx run r --lab lab1 --stale rerun >out1 2>&1 & local one=$!
	sleep "0.0$(($1 % 10))"
	repx run r --lab lab2 --stale rerun >out2 2>&1 || { cat out2; return 1; }
	wait "$one" || { cat out1; return 1; }
}
# Of the Lab's own manifest: its run says which parameters it has.
own() { # NUMBER
	grep -q "\"lab\":$1" "$BASE/artifacts/revision/two$1-metadata-r.json" &&
		grep -q "revision/two$1-metadata-top.json" "$BASE/artifacts/lab/two$1-lab-metadata.json"
}
each_runs_its_own() {
	local i
	for ((i = 0; i < ROUNDS; i++)); do
		both "$i" && same $'1\n2' "$(sort "$WORK/said")" && own 1 && own 2 || return 1
	done
}
export -f both own each_runs_its_own

lab 1
lab 2
check 'two Labs with one job id at the same moment: each job runs its own script' each_runs_its_own
