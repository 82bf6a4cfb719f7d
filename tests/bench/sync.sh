#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# sync.sh: what moving Labs costs, beside tar over ssh, rsync and `ssh true`, in one run and in
# turn, on a tmpfs:
#
#     tests/bench/sync.sh [--rounds N] [--links LIST] [--parts LIST] [--transports LIST]
#                         [--sizes LIST] [--files N] [--bulk MIB]
#
#     --rounds      of each measurement; the median counts (3)
#     --links       0 40 100 100mbit: round trips in ms, or 100 Mbit/s with 40 ms ("0")
#     --parts       cold noop bulk delta layer calls memory ("cold noop bulk delta layer calls")
#     --transports  ssh (libssh2) openssh ("ssh openssh")
#     --sizes       of `memory`: files of a Lab ("10000 30000 100000"; 1000000 takes 4 GiB of tmpfs
#                   and some minutes), and 4g: one file of 4 GiB
#
# Times are milliseconds of the whole command: `repx run` with connecting, the agent's first
# arrival (cold) and one trivial job.
# shellcheck source=../e2e/lib.sh disable=SC2119,SC1091,SC2154
set -u
rounds=3 links=0 parts='cold noop bulk delta layer calls' transports='ssh openssh'
sizes='10000 30000 100000' files=20000 bulk=50
while (($#)); do
	case $1 in
	--rounds) rounds=$2 ;;
	--links) links=$2 ;;
	--parts) parts=$2 ;;
	--transports) transports=$2 ;;
	--sizes) sizes=$2 ;;
	--files) files=$2 ;;
	--bulk) bulk=$2 ;;
	*) sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
	shift 2
done
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../e2e" || exit 1
. ./lib.sh
requires sshd rsync jq python3 strace

FAST=$(mktemp -d /dev/shm/repx-bench.XXXXXX) || exit 1
chmod 755 "$FAST"
trap 'finish_bench' EXIT
finish_bench() { rm -rf "$FAST"; finish >/dev/null; }
start_sshd --wan rtt_ms=0 >/dev/null 2>&1
mkdir "$FAST/there" "$FAST/local" "$FAST/n"
if [[ $(id -u) == 0 ]]; then chown "$TB_SSH_USER" "$FAST/there"; fi
export XDG_STATE_HOME=$FAST/state XDG_CACHE_HOME=$FAST/cache
for host in cluster cluster-wan; do
	for transport in ssh openssh; do
		cat <<-CONF
		[targets.$transport-$host]
		address = "$host"
		base_path = "$FAST/there/repx"
		default_scheduler = "local"
		[targets.$transport-$host.local]
		execution_types = ["bwrap", "native"]
		CONF
	done
done >>"$XDG_CONFIG_HOME/repx/config.toml"
mkdir -p "$XDG_CONFIG_HOME/repx/repx.d"
for host in cluster cluster-wan; do
	for transport in ssh openssh; do
		printf '[targets.%s-%s]\ntransport = "%s"\n' "$transport" "$host" "$transport"
	done
done >"$XDG_CONFIG_HOME/repx/repx.d/bench.toml"
sed -i "s|^base_path = \"$WORK/store\"|base_path = \"$FAST/local\"|" "$XDG_CONFIG_HOME/repx/config.toml"

is_part() { [[ " $parts " == *" $1 "* ]]; }
lab() { [[ -d $FAST/$1 ]] || "$here/make_lab.py" "$2" "$FAST/$1" "$3"; } # NAME KIND NUMBER
on() { ssh -F "$HOME/.ssh/config" "$host" "$@" </dev/null; }
median() { sort -n "$FAST/n/$1" 2>/dev/null | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : "-" }'; }
note() { echo "$2" >>"$FAST/n/$1"; }
# ms NAME COMMAND...: how long it takes, into NAME.
ms() {
	local name=$1 start
	shift
	start=$(date +%s%N)
	"$@" >"$FAST/out" 2>"$FAST/err" || { echo "failed: $*"; tail -n 20 "$FAST/err"; exit 1; }
	note "$name" $((($(date +%s%N) - start) / 1000000))
}
# repx_run NAME TRANSPORT LAB: its time, and the bytes on the wire both ways.
repx_run() {
	ms "$1" repx run bench --lab "$FAST/$3" --target "$2-$host" --stale rerun --json
	note "$1.bytes" "$(jq '.bytes_sent + .bytes_received' "$FAST/out")"
	note "$1.trips" "$(jq .round_trips "$FAST/out")"
}
# by_rsync NAME LAB OPTIONS...
by_rsync() {
	local name=$1 from=$2
	shift 2
	ms "$name" rsync "$@" --stats -e "ssh -F $HOME/.ssh/config" "$FAST/$from/" "$host:$FAST/there/rsync/"
	note "$name.bytes" "$(tr -d , <"$FAST/out" | sed -n 's/^Total bytes \(sent\|received\): //p' | paste -sd + | bc)"
}
by_tar() { # NAME LAB
	ms "$1" bash -c "tar -C '$FAST/$2' -cf - . | ssh -F '$HOME/.ssh/config' $host 'mkdir -p $FAST/there/tar && tar -xf - -C $FAST/there/tar'"
}
# What RepX's agent and the local scheduler left running there does not matter: the next run starts anew.
clean() { on "chmod -R u+w $FAST/there/* 2>/dev/null; rm -rf $FAST/there/*"; }
clean_state() { rm -rf "$FAST/cache"; }
row() { # TEXT NAME FLOOR
	local ours floor
	ours=$(median "$2") floor=$([[ -n ${3:-} ]] && median "$3")
	printf '| %-40s | %8s | %12s | %5s | %6s |\n' "$1" "$ours" "$(median "$2.bytes")" "$(median "$2.trips")" \
		"$([[ -z ${floor:-} || $floor == - ]] || awk "BEGIN { printf \"%.2f\", $ours / $floor }")"
}
head_of() {
	printf '\n%s\n\n| %-40s | %8s | %12s | %5s | %6s |\n|---|---|---|---|---|\n' "$1" what ms "bytes, both" trips "x floor"
}

