#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A scheduler plugin that is no part of repx: sched-gridengine, built against the installed SDK,
# on the client only, and a real Grid Engine on the target.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$TESTS/e2e/labs.sh"
# shellcheck source=/dev/null
. "$TESTS/e2e/gridengine.sh"

requires make
start_gridengine
ge() { "$TESTS/testbed/gridengine.sh" exec "$GE" "$@"; }
no_jobs() { [[ -z $(ge_user qstat) ]]; }
ge_user() { "$TESTS/testbed/gridengine.sh" user "$GE" "$@"; }

check 'it builds with CMake, and with make without a warning' '
	cmake -S "$TESTS/../examples/plugins/sched-gridengine" -B cm >log 2>&1 && cmake --build cm >>log 2>&1 || { cat log; exit 1; }
	cp -r "$TESTS/../examples/plugins/sched-gridengine" mk && rm -rf mk/plugins &&
	make -C mk CFLAGS="-O1 -Wall -Wextra -Wconversion -Wno-sign-conversion -Werror" && repx plugin check mk/plugins/sched-gridengine.so'
export REPX_PLUGIN_PATH=$WORK/cm/plugins
check 'nothing but the installed SDK is included' '
	must_fail grep -rhE "^ *# *include *[<\"](core|plugins|\.\.)/" "$TESTS/../examples/plugins"'
check 'it shows its keys' 'repx plugin show sched-gridengine >keys && cat keys && grep parallel_environment keys'

gridengine_config "$GE/bin"
check 'the kit passes' '
	cp -r cm/plugins "$TB_WORK/kit" && chown -R "$TB_SSH_USER" "$TB_WORK/kit" && cp "$XDG_CONFIG_HOME/repx/config.toml" "$TB_WORK/kit/" &&
	chmod a+rX "$WORK/usr" && chmod a+r "$TB_WORK/kit/config.toml" &&
	ge_user env PATH="$GE/bin:$PATH" "$WORK/usr/bin/repx-plugin-test" "$TB_WORK/kit/sched-gridengine.so" --config "$TB_WORK/kit/config.toml" --batch 50 >tap;
	cat tap; must_fail grep "^not ok" tap; grep "^1\.\." tap'

# ---- nobody needs to be attached ----

make_lab "$TESTS/labs/reference"
check 'the client is killed after the first submission; a scatter-gather finishes all the same' '
	killed_at_once simulation-run grid && within 120 totals_are_there'
check 'running again says that all is complete' '
	repx run simulation-run --lab "$LAB" --target grid >out; cat out; grep "already complete" out'

JOBS=${JOBS:-60}
dag_lab dag "$JOBS"
check "the same with a DAG of $((JOBS / 3 * 3)) jobs" '
	as_user rm -rf "$TB_BASE" && killed_at_once dag grid && within ${PATIENCE:-60} all_are $((JOBS / 3 * 3))'
check 'what fails keeps those that follow from running' '
	as_user rm -rf "$TB_BASE" && printf "#!/bin/sh\nexit 3\n" >dag.def/s.sh && repx lab pack dag.def -o bad &&
	repx run dag --lab bad --target grid >out 2>&1; within ${PATIENCE:-60} no_jobs && cat out &&
	test -z "$(find "$TB_BASE/outputs" -name SUCCESS)" && test "$(find "$TB_BASE/outputs" -name FAIL | wc -l)" -eq $((JOBS / 3))'
