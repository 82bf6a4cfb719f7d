#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How jobs end under Slurm, each told apart; submitted together, waited for once.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd slurm root mariadbd slurmdbd
start_cluster --acct dbd --set JobAcctGatherParams=OverMemoryKill --set JobAcctGatherFrequency=task=2 \
	--set PreemptType=preempt/partition_prio --set PreemptMode=CANCEL --set SlurmdTimeout=6
slurm scontrol create partitionname=low nodes=h1 PriorityTier=1 State=UP PreemptMode=cancel
slurm scontrol create partitionname=lowagain nodes=g1 PriorityTier=1 State=UP PreemptMode=requeue
slurm scontrol create partitionname=high nodes=h1,g1 PriorityTier=10 State=UP
# somebody's job that failed: what depends on it never runs
failed_job=$(slurm sbatch --parsable --mem=10M -o /dev/null --wrap 'exit 1')
mkdir -p "$WORK/def"
cat >"$WORK/def/lab.ini" <<'INI'
[lab]
name = ends
version = 1
[run ends]
stages = late, hog, struck, rooted, behind, fine, held, lost, pushed, pushedagain, again, never
[stage bad]
script = bad.sh
output.x = $out/x
[stage behind]
script = copy.sh
input.x = bad.x
output.x = $out/x
INI
{
	for stage in late struck rooted lost pushed; do
		printf '[stage %s]\nscript = sleep.sh\noutput.x = $out/x\n' $stage
	done
	for stage in again pushedagain; do printf '[stage %s]\nscript = %s.sh\noutput.x = $out/x\n' $stage $stage; done
	for stage in fine held never; do printf '[stage %s]\nscript = copy.sh\noutput.x = $out/x\n' $stage; done
	printf '[stage hog]\nscript = hog.sh\noutput.x = $out/x\n'
} >>"$WORK/def/lab.ini"
printf '#!/bin/sh\nsleep 300\n' >"$WORK/def/sleep.sh"
printf '#!/bin/sh\necho x >"$1/x"\n' >"$WORK/def/copy.sh"
printf '#!/bin/sh\nexit 3\n' >"$WORK/def/bad.sh"
for stage in again pushedagain; do
	printf '#!/bin/sh\nmkdir "%s/%s" 2>/dev/null && sleep 300\necho x >"$1/x"\n' "$TB_WORK" $stage >"$WORK/def/$stage.sh"
done
printf '#!/bin/sh\nx=$(head -c 200000000 /dev/zero | tr "\\0" x)\nsleep 60\necho "${#x}" >"$1/x"\n' >"$WORK/def/hog.sh"
make_lab "$WORK/def"
rule() { printf '[[rules]]\njob_id_glob = "*-%s-*"\n%s\n\n' "$1" "$2"; }
{
	printf '[defaults]\nmem = "100M"\ntime = "00:10:00"\nsbatch_opts = ["--nodelist=n1"]\n\n'
	rule late 'time = "00:01:00"'
	rule held 'sbatch_opts = ["--hold"]'
	rule lost 'sbatch_opts = ["--nodelist=n2", "--no-requeue"]'
	rule pushed 'sbatch_opts = ["--partition=low"]'
	rule pushedagain 'sbatch_opts = ["--partition=lowagain"]'
	rule never 'sbatch_opts = ["--hold"]'
} >resources.toml
export AWAY=$WORK/away
mkdir -p "$AWAY"
status() { (cd "$AWAY" && repx status last --target cluster "$@"); }
job_id() { slurm squeue -h -o '%i %j' | awk -v j="$(jobs_of "$1")" '$2 == j { print $1 }'; }
counts() { status --json >counts.json 2>/dev/null && test -s counts.json && jq -e "$1" counts.json >/dev/null; }
listed() { repx list jobs ends --status "$1" --target cluster --lab "$LAB"; }
explain() { repx explain "$(jobs_of "$1")" --target cluster --lab "$LAB" "${@:2}"; }

