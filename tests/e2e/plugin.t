#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Plugins as a user sees them: list, show, check.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

PLUGINS=$REPX_BUILD/lib/repx/plugins
[[ -d $PLUGINS ]] || PLUGINS=$(dirname "$(repx plugin list --json | sed -n 's/.*"file":"\([^"]*\)".*/\1/p' | head -n 1)")
export PLUGINS

check 'show tells the keys of a plugin, as text and as JSON' '
	repx plugin show sched-exec | grep -x "  helper  *string, required" &&
	repx plugin show sched-exec --json | grep "\"name\":\"helper\",\"type\":\"string\""'
check 'an unknown plugin is answered with those that are there' '
	must_fail repx plugin show sched-none 2>err; grep "no plugin .sched-none.; installed: .*sched-exec" err'
check 'check loads each bundled plugin' '
	for so in "$PLUGINS"/*.so; do repx plugin check "$so"; done'
check 'a file that is cut short is told, with status 1' '
	mkdir cut && cp "$PLUGINS"/transport-local.* cut && truncate -s 9000 cut/transport-local.so &&
	sed -i /^sha256/d cut/transport-local.ini && status=0 &&
	{ repx plugin check cut/transport-local.so 2>err || status=$?; } &&
	test $status -eq 1 && grep "is cut short" err'
check 'a file that is no plugin is told, with status 1' '
	mkdir text && cp "$PLUGINS"/transport-local.ini text && echo hello >text/transport-local.so &&
	sed -i /^sha256/d text/transport-local.ini && status=0 &&
	{ repx plugin check text/transport-local.so 2>err || status=$?; } &&
	test $status -eq 1 && grep "is no ELF file" err'
check 'one that another file took the place of is refused' '
	mkdir swap && cp "$PLUGINS"/transport-local.ini swap && cp "$PLUGINS"/transport-ssh.so swap/transport-local.so &&
	must_fail repx plugin check swap/transport-local.so 2>err; grep "its manifest says" err'

# Any opening of a plugin's .so would be seen; that this sees them is shown with check.
opened() { strace -f -e trace=open,openat,execve -o trace "$@" >/dev/null && grep -c '/plugins/.*\.so"' trace; }
export -f opened
if has strace && strace -o /dev/null true 2>/dev/null; then
	check 'list and show open no plugin' '
		must_fail opened repx plugin list && must_fail opened repx plugin list --json &&
		must_fail opened repx plugin show sched-slurm'
	check 'check does' 'test "$(opened repx plugin check "$PLUGINS/sched-slurm.so")" -gt 0'
else
	check 'list and show open no plugin # SKIP no strace' true
fi

# Rights that its user does not have are no rights to load plugins with.
if [[ $(id -u) == 0 ]] && has runuser; then
	check 'a set-uid repx refuses' '
		mkdir -m 755 suid && install -m 4755 "$REPX" suid/repx &&
		must_fail runuser -u nobody -- "$WORK/suid/repx" --plugin-path "$PLUGINS" plugin list 2>err; cat err; grep -i "set-user-id\|privilege\|set-uid" err'
else
	check 'a set-uid repx refuses # SKIP needs root' true
fi
