#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# On a real Grid Engine: whoever submits is killed (SIGKILL) as soon as the queue has taken a
# gather, before anybody knows its id; tests/soak/gather_killed.sh. All comes right, each gather
# runs once. Takes some two minutes.
# shellcheck source=tests/e2e/lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=/dev/null
. "$TESTS/e2e/gridengine.sh"

start_gridengine
if ! { cmake -S "$TESTS/../examples/plugins/sched-gridengine" -B cm && cmake --build cm; } >log 2>&1; then
	cat log
	exit 1
fi
export REPX_PLUGIN_PATH=$WORK/cm/plugins KILLED=$TB_WORK/killed

# The commands of the site, where qsub ends who called it after the first gather it took.
mkdir -p "$TB_WORK/bin" && chmod 755 "$TB_WORK/bin"
for tool in "$GE"/bin/*; do ln -s "$tool" "$TB_WORK/bin/"; done
rm "$TB_WORK/bin/qsub"
cat >"$TB_WORK/bin/qsub" <<QSUB
#!/bin/bash
given=\$(mktemp) && cat >"\$given"
said=\$("$GE/bin/qsub" "\$@" <"\$given"); status=\$?
what=\$(cat "\$given"; for word; do [ ! -f "\$word" ] || cat "\$word"; done; echo "\$*")
rm "\$given"
if [ \$status = 0 ] && grep -q gather <<<"\$what" && mkdir "$KILLED" 2>/dev/null; then
	pid=\$PPID
	while [ "\$pid" -gt 1 ]; do
		up=\$(sed 's/.*) . \\([0-9]*\\).*/\\1/' "/proc/\$pid/stat")
		case \$(cat "/proc/\$pid/comm") in repx-agent*) echo "\$pid \$said" >>"$KILLED/who"; kill -KILL "\$pid" ;; esac
		pid=\$up
	done
fi
echo "\$said"
exit \$status
QSUB
chmod 755 "$TB_WORK/bin/qsub"
gridengine_config "$TB_WORK/bin"
make_lab "$TESTS/labs/reference"
chown "$TB_SSH_USER" "$TB_WORK" 2>/dev/null

check 'who submits is killed after a gather was taken' '
	timeout 120 repx run simulation-run --lab "$LAB" --target grid >out 2>&1 || true; cat out; within 60 test -s "$KILLED/who" && cat "$KILLED/who"'
check 'running again, it comes right' '
	for i in 1 2 3 4 5 6; do
		timeout 120 repx run simulation-run --lab "$LAB" --target grid >out 2>&1 || true; cat out
		! within 60 totals_are_there || exit 0
	done; exit 1'
# of a job of scatter-gather one attempt is the scatter's, one the gather's
ran() { find "$TB_BASE"/outputs/*-D-* -path '*/attempts/*' -prune | sed 's/.*-D-1.0//; s/branch-[0-9]*/branch/' | sort | uniq -c; }
check 'each branch and each gather ran once' 'ran >told; cat told; test "$(awk "\$2 == \"/attempts/2\" { print \$1 }" told)" -eq 4 && must_fail grep "attempts/3\|branch.*attempts/2" told'
sed 's/^/# /' told
