#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Ends that nobody wrote down, told by a real Slurm's accounts: lagging, down, and back; and
# LOST after the stated time, with what `run` makes of it. Takes some seven minutes.
# shellcheck source=tests/e2e/lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/../e2e/lib.sh"

requires sshd slurm root mariadbd slurmdbd
start_cluster --acct dbd --set MinJobAge=2 --set MessageTimeout=5 --set SlurmdTimeout=6
mkdir -p "$WORK/def"
cat >"$WORK/def/lab.ini" <<'INI'
[lab]
name = lost
version = 1
[run lags]
stages = lag
[run down]
stages = silent
[run lost]
stages = after
[run mute]
stages = mute
[stage lag]
script = nap.sh
output.x = $out/x
[stage mute]
script = copy.sh
output.x = $out/x
[stage silent]
script = nap.sh
output.x = $out/x
[stage gone]
script = once.sh
output.x = $out/x
[stage after]
script = copy.sh
input.x = gone.x
output.x = $out/x
INI
printf '#!/bin/sh\nsleep 300\necho x >"$1/x"\n' >"$WORK/def/nap.sh"
printf '#!/bin/sh\nmkdir "%s/once" 2>/dev/null && sleep 300\necho x >"$1/x"\n' "$TB_WORK" >"$WORK/def/once.sh"
printf '#!/bin/sh\necho x >"$1/x"\n' >"$WORK/def/copy.sh"
make_lab "$WORK/def"
{
	printf '[defaults]\nmem = "10M"\ntime = "00:10:00"\n'
	for stage in lag silent; do
		printf '[[rules]]\njob_id_glob = "*-%s-*"\nsbatch_opts = ["--nodelist=n2", "--no-requeue"]\n' $stage
	done
} >resources.toml
export AWAY=$WORK/away
mkdir -p "$AWAY"
status() { (cd "$AWAY" && repx status last --target cluster "$@"); }
accounts() { "$TESTBED" "$1" "$cluster" slurmdbd >/dev/null 2>&1; }
id_of() { slurm squeue -h -t R -o '%i %j' | awk -v j="$(jobs_of "$1")" '$2 == j { print $1 }'; }
runs() { [[ -n $(id_of "$1") ]] && status --json | jq -e '.states.running == 1' >/dev/null; }
# A job ends with its node, supervisor and all; until the controller knows it no longer.
strike() {
	local id
	id=$(id_of "$1")
	"$TESTBED" crash-node "$cluster" n2 >/dev/null 2>&1
	within 90 forgotten "$id"
	"$TESTBED" start "$cluster" slurmd-n2 >/dev/null 2>&1
	slurm scontrol update nodename=n2 state=resume 2>/dev/null
}
forgotten() { ! slurm squeue -h --states=all -o %i | grep -qx "$1"; }
shown() { status >out; cat out; grep "$1" out; }
listed() { repx list jobs "$1" --status "$2" --lab "$LAB" --target cluster; }

# ---- accounts that lag ----

repx run lags --lab "$LAB" --target cluster >/dev/null
within 30 runs lag
accounts pause
strike lag
check 'accounts that do not answer: a job that left the queue has no state but the last known one' '
	shown "1 running" && shown "1 jobs have left the queue without a record" &&
	listed lags running >out && cat out && grep "running: left the queue [0-9]* s ago, its end is not known yet" out'
accounts resume
check 'when they answer, the truth is shown, and it never was LOST' '
	within 100 shown "node failure" && must_fail grep -r "\"reason\": *\"LOST\"" "$TB_BASE/.repx/runs" && listed lags failed | grep "node failure"'

# ---- accounts that are down ----

repx run down --lab "$LAB" --target cluster >/dev/null
within 30 runs silent
accounts stop
strike silent
check 'accounts that are down: the queue is asked all the same' '
	shown "1 running" && sleep 11 && shown "1 running" && must_fail grep "could not be asked" out && repx stats cluster && repx explain "$(jobs_of silent)" --lab "$LAB" --target cluster | grep "left the queue"'

# ---- an event that cannot be written ----

slurm scontrol update partitionname=standard state=down
repx run mute --lab "$LAB" --target cluster >/dev/null
events=$(find "$TB_BASE/.repx/runs" -path '*/events' -newer "$LAB" | sort | tail -n 1)
as_user mkdir "$events/n1" "$events/n2" # where their supervisors would write
slurm scontrol update partitionname=standard state=up
check 'what a supervisor could not tell is told from the record that it left, and soon' '
	must_fail timeout 60 repx attach last --target cluster >out 2>err; cat out err; grep "FAIL .*-mute-.*not started: .*events" out && listed mute failed | grep "not started"'

# ---- lost ----

repx run lost --lab "$LAB" --target cluster --wait >wait.out 2>&1 &
waiting=$!
within 30 runs gone
pgrep -f "repx-agent job.*$WORK" | xargs kill -KILL
began=$SECONDS
wait $waiting
echo $? >wait.status
echo $((SECONDS - began)) >took
check 'LOST after two minutes, at most three; run --wait says so, and is exit 1' '
	cat wait.out took; test "$(cat wait.status)" -eq 1 && grep "FAIL .*-gone-.*LOST" wait.out && test "$(cat took)" -ge 120 && test "$(cat took)" -le 190'
check 'what depends on it is blocked, by name, and out of the queue' '
	shown "1 by .*-gone-" && listed lost blocked | grep -- "-after-.*blocked: .*-gone-" && queue_is_empty && repx show job "$(jobs_of gone)" --json --lab "$LAB" --target cluster | jq -e ".reason == \"LOST\""'
check 'run submits it anew, and all succeeds' '
	timeout 120 repx run lost --lab "$LAB" --target cluster --wait >out 2>&1 || { cat out; exit 1; }
	status --json | jq -e ".ended and .states.failed == 0" && test -e "$TB_BASE/outputs/$(jobs_of gone)/attempts/2/repx/SUCCESS"'

# ---- and back ----

check 'what was LOST while accounts were down' 'listed down failed >out && cat out && grep -- "-silent-.*failed: LOST" out'
accounts start
known() { slurm sacct -n -X -o State%30 | grep NODE_FAIL; }
within 60 known >/dev/null
told() { listed down failed >out; cat out; grep -- "-silent-.*node failure" out; }
check 'is told in truth when they are back' 'within 90 told && repx explain "$(jobs_of silent)" --lab "$LAB" --target cluster | grep "State: failed: node failure"'
