#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# More branches and jobs than an array may have: they are cut, and the parts go together.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd slurm
start_cluster --set MaxArraySize=5
make_lab "$TESTS/labs/reference"
same_events() { cat "$TB_BASE"/.repx/runs/*/events/* | grep -c "$1"; }

check 'ten branches where an array has at most five' '
	repx run simulation-run --lab "$LAB" --target cluster && within 200 totals_are_there'
check 'each step went in two parts of five' '
	slurm_drain 60 && test "$(same_events "\"phase\":\"step-extract\".*\"array\":5")" -eq 8 &&
	test "$(same_events "\"e\":\"submitted\".*\"array\":10")" -eq 0'
check 'each branch ran once' '
	for j in $(jobs_of D); do
		test "$(ls -d "$TB_BASE/outputs/$j"/branch-*/step-combine/attempts/* | wc -l)" -eq 10; done'
check 'what was asked once is remembered' '
	grep "\"array_max\":{\"n\":5," "$TB_BASE/.repx/limits.slurm"'
