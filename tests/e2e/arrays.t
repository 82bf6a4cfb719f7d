#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Jobs of equal shape under Slurm: arrays, a handful of scheduler calls, each job known by its
# own id.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd slurm
start_cluster --set MaxArraySize=401 --set MaxJobCount=5000

# sbatch itself, counted: the helper finds this one first. sdiag counts them, too.
submit_rpcs() { slurm sdiag | sed -n 's/.*REQUEST_SUBMIT_BATCH_JOB .*count:\([0-9]*\).*/\1/p'; }
rpcs_since() { echo $(($(submit_rpcs) - ${1:-0})); }
succeeded() { find "$TB_BASE/outputs" -path '*/repx/SUCCESS' | wc -l; }
all_are() { [[ $(succeeded) -ge $1 ]]; }

sh "$TESTS/labs/wide.sh" "${JOBS:-1000}" "$WORK/wide" >/dev/null
export JOBS=${JOBS:-1000}

check 'a thousand independent jobs: at most ten submit calls, one login' '
	logins=$(count_logins) && before=$(submit_rpcs) && start=$(date +%s%N) &&
	repx run wide --lab wide --target cluster >out 2>&1 || { tail out; exit 1; }
	echo "$((($(date +%s%N) - start) / 1000000)) ms, $(rpcs_since "$before") calls" | tee calls &&
	test "$(rpcs_since "$before")" -le 10 && test $(($(count_logins) - logins)) -eq 1'
sed 's/^/# /' "$WORK/calls"

check 'while they are queued, another run submits none of them again' '
	before=$(submit_rpcs) && repx run wide --lab wide --target cluster >again 2>&1 || { tail again; exit 1; }
	test "$(rpcs_since "$before")" -eq 0'

check 'all results are right, and nothing ran twice' '
	within 400 all_are "$JOBS" && cat "$TB_BASE"/outputs/*/out/out.txt | sort -n >got &&
	seq 0 $((JOBS - 1)) | diff - got && test -z "$(find "$TB_BASE/outputs" -path "*/attempts/2")"'

check 'each job knows its unit: the array and its index' '
	cat "$TB_BASE"/.repx/runs/*/events/* | grep -o "\"id\":\"[0-9]*_[0-9]*\"" | sort -u >ids &&
	test "$(wc -l <ids)" -eq "$JOBS"'

check 'nothing to do: nothing is submitted' '
	slurm_drain 60 && before=$(submit_rpcs) &&
	repx run wide --lab wide --target cluster | grep "already complete" && test "$(rpcs_since "$before")" -eq 0'

kill_rpcs() { slurm sdiag | sed -n 's/.*REQUEST_KILL_JOB .*count:\([0-9]*\).*/\1/p'; }

check 'cancelling a run of queued jobs: a handful of requests, and nothing starts' '
	as_user rm -rf "$TB_BASE" && slurm scontrol update partitionname=standard state=down &&
	repx run wide --lab wide --target cluster >out 2>&1 && before=$(kill_rpcs) &&
	repx cancel last --target cluster >out 2>&1 || { tail out; exit 1; }
	test $(($(kill_rpcs) - ${before:-0})) -le 10 && within 20 queue_is_empty &&
	slurm scontrol update partitionname=standard state=up && test "$(succeeded)" -eq 0'
