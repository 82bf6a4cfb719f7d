# SPDX-License-Identifier: MIT
# lib.sh: tests as shell sessions, told in TAP. A test file is
#
#     . "$(dirname "$0")/lib.sh"
#     requires sshd                 # may skip the file, saying why; in CI that fails
#     start_cluster                 # or start_sshd; not needed for the local target
#     make_lab "$TESTS/labs/reference"
#     check 'a sentence' 'commands, joined by && or ;'
#
# What a check runs sees: $TESTS, $WORK (the test's own directory, removed at the end), $HOME
# and the XDG directories inside it, $LAB (by make_lab), `repx` in PATH, and TB_* and
# SLURM_CONF of the cluster. A check is evaluated in a subshell with `set -e`, and
# variables set inside do not outlive it.
# shellcheck shell=bash

set -u
TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
: "${REPX_BUILD:=$TESTS/../build}"
REPX_BUILD=$(cd "$REPX_BUILD" && pwd) || exit 1
export TESTS REPX_BUILD
TESTBED=$TESTS/testbed/testbed.sh
tap_count=0 tap_failed=0 cluster=

# ---- where a test lives ----

# Short and open to the test user: unix sockets and a foreign home lie below it.
WORK=$(mktemp -d /tmp/repx-e2e.XXXXXX) || exit 1
chmod 755 "$WORK"
export WORK HOME=$WORK/home
export XDG_CONFIG_HOME=$HOME/.config XDG_STATE_HOME=$HOME/.local/state
export XDG_CACHE_HOME=$HOME/.cache XDG_DATA_HOME=$HOME/.local/share XDG_CONFIG_DIRS=$WORK/etc
export XDG_RUNTIME_DIR=$WORK/run TMPDIR=$WORK/tmp
mkdir -p "$HOME" "$XDG_CONFIG_HOME/repx" "$TMPDIR"
mkdir -m 700 "$XDG_RUNTIME_DIR"
unset SSH_AUTH_SOCK SSH_ASKPASS DISPLAY REPX_PLUGIN_PATH SLURM_CONF
for REPX in "$REPX_BUILD/bin/repx" "$REPX_BUILD/core/cli/repx"; do
	[[ -x $REPX ]] && break
done
export REPX PATH=${REPX%/*}:$PATH
cd "$WORK" || exit 1

finish() {
	local status=$?
	trap - EXIT INT TERM
	if [[ -n $cluster ]]; then "$TESTBED" down "$cluster" --purge; fi
	if declare -F at_end >/dev/null; then at_end; fi # of the test's own
	end_of_work
	if ((status != 0 && tap_failed == 0)); then
		tap_count=$((tap_count + 1)) tap_failed=1
		echo "not ok $tap_count - ended early, status $status"
	fi
	echo "1..$tap_count"
	exit $((tap_failed > 0))
}
trap finish EXIT
trap 'exit 130' INT TERM

# What the test left running (the queue of the local target, say) ends with it: processes
# whose environment names this directory.
end_of_work() {
	local env
	for env in /proc/[0-9]*/environ; do
		[[ ${env%/environ} != "/proc/$$" ]] || continue
		if { tr '\0' '\n' <"$env"; } 2>/dev/null | grep -qx "WORK=$WORK"; then
			env=${env%/environ}
			kill -KILL "${env#/proc/}" 2>/dev/null
		fi
	done
	if [[ -n ${KEEP:-} ]]; then echo "# kept $WORK"; else chmod -R u+w "$WORK"; rm -rf "$WORK"; fi
}

# ---- telling ----

# check SENTENCE COMMANDS. Every command of it must succeed; so a check itself never stands in a
# condition or before && or ||, where the shell would overlook failures.
check() {
	local log=$WORK/check.log status
	tap_count=$((tap_count + 1))
	(
		set -e
		eval "$2"
	) >"$log" 2>&1
	status=$?
	if ((status == 0)); then
		echo "ok $tap_count - $1"
		return 0
	fi
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count - $1"
	sed 's/^/#   /' "$log" | tail -n 60
	echo "#   status $status, in: $2" | sed '2,$s/^/#   /' | head -n 20
	return 0
}

