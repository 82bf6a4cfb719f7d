#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A scheduler plugin that is no part of repx: sched-gridengine, built against the installed SDK,
# on the client only, and a real Grid Engine on the target.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires root sshd cmake make pkg-config /usr/lib/gridengine/sge_qmaster
sdk_install
start_sshd
GE=$WORK/ge
"$TESTS/testbed/gridengine.sh" up "$GE" --user "$TB_SSH_USER" >&2 || exit 1
at_end() { "$TESTS/testbed/gridengine.sh" down "$GE" --purge; }
ge() { "$TESTS/testbed/gridengine.sh" exec "$GE" "$@"; }
no_jobs() { [[ -z $(ge_user qstat) ]]; }
ge_user() { "$TESTS/testbed/gridengine.sh" user "$GE" "$@"; }
export GE

check 'it builds with CMake, and with make without a warning' '
	cmake -S "$TESTS/../examples/plugins/sched-gridengine" -B cm >log 2>&1 && cmake --build cm >>log 2>&1 || { cat log; exit 1; }
	cp -r "$TESTS/../examples/plugins/sched-gridengine" mk && rm -rf mk/plugins &&
	make -C mk CFLAGS="-O1 -Wall -Wextra -Wconversion -Wno-sign-conversion -Werror" && repx plugin check mk/plugins/sched-gridengine.so'
export REPX_PLUGIN_PATH=$WORK/cm/plugins
check 'nothing but the installed SDK is included' '
	must_fail grep -rhE "^ *# *include *[<\"](core|plugins|\.\.)/" "$TESTS/../examples/plugins"'
check 'it shows its keys' 'repx plugin show sched-gridengine >keys && cat keys && grep parallel_environment keys'

cat >"$XDG_CONFIG_HOME/repx/config.toml" <<CONF
[targets.grid]
address = "cluster"
base_path = "$TB_BASE"
default_scheduler = "gridengine"
[targets.grid.gridengine]
execution_types = ["native"]
bin_dir = "$GE/bin"
CONF
check 'the kit passes' '
	cp -r cm/plugins "$TB_WORK/kit" && chown -R "$TB_SSH_USER" "$TB_WORK/kit" && cp "$XDG_CONFIG_HOME/repx/config.toml" "$TB_WORK/kit/" &&
	chmod a+rX "$WORK/usr" && chmod a+r "$TB_WORK/kit/config.toml" &&
	ge_user env PATH="$GE/bin:$PATH" "$WORK/usr/bin/repx-plugin-test" "$TB_WORK/kit/sched-gridengine.so" --config "$TB_WORK/kit/config.toml" --batch 50 >tap;
	cat tap; must_fail grep "^not ok" tap; grep "^1\.\." tap'

# ---- nobody needs to be attached ----

TOTALS='540 540 595 595'
totals_are_there() { [[ $(outputs_of "$TB_BASE" E total.txt 2>/dev/null) == "$TOTALS" ]]; }
# killed_at_once RUN: the client, as soon as it tells of the first submission
killed_at_once() {
	local client
	repx run "$1" --lab "$LAB" --target grid >out 2>&1 &
	client=$!
	within 30 grep -q 'as gridengine ID' out || { cat out; return 1; }
	kill -KILL $client
	cat out
}
make_lab "$TESTS/labs/reference"
check 'the client is killed after the first submission; a scatter-gather finishes all the same' '
	killed_at_once simulation-run && within 120 totals_are_there'
check 'running again says that all is complete' '
	repx run simulation-run --lab "$LAB" --target grid >out; cat out; grep "already complete" out'

# $JOBS jobs in three levels: each of the second and third follows one of the level before
JOBS=${JOBS:-60}
mkdir dag
cat >dag/lab.ini <<INI
[lab]
name = dag
version = 1
[run dag]
stages = third
[stage first]
script = s.sh
param.n = 1..$((JOBS / 3))
output.n = \$out/n
[stage second]
script = s.sh
input.n = first.n
output.n = \$out/n
[stage third]
script = s.sh
input.n = second.n
output.n = \$out/n
INI
printf '#!/bin/sh\ncp "$2" "$1/in"; echo 1 >"$1/n"\n' >dag/s.sh
make_lab dag daglab
all_there() { [[ $(find "$TB_BASE"/outputs/*/repx/SUCCESS 2>/dev/null | wc -l) == $((JOBS / 3 * 3)) ]]; }
check "the same with a DAG of $((JOBS / 3 * 3)) jobs" '
	as_user rm -rf "$TB_BASE" && killed_at_once dag && within ${PATIENCE:-60} all_there'
check 'what fails keeps those that follow from running' '
	as_user rm -rf "$TB_BASE" && printf "#!/bin/sh\nexit 3\n" >dag/s.sh && repx lab pack dag -o bad &&
	repx run dag --lab bad --target grid >out 2>&1; within ${PATIENCE:-60} no_jobs && cat out &&
	test -z "$(find "$TB_BASE/outputs" -name SUCCESS)" && test "$(find "$TB_BASE/outputs" -name FAIL | wc -l)" -eq $((JOBS / 3))'
