#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A controller that is restarted, and one that forgot a job and gave its id to somebody else's:
# that one is neither believed nor cancelled.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd slurm
start_cluster --set MessageTimeout=5
controller() { "$TESTBED" "$1" "$cluster" slurmctld >/dev/null 2>&1; }
answers() { slurm sinfo -h >/dev/null 2>&1; }
# What the controller knew at that moment, and back to it.
remember() { controller stop; rm -rf "$WORK/known"; cp -a "$cluster/state" "$WORK/known"; controller start; within 20 answers; }
forget() { controller kill; rm -rf "$cluster/state"; cp -a "$WORK/known" "$cluster/state"; controller start; within 20 answers; }
somebody() { as_user env SLURM_CONF="$cluster/etc/slurm.conf" sbatch --parsable --mem=10M -o /dev/null "$@"; }

mkdir -p "$WORK/def"
cat >"$WORK/def/lab.ini" <<'INI'
[lab]
name = reused
version = 1
[run alone]
stages = one
[run three]
stages = many
[stage one]
script = x.sh
output.x = $out/x
[stage many]
script = x.sh
param.n = 1..3
output.x = $out/x
INI
printf '#!/bin/sh\nuntil test -e "%s"; do sleep 0.2; done\necho x >"$1/x"\n' "$TB_WORK/go" >"$WORK/def/x.sh"
make_lab "$WORK/def"
printf '[defaults]\nmem = "10M"\ntime = "00:10:00"\n' >resources.toml
one=$(jobs_of one)
export one
status() { repx status last --target cluster "$@"; }
queued_as() { slurm squeue -h -o '%i %k' | grep repx1: | sed 's/[ _].*//' | sort -u; }

remember
slurm scontrol update partitionname=standard state=down
repx run alone --lab "$LAB" --target cluster >out 2>&1
ours=$(queued_as)
forget
slurm scontrol update partitionname=standard state=down
theirs=$(somebody -J somebodys --wrap 'sleep 60')
export ours theirs
theirs_waits() { test "$(slurm squeue -h -j "$theirs" -o %j)" = somebodys; }

check 'a job that the controller forgot is told as one that left the queue, not as the job that has its id now' '
	echo "ours $ours, theirs $theirs"; test -n "$ours" && test "$ours" = "$theirs" && sleep 2 &&
	status --json >out && cat out && jq -e ".gone == 1 and .states.queued == 1 and .waiting == {}" out &&
	repx list jobs alone --status queued --lab "$LAB" --target cluster >out && cat out && grep "left the queue .* its end is not known yet" out &&
	repx show job "$one" --lab "$LAB" --target cluster --json | jq -e "(.reason | startswith(\"left the queue\"))" &&
	repx explain "$one" --lab "$LAB" --target cluster >out && cat out && grep "left the queue .* without a record of its end" out && must_fail grep PartitionDown out'
check 'the run once more submits it anew, once, beside the other' '
	repx run alone --lab "$LAB" --target cluster >out 2>&1 && cat out &&
	test "$(slurm squeue -h -o %k | grep -c repx1:)" -eq 1 && theirs_waits && test "$(queued_as)" != "$theirs"'

remember
repx run three --lab "$LAB" --target cluster >out 2>&1
ours=$(slurm squeue -h -o '%i %j' | sed -n 's/_.* many.*//p')
forget
slurm scontrol update partitionname=standard state=down
theirs=$(somebody -J somebodys --array=0-2 --wrap 'sleep 60')
export ours theirs many
many=$(jobs_of many | head -n 1)
theirs_wait() { test "$(slurm squeue -h -r -j "$theirs" | wc -l)" -eq 3; }
check 'cancelling what was forgotten, one job or a run, does not cancel the others that have its id' '
	echo "ours $ours, theirs $theirs"; test -n "$ours" && test "$ours" = "$theirs" &&
	repx cancel "$many" --lab "$LAB" --target cluster >out && cat out && grep "1 jobs ended" out && theirs_wait &&
	repx cancel last --target cluster >out && cat out && grep "2 jobs ended" out && theirs_wait && status | grep "All jobs have ended"'
slurm scancel -u "${TB_SSH_USER:-root}" -n somebodys
slurm scontrol update partitionname=standard state=up
repx run three --lab "$LAB" --target cluster >out 2>&1
runs() { status --json | jq -e '.states.running >= 3'; }
check 'the controller is killed and comes back while jobs run: no word of them changes' '
	within 20 runs && controller kill && status >out 2>&1 && cat out && grep "3 running" out && controller start && as_user touch "$TB_WORK/go" &&
	timeout 60 repx attach last --target cluster >out && grep -c "  OK  " out | grep -x 3'
