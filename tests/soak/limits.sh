#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Limits of associations and of a QOS, as slurmdbd has them: tests/soak/limits.sh [LIMIT]. For each kind
# of limit what sbatch says, whether that is taken for "no room", and whether a run of pairs of jobs
# and one with branches, both larger than the limit, go on by themselves to the end.
# shellcheck source=../e2e/lib.sh disable=SC2016,SC2119,SC2154
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=/dev/null
. "$TESTS/e2e/labs.sh"

requires sshd slurm root mariadbd slurmdbd
LIMIT=${1:-6}
start_cluster --acct dbd --set AccountingStorageEnforce=limits,qos --set MinJobAge=2
admin() { slurm sacctmgr -i "$@" >>"$WORK/sacctmgr.log" 2>&1 || { tail -n 5 "$WORK/sacctmgr.log"; return 1; }; }
USER_=$(id -un "$TB_SSH_USER")
admin add account grp && admin add user "$USER_" account=grp && admin add qos tight || exit 1
admin modify user where name="$USER_" set qos=tight,normal defaultqos=tight || exit 1

pairs_lab pairs 1 10
PAIRS=$LAB
tree_lab tree 10
TREE=$LAB
export PAIRS TREE LIMIT

put() { as_user env SLURM_CONF="$cluster/etc/slurm.conf" sbatch --parsable -o /dev/null "$@" --wrap true; }
# What sbatch says of an array that is too large, and of the job after the last that fits.
says() {
	must_fail put --hold --array=0-99 2>array.txt || return 1
	local i
	for ((i = 0; i < LIMIT; i++)); do put --hold >/dev/null || return 1; done
	must_fail put --hold 2>single.txt || return 1
	slurm scancel -u "$USER_"
	slurm_drain 30
}
goes() { # LAB JOBS: what waited for room, and that all is right in the end
	as_user rm -rf "$TB_BASE"
	repx run r --lab "$1" --target cluster >out 2>&1 || { tail out; return 1; }
	within 150 all_are "$2" && once && within 30 queue_is_empty && ! waits &&
		grep -h '"text":"no room' "$TB_BASE"/.repx/runs/*/journal.* | sed 's/.*"text":"\([^"]*\)".*/\1/' | sort | uniq -c >rooms.txt
}
limit() { # NAME COMMAND...: set, look, unset
	local name=$1; shift
	export LIMIT_NAME=$name
	check "$name: set, and sbatch refuses" 'admin '"$*=$LIMIT"' && sleep 2 && says'
	sed "s/^/# $name, array: /" array.txt
	sed "s/^/# $name, one: /" single.txt
	check "$name: a run of 20 jobs" 'goes "$PAIRS" 20'
	sed 's/^/# /' rooms.txt
	check "$name: a run of 10 branches" 'goes "$TREE" 3 && cat "$TB_BASE"/outputs/*-S-*/out/n | grep -x 10'
	sed 's/^/# /' rooms.txt
	check "$name: unset" 'admin '"$*=-1"
}
limit 'association, of the user' modify user where name="$USER_" set MaxSubmitJobs
limit 'association, of the group' modify account where name=grp set GrpSubmitJobs
limit 'QOS, of a user' modify qos where name=tight set MaxSubmitJobsPerUser
limit 'QOS, of an account' modify qos where name=tight set MaxSubmitJobsPerAccount
limit 'QOS, of all' modify qos where name=tight set GrpSubmitJobs
