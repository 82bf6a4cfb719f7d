#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What following costs a Slurm, and what is told when it cannot be asked. WATCH: seconds that a
# run of JOBS jobs is watched (tests/soak/watch.sh: ten minutes).
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

export WATCH=${WATCH:-60} JOBS=${JOBS:-500}
requires sshd slurm
start_cluster --set MaxArraySize=1001 --set MessageTimeout=5 \
	--set JobAcctGatherParams=OverMemoryKill --set JobAcctGatherFrequency=task=2
export AWAY=$WORK/away
mkdir -p "$AWAY"
status() { (cd "$AWAY" && repx status last --target cluster "$@"); }
counts() { status --json >counts.json 2>/dev/null && test -s counts.json && jq -e "$1" counts.json >/dev/null; }

# ---- what watching costs ----

# What the controller was asked by the user of the target, in all; of nobody it says nothing.
asked() { slurm sdiag | sed -n "s/^[[:space:]]*$TB_SSH_USER .*count:\([0-9]*\).*/\1/p" | grep . || echo 0; }

sh "$TESTS/labs/wide.sh" "$JOBS" "$WORK/wide" >/dev/null
slurm scontrol update partitionname=standard state=down
repx run wide --lab wide --target cluster --wait >wait.out 2>&1 &
waiting=$!
submitted() { status --json 2>/dev/null | grep "\"queued\":$JOBS,"; }
within 60 submitted >/dev/null
slurm sdiag --reset >/dev/null
(cd "$AWAY" && exec repx status last --watch --target cluster) >watch.out 2>&1 &
watching=$!
sleep $((WATCH / 2))
slurm scontrol update partitionname=standard state=up
sleep $((WATCH / 2))
asked >asked.out
echo "# the scheduler was asked $(cat asked.out) times in $WATCH s, for $JOBS jobs"
export ALLOWED=$((40 * WATCH / 600))

check "a run of $JOBS jobs, waited for and watched for $WATCH s: at most $ALLOWED scheduler calls" '
	cat asked.out && repx stats cluster && test "$(cat asked.out)" -le "$ALLOWED"'
within 240 counts '.ended' >/dev/null
wait "$waiting" "$watching"
check 'and who watched saw all of it' '
	grep "$JOBS queued" watch.out && tail -n 1 watch.out | grep "$JOBS succeeded; all have ended" && grep -c "  OK  " wait.out | grep -x "$JOBS"'
check 'stats tells calls by question and by command, times, bytes and what the budget is' '
	repx stats cluster >out && cat out && grep "Scheduler slurm" out && grep "Budget of questions: 10 at once" out && grep "^  squeue" out &&
	repx stats cluster --json | jq -e ".verbs.status.calls >= 1 and .verbs.submit.ms_max > 0 and .commands.sbatch.n >= 1 and .commands.squeue.bytes > 0 and .budget.every_ms == 30000" &&
	repx stats local | grep "No scheduler"'
check 'looking in a loop costs no more than the budget' '
	before=$(asked) && for i in $(seq 25); do status >/dev/null; repx list jobs wide --status failed --lab wide --target cluster >/dev/null; done
	test $(($(asked) - before)) -le 12'

# ---- indices of arrays ----

mkdir -p "$WORK/def"
cat >"$WORK/def/lab.ini" <<'INI'
[lab]
name = elements
version = 1
[run elements]
stages = nap, hog
[stage nap]
script = nap.sh
param.n = 1..4
output.x = $out/x
[stage hog]
script = hog.sh
param.n = 1..2
output.x = $out/x
INI
printf '#!/bin/sh\nsleep 60\necho x >"$1/x"\n' >"$WORK/def/nap.sh"
printf '#!/bin/sh\nx=$(head -c 200000000 /dev/zero | tr "\\0" x)\nsleep 60\necho "${#x}" >"$1/x"\n' >"$WORK/def/hog.sh"
make_lab "$WORK/def"
printf '[defaults]\nmem = "100M"\ntime = "00:10:00"\n' >resources.toml
slurm_drain 60
slurm scontrol update partitionname=standard state=down
repx run elements --lab "$LAB" --target cluster >out 2>&1
nap() { jobs_of nap | sed -n "$1p"; }
export -f nap jobs_of
# the unit of a job, as the scheduler names it
unit_of() { repx explain "$1" --lab "$LAB" --target cluster --json | jq -r '.units[0].id'; }
explain() { repx explain "$1" --lab "$LAB" --target cluster; }
unit_of "$(nap 2)" >unit
slurm scontrol hold "$(cat unit)"
sleep 11 # an answer of the queue from before that is no longer shown

check 'an index has its own reason, and not that of its neighbours' '
	grep "_" unit && explain "$(nap 2)" >out && cat out && grep "held by" out && explain "$(nap 3)" >out && cat out && must_fail grep "held by" out &&
	repx list jobs elements --status queued --lab "$LAB" --target cluster >out && cat out && grep -c "held by" out | grep -x 1'

check 'a job of an array is cancelled alone' '
	repx cancel "$(nap 2)" --lab "$LAB" --target cluster | grep "1 jobs ended" && slurm squeue -h -r -n nap-1.0,hog-1.0 -o %i >left; slurm squeue -h -r -o "%i %j" >left; cat left &&
	must_fail grep "^$(cat unit) " left && test "$(wc -l <left)" -eq 5'
slurm scontrol update partitionname=standard state=up
killed() { counts '.failures["out of memory"] == 2'; }
check 'an index that is killed with its supervisor has its reason before anything is called lost' '
	within 90 killed && status >out && cat out && grep -- "-hog-.*: out of memory" out && must_fail grep LOST out'

# ---- a controller that does not answer ----

cannot_ask() { status >out && grep "could not be asked just now" out; }
check 'a controller that does not answer is no state: the last known one is shown, with its age' '
	status >/dev/null && "$TESTBED" pause "$cluster" slurmctld && within 60 cannot_ask &&
	status >out && cat out && grep "3 running" out && grep "could not be asked just now: no answer when it was asked .* ago: .*squeue" out &&
	repx list jobs elements --status running --lab "$LAB" --target cluster >out && cat out && grep -c -- "-nap-" out | grep -x 3 &&
	repx stats cluster | grep "slowed down" && "$TESTBED" resume "$cluster" slurmctld'
"$TESTBED" resume "$cluster" slurmctld
check 'a run is cancelled, whatever is left of the budget' 'repx cancel last --target cluster && within 20 queue_is_empty'
