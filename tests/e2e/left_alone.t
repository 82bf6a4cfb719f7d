#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Nobody needs to be attached: the client is killed right after the first submission, and the
# run goes on to its end under Slurm. JOBS: of the DAG (tests/soak/left_alone.sh: 501).
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$TESTS/e2e/labs.sh"

requires sshd slurm
start_cluster
JOBS=${JOBS:-60}
make_lab "$TESTS/labs/reference"
check 'a scatter-gather finishes' 'killed_at_once simulation-run cluster && within 120 totals_are_there && slurm_drain 60'
check 'running again says that all is complete' '
	repx run simulation-run --lab "$LAB" --target cluster >out; cat out; grep "already complete" out'

dag_lab dag "$JOBS"
check "a DAG of $((JOBS / 3 * 3)) jobs finishes, each run once" '
	as_user rm -rf "$TB_BASE/outputs" "$TB_BASE/.repx" && killed_at_once dag cluster && within ${PATIENCE:-120} all_are $((JOBS / 3 * 3)) &&
	test -z "$(find "$TB_BASE/outputs" -path "*/attempts/2")"'
