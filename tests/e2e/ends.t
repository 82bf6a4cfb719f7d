#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How jobs end under Slurm, each told apart; submitted together, waited for once.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd slurm
start_cluster --set JobAcctGatherParams=OverMemoryKill --set JobAcctGatherFrequency=task=2
mkdir -p "$WORK/def"
cat >"$WORK/def/lab.ini" <<'INI'
[lab]
name = ends
version = 1
[run ends]
stages = late, hog, struck, behind, fine, held
[stage late]
script = sleep.sh
output.x = $out/x
[stage struck]
script = sleep.sh
output.x = $out/x
[stage hog]
script = hog.sh
output.x = $out/x
[stage bad]
script = bad.sh
output.x = $out/x
[stage behind]
script = copy.sh
input.x = bad.x
output.x = $out/x
[stage fine]
script = copy.sh
output.x = $out/x
[stage held]
script = copy.sh
output.x = $out/x
INI
printf '#!/bin/sh\nsleep 200\n' >"$WORK/def/sleep.sh"
printf '#!/bin/sh\necho x >"$1/x"\n' >"$WORK/def/copy.sh"
printf '#!/bin/sh\nexit 3\n' >"$WORK/def/bad.sh"
printf '#!/bin/sh\nx=$(head -c 200000000 /dev/zero | tr "\\0" x)\nsleep 60\necho "${#x}" >"$1/x"\n' >"$WORK/def/hog.sh"
make_lab "$WORK/def"
cat >resources.toml <<'TOML'
[defaults]
mem = "100M"
time = "00:10:00"

[[rules]]
job_id_glob = "*-late-*"
time = "00:01:00"

[[rules]]
job_id_glob = "*-held-*"
sbatch_opts = ["--hold"]
TOML
export AWAY=$WORK/away
mkdir -p "$AWAY"
status() { (cd "$AWAY" && repx status last --target cluster "$@"); }
job_id() { slurm squeue -h -o '%i %j' | awk -v j="$(jobs_of "$1")" '$2 == j { print $1 }'; }
counts() { status --json | jq -e "$1" >/dev/null; }

repx run ends --lab "$LAB" --target cluster --wait >wait.out 2>wait.err &
waiting=$!
started() { counts '.states.succeeded >= 1 and .states.blocked == 1 and .states.running + (.failures["out of memory"] // 0) >= 3' 2>/dev/null; }
within 60 started >/dev/null

check 'while they run: one screen, with the reason why one waits' '
	status >out; cat out; grep "scheduler slurm" out && grep "held by its user (JobHeldUser)" out'

check 'explain tells it in words, with the command that was submitted' '
	repx explain "$(jobs_of held)" --target cluster --lab "$LAB" >out && cat out && grep "State: queued" out && grep "held by its user" out &&
	grep "sbatch --parsable --job-name=.*-held-.* --hold" out && grep "^#!/bin/sh" out && grep "sbatch_opts = --hold, from .*resources.toml:9" out'

check 'a held job is cancelled, and only that one' '
	repx cancel "$(jobs_of held)" --target cluster --lab "$LAB" | grep "1 jobs ended" && test -z "$(job_id held)" && counts ".failures.cancelled == 1"'

slurm scancel "$(job_id struck)"
wait $waiting
echo $? >wait.status

check 'run --wait stays to the end of all, and is exit 1' '
	cat wait.out wait.err && test "$(cat wait.status)" -eq 1 && status | grep "All jobs have ended" && grep "OK   .*-fine-" wait.out'
failed_with() { repx list jobs ends --status failed --target cluster --lab "$LAB" | grep -- "-$1-.*$2"; }
check 'the time limit' 'failed_with late "timed out" && repx explain "$(jobs_of late)" --target cluster --lab "$LAB" | grep "elapsed 1m.* of 1m"'
check 'cancelled by scancel' 'failed_with struck cancelled'
check 'out of memory: killed by Slurm together with its supervisor, use beside limit' '
	status >out; cat out; grep -- "-hog-.*: out of memory" out && failed_with hog "out of memory" &&
	repx explain "$(jobs_of hog)" --target cluster --lab "$LAB" | grep "memory when it was killed: .* of 100.0 MiB"'
check 'blocked, by whom, and out of the queue' '
	test -z "$(job_id behind)" && status | grep "1 by .*-bad-" && failed_with bad "exit 3" &&
	repx list jobs ends --status blocked --target cluster --lab "$LAB" | grep -- "-behind-.*blocked: .*-bad-"'
check 'cancelled before it started' 'failed_with held cancelled'
check 'attach tells the same from elsewhere' 'cd "$AWAY" && must_fail repx attach last --target cluster >out 2>err && grep "FAIL .*-late-.*timed out" out'

make_lab "$TESTS/labs/reference" branches
branches_are_there() { slurm squeue -h -o %j | grep -q "^step-"; }
check 'a run with branches is cancelled from elsewhere: nothing is left in the queue, and the same again is fine' '
	repx run simulation-run --lab "$LAB" --target cluster >/dev/null && within 60 branches_are_there && cd "$AWAY" &&
	repx cancel last --target cluster >out && cat out && grep "nothing is left running" out && within 15 queue_is_empty &&
	status | grep "All jobs have ended" && repx cancel last --target cluster | grep "Nothing to cancel"'
check 'what was cancelled is retried, and succeeds' '
	timeout 120 repx retry last --wait --target cluster --lab "$LAB" >out 2>&1 || { cat out; exit 1; }; tail -n 5 out; counts ".ended and .states.failed == 0"'
