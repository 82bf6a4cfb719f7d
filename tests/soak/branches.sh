#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Scatter-gather of many branches on a real Slurm: tests/soak/branches.sh [COUNT]. Tells how
# long it took and how many jobs were submitted.
# shellcheck source=../e2e/lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/../e2e/lib.sh"

requires sshd slurm
start_cluster --cpus 32
BRANCHES=${1:-1000}
export BRANCHES

mkdir -p def
cp -r "$TESTS/labs/reference/scripts" def/
printf '#!/bin/sh\n. "${0%%/*}/../share/scripts/lib.sh"\nseq 1 %s >"$out/list"\n' "$BRANCHES" >def/list.sh
cat >def/lab.ini <<'LAB'
[lab]
name = branches
version = 1
[run r]
stages = S
[stage L]
script = list.sh
files = scripts/lib.sh
output.list = $out/list
[stage S]
type = scatter-gather
scatter = scripts/d-scatter.sh
gather = scripts/d-gather.sh
files = scripts/lib.sh
input.list = L.list
output.sums = $out/sums.txt
step.extract = scripts/d-extract.sh
step.extract.output.number = $out/number.txt
step.square = scripts/d-square.sh
step.square.input.number = extract.number
step.square.output.squared = $out/squared.txt
step.double = scripts/d-double.sh
step.double.input.number = extract.number
step.double.output.doubled = $out/doubled.txt
step.combine = scripts/d-combine.sh
step.combine.input.squared = square.squared
step.combine.input.doubled = double.doubled
step.combine.output.sum = $out/sum.txt
LAB
make_lab def
submit_rpcs() { slurm sdiag | sed -n 's/.*REQUEST_SUBMIT_BATCH_JOB .*count:\([0-9]*\).*/\1/p'; }
sums() { cat "$TB_BASE"/outputs/*-S-*/out/sums.txt; }
gathered() { [[ -e $(echo "$TB_BASE"/outputs/*-S-*/repx/SUCCESS) ]]; }

check "$BRANCHES branches of four steps" '
	start=$SECONDS && repx run r --lab "$LAB" --target cluster >out 2>&1 || { tail out; exit 1; }
	within 1500 gathered && slurm_drain 60 &&
	echo "$((SECONDS - start)) s, $(submit_rpcs) jobs submitted" >told && test "$(submit_rpcs)" -le 20'
sed 's/^/# /' told
check 'each branch ran once, and the sums are right' '
	test "$(find "$TB_BASE"/outputs/*-S-*/branch-*/step-*/attempts -mindepth 1 -maxdepth 1 | wc -l)" -eq $((BRANCHES * 4)) &&
	seq 1 "$BRANCHES" | awk "{ print \$1 * \$1 + 2 * \$1 }" >want && sums | diff want -'