repx run ends --lab "$LAB" --target cluster --wait >wait.out 2>wait.err &
waiting=$!
running() { slurm squeue -h -t R -o %j | grep -c . ; }
started() { counts '.states.succeeded >= 1 and .states.blocked >= 1' && (($(running) >= 7)); }
within 60 started >/dev/null 2>&1

check 'while they run: one screen, with the reason why one waits' '
	status >out; cat out; grep "scheduler slurm" out && grep "held by its user (JobHeldUser)" out'

check 'list and show tell that a job is held, and by whom' '
	listed queued >out && cat out && grep -- "-held-.*queued: held by its user (JobHeldUser)" out &&
	repx show job "$(jobs_of held)" --target cluster --lab "$LAB" | grep "Status: QUEUED - held by its user"'

check 'explain tells it in words, with the command that was submitted' '
	explain held >out && cat out && grep "State: queued" out && grep "held by its user" out &&
	grep "sbatch --parsable --job-name=.*-held-.* --hold" out && grep "^#!/bin/sh" out && grep "sbatch_opts = --hold, from .*resources.toml:" out &&
	explain held --json | jq -e ".queue[0].reason == \"JobHeldUser\" and .queue_t > 0"'

# the world strikes
"$TESTBED" crash-node "$cluster" n2 >/dev/null 2>&1
slurm scancel "$(job_id rooted)"
as_user env SLURM_CONF="$cluster/etc/slurm.conf" scancel "$(job_id struck)"
slurm scontrol requeue "$(job_id again)"
slurm scontrol update "jobid=$(job_id never)" "Dependency=afterok:$failed_job"
slurm scontrol release "$(job_id never)"
slurm sbatch -p high -w h1 -c 8 --mem=10M -o /dev/null --wrap 'sleep 5' >/dev/null
slurm sbatch -p high -w g1 -c 8 --mem=10M -o /dev/null --wrap 'sleep 5' >/dev/null
waits_again() { [[ $(slurm squeue -h -o %T -j "$(job_id "$1")") == PENDING ]]; }
within 20 waits_again again >/dev/null
within 20 waits_again pushedagain >/dev/null

check 'a job that is put back into the queue has no end: it waits again, nothing is blocked by it' '
	listed queued >out; cat out; grep -- "-again-" out && grep -- "-pushedagain-" out && must_fail grep -- "-again-.*failed" out'

check 'and why it was put back: by preemption, or by hand' '
	grep -- "-pushedagain-.*preempted by a job of higher priority (preempted)" out && grep -- "-again-.*put back into the queue (requeued)" out &&
	repx show job "$(jobs_of pushedagain)" --target cluster --lab "$LAB" | grep "Status: QUEUED - again, preempted" &&
	repx show job "$(jobs_of again)" --json --target cluster --lab "$LAB" | jq -e ".status == \"queued\" and .reason == \"requeued\"" &&
	status >out; cat out; grep "[12] again, preempted by a job of higher priority (preempted)" out && grep "1 again, put back into the queue (requeued)" out &&
	explain pushedagain >out; cat out; grep "State: queued: preempted" out && explain pushedagain --json | jq -e ".reason == \"preempted\""'

for stage in again pushedagain; do slurm scontrol update "jobid=$(job_id $stage)" StartTime=now; done

check 'a held job is cancelled, and only that one' '
	repx cancel "$(jobs_of held)" --target cluster --lab "$LAB" | grep "1 jobs ended" && test -z "$(job_id held)" && counts ".failures.cancelled == 1"'

wait $waiting
echo $? >wait.status
listed failed >failed.out
listed blocked >blocked.out

check 'run --wait stays to the end of all, and is exit 1' '
	cat wait.out wait.err && test "$(cat wait.status)" -eq 1 && status | grep "All jobs have ended" && grep "OK   .*-fine-" wait.out'
