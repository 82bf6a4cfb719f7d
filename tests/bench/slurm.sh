#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# slurm.sh: what handing jobs to Slurm costs, beside plain sbatch loops on the login node itself,
# in one run and in turn; and what planning and following large runs costs, simulated:
#
#     tests/bench/slurm.sh [--rounds N] [--shapes LIST] [--jobs N] [--large] [--track LIST]
#
#     --rounds   of each measurement; the median counts (3)
#     --shapes   wide chain reduce scatter ("wide chain reduce scatter"); "" for none
#     --jobs     of each shape (1000)
#     --large    10,000 independent jobs as well
#     --track    sizes of simulated runs ("10000 100000"; 1000000 needs 8 GiB in /dev/shm)
#
# Times are milliseconds of the whole command, until all is queued: `repx run` over ssh, the first
# one with the agent's and the Lab's arrival. Nothing is executed meanwhile, but for the scatter,
# which must have run before there are branches. Calls are those that sdiag counts for the user.
# shellcheck source=../e2e/lib.sh disable=SC2119,SC1091,SC2154
set -u
rounds=3 shapes='wide chain reduce scatter' jobs=1000 large='' track='10000 100000'
while (($#)); do
	case $1 in
	--rounds) rounds=$2; shift ;;
	--shapes) shapes=$2; shift ;;
	--jobs) jobs=$2; shift ;;
	--large) large=1 ;;
	--track) track=$2; shift ;;
	*) sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
	shift
done
bench=$(cd "$(dirname "$0")" && pwd)
cd "$bench/../e2e" || exit 1
. ./lib.sh
requires sshd slurm python3

FAST=$(mktemp -d /dev/shm/repx-bench.XXXXXX) || exit 1
chmod 755 "$FAST"
trap 'rm -rf "$FAST"; finish >/dev/null' EXIT
if [[ -n $shapes ]]; then
	start_cluster --set MaxJobCount=60000 --set MaxArraySize=10001 >/dev/null 2>&1
fi
export XDG_STATE_HOME=$FAST/state XDG_CACHE_HOME=$FAST/cache

note() { echo "$2" >>"$FAST/n/$1"; }
median() { sort -n "$FAST/n/$1" 2>/dev/null | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : "-" }'; }
failed() { echo "failed: $*" >&2; tail -n 5 "$FAST/out" >&2; exit 1; }
ms() { # NAME COMMAND...
	local name=$1 start; shift
	start=$(date +%s%N)
	"$@" >"$FAST/out" 2>&1 || failed "$@"
	note "$name" $((($(date +%s%N) - start) / 1000000))
}
mkdir "$FAST/n"

# ---- Slurm ----

submits() { slurm sdiag | sed -n 's/.*REQUEST_SUBMIT_BATCH_JOB .*count:\([0-9]*\).*/\1/p'; }
calls() { slurm sdiag | sed -n "/by user/,\$s/.*$(id -un "${TB_SSH_USER:-}")  *(.*count:\([0-9]*\).*/\1/p" | head -n 1; }
queued() { slurm squeue -h -r | wc -l; }
clear_queue() {
	slurm scancel -u "${TB_SSH_USER:-$(id -un)}" 2>/dev/null
	within 60 queue_is_empty >&2
}
# counted NAME COMMAND...: its time, its submit calls, all its calls.
counted() {
	local name=$1 s c; shift
	s=$(submits) c=$(calls)
	ms "$name.ms" "$@"
	note "$name.submits" $(($(submits) - ${s:-0}))
	note "$name.calls" $(($(calls) - ${c:-0}))
}
there() { [[ $(queued) -ge $1 ]] || failed "$2: $(queued) jobs are queued instead of $1"; }

# One shell on the login node, one sbatch a job: what people write.
plain() { as_user env SLURM_CONF="$cluster/etc/slurm.conf" bash "$FAST/plain.sh" "$1" "$jobs_now"; }
cat >"$FAST/plain.sh" <<'SH'
cd "$HOME" 2>/dev/null || cd /tmp || exit 1
put() { sbatch --parsable --output=/dev/null "$@" <<<$'#!/bin/sh\necho 1'; }
case $1 in
wide) for ((i = 0; i < $2; i++)); do put >/dev/null; done ;;
chain) last=$(put); for ((i = 1; i < $2; i++)); do last=$(put -d "afterok:$last"); done ;;
reduce)
	for ((i = 0; i < $2; i++)); do
		a=$(put); b=$(put -d "afterok:$a"); all+=:$(put -d "afterok:$b")
	done
	put -d "afterok$all" >/dev/null ;;
scatter)
	first=$(put)
	for ((i = 0; i < $2; i++)); do all+=:$(put -d "afterok:$first"); done
	put -d "afterok$all" >/dev/null ;;
esac
SH
repx_run() { repx run "$1" --lab "$FAST/$1$jobs_now" --target cluster; }
partition() { slurm scontrol update partitionname=standard state="$1"; }