# ---- parts; $link names the link in what is noted ----

part_cold() {
	local lab=$1 kind=$2 number=$3 transport
	lab "$lab" "$kind" "$number"
	for ((i = 0; i < rounds; i++)); do
		clean
		ms "$link.$lab.true" on true
		by_tar "$link.$lab.tar" "$lab"
		by_rsync "$link.$lab.rsync" "$lab" -a
		for transport in $transports; do
			clean
			repx_run "$link.$lab.$transport" "$transport" "$lab"
			if is_part noop && [[ $lab == small ]]; then
				repx_run "$link.noop.$transport" "$transport" "$lab"
			fi
		done
		if is_part noop && [[ $lab == small ]]; then
			clean
			by_rsync "$link.noop.first" "$lab" -a
			by_rsync "$link.noop.rsync" "$lab" -a
			by_rsync "$link.noop.rsyncc" "$lab" -ac
			ms "$link.noop.true" on true
		fi
	done
	head_of "Cold, $lab, link $link (floor: tar)"
	row 'tar over ssh' "$link.$lab.tar"
	row 'rsync -a' "$link.$lab.rsync" "$link.$lab.tar"
	for transport in $transports; do row "repx, $transport" "$link.$lab.$transport" "$link.$lab.tar"; done
	if is_part noop && [[ $lab == small ]]; then
		head_of "Nothing to do, $lab, link $link (floor: ssh true)"
		row 'ssh true' "$link.noop.true"
		row 'rsync -a' "$link.noop.rsync" "$link.noop.true"
		row 'rsync -ac' "$link.noop.rsyncc" "$link.noop.true"
		for transport in $transports; do row "repx, $transport" "$link.noop.$transport" "$link.noop.true"; done
	fi
}

part_delta() {
	local transport
	lab two bulk -"$bulk"
	lab twoplus inserted -"$bulk"
	for ((i = 0; i < rounds; i++)); do
		clean
		by_rsync "$link.delta.first" two -a
		by_rsync "$link.delta.rsync" twoplus -a --no-times
		for transport in $transports; do
			clean
			repx_run "$link.delta.first.$transport" "$transport" two
			repx_run "$link.delta.$transport" "$transport" twoplus
		done
	done
	head_of "256 KiB inserted in each of 2 files of $bulk MiB, link $link (floor: rsync)"
	row 'rsync -a' "$link.delta.rsync"
	for transport in $transports; do row "repx, $transport" "$link.delta.$transport" "$link.delta.rsync"; done
	printf '\nBytes, repx / rsync: %s\n' "$(awk "BEGIN { printf \"%.2f\", $(median "$link.delta.${transports%% *}.bytes") / $(median "$link.delta.rsync.bytes") }")"
}

part_layer() {
	local transport
	lab layers0 layers 0
	lab layers1 layers 1
	for ((i = 0; i < rounds; i++)); do
		for transport in $transports; do
			clean
			image_run "$link.layer.all.$transport" "$transport" layers0
			image_run "$link.layer.$transport" "$transport" layers1
		done
	done
	head_of "One layer of twelve (8 MiB each), link $link"
	for transport in $transports; do
		row "all twelve, $transport" "$link.layer.all.$transport"
		row "one changed, $transport" "$link.layer.$transport"
	done
	printf '\nBytes beyond the layer: %s %%\n' "$(awk "BEGIN { printf \"%.2f\", ($(median "$link.layer.${transports%% *}.bytes") / 8388608 - 1) * 100 }")"
}
# The layers hold nothing that could be run, so the job fails; only what moves counts.
image_run() { # NAME TRANSPORT LAB
	local start
	start=$(date +%s%N)
	repx run bench --lab "$FAST/$3" --target "$2-$host" --stale rerun --json >"$FAST/out" 2>"$FAST/err"
	note "$1" $((($(date +%s%N) - start) / 1000000))
	note "$1.bytes" "$(jq '.bytes_sent + .bytes_received' "$FAST/out")"
	note "$1.trips" "$(jq .round_trips "$FAST/out")"
}