failed_with() { cat failed.out; grep -- "-$1-.*failed: $2]" failed.out; }
told() { repx show job "$(jobs_of "$1")" --json --target cluster --lab "$LAB" | jq -e --arg r "$2" '.reason == $r' && explain "$1" | grep "State: failed: $2"; }
check 'the time limit' 'failed_with late "timed out" && told late "timed out" && explain late | grep "elapsed 1m.* of 1m"'
check 'cancelled by its user with scancel' 'failed_with struck "cancelled by $TB_SSH_USER" && told struck "cancelled by $TB_SSH_USER"'
check 'cancelled by somebody else' 'failed_with rooted "cancelled by root" && told rooted "cancelled by root"'
check 'cancelled by repx, before it started' 'failed_with held cancelled && told held cancelled'
check 'its node failed' 'failed_with lost "node failure" && told lost "node failure"'
check 'preempted for good' 'failed_with pushed preempted && told pushed preempted'
check 'put back into the queue by hand, and by preemption: they succeed in a second attempt' '
	grep "OK   .*-again-" wait.out && grep "OK   .*-pushedagain-" wait.out &&
	for s in again pushedagain; do test -e "$TB_BASE/outputs/$(jobs_of $s)/attempts/2/repx/SUCCESS" || exit 1; done &&
	test "$(explain again --json | jq "[.events[] | select(.e == \"requeued\")] | length")" -ge 1'
check 'out of memory: killed by Slurm together with its supervisor, use beside limit' '
	status >out; cat out; grep -- "-hog-.*: out of memory" out && failed_with hog "out of memory" &&
	explain hog | grep "memory when it was killed: .* of 100.0 MiB"'
check 'a dependency that never comes is told, and out of the queue' '
	cat blocked.out; grep -- "-never-.*blocked: dependency never satisfied]" blocked.out && test -z "$(job_id never)" &&
	explain never | grep "State: blocked: dependency never satisfied" && status >out; cat out; grep "1 by a dependency never satisfied, the first: .*-never-" out &&
	status --json | jq -e ".never_satisfied.count == 1" && repx show job "$(jobs_of never)" --json --target cluster --lab "$LAB" | jq -e ".status == \"blocked\" and .reason == \"dependency never satisfied\""'
check 'blocked, by whom, and out of the queue' '
	test -z "$(job_id behind)" && status | grep "1 by .*-bad-" && failed_with bad "exit 3" &&
	grep -- "-behind-.*blocked: .*-bad-" blocked.out && explain behind | grep "because .*-bad-.* did not succeed"'
check 'one screen counts them all' '
	status --json >out && jq .failures out && jq -e ".failures[\"timed out\"] == 1 and .failures.preempted == 1 and .failures[\"node failure\"] == 1 and
	.failures[\"cancelled by root\"] == 1 and .states.blocked == 2 and .states.succeeded == 3" out'
check 'attach tells the same from elsewhere' 'cd "$AWAY" && must_fail repx attach last --target cluster >out 2>err && grep "FAIL .*-late-.*timed out" out'
check 'it cost the scheduler few questions' '
	repx stats cluster >out && cat out && repx stats cluster --json | jq -e ".scheduler == \"slurm\" and .last_10min <= 40"'

make_lab "$TESTS/labs/reference" branches
branches_are_there() { slurm squeue -h -o %j | grep -q "^step-"; }
check 'a run with branches is cancelled from elsewhere: nothing is left in the queue, and the same again is fine' '
	repx run simulation-run --lab "$LAB" --target cluster >/dev/null && within 60 branches_are_there && cd "$AWAY" &&
	repx cancel last --target cluster >out && cat out && grep "nothing is left running" out && within 15 queue_is_empty &&
	status | grep "All jobs have ended" && repx cancel last --target cluster | grep "Nothing to cancel"'
check 'what was cancelled is retried, and succeeds' '
	timeout 120 repx retry last --wait --target cluster --lab "$LAB" >out 2>&1 || { cat out; exit 1; }; tail -n 5 out; counts ".ended and .states.failed == 0"'
