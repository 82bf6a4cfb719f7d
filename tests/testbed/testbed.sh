#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# testbed.sh - a private, disposable Slurm cluster with an sshd, in one directory.
#
# Real munged, slurmctld, slurmd (several nodes on this host), and an sshd through which a
# test user reaches it all. Everything listens on loopback, keeps its state under DIR, and
# is a descendant of one supervisor, a child subreaper: `down` ends whatever was started in
# the cluster, including jobs and anything that was detached through ssh, and nothing else.
# shellcheck disable=SC2317  # functions are also called by name
set -euo pipefail

usage() {
	cat <<-'USAGE'
	usage:
	  testbed.sh install                 apt-get what is needed (root)
	  testbed.sh up DIR [option...]      start; does nothing if already up
	  testbed.sh down DIR [--purge]      end everything; --purge removes DIR too
	  testbed.sh status DIR              services, ports, nodes; exit 0 if all up
	  testbed.sh env DIR                 shell exports: SLURM_CONF, TB_SSH_PORT, ...
	  testbed.sh exec DIR CMD...         run CMD as this user, as on the login node
	  testbed.sh ssh DIR [CMD...]        ssh to the login node as the test user

	  testbed.sh start|stop|kill|pause|resume|restart DIR SERVICE
	                                     SERVICE: munged slurmctld slurmd-NODE sshd wan
	                                     mariadbd slurmdbd
	  testbed.sh crash-node DIR NODE     SIGKILL a node whole: slurmd, steps and jobs
	                                     (not with --isolate none); start slurmd-NODE
	                                     brings it back
	  testbed.sh drop-ssh DIR            SIGKILL every open ssh session's sshd
	  testbed.sh wan DIR [KEY=VALUE...]  show or change the slow path at once (see --wan)
	  testbed.sh wan-reset DIR           RST every connection through it

	options of up:
	  --nodes N          standard nodes n1..nN (2); h1 (highmem), g1 (gpu) come on top
	  --cpus N           pretended CPUs of each node (8)
	  --user NAME        root only: the user behind ssh (repxtest, made if missing)
	  --acct MODE        none | filetxt: `sacct -c` works | dbd: full sacct (filetxt)
	  --no-slurm         only the sshd
	  --isolate LEVEL    root only.  none | node: own hostname and own $TB_LOCAL per
	                     node | tmp: own /tmp per node as well (node)
	  --work-size SIZE   root only: $TB_WORK is a tmpfs this big (ENOSPC tests)
	  --wan K=V[,K=V]    a slow path to sshd, at $TB_WAN_PORT and as host cluster-wan:
	                     rtt_ms, rate_kbit, ... (the keys of wanproxy.py)
	  --set KEY=VALUE    put this in slurm.conf; may be repeated
	USAGE
}

PACKAGES=(slurm-wlm slurm-client slurmctld slurmd munge openssh-server openssh-client
	procps util-linux perl-base)
DBD_PACKAGES=(slurmdbd mariadb-server-core mariadb-client-core)

