#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# gridengine.sh - a private, disposable Grid Engine cluster in one directory.
#
# A real sge_qmaster and one sge_execd. Both listen on loopback only, keep their cell, spool and
# accounting under DIR, and are descendants of one supervisor, a child subreaper: `down` ends
# whatever was started in the cluster, jobs included, and nothing else.
# shellcheck disable=SC2317  # functions are also called by name
set -euo pipefail

usage() {
	cat <<-'USAGE'
	usage (all but status, env and exec need root):
	  gridengine.sh install              apt-get what is needed
	  gridengine.sh up DIR [option...]   start; does nothing if already up
	  gridengine.sh down DIR [--purge]   end everything (9 s: the qmaster takes its
	                                     time); --purge kills, and removes DIR too
	  gridengine.sh status DIR           services, ports, host; exit 0 if all up
	  gridengine.sh env DIR              shell exports: PATH, SGE_ROOT, SGE_CELL, ...
	  gridengine.sh exec DIR CMD...      run CMD as this user (root may not submit)
	  gridengine.sh user DIR CMD...      run CMD as the test user

	  gridengine.sh start|stop|kill|pause|resume|restart DIR SERVICE
	                                     SERVICE: qmaster execd

	DIR/bin has qsub, qstat, ... that need no environment: put it first in PATH.

	options of up (all but --user count at the first up of a DIR only):
	  --slots N          slots of all.q (8); the parallel environment is `smp`
	  --user NAME        the test user (repxtest, made if missing)
	  --set KEY=VALUE    of the global configuration, sge_conf(5); may be repeated
	  --sched KEY=VALUE  of the scheduler, sched_conf(5); may be repeated
	  --queue KEY=VALUE  of all.q, queue_conf(5); may be repeated
	USAGE
}

# msmtp-mta: bsd-mailx wants some MTA, and would else bring in exim.
PACKAGES=(gridengine-master gridengine-exec gridengine-client msmtp-mta
	gcc libc6-dev procps util-linux perl)
SHARE=/usr/share/gridengine
LIB=/usr/lib/gridengine
CLIENTS=(qacct qalter qconf qdel qhold qhost qmod qping qquota qresub qrls qrsh
	qselect qstat qsub)

SELF=$(readlink -f "${BASH_SOURCE[0]}")

say() { printf 'gridengine: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
need_root() { [[ $(id -u) == 0 ]] || die "this needs root"; }

# ---------------------------------------------------------------- processes

# The start time of a process, which with its pid names it for good; nothing
# for one that is gone or a zombie.
start_time() {
	local stat fields
	{ stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
	read -ra fields <<<"${stat##*) }"
	[[ ${fields[0]} == Z ]] || printf '%s' "${fields[19]}"
}

# alive NAME: sets PID and succeeds if the service runs.
alive() {
	local born
	PID=
	[[ -s $DIR/run/$1.pid ]] || return 1
	read -r PID born <"$DIR/run/$1.pid" || return 1
	[[ -n $born && $(start_time "$PID") == "$born" ]]
}

# Pids of all descendants of the processes given.
descendants() {
	ps -eo pid=,ppid= | awk -v roots="$*" '
		{ kids[$2] = kids[$2] " " $1 }
		END {
			n = split(roots, queue, " ")
			for (i = 1; i <= n; i++) {
				m = split(kids[queue[i]], k, " ")
				for (j = 1; j <= m; j++) { queue[++n] = k[j]; print k[j] }
			}
		}'
}

# until_true SECONDS CMD...: tries CMD again and again, for so long at most.
until_true() {
	local deadline=$((SECONDS + $1)); shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < deadline)) || return 1
		sleep 0.05
	done
}

# until_serves NAME SECONDS CMD...: likewise, but gives up once NAME has died.
until_serves() {
	local name=$1 deadline=$((SECONDS + $2)); shift 2
	until "$@" >/dev/null 2>&1; do
		((SECONDS < deadline)) && alive "$name" || return 1
		sleep 0.05
	done
}

gone() { ! alive "$1"; }

signal_service() {
	local name=$1 signal=$2
	alive "$name" || return 0
	kill -"$signal" "$PID" 2>/dev/null || true
}

