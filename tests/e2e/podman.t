#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Jobs in containers of podman: as root here, and without privileges over ssh.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd podman runc busybox root
start_sshd
sh "$TESTS/labs/reference-image/make.sh" "$WORK/imaged" || exit 1
make_lab "$WORK/imaged"
sed -i 's/execution_types = .*/execution_types = ["podman"]/' "$XDG_CONFIG_HOME/repx/config.toml"
export CONTAINERS_CONF=$WORK/containers.conf CONTAINERS_STORAGE_CONF=$WORK/storage.conf
cat >"$CONTAINERS_CONF" <<CONF
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
CONF
cat >"$CONTAINERS_STORAGE_CONF" <<CONF
[storage]
driver = "overlay"
graphroot = "$WORK/containers/storage"
runroot = "$WORK/containers/run"
CONF
# The account behind ssh has a storage of its own, too.
mkdir "$WORK/account" && chown "$TB_SSH_USER" "$WORK/account"
sed "s,$WORK/containers,$WORK/account,; s,^runroot,rootless_storage_path = \"$WORK/account/storage\"\n&," \
	"$CONTAINERS_STORAGE_CONF" >"$WORK/account.conf"
sed -i "s,^\(SetEnv .*\),\1 CONTAINERS_CONF=$CONTAINERS_CONF CONTAINERS_STORAGE_CONF=$WORK/account.conf," \
	"$cluster/ssh/sshd_config"
"$TESTBED" restart "$cluster" sshd >&2 || exit 1
end() {
	local status=$?
	as_user env CONTAINERS_STORAGE_CONF="$WORK/account.conf" \
		podman unshare rm -rf "$WORK/account/storage" 2>/dev/null
	umount -l "$WORK/containers/storage/overlay" 2>/dev/null
	(exit $status)
	finish
}
trap end EXIT
ids() { podman images --quiet --no-trunc; }

check 'as root on this machine' '
	repx run simulation-run --lab "$LAB" && same "$TOTALS" "$(outputs_of "$WORK/store" E total.txt)"'
check 'the image is loaded once, under its own id' '
	test "$(ids | wc -l)" -eq 1 &&
	same "sha256:$(basename "$LAB"/images/*/*[0-9a-f].json .json)" "$(ids)" &&
	test -z "$(podman ps --all --quiet)" && test -z "$(ls "$WORK/store/cache/podman")"'
check 'without privileges over ssh' '
	repx run simulation-run --lab "$LAB" --target queue && same "$TOTALS" "$(outputs_of "$TB_BASE" E total.txt)"'

# one NAME SCRIPT [KEYS]: a Lab of one job; runs it with --lab "$LAB".
one() {
	mkdir -p "$WORK/$1"
	cp "$WORK/imaged/busybox.tar" "$WORK/$1"
	printf '[lab]\nname = %s\n[run r]\nstages = s\nimage = busybox.tar\n[stage s]\nscript = s.sh\n' "$1" >"$WORK/$1/lab.ini"
	printf '#!/bin/sh\n%s\n' "$2" >"$WORK/$1/s.sh"
	chmod 755 "$WORK/$1/s.sh"
	make_lab "$WORK/$1" "lab-$1"
	J=$(jobs_of s)
}
out_of() { cat "$WORK/store/outputs/$J/out/$1"; }
reason() { jq -r 'select(.reason) | .reason' "$WORK/store/outputs/$J/repx/attempt.json"; }

check 'what a script may and may not' '
	export NOT_FOR_JOBS=secret
	one confined "
	cd \"\$1\"; id -u >uid; echo \"\$HOME \$TERM \$container \$NOT_FOR_JOBS\" >env; pwd >pwd
	(echo x >/etc/x) 2>/dev/null && echo root >wrote
	(echo x >'"$WORK"'/store/x) 2>/dev/null && echo base >wrote
	echo x >/tmp/x && cat /tmp/x >tmp
	cat /proc/net/dev | grep -c eth >net
	grep CapEff /proc/self/status >caps
	cat /etc/motd >motd
	exit 0"
	repx run r --lab "$LAB" && same 0 "$(out_of uid)" && same "/ xterm  " "$(out_of env)" &&
	test ! -e "$WORK/store/outputs/$J/out/wrote" && same x "$(out_of tmp)" && same 0 "$(out_of net)" &&
	same "0000000000000000" "$(out_of caps | tr -dc 0-9a-f | tail -c 16)" && same "reference image" "$(out_of motd)" &&
	out_of pwd | grep "/attempts/1/out$"'
check 'the ids of the user, without privileges' '
	repx run r --lab "$WORK/lab-confined" --target queue && LAB=$WORK/lab-confined && J=$(jobs_of s) &&
	same "$(id -u "$TB_SSH_USER")" "$(cat "$TB_BASE/outputs/$J/out/uid")" &&
	same "$(id -u "$TB_SSH_USER")" "$(stat -Lc %u "$TB_BASE/outputs/$J/out/uid")"'
check 'exit status' '
	one three "exit 3"; must_fail repx run r --lab "$LAB"; same "exit 3" "$(reason)"'
check 'a status that podman uses for itself' '
	one five "exit 125"; must_fail repx run r --lab "$LAB"; same "exit 125" "$(reason)"'
check 'a signal' '
	one nine "sh -c \"kill -9 \\\$\\\$\""; must_fail repx run r --lab "$LAB"; same "signal 9" "$(reason)"'
check 'an interpreter that the image does not have' '
	one none "" && sed -i "1s,.*,#!/no/such," "$WORK/none/s.sh" && make_lab "$WORK/none" lab-none2 && J=$(jobs_of s) &&
	must_fail repx run r --lab "$LAB"; reason | grep "^not started: podman: "'
check 'interrupted: TERM for the script, and nothing is left' '
	one long "trap \"echo got >\$1/got; exit 0\" TERM; echo up >\$1/up; while :; do sleep 0.1; done"
	repx run r --lab "$LAB" & pid=$!
	within 30 test -e "$WORK/store/outputs/$J/out/up"
	kill -INT $pid; wait $pid || true
	within 30 test -n "$(podman ps --all --quiet | wc -l | grep -x 0)"
	same cancelled "$(reason)" && out_of got && test -z "$(podman ps --all --quiet)"'
check 'deaf to TERM: killed, and nothing is left' '
	export REPX_KILL_WAIT=1
	one deaf "trap \"\" TERM; echo up >\$1/up; while :; do sleep 0.1; done"
	repx run r --lab "$LAB" & pid=$!
	within 30 test -e "$WORK/store/outputs/$J/out/up"
	kill -INT $pid; wait $pid || true
	same cancelled "$(reason)" && test -z "$(podman ps --all --quiet)" && ! pgrep -f "bin/s.*outputs/$J"'