# Calls that a metadata server would see, of the process that writes, for each file.
calls_of() { # NAME PROGRAM-PATTERN COMMAND...
	local name=$1 pattern=$2 file
	shift 2
	rm -rf "$FAST/trace" && mkdir "$FAST/trace"
	strace -ff -qq -o "$FAST/trace/t" -e trace=execve,open,openat,creat,mkdir,mkdirat,stat,lstat,newfstatat,statx,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,chmod,fchmod,fchmodat,chown,fchown,fchownat,lchown,utimensat,access,faccessat,faccessat2,readlink,readlinkat \
		"$@" >"$FAST/out" 2>&1 || { echo "failed: $*"; tail -n 20 "$FAST/out"; exit 1; }
	for file in "$FAST"/trace/t.*; do
		grep -q "^execve(.*$pattern" "$file" || continue
		# fstat (a path of nothing) asks nobody
		grep -cvE '^execve|AT_EMPTY_PATH|^\+\+\+|^---|ENOSYS' "$file"
	done | sort -n | tail -n 1 | awk -v n="$files" -v name="$name" '{ printf "| %-40s | %10d | %6.2f |\n", name, $1, $1 / n }'
}
part_calls() {
	lab small small "$files"
	rm -rf "$FAST/local" "$FAST/untar" && mkdir "$FAST/untar"
	tar -C "$FAST/small" -cf "$FAST/small.tar" .
	printf '\nMetadata calls on the target, cold, %s files\n\n| %-40s | %10s | %6s |\n|---|---|---|\n' "$files" what calls 'a file'
	calls_of 'tar -x' 'bin/tar"' tar -xf "$FAST/small.tar" -C "$FAST/untar"
	calls_of 'rsync -a (local, the receiver)' 'rsync"' rsync -a "$FAST/small/" "$FAST/untar2/"
	calls_of 'repx (the agent)' 'repx-agent", .*"session"' repx run bench --lab "$FAST/small" --target local
	rm -rf "$FAST/untar" "$FAST/untar2" "$FAST/small.tar" "$FAST/local"
}

part_memory() {
	local size kind
	printf '\nMemory and time, local target\n\n| %-10s | %9s | %9s | %12s | %11s |\n|---|---|---|---|---|\n' \
		files 'cold, ms' 'noop, ms' 'client, MiB' 'agent, MiB'
	for size in $sizes; do
		kind=tiny
		# what is remembered of a Lab at that path is of another size
		rm -rf "$FAST/local" "$FAST/m" "$FAST/cache"
		if [[ $size == 4g ]]; then "$here/make_lab.py" large "$FAST/m" 4096; else "$here/make_lab.py" $kind "$FAST/m" "$size"; fi
		"$here/peak.py" "$FAST/cold" repx run bench --lab "$FAST/m" --target local >"$FAST/out" 2>&1 ||
			{ tail -n 5 "$FAST/out"; exit 1; }
		"$here/peak.py" "$FAST/noop" repx run bench --lab "$FAST/m" --target local >"$FAST/out" 2>&1 ||
			{ tail -n 5 "$FAST/out"; exit 1; }
		read -r ms client agent <"$FAST/cold"
		read -r noop client2 agent2 <"$FAST/noop"
		printf '| %-10s | %9s | %9s | %12s | %11s |\n' "$size" "$ms" "$noop" \
			"$((client > client2 ? client : client2))" "$((agent > agent2 ? agent : agent2))"
	done
	rm -rf "$FAST/m" "$FAST/local"
}

printf '%s, %s CPUs, load %s; repx %s\n' "$(date -u +%F)" "$(nproc)" "$(cut -d' ' -f1 /proc/loadavg)" "$(repx --version)"
for link in $links; do
	case $link in
	0) host=cluster ;;
	100mbit) host=cluster-wan && "$TESTBED" wan "$cluster" rtt_ms=40 rate_kbit=100000 ;;
	*) host=cluster-wan && "$TESTBED" wan "$cluster" "rtt_ms=$link" rate_kbit=0 ;;
	esac
	if is_part cold || is_part noop; then part_cold small small "$files"; fi
	if is_part bulk; then part_cold bulk bulk "$bulk"; fi
	if is_part delta; then part_delta; fi
	if is_part layer; then part_layer; fi
done
if is_part calls; then part_calls; fi
if is_part memory; then part_memory; fi