stop_service() {
	local name=$1 grace=${2:-10}
	alive "$name" || { rm -f "$DIR/run/$name.pid"; return 0; }
	kill -CONT "$PID" 2>/dev/null || true
	kill -TERM "$PID" 2>/dev/null || true
	until_true "$grace" gone "$name" || {
		kill -KILL "$PID" 2>/dev/null || true
		until_true 5 gone "$name" || say "$name ($PID) does not end"
	}
	rm -f "$DIR/run/$name.pid"
}

# ----------------------------------------------------------- configuration

SETTINGS=(TB_USER SLOTS PORT_QMASTER PORT_EXECD)

load() {
	[[ -f $DIR/gridengine.conf ]] || die "$DIR is no testbed (no gridengine.conf)"
	# shellcheck source=/dev/null
	. "$DIR/gridengine.conf"
	# shellcheck source=/dev/null
	. "$DIR/env.sh"
}

save() {
	local name
	for name in "${SETTINGS[@]}"; do
		printf '%s=%q\n' "$name" "${!name}"
	done >"$DIR/gridengine.conf"
}

# Sets the ports: a free pair, below the range of ephemeral ports.
choose_ports() {
	local base used try port
	for ((try = 0; try < 50; try++)); do
		base=$((20000 + (RANDOM % 1000) * 10))
		used=$(awk 'NR > 1 { split($2, a, ":"); print a[2] }' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
		for port in $base $((base + 1)); do
			grep -qix "$(printf '%04X' "$port")" <<<"$used" && continue 2
		done
		PORT_QMASTER=$base PORT_EXECD=$((base + 1))
		return
	done
	die "no free pair of ports"
}

# set_keys FILE KEY=VALUE...: in Grid Engine's form, `key  value`.
set_keys() {
	local file=$1 pair; shift
	for pair in "$@"; do
		sed -i "/^${pair%%=*}[[:space:]]/d" "$file"
		printf '%s %s\n' "${pair%%=*}" "${pair#*=}" >>"$file"
	done
}

write_env() {
	cat >"$DIR/env.sh" <<-ENV
	export TB_DIR=$DIR TB_WORK=$DIR/work TB_USER=$TB_USER
	export SGE_ROOT=$DIR/sge SGE_CELL=tb SGE_CLUSTER_NAME=tb SGE_ARCH=$ARCH
	export SGE_QMASTER_PORT=$PORT_QMASTER SGE_EXECD_PORT=$PORT_EXECD
	export PATH=$DIR/bin:\${PATH:-/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin}
	ENV
}

# The daemons bind to every address, with no setting against it.
write_loopback() {
	[[ -f $DIR/lib/loopback.so ]] || cc -shared -fPIC -O2 -x c -o "$DIR/lib/loopback.so" - -ldl <<-'C'
	#define _GNU_SOURCE
	#include <dlfcn.h>
	#include <netinet/in.h>
	#include <sys/socket.h>
	int bind(int fd, const struct sockaddr *addr, socklen_t size)
	{
		int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
		struct sockaddr_in in;
		if (addr->sa_family != AF_INET || size < sizeof in)
			return real(fd, addr, size);
		in = *(const struct sockaddr_in *)addr;
		if (in.sin_addr.s_addr == htonl(INADDR_ANY))
			in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return real(fd, (struct sockaddr *)&in, sizeof in);
	}
	C
}

write_cell() {
	local root=$DIR/sge common=$DIR/sge/tb/common client
	mkdir -p "$root/bin" "$root/utilbin" "$common"
	ln -sfn $LIB "$root/bin/$ARCH"
	ln -sfn $LIB "$root/utilbin/$ARCH"
	ln -sfn $SHARE/util "$root/util"
	ln -sfn $SHARE/mpi "$root/mpi"
	echo localhost >"$common/act_qmaster"
	echo tb >"$common/cluster_name"
	# The first is what all the others are taken for.
	echo "localhost $(getent hosts 127.0.0.1 | cut -d' ' -f2-) $(hostname)" |
		tr -s ' \t' '\n' | awk '!seen[$0]++' | paste -sd' ' >"$common/host_aliases"
	cat >"$common/bootstrap" <<-CONF
	admin_user none
	default_domain none
	ignore_fqdn true
	spooling_method berkeleydb
	spooling_lib libspoolb
	spooling_params $DIR/spool/db
	binary_path $root/bin
	qmaster_spool_dir $DIR/spool/qmaster
	security_mode none
	listener_threads 2
	worker_threads 2
	scheduler_threads 1
	CONF
	cp "$DIR/env.sh" "$common/settings.sh"
	for client in "${CLIENTS[@]}"; do
		printf '#!/bin/sh\n. %s\nexec %s "$@"\n' "$DIR/env.sh" "$LIB/$client" >"$DIR/bin/$client"
		chmod 755 "$DIR/bin/$client"
	done
}

# What can only be made before the first start of the qmaster.
write_spool() {
	[[ ! -e $DIR/spool/db/sge ]] || return 0
	cp $SHARE/default-configuration "$DIR/etc/global"
	set_keys "$DIR/etc/global" "execd_spool_dir=$DIR/spool/execd" mailer=/bin/true \
		xterm=/bin/false loglevel=log_info load_report_time=00:00:02 \
		"gid_range=$((PORT_QMASTER * 100))-$((PORT_QMASTER * 100 + 99))" \
		"execd_params=INHERIT_ENV=false" \
		"reporting_params=accounting=true reporting=false flush_time=00:00:01 accounting_flush_time=00:00:00 joblog=false sharelog=00:00:00" \
		"${SET[@]}"
	(
		# shellcheck source=/dev/null
		. "$DIR/env.sh"
		$LIB/spoolinit berkeleydb libspoolb "$DIR/spool/db" init
		$LIB/spooldefaults configuration "$DIR/etc/global"
		$LIB/spooldefaults complexes $SHARE/util/resources/centry
		$LIB/spooldefaults usersets $SHARE/util/resources/usersets
		$LIB/spooldefaults managers root
	) >"$DIR/log/spool.out" 2>&1
}

# What the qmaster itself must be told.
write_objects() {
	[[ ! -e $DIR/etc/objects ]] || return 0
	qconf -ah localhost
	qconf -as localhost
	qconf -ssconf >"$DIR/etc/sched"
	set_keys "$DIR/etc/sched" schedule_interval=0:0:1 flush_submit_sec=1 flush_finish_sec=1 \
		schedd_job_info=true job_load_adjustments=NONE load_adjustment_decay_time=0:0:0 \
		"${SCHED[@]}"
	qconf -Msconf "$DIR/etc/sched"
	cat >"$DIR/etc/pe" <<-'CONF'
	pe_name smp
	slots 999
	user_lists NONE
	xuser_lists NONE
	start_proc_args NONE
	stop_proc_args NONE
	allocation_rule $pe_slots
	control_slaves FALSE
	job_is_first_task TRUE
	urgency_slots min
	accounting_summary FALSE
	qsort_args NONE
	CONF
	qconf -Ap "$DIR/etc/pe"
	qconf -sp smp && touch "$DIR/etc/objects"
}

# Needs the execution host, which makes itself known when it starts.
write_queue() {
	[[ ! -e $DIR/etc/queue ]] || return 0
	qconf -sq >"$DIR/etc/queue.new"
	set_keys "$DIR/etc/queue.new" qname=all.q hostlist=localhost "slots=$SLOTS" \
		pe_list=smp load_thresholds=NONE shell=/bin/sh "tmpdir=$DIR/tmp" "${QUEUE[@]}"
	qconf -Aq "$DIR/etc/queue.new" && qconf -sq all.q &&
		mv "$DIR/etc/queue.new" "$DIR/etc/queue"
}

# ---------------------------------------------- services (in the supervisor)

# spawn NAME CMD...: CMD must stay in the foreground and keep its pid.
spawn() {
	local name=$1; shift
	# What it says is in its file `messages`; to stdout goes every scheduling.
	"$@" >/dev/null 2>>"$DIR/log/$name.out" </dev/null 9<&- &
	echo "$! $(start_time $!)" >"$DIR/run/$name.pid"
}

start_service() {
	local name=$1
	alive "$name" && return 0
	case $name in
	qmaster | execd)
		# SGE_ND: do not become a daemon.
		spawn "$name" env SGE_ND=1 LD_PRELOAD="$DIR/lib/loopback.so" "$LIB/sge_$name" ;;
	*) say "no such service: $name"; return 1 ;;
	esac
	case $name in
	qmaster) until_serves qmaster 20 timeout 5 qconf -sm ;;
	execd) until_serves execd 20 host_reports ;;
	esac
}