# The command fails, and not by a signal or for want of the program.
must_fail() {
	local status=0
	"$@" || status=$?
	((status > 0 && status < 126)) || { echo "must_fail: status $status of: $*"; return 1; }
}

# exits STATUS COMMAND...: with that status.
exits() {
	local status=0 want=$1
	shift
	"$@" || status=$?
	((status == want)) || { echo "exits: status $status instead of $want of: $*"; return 1; }
}

# same EXPECTED GOT: texts, with a diff when they differ.
same() {
	[[ $1 == "$2" ]] || { diff <(echo "$1") <(echo "$2"); return 1; }
}

# within SECONDS COMMAND...: until it succeeds.
within() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < deadline)) || { echo "not within the time: $*"; return 1; }
		sleep 0.2
	done
}

# This file cannot run here. In CI that is a failure.
skip_all() {
	trap - EXIT
	end_of_work
	if [[ -n ${CI:-} ]]; then
		echo "not ok 1 - cannot be skipped in CI: $1"
		echo "1..1"
		exit 1
	fi
	echo "1..0 # SKIP $1"
	exit 77
}

# requires sshd|slurm|bwrap|root|PROGRAM...
requires() {
	local what
	for what in "$@"; do
		case $what in
		root) [[ $(id -u) == 0 ]] || skip_all "needs root" ;;
		sshd) has sshd ssh ssh-keygen perl || skip_all "needs sshd, ssh and perl" ;;
		slurm) has slurmctld slurmd sbatch munged || skip_all "needs Slurm and munge" ;;
		bwrap)
			has bwrap || skip_all "needs bwrap"
			bwrap --unshare-all --ro-bind / / true 2>/dev/null ||
				skip_all "bwrap cannot make a sandbox here (user namespaces)" ;;
		*) has "$what" || skip_all "needs $what" ;;
		esac
	done
}

has() {
	local program
	for program in "$@"; do
		PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || return 1
	done
}

# ---- the cluster ----

# start_cluster [OPTION OF testbed.sh up...]: Slurm and sshd; TB_* and SLURM_CONF are set, and
# the target `cluster` and `queue` (the same host with our own queue) are configured.
start_cluster() {
	cluster=$WORK/tb
	"$TESTBED" up "$cluster" "$@" >&2 || { cluster_logs; exit 1; }
	# shellcheck source=/dev/null
	. "$cluster/env.sh"
	unset SLURM_CONF # the client is no node of the cluster
	mkdir -p "$HOME/.ssh"
	chmod 700 "$HOME/.ssh"
	sed "s/^Host cluster$/Host cluster queue/" "$TB_SSH_CONFIG" >"$HOME/.ssh/config"
	cp "$TB_KNOWN_HOSTS" "$HOME/.ssh/known_hosts"
	chmod 600 "$HOME/.ssh/config"
	as_user mkdir -p "$TB_WORK/repx"
	export TB_BASE=$TB_WORK/repx
	write_config
}

start_sshd() { start_cluster --no-slurm "$@"; }

# OpenSSH looks for ~ in the password file, not in HOME: so it is told where its files are.
# The libssh2 transport reads the same from `ssh -G`.
write_config() {
	mkdir -p "$WORK/bin"
	printf '#!/bin/sh\nexec %s -F %s "$@"\n' "$(command -v ssh)" "$HOME/.ssh/config" \
		>"$WORK/bin/ssh"
	chmod 755 "$WORK/bin/ssh"
	export PATH=$WORK/bin:$PATH
	cat >"$XDG_CONFIG_HOME/repx/config.toml" <<-CONF
	submission_target = "local"

	[targets.local]
	base_path = "$WORK/store"
	default_scheduler = "local"
	[targets.local.local]
	execution_types = ["native", "bwrap"]

	[targets.queue]
	address = "queue"
	base_path = "$TB_BASE"
	default_scheduler = "local"
	[targets.queue.local]
	execution_types = ["native", "bwrap"]

	[targets.cluster]
	address = "cluster"
	base_path = "$TB_BASE"
	default_scheduler = "slurm"
	[targets.cluster.slurm]
	execution_types = ["native", "bwrap"]
	CONF
}