lab_of() { # SHAPE N
	case $1 in
	wide) sh "$TESTS/labs/wide.sh" "$2" "$FAST/wide$2" >/dev/null ;;
	*) sh "$bench/shapes.sh" "$1" "$2" "$FAST/def.$1$2" &&
		repx lab pack "$FAST/def.$1$2" -o "$FAST/$1$2" >/dev/null ;;
	esac || failed "$1 $2"
}
units_of() { case $1 in reduce) echo $((3 * $2 + 1)) ;; scatter) echo 2 ;; *) echo "$2" ;; esac; }
# The branches come when the scatter has run: the time goes on until all of them are queued.
scattered() {
	partition up
	repx_run scatter && within 120 branches_are_there
	partition down
}
branches_are_there() {
	[[ $(slurm squeue -h -r --states=all -n step-work | wc -l) -ge $jobs_now ]]
}

round() { # SHAPE N
	local name=$1.$2
	jobs_now=$2
	counted "plain.$name" plain "$1"
	clear_queue
	as_user rm -rf "$TB_BASE"
	if [[ $1 == scatter ]]; then
		counted "cold.$name" scattered
		clear_queue
		return
	fi
	counted "cold.$name" repx_run "$1"
	there "$(units_of "$1" "$2")" "$1"
	ms "noop.$name.ms" repx_run "$1"
	repx cancel last --target cluster >/dev/null 2>&1
	clear_queue
	counted "warm.$name" repx_run "$1"
	there "$(units_of "$1" "$2")" "$1"
	clear_queue
}

row() { # TEXT NAME
	printf '| %-32s | %7s | %6s | %7s | %6s | %6s | %6s | %6s |\n' "$1" "$(median "plain.$2.ms")" \
		"$(median "plain.$2.submits")" "$(median "cold.$2.ms")" "$(median "warm.$2.ms")" \
		"$(median "cold.$2.submits")" "$(median "cold.$2.calls")" "$(median "noop.$2.ms")"
}
if [[ -n $shapes ]]; then
	sizes=$jobs
	for shape in $shapes; do lab_of "$shape" "$jobs"; done
	if [[ -n $large ]]; then lab_of wide 10000; fi
	partition down
	for ((i = 0; i < rounds; i++)); do
		for shape in $shapes; do round "$shape" "$jobs"; done
		if [[ -n $large ]]; then round wide 10000; fi
	done
	echo '| until all is queued (ms)         |  sbatch |  calls |    repx | again |submits |  calls | queued |'
	echo '|----------------------------------|--------:|-------:|--------:|-------:|-------:|-------:|-------:|'
	for shape in $shapes; do
		case $shape in
		wide) row "$sizes independent jobs" "wide.$jobs" ;;
		chain) row "chain of $sizes" "chain.$jobs" ;;
		reduce) row "map-reduce, $sizes x 3 + 1" "reduce.$jobs" ;;
		scatter) row "scatter-gather, $sizes branches" "scatter.$jobs" ;;
		esac
	done
	if [[ -n $large ]]; then row '10000 independent jobs' wide.10000; fi
	echo
fi

# ---- planning and following, simulated ----

export XDG_CONFIG_HOME=$FAST/config
mkdir -p "$XDG_CONFIG_HOME/repx"
printf 'submission_target = "local"\n[targets.local]\nbase_path = "%s"\ndefault_scheduler = "local"\n' \
	"$FAST/base" >"$XDG_CONFIG_HOME/repx/config.toml"
cost() { # NAME COMMAND...: milliseconds, those of the processor, MiB of the largest process
	local name=$1 t c m; shift
	python3 "$bench/cost.py" "$FAST/cost" "$@" >"$FAST/out" 2>&1 || failed "$@"
	read -r t c m <"$FAST/cost"
	note "$name.ms" "$t"; note "$name.cpu" "$c"; note "$name.mib" "$m"
}
cells() { printf ' %6s / %s / %s |' "$(median "$1.ms")" "$(median "$1.cpu")" "$(median "$1.mib")"; }
if [[ -n $track ]]; then
	echo '| jobs (ms / ms of the processor / MiB) | run --dry-run, first | unchanged | list jobs | status | status --json |'
	echo '|---|---:|---:|---:|---:|---:|'
fi
for n in $track; do
	sh "$TESTS/labs/wide.sh" "$n" "$FAST/lab" >/dev/null
	mkdir "$FAST/base"
	repx list >/dev/null 2>&1 --lab "$FAST/lab" # whatever is made once
	run=$(python3 "$bench/make_run.py" "$FAST/base" "$n")
	for ((i = 0; i < rounds; i++)); do
		rm -rf "$XDG_CACHE_HOME"
		cost "first.$n" repx run wide --lab "$FAST/lab" --dry-run
		cost "dry.$n" repx run wide --lab "$FAST/lab" --dry-run
		cost "list.$n" repx list jobs wide --lab "$FAST/lab"
		cost "status.$n" repx status "$run"
		cost "json.$n" repx status "$run" --json
	done
	printf '| %s |' "$n"
	for what in first dry list status json; do cells "$what.$n"; done
	echo
	rm -rf "$FAST/lab" "$FAST/base"
done