# The load is `-` while the host is not heard of.
host_reports() {
	timeout 5 qhost -h localhost | awk '$1 == "localhost" && $7 != "-" { ok = 1 } END { exit !ok }'
}

queue_ready() {
	[[ $(timeout 5 qstat -f -q all.q | awk '$1 ~ /^all.q@/ { print $6 "ok" }') == ok ]]
}

# Ends the services in order, then every descendant that is left: shepherds
# and jobs.  The tree goes through a file so that this loop's own helpers are
# dead by the time it is read.
end_all() {
	local name pid pids round
	trap '' TERM INT
	for name in execd qmaster; do stop_service "$name" 10; done
	for ((round = 0; round < 100; round++)); do
		descendants $$ >"$DIR/run/tree"
		pids=()
		while read -r pid; do
			[[ -z $(start_time "$pid") ]] || pids+=("$pid")
		done <"$DIR/run/tree"
		((${#pids[@]})) || break
		if ((round == 0)); then
			kill -TERM "${pids[@]}" 2>/dev/null || true
			kill -CONT "${pids[@]}" 2>/dev/null || true
		elif ((round >= 15)); then
			kill -KILL "${pids[@]}" 2>/dev/null || true
		fi
		sleep 0.1
	done
	rm -f "$DIR"/run/*.pid "$DIR/run/ctl" "$DIR/run/up" "$DIR/run/tree"
}

start_all() {
	local step
	for step in "start_service qmaster" write_objects "start_service execd" write_queue \
		"until_true 30 queue_ready"; do
		# shellcheck disable=SC2086
		$step || { echo "$step" >"$DIR/run/failed"; return 1; }
	done
}

supervise() {
	local name id verb rc
	load
	umask 022
	cd /
	exec 9<>"$DIR/run/ctl"
	echo "$$ $(start_time $$)" >"$DIR/run/supervisor.pid"
	trap 'end_all; exit 0' TERM INT
	IFS=$'\x1f' read -ra SET <<<"${TB_SET-}"
	IFS=$'\x1f' read -ra SCHED <<<"${TB_SCHED-}"
	IFS=$'\x1f' read -ra QUEUE <<<"${TB_QUEUE-}"
	unset TB_SET TB_SCHED TB_QUEUE
	start_all || { end_all; exit 1; }
	touch "$DIR/run/up"
	while :; do
		read -r -t 1 -u 9 id verb name || continue
		rc=0
		[[ $verb == start ]] && { start_service "$name" || rc=1; }
		echo "$rc" >"$DIR/run/ack.$id"
	done
}

# ---------------------------------------------------------------- commands

cmd_install() {
	need_root
	export DEBIAN_FRONTEND=noninteractive
	# No cluster of the system's own.
	echo gridengine-common shared/gridengineconfig boolean false | debconf-set-selections
	apt-get -o DPkg::Lock::Timeout=600 update -qq
	apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends \
		"${PACKAGES[@]}" >/dev/null
}

joined() { local IFS=$'\x1f'; printf '%s' "$*"; }

cmd_up() {
	TB_USER=repxtest SLOTS=8
	SET=() SCHED=() QUEUE=()
	while (($#)); do
		case $1 in
		--slots) SLOTS=$2; shift 2 ;;
		--user) TB_USER=$2; shift 2 ;;
		--set) SET+=("$2"); shift 2 ;;
		--sched) SCHED+=("$2"); shift 2 ;;
		--queue) QUEUE+=("$2"); shift 2 ;;
		*) usage >&2; die "unknown option $1" ;;
		esac
	done
	need_root
	local tool
	for tool in $LIB/sge_qmaster $LIB/sge_execd $LIB/qsub cc perl; do
		command -v "$tool" >/dev/null || die "no $tool here: run gridengine.sh install"
	done
	mkdir -p "$DIR"
	DIR=$(readlink -f "$DIR")
	[[ $DIR =~ ^[A-Za-z0-9._/-]+$ ]] || die "DIR may hold only letters, digits and ._/-"
	if alive supervisor; then
		say "already up"
		cmd_status
		return
	fi
	umask 022
	ARCH=$($SHARE/util/arch)
	id "$TB_USER" >/dev/null 2>&1 || useradd -m -s /bin/bash "$TB_USER"
	mkdir -p "$DIR"/{bin,lib,etc,run,log,spool/{db,qmaster,execd},work,tmp}
	rm -f "$DIR"/run/{failed,up,ack.*,*.pid,ctl}
	chmod 755 "$DIR"
	chmod 1777 "$DIR/tmp"
	chown "$TB_USER:" "$DIR/work"
	runuser -u "$TB_USER" -- test -x "$DIR/work" ||
		die "$TB_USER cannot reach $DIR: open its parent directories (chmod a+x)"
	choose_ports
	save
	write_env
	write_loopback
	write_cell
	write_spool || die "no spool could be made; see $DIR/log/spool.out"
	mkfifo -m 600 "$DIR/run/ctl"

	local prctl=157
	[[ $(uname -m) == aarch64 ]] && prctl=167
	# PR_SET_CHILD_SUBREAPER (36) outlives the exec.
	# shellcheck disable=SC2016
	TB_SET=$(joined "${SET[@]}") TB_SCHED=$(joined "${SCHED[@]}") TB_QUEUE=$(joined "${QUEUE[@]}") \
		setsid perl -e \
		'syscall(shift(@ARGV) + 0, 36, 1, 0, 0, 0) == 0 or die "prctl: $!"; exec @ARGV or die $!' \
		"$prctl" bash "$SELF" _supervise "$DIR" >>"$DIR/log/supervisor.out" 2>&1 </dev/null &
	disown
	if ! until_true 90 test -e "$DIR/run/up" -o -e "$DIR/run/failed" || [[ -e $DIR/run/failed ]]; then
		say "did not come up: $(cat "$DIR/run/failed" 2>/dev/null || echo timeout); see $DIR/log"
		cmd_down
		return 1
	fi
}

cmd_down() {
	local purge=${1:-} file name
	[[ -d $DIR ]] || return 0
	need_root
	DIR=$(readlink -f "$DIR")
	if [[ $purge == --purge ]]; then
		[[ -f $DIR/gridengine.conf ]] || die "$DIR is no testbed: not removed"
		for name in execd qmaster; do signal_service "$name" KILL; done
	fi
	if alive supervisor; then
		kill -TERM "$PID"
		until_true 40 gone supervisor || say "the supervisor ($PID) does not end"
	fi
	# What is left if the supervisor itself was killed.
	for file in "$DIR"/run/*.pid; do
		[[ -e $file ]] || continue
		name=${file##*/}
		stop_service "${name%.pid}" 5
	done
	rm -f "$DIR"/run/{up,ctl,ack.*}
	[[ $purge != --purge ]] || rm -rf --one-file-system "$DIR"
}

cmd_status() {
	load
	local name rc=0
	for name in supervisor qmaster execd; do
		if alive "$name"; then
			printf '%-10s up    pid %s\n' "$name" "$PID"
		else
			printf '%-10s DOWN\n' "$name"
			rc=1
		fi
	done
	printf 'ports      qmaster 127.0.0.1:%s, execd 127.0.0.1:%s; test user %s\n' \
		"$PORT_QMASTER" "$PORT_EXECD" "$TB_USER"
	if ((rc == 0)); then timeout 10 qstat -f -q all.q || rc=1; fi
	return $rc
}

cmd_start() {
	local id=$BASHPID.$RANDOM rc=1
	alive supervisor || die "$DIR is not up"
	rm -f "$DIR/run/ack.$id"
	echo "$id start $1" >"$DIR/run/ctl"
	until_true 40 test -s "$DIR/run/ack.$id" && rc=$(<"$DIR/run/ack.$id")
	rm -f "$DIR/run/ack.$id"
	((rc == 0)) || die "$1 did not start; see $DIR/log"
}

main() {
	local command=${1:-help}
	shift || true
	case $command in
	help | -h | --help) usage; return ;;
	install) cmd_install; return ;;
	esac
	(($#)) || { usage >&2; exit 2; }
	DIR=$1; shift
	case $command in
	up) cmd_up "$@"; return ;;
	down) cmd_down "$@"; return ;;
	esac
	DIR=$(readlink -f "$DIR")
	case $command in
	_supervise) supervise ;;
	status) cmd_status ;;
	env) load; cat "$DIR/env.sh" ;;
	exec) load; "$@" ;;
	user) load; cd "$DIR/work"; runuser -u "$TB_USER" -- "$@" ;;
	start) load; cmd_start "$1" ;;
	stop) load; stop_service "$1" ;;
	restart) load; stop_service "$1"; cmd_start "$1" ;;
	kill) load; signal_service "$1" KILL; until_true 5 gone "$1" ;;
	pause) load; signal_service "$1" STOP ;;
	resume) load; signal_service "$1" CONT ;;
	*) usage >&2; exit 2 ;;
	esac
}

main "$@"; exit
