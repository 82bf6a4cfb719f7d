#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# More branches than the scheduler takes at once: they wait, are halved, and go on, with no client.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$TESTS/e2e/labs.sh"

requires sshd slurm
BRANCHES=${1:-4}
export BRANCHES
start_cluster --set MaxJobCount="${ROOM:-10}" --set MinJobAge=2

mkdir -p def
cat >def/lab.ini <<'LAB'
[lab]
name = tree
version = 1
[run r]
stages = F
[stage S]
type = scatter-gather
scatter = scatter.sh
gather = gather.sh
output.n = $out/n
step.one = one.sh
step.one.output.o = $out/o
step.two = two.sh
step.two.input.o = one.o
step.two.output.t = $out/t
[stage E]
script = end.sh
input.n = S.n
output.e = $out/e
[stage F]
script = end.sh
input.n = E.e
output.e = $out/e
LAB
printf '#!/bin/sh\nseq -s , %s | sed "s/^/[/; s/$/]/" >"$1/work_items.json"\n' "$BRANCHES" >def/scatter.sh
printf '#!/bin/sh\necho 1 >"$1/o"\n' >def/one.sh
printf '#!/bin/sh\ncat "$(sed -n "s/.*\\"o\\": *\\"\\([^\\"]*\\)\\".*/\\1/p" "$2")" >"$1/t"\n' >def/two.sh
printf '#!/bin/sh\ngrep -o "/t\\"" "$1/../repx/worker_outs_manifest.json" | wc -l >"$1/n"\n' >def/gather.sh
printf '#!/bin/sh\ncat "$(sed -n "s/.*\\"n\\": *\\"\\([^\\"]*\\)\\".*/\\1/p" "$2")" >"$1/e"\n' >def/end.sh
make_lab def tree

attempts() { find "$TB_BASE"/outputs -path "*/$1/attempts/*" -prune | wc -l; }
refused_for_room() { grep -h '"text":"no room' "$TB_BASE"/.repx/runs/*/journal.*; }

check 'a run of which the branches do not fit goes on by itself, to the end' '
	repx run r --lab "$LAB" --target cluster >out 2>&1 || { tail out; exit 1; }
	within 120 all_are 3 && cat "$TB_BASE"/outputs/*-F-*/out/e | grep -x "$BRANCHES"'
check 'some found no room' 'refused_for_room | grep -c . && grep -h withdrawn "$TB_BASE"/.repx/runs/*/events/* | wc -l | grep -x 3'
check 'each step of each branch ran once, and so did all else' '
	test "$(attempts "branch-*/step-*")" -eq $((BRANCHES * 2)) && once &&
	test "$(ls -d "$TB_BASE"/outputs/*-[EF]-*/attempts/* | wc -l)" -eq 2'
check 'nothing waits any more, nothing is left in the queue' 'slurm_drain 30 && ! waits'
check 'all have succeeded, as status tells' '
	repx status last --target cluster --json >status.json && jq -e ".states.succeeded == 3 and .states.queued == 0" status.json'
