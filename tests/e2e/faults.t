#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Kill, stop or cut something at a random moment of a run under Slurm, mend it, and run again
# until all is there. Every job tells when it is executed: none twice unless it was killed itself,
# none lost, none wrong, and nothing hangs.
#
# ROUNDS sets how often (5), SEED makes it repeatable, FAULTS names the faults to choose from,
# DEEP=1 takes a Lab with scatter-gather, STOP=1 ends after the first failure.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd slurm flock
accounting=()
if has slurmdbd mariadbd && "$TESTBED" help | grep -q '[|] dbd'; then accounting=(--acct dbd); fi
start_cluster "${accounting[@]}" --set SlurmdTimeout=300
RANDOM=${SEED:=$$}
echo "# seed $SEED"

make_lab "$TESTS/soak/faults"
what=wide stage=total units=9 expected=104 longest=3
if [[ -n ${DEEP:-} ]]; then what=deep stage=sum units=19 expected=212 longest=6; fi

# ---- the faults ----

# Processes of this test that have a word in their command line.
ours() {
	local p
	for p in /proc/[0-9]*; do
		[[ ${p#/proc/} != "$$" ]] || continue
		if { tr '\0' ' ' <"$p/cmdline"; } 2>/dev/null | grep -q "$1" &&
			{ tr '\0' '\n' <"$p/cmdline"; } 2>/dev/null | grep -q "$WORK"; then echo "${p#/proc/}"; fi
	done
}
signal() { ours "$2" | xargs -r kill "-$1" 2>/dev/null; }
one_of() { sed -n "$((RANDOM % 3 + 1))p;1p" | tail -n 1; }
service() { "$TESTBED" "$1" "$cluster" "$2" >/dev/null 2>&1; }

daemons=(slurmctld munged slurmd-n1 slurmd-n2 sshd)
[[ ${#accounting[@]} -eq 0 ]] || daemons+=(slurmdbd)
all=(client:kill client:stop session:kill session:stop connection:cut supervisor:kill
	node:crash second:client journal:purge)
for daemon in "${daemons[@]}"; do all+=("$daemon:kill" "$daemon:pause" "$daemon:restart"); done
read -r -a faults <<<"${FAULTS:-${all[*]}}"

strike() {
	case $1 in
	client:kill) kill -KILL "$client" ;;
	client:stop) kill -STOP "$client" ;;
	session:kill) signal KILL 'repx-agent session' ;;
	session:stop) signal STOP 'repx-agent session' ;;
	connection:cut) "$TESTBED" drop-ssh "$cluster" ;;
	supervisor:kill) ours 'repx-agent job' | one_of | xargs -r kill -KILL ;;
	node:crash) "$TESTBED" crash-node "$cluster" n1 ;;
	second:client) run_once >>second.log 2>&1 & ;;
	journal:purge) find "$base/.repx/runs" -name 'journal.*' -delete ;;
	*) service "${1#*:}" "${1%:*}" ;;
	esac 2>/dev/null
	true
}
mend() {
	case $1 in
	client:stop) kill -CONT "$client" ;;
	session:stop) signal CONT 'repx-agent session' ;;
	node:crash) service start slurmd-n1 ;;
	*:kill) case $1 in *slurm* | munged* | sshd*) service start "${1%:*}" ;; esac ;;
	*:pause) service resume "${1%:*}" ;;
	esac 2>/dev/null
	true
}
# What was killed itself may be executed again.
may_repeat() { case $1 in supervisor:kill | node:crash) true ;; *) false ;; esac; }

# ---- one round ----

run_once() { timeout 150 repx run "$what" --lab "$LAB" --target cluster; }
right() { [[ $(outputs_of "$base" "$stage" total 2>/dev/null) == "$expected" ]]; }
settled() { right || queue_is_empty || { operate && false; }; }
# What an operator would do: bring back nodes that were taken out, have them tell anew what they run.
operate() {
	slurm sinfo -h -N -o '%N %T' | sed -n 's/ \(down\|drain\|draining\|drained\).*//p' | sort -u |
		while read -r node; do slurm scontrol update nodename="$node" state=resume; done
	[[ ${1:-} != reconfigure ]] || slurm scontrol reconfigure
} 2>/dev/null
daemons_are_up() {
	"$TESTBED" status "$cluster" >/dev/null 2>&1 && slurm sinfo -h >/dev/null 2>&1 || return 1
	operate
	! slurm sinfo -h -o %T | grep -q 'down\|drain\|unk'
}
# What Slurm holds after a launch that failed is let go by whoever asks for the queue.
comes_to_rest() {
	within 40 settled && return
	operate reconfigure
	repx status last --target cluster >/dev/null
	within 110 settled
}

executions() {
	local again
	if [[ -e $ran/overlap ]]; then echo "two at once: $(cat "$ran/overlap")"; return 1; fi
	[[ $(find "$ran" -name 'ran.*' | wc -l) -eq $units ]] || { echo "not all ran"; return 1; }
	may_repeat "$1" && return 0
	again=$(find "$ran" -name 'ran.*' -exec awk 'END { if (NR != 1) print FILENAME, NR }' {} \;)
	[[ -z $again ]] || { echo "executed again: $again"; return 1; }
}
round() {
	local fault=$1 tries=0 status
	sed -i "s|$TB_WORK/[a-z0-9]*\"|$base\"|" "$XDG_CONFIG_HOME/repx/config.toml"
	as_user mkdir -p "$ran"
	(run_once; echo "status $?") >round.log 2>&1 &
	client=$!
	client=$(within 2 pgrep -n -P "$client" timeout) || client=$!
	sleep "$2"
	strike "$fault"
	sleep "$3"
	mend "$fault"
	wait
	within 60 daemons_are_up || { echo "the cluster does not come back"; return 1; }
	until comes_to_rest >/dev/null && right; do
		tries=$((tries + 1)) status=0
		[[ $tries -le 6 ]] || { echo "no right result after $tries runs"; return 1; }
		run_once >>round.log 2>&1 || status=$?
		[[ $status -ne 124 ]] || { echo "hangs"; return 1; }
	done
	within 60 queue_is_empty
	within 20 all_complete
	executions "$fault"
}
all_complete() { run_once 2>&1 | tee -a round.log | grep -q "already complete"; }
told() {
	round "$@" || {
		echo "round $n failed"
		cat round.log
		cat "$base"/.repx/runs/*/events/* | tail -n 40
		slurm squeue --states=all | tail
		return 1
	}
}

for ((n = 1; n <= ${ROUNDS:-5}; n++)); do
	fault=${faults[RANDOM % ${#faults[@]}]}
	delay=$((RANDOM % longest)).$((RANDOM % 10)) pause=$((RANDOM % (longest - 1))).$((RANDOM % 10))
	export base=$TB_WORK/r$n ran=$TB_WORK/r$n/ran
	begun=$SECONDS
	check "round $n: $fault after $delay s, for $pause s" 'told "$fault" "$delay" "$pause"'
	echo "# $fault: $((SECONDS - begun)) s"
	if [[ $tap_failed -gt 0 && -n ${STOP:-} ]]; then break; fi
	slurm scancel -u "${TB_SSH_USER:-root}" 2>/dev/null
	as_user rm -rf "$base"
done