SELF=$(readlink -f "${BASH_SOURCE[0]}")
HERE=${SELF%/*}

say() { printf 'testbed: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
is_root() { [[ $(id -u) == 0 ]]; }

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
	until timeout 5 "$@" >/dev/null 2>&1; do
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

SETTINGS=(NODES CPUS TB_USER ACCT SLURM ISOLATE WAN WORK_SIZE ROOT
	PORT_CTLD PORT_DBD PORT_DB PORT_SSH PORT_WAN PORT_NODE)

load() {
	[[ -f $DIR/testbed.conf ]] || die "$DIR is no testbed (no testbed.conf)"
	# shellcheck source=/dev/null
	. "$DIR/testbed.conf"
	export SLURM_CONF=$DIR/etc/slurm.conf
	PATH=$DIR/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin${PATH:+:$PATH}
}

save() {
	local name
	for name in "${SETTINGS[@]}"; do
		printf '%s=%q\n' "$name" "${!name}"
	done >"$DIR/testbed.conf"
}

node_names() {
	local i
	for ((i = 1; i <= NODES; i++)); do echo "n$i"; done
	echo h1
	echo g1
}

# Sets the ports: a free block, below the range of ephemeral ports.
choose_ports() {
	local want=$((NODES + 10)) base used try port
	for ((try = 0; try < 50; try++)); do
		base=$((20000 + (RANDOM % 1000) * 10))
		used=$(awk 'NR > 1 { split($2, a, ":"); print a[2] }' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
		for ((port = base; port < base + want; port++)); do
			grep -qix "$(printf '%04X' "$port")" <<<"$used" && continue 2
		done
		PORT_CTLD=$base PORT_DBD=$((base + 1)) PORT_DB=$((base + 2))
		PORT_SSH=$((base + 3)) PORT_WAN=$((base + 4)) PORT_NODE=$((base + 5))
		return
	done
	die "no free block of ports"
}

write_slurm_conf() {
	local me override key port=$PORT_NODE
	me=$(id -un)
	cat >"$DIR/etc/slurm.conf" <<-CONF
	ClusterName=testbed
	SlurmctldHost=$(hostname -s)(127.0.0.1)
	SlurmctldPort=$PORT_CTLD
	SlurmUser=$me
	SlurmdUser=$me
	AuthType=auth/munge
	AuthInfo=socket=$DIR/munge/sock
	CredType=cred/munge
	CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
	StateSaveLocation=$DIR/state
	SlurmdSpoolDir=$DIR/spool/%n
	SlurmctldPidFile=$DIR/run/slurmctld.daemon
	SlurmdPidFile=$DIR/run/slurmd-%n.daemon
	SlurmctldLogFile=$DIR/log/slurmctld.log
	SlurmdLogFile=$DIR/log/slurmd-%n.log
	SlurmctldDebug=info
	SlurmdDebug=info
	ProctrackType=proctrack/linuxproc
	TaskPlugin=task/none
	SwitchType=switch/none
	MpiDefault=none
	MailProg=/bin/true
	JobAcctGatherType=jobacct_gather/linux
	JobAcctGatherFrequency=task=5
	SelectType=select/cons_tres
	SelectTypeParameters=CR_CPU_Memory
	DefMemPerCPU=500
	GresTypes=gpu
	SlurmdParameters=config_overrides
	SchedulerType=sched/backfill
	SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=5,bf_continue
	PriorityType=priority/basic
	ReturnToService=2
	MaxJobCount=50000
	MaxArraySize=20001
	MinJobAge=300
	KillWait=5
	CompleteWait=0
	MessageTimeout=20
	SlurmctldTimeout=30
	SlurmdTimeout=30
	CONF
	case $ACCT in
	none)
		echo "AccountingStorageType=accounting_storage/none"
		echo "JobCompType=jobcomp/none" ;;
	filetxt)
		echo "AccountingStorageType=accounting_storage/none"
		echo "JobCompType=jobcomp/filetxt"
		echo "JobCompLoc=$DIR/log/jobcomp.log"
		# `sacct -c` opens it for writing even to read it, and slurmctld sets
		# mode 644 whenever it opens it: so let the test user own it.
		: >>"$DIR/log/jobcomp.log"
		if is_root; then chown "$TB_USER:" "$DIR/log/jobcomp.log"; fi ;;
	dbd)
		echo "AccountingStorageType=accounting_storage/slurmdbd"
		echo "AccountingStorageHost=127.0.0.1"
		echo "AccountingStoragePort=$PORT_DBD"
		echo "AccountingStoragePass=$DIR/munge/sock" # else it asks the system's munged
		echo "JobCompType=jobcomp/none" ;;
	esac >>"$DIR/etc/slurm.conf"
	for override in "${SET[@]}"; do
		key=${override%%=*}
		sed -i "/^$key=/Id" "$DIR/etc/slurm.conf"
		echo "$override" >>"$DIR/etc/slurm.conf"
	done
	local name mem extra
	while read -r name; do
		mem=32000 extra=
		[[ $name == h1 ]] && mem=512000
		[[ $name == g1 ]] && extra=" Gres=gpu:a100:2 Feature=a100"
		echo "NodeName=$name NodeAddr=127.0.0.1 Port=$port CPUs=$CPUS RealMemory=$mem$extra State=UNKNOWN"
		port=$((port + 1))
	done < <(node_names) >>"$DIR/etc/slurm.conf"
	cat >>"$DIR/etc/slurm.conf" <<-CONF
	PartitionName=standard Nodes=n[1-$NODES] Default=YES MaxTime=INFINITE DefaultTime=60 State=UP
	PartitionName=highmem Nodes=h1 MaxTime=INFINITE DefaultTime=60 State=UP
	PartitionName=gpu Nodes=g1 MaxTime=INFINITE DefaultTime=60 State=UP
	CONF
	[[ $ACCT != dbd ]] || write_slurmdbd_conf
	{ cat /etc/hosts; node_names | sed 's/^/127.0.0.1 /'; } >"$DIR/etc/hosts"
	# A GPU must name a character or block device: a bare Count registers as 0.
	cat >"$DIR/etc/gres.conf" <<-CONF
	NodeName=g1 Name=gpu Type=a100 File=/dev/null
	NodeName=g1 Name=gpu Type=a100 File=/dev/zero
	CONF
}

write_slurmdbd_conf() {
	(
		umask 077
		cat >"$DIR/etc/slurmdbd.conf" <<-CONF
		AuthType=auth/munge
		AuthInfo=socket=$DIR/munge/sock
		DbdHost=localhost
		DbdAddr=127.0.0.1
		DbdPort=$PORT_DBD
		CommunicationParameters=NoInAddrAny
		SlurmUser=$(id -un)
		PidFile=$DIR/run/slurmdbd.daemon
		LogFile=$DIR/log/slurmdbd.log
		StorageType=accounting_storage/mysql
		StorageHost=127.0.0.1
		StoragePort=$PORT_DB
		StorageUser=slurm
		StoragePass=testbed
		StorageLoc=slurm_acct_db
		CONF
	)
}

write_ssh_conf() {
	local kind
	for kind in ed25519 rsa ecdsa; do
		[[ -f $DIR/ssh/host_$kind ]] || ssh-keygen -q -t $kind -N '' -C testbed-host -f "$DIR/ssh/host_$kind"
		[[ -f $DIR/ssh/id_$kind ]] || ssh-keygen -q -t $kind -N '' -C testbed-user -f "$DIR/ssh/id_$kind"
	done
	cat "$DIR"/ssh/id_*.pub >"$DIR/ssh/authorized_keys"
	chmod 644 "$DIR/ssh/authorized_keys"
	local env=(PATH="$DIR/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
		SLURM_CONF="$DIR/etc/slurm.conf" XDG_RUNTIME_DIR="$DIR/run/user"
		TB_DIR="$DIR" TB_WORK="$DIR/work" TB_LOCAL="$DIR/local")
	cat >"$DIR/ssh/sshd_config" <<-CONF
	Port $PORT_SSH
	ListenAddress 127.0.0.1
	HostKey $DIR/ssh/host_ed25519
	HostKey $DIR/ssh/host_rsa
	HostKey $DIR/ssh/host_ecdsa
	PidFile $DIR/run/sshd.daemon
	AuthorizedKeysFile $DIR/ssh/authorized_keys
	StrictModes no
	UsePAM no
	PasswordAuthentication no
	KbdInteractiveAuthentication no
	PermitRootLogin prohibit-password
	UseDNS no
	PrintMotd no
	MaxStartups 200
	MaxSessions 64
	LogLevel VERBOSE
	SetEnv ${env[*]}
	Subsystem sftp /usr/lib/openssh/sftp-server
	CONF
	# The ecdsa host key is served but not on file: a client must ask for a type that it knows.
	local port
	for port in "$PORT_SSH" "$PORT_WAN"; do
		for kind in ed25519 rsa; do
			echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$DIR/ssh/host_$kind.pub")"
		done
	done >"$DIR/ssh/known_hosts"
	for port in "$PORT_SSH" "$PORT_WAN"; do
		cat <<-CONF
		Host cluster$([[ $port == "$PORT_SSH" ]] || echo -wan)
		  HostName 127.0.0.1
		  Port $port
		  User $TB_USER
		  IdentityFile $DIR/ssh/id_ed25519
		  IdentitiesOnly yes
		  UserKnownHostsFile $DIR/ssh/known_hosts
		  GlobalKnownHostsFile /dev/null
		  StrictHostKeyChecking yes
		  BatchMode yes
		CONF
	done >"$DIR/ssh/config"
}

write_env() {
	cat >"$DIR/env.sh" <<-ENV
	export TB_DIR=$DIR TB_WORK=$DIR/work TB_LOCAL=$DIR/local
	export TB_SSH_HOST=127.0.0.1 TB_SSH_PORT=$PORT_SSH TB_WAN_PORT=$PORT_WAN
	export TB_SSH_USER=$TB_USER TB_SSH_KEY=$DIR/ssh/id_ed25519
	export TB_SSH_CONFIG=$DIR/ssh/config TB_KNOWN_HOSTS=$DIR/ssh/known_hosts
	export SLURM_CONF=$DIR/etc/slurm.conf
	ENV
}

# ---------------------------------------------- services (in the supervisor)

# spawn NAME CMD...: CMD must stay in the foreground and keep its pid.
spawn() {
	local name=$1; shift
	"$@" >>"$DIR/log/$name.out" 2>&1 </dev/null 9<&- &
	echo "$! $(start_time $!)" >"$DIR/run/$name.pid"
}

# spawn_node NODE CMD...: the same, inside the node's own namespaces.
spawn_node() {
	local node=$1; shift
	if [[ $ISOLATE == none ]]; then
		spawn "slurmd-$node" "$@"
		return
	fi
	# shellcheck disable=SC2016
	spawn "slurmd-$node" unshare --mount --uts --propagation private -- bash -c '
		set -e
		dir=$1 node=$2 isolate=$3; shift 3
		hostname "$node"
		mount --bind "$dir/etc/hosts" /etc/hosts   # slurmd binds to what its name resolves to
		mount --bind "$dir/nodes/$node/local" "$dir/local"
		if [[ $isolate == tmp ]]; then
			own=$dir/nodes/$node/tmp
			if [[ $dir == /tmp/* ]]; then   # keep DIR itself in sight
				mkdir -p "$own/${dir#/tmp/}"
				mount --rbind "$dir" "$own/${dir#/tmp/}"
			fi
			mount --rbind "$own" /tmp
		fi
		exec "$@"' bash "$DIR" "$node" "$ISOLATE" "$@"
}

start_service() {
	local name=$1 user=()
	alive "$name" && return 0
	case $name in
	munged)
		rm -f "$DIR/munge/sock" "$DIR/munge/sock.lock"
		spawn munged munged --foreground --key-file="$DIR/munge/key" \
			--socket="$DIR/munge/sock" --pid-file="$DIR/munge/pid" \
			--log-file="$DIR/munge/log" --seed-file="$DIR/munge/seed"
		until_serves munged 10 munge -n -S "$DIR/munge/sock" ;;
	mariadbd)
		if is_root; then user=(--user=root); fi
		[[ -d $DIR/db/mysql ]] ||
			mariadb-install-db --no-defaults "${user[@]}" --datadir="$DIR/db" --skip-test-db \
				--auth-root-authentication-method=normal >"$DIR/log/mariadb-install.out" 2>&1
		spawn mariadbd mariadbd --no-defaults "${user[@]}" --datadir="$DIR/db" \
			--socket="$DIR/run/mysql.sock" --port="$PORT_DB" --bind-address=127.0.0.1 \
			--pid-file="$DIR/run/mariadbd.daemon" --innodb-flush-log-at-trx-commit=0 \
			--innodb-buffer-pool-size=64M
		until_serves mariadbd 20 mariadb --no-defaults -S "$DIR/run/mysql.sock" -u root -e "
			CREATE USER IF NOT EXISTS slurm@'127.0.0.1' IDENTIFIED BY 'testbed';
			CREATE USER IF NOT EXISTS slurm@localhost IDENTIFIED BY 'testbed';
			GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1';
			GRANT ALL ON slurm_acct_db.* TO slurm@localhost" ;;
	slurmdbd)
		spawn slurmdbd slurmdbd -D
		until_serves slurmdbd 20 sacctmgr -n show cluster ;;
	slurmctld)
		spawn slurmctld slurmctld -D
		until_serves slurmctld 20 scontrol ping ;;
	slurmd-*)
		spawn_node "${name#slurmd-}" slurmd -D -N "${name#slurmd-}" ;;
	sshd)
		spawn sshd /usr/sbin/sshd -D -f "$DIR/ssh/sshd_config" -E "$DIR/log/sshd.log"
		until_serves sshd 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT_SSH" ;;
	wan)
		rm -f "$DIR/run/wan.ready"
		spawn wan /usr/bin/env python3 "$HERE/wanproxy.py" --listen "127.0.0.1:$PORT_WAN" \
			--to "127.0.0.1:$PORT_SSH" --conf "$DIR/etc/wan.conf" --ready "$DIR/run/wan.ready"
		until_serves wan 10 test -e "$DIR/run/wan.ready" ;;
	*) say "no such service: $name"; return 1 ;;
	esac
}

# In the order of starting.
services() {
	if [[ $SLURM == 1 ]]; then
		echo munged
		if [[ $ACCT == dbd ]]; then echo mariadbd; echo slurmdbd; fi
		echo slurmctld
		node_names | sed 's/^/slurmd-/'
	fi
	echo sshd
	[[ -z $WAN ]] || echo wan
}

nodes_ready() {
	local total ready
	[[ $SLURM == 1 ]] || return 0
	total=$(node_names | wc -l)
	ready=$(sinfo -h -N -o '%N %t' | sort -u | grep -cE ' (idle|mix|alloc|comp)$')
	((ready == total))
}

# Ends the services in order, then every descendant that is left: steps, jobs,
# ssh sessions and what they detached.  The tree goes through a file so that
# this loop's own helpers are dead by the time it is read.
end_all() {
	local name pid pids round
	trap '' TERM INT
	stop_service sshd 3
	stop_service wan 3
	stop_service slurmctld 10
	stop_service slurmdbd 10
	stop_service mariadbd 10
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

supervise() {
	local name id verb rc
	load
	umask 022
	cd /
	exec 9<>"$DIR/run/ctl"
	echo "$$ $(start_time $$)" >"$DIR/run/supervisor.pid"
	trap 'end_all; exit 0' TERM INT
	for name in $(services); do
		start_service "$name" || { echo "$name" >"$DIR/run/failed"; end_all; exit 1; }
	done
	until_true 30 nodes_ready || { echo nodes >"$DIR/run/failed"; end_all; exit 1; }
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
	is_root || die "install needs root"
	export DEBIAN_FRONTEND=noninteractive
	apt-get -o DPkg::Lock::Timeout=600 update -qq
	apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends \
		"${PACKAGES[@]}" "${DBD_PACKAGES[@]}" >/dev/null
}

prepare_user() {
	if ! is_root; then
		TB_USER=$(id -un)
		return
	fi
	id "$TB_USER" >/dev/null 2>&1 || useradd -m -s /bin/bash "$TB_USER"
	# sshd without PAM takes an account with `!` for a password as locked.
	[[ $(getent shadow "$TB_USER" | cut -d: -f2) == '!'* ]] && usermod -p '*' "$TB_USER"
	mkdir -p /run/sshd
}

cmd_up() {
	NODES=2 CPUS=8 TB_USER=repxtest ACCT=filetxt SLURM=1
	ISOLATE='' WAN='' WORK_SIZE=''
	ROOT=0 SET=()
	while (($#)); do
		case $1 in
		--nodes) NODES=$2; shift 2 ;;
		--cpus) CPUS=$2; shift 2 ;;
		--user) TB_USER=$2; shift 2 ;;
		--acct) ACCT=$2; shift 2 ;;
		--no-slurm) SLURM=0; shift ;;
		--isolate) ISOLATE=$2; shift 2 ;;
		--work-size) WORK_SIZE=$2; shift 2 ;;
		--wan) WAN=$2; shift 2 ;;
		--set) SET+=("$2"); shift 2 ;;
		*) usage >&2; die "unknown option $1" ;;
		esac
	done
	[[ $ACCT == @(none|filetxt|dbd) ]] || die "--acct none|filetxt|dbd"
	if is_root; then ROOT=1; fi
	: "${ISOLATE:=$( ((ROOT)) && echo node || echo none)}"
	[[ $ISOLATE == @(none|node|tmp) ]] || die "--isolate none|node|tmp"
	if ((!ROOT)) && [[ $ISOLATE != none || -n $WORK_SIZE ]]; then
		die "--isolate and --work-size need root"
	fi
	local tool tools=(sshd perl)
	((SLURM == 0)) || tools+=(munged slurmctld slurmd sbatch)
	for tool in "${tools[@]}"; do
		PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || die "no $tool here: run testbed.sh install"
	done
	mkdir -p "$DIR"
	DIR=$(readlink -f "$DIR")
	[[ $DIR =~ ^[A-Za-z0-9._/-]+$ ]] || die "DIR may hold only letters, digits and ._/-"
	((${#DIR} <= 70)) || die "DIR is too long: unix sockets live under it"
	if alive supervisor; then
		say "already up"
		cmd_status
		return
	fi
	umask 022
	prepare_user
	mkdir -p "$DIR"/{bin,etc,run/user,log,state,spool,munge,ssh,work,local,db}
	rm -f "$DIR"/run/{failed,up,ack.*,*.pid,ctl}
	choose_ports
	chmod 755 "$DIR" "$DIR"/{etc,run,log,munge,ssh,local}
	chmod 700 "$DIR"/{state,db,run/user}
	[[ -f $DIR/munge/key ]] || (umask 077; head -c 1024 /dev/urandom >"$DIR/munge/key")
	local node
	while read -r node; do
		mkdir -p "$DIR/spool/$node" "$DIR/nodes/$node/local" "$DIR/nodes/$node/tmp"
		chmod 1777 "$DIR/nodes/$node/local" "$DIR/nodes/$node/tmp"
	done < <(node_names)
	chmod 1777 "$DIR/local"
	if ((ROOT)); then
		runuser -u "$TB_USER" -- test -x "$DIR/work" ||
			die "$TB_USER cannot reach $DIR: open its parent directories (chmod a+x)"
		if [[ -n $WORK_SIZE ]] && ! mountpoint -q "$DIR/work"; then
			mount -t tmpfs -o "size=$WORK_SIZE,mode=755" testbed "$DIR/work"
		fi
		chown "$TB_USER:" "$DIR/work" "$DIR/run/user"
	fi
	[[ -z $WAN ]] || tr ',' '\n' <<<"$WAN" >"$DIR/etc/wan.conf"
	save
	write_slurm_conf
	write_ssh_conf
	write_env
	mkfifo -m 600 "$DIR/run/ctl"

	local prctl=157
	[[ $(uname -m) == aarch64 ]] && prctl=167
	# PR_SET_CHILD_SUBREAPER (36) outlives the exec.
	# shellcheck disable=SC2016
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
	DIR=$(readlink -f "$DIR")
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
	if mountpoint -q "$DIR/work"; then umount "$DIR/work"; fi
	if [[ $purge == --purge ]]; then
		[[ -f $DIR/testbed.conf ]] || die "$DIR is no testbed: not removed"
		rm -rf --one-file-system "$DIR"
	fi
}

cmd_status() {
	load
	local name rc=0
	for name in supervisor $(services); do
		if alive "$name"; then
			printf '%-12s up    pid %s\n' "$name" "$PID"
		else
			printf '%-12s DOWN\n' "$name"
			rc=1
		fi
	done
	printf 'ssh          127.0.0.1:%s as %s' "$PORT_SSH" "$TB_USER"
	[[ -z $WAN ]] || printf ', slowly at port %s' "$PORT_WAN"
	printf '\n'
	if ((rc == 0 && SLURM == 1)); then timeout 10 sinfo || rc=1; fi
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

cmd_drop_ssh() {
	local pid
	alive sshd || die "sshd is down"
	for pid in $(descendants "$PID"); do
		[[ $(cat "/proc/$pid/comm" 2>/dev/null) != sshd ]] || kill -KILL "$pid" 2>/dev/null || true
	done
}

cmd_wan() {
	local pair
	[[ -n $WAN ]] || die "up was given no --wan"
	for pair in "$@"; do
		sed -i "/^${pair%%=*}=/d" "$DIR/etc/wan.conf"
		echo "$pair" >>"$DIR/etc/wan.conf"
	done
	if (($#)); then signal_service wan HUP; else cat "$DIR/etc/wan.conf"; fi
}

# Everything on an isolated node shares its mount namespace.  Killing slurmd
# alone would leave the jobs running: that is a hung slurmd, not a dead node.
cmd_crash_node() {
	local ns pid
	alive "slurmd-$1" || die "slurmd-$1 is down"
	[[ $ISOLATE != none ]] || die "with --isolate none a node is not to be told apart"
	ns=$(readlink "/proc/$PID/ns/mnt")
	[[ $ns != "$(readlink /proc/$$/ns/mnt)" ]] || die "slurmd-$1 is in no namespace of its own"
	for pid in "$PID" $(ps -eo pid=); do
		[[ $(readlink "/proc/$pid/ns/mnt" 2>/dev/null) != "$ns" ]] || kill -KILL "$pid" 2>/dev/null || true
	done
	until_true 5 gone "slurmd-$1"
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
	ssh) load; ssh -F "$DIR/ssh/config" cluster "$@" ;;
	start) load; cmd_start "$1" ;;
	stop) load; stop_service "$1" ;;
	restart) load; stop_service "$1"; cmd_start "$1" ;;
	kill) load; signal_service "$1" KILL; until_true 5 gone "$1" ;;
	pause) load; signal_service "$1" STOP ;;
	resume) load; signal_service "$1" CONT ;;
	crash-node) load; cmd_crash_node "$1" ;;
	drop-ssh) load; cmd_drop_ssh ;;
	wan) load; cmd_wan "$@" ;;
	wan-reset) load; signal_service wan USR1 ;;
	*) usage >&2; exit 2 ;;
	esac
}

main "$@"; exit