cluster_logs() {
	local log
	for log in "$cluster"/log/*; do
		echo "# $log" && tail -n 20 "$log" | sed 's/^/#   /'
	done >&2
}

# Run something as the user behind ssh.
as_user() {
	if [[ $(id -u) == 0 ]]; then
		runuser -u "$TB_SSH_USER" -- "$@"
	else
		"$@"
	fi
}

# A Slurm command, asked as on the login node.
slurm() { SLURM_CONF=$cluster/etc/slurm.conf "$@"; }

# How often somebody logged in since the cluster was started.
count_logins() { grep -c 'Accepted publickey for' "$cluster/log/sshd.log" || true; }

# Waits until no job is left in Slurm's queue; 120 s at most.
slurm_drain() { within "${1:-120}" queue_is_empty; }
queue_is_empty() { [[ -z $(slurm squeue -h) ]]; }

# killed_at_once RUN TARGET: a client that runs it of $LAB is killed as soon as it tells of the first
# submission; a quick one may have returned by then.
killed_at_once() {
	local client
	: >out
	repx run "$1" --lab "$LAB" --target "$2" >out 2>&1 &
	client=$!
	until grep -q 'Submitted job' out; do kill -0 "$client" 2>/dev/null || break; done
	kill -KILL "$client" 2>/dev/null || echo 'it had returned'
	wait "$client" 2>/dev/null || true
	cat out
	grep -q 'Submitted job' out
}

# ---- the SDK as a stranger has it ----

# Installs all of repx below $WORK/usr, and leads CMake, pkg-config and PATH there.
sdk_install() {
	[[ -f $REPX_BUILD/cmake_install.cmake ]] || skip_all 'not a build directory'
	! grep -q '^REPX_SANITIZE:[A-Z]*=.' "$REPX_BUILD/CMakeCache.txt" ||
		skip_all 'archives that need a sanitizer are not for strangers'
	cmake --install "$REPX_BUILD" --prefix "$WORK/usr" >"$WORK/install.log" 2>&1 ||
		{ cat "$WORK/install.log"; exit 1; }
	export PATH=$WORK/usr/bin:$PATH CMAKE_PREFIX_PATH=$WORK/usr
	PKG_CONFIG_PATH=$(dirname "$(find "$WORK/usr" -name repx-plugin.pc)")
	REPX=$WORK/usr/bin/repx
	export PKG_CONFIG_PATH
	export -n REPX_BUILD
}

# ---- Labs ----

# make_lab DEFINITION [NAME]: packs it to $WORK/NAME (lab) and sets LAB.
make_lab() {
	LAB=$WORK/${2:-lab}
	export LAB
	"$REPX" lab pack "$1" -o "$LAB" >"$WORK/pack.log" 2>&1 || {
		sed 's/^/# /' "$WORK/pack.log"
		exit 1
	}
}

# make_tar [NAME]: $LAB as a tar with a prefix; sets LAB_TAR.
make_tar() {
	LAB_TAR=$WORK/${1:-lab}.tar
	export LAB_TAR
	tar -cf "$LAB_TAR" -C "${LAB%/*}" "${LAB##*/}" || exit 1
}

# jobs_of STAGE: ids of $LAB's jobs of that stage.
jobs_of() { find "$LAB/jobs" -mindepth 1 -maxdepth 1 -name "*-$1-*" -printf '%f\n' | sort; }

# outputs_of BASE STAGE FILE: that file of each job of the stage, sorted, on one line.
outputs_of() {
	local job
	for job in $(jobs_of "$2"); do cat "$1/outputs/$job/out/$3"; done | sort | paste -sd ' '
}

# What jobs of the reference Lab's stage E say, by outputs_of; have they, below BASE ($TB_BASE)?
export TOTALS='540 540 595 595'
totals_are_there() { [[ $(outputs_of "${1:-$TB_BASE}" E total.txt 2>/dev/null) == "$TOTALS" ]]; }
