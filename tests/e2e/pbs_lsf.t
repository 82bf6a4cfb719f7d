#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# sched-pbs and sched-lsf, built out of tree: the kit against the fakes, and a whole Lab through
# them.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires cmake make pkg-config
sdk_install
make_lab "$TESTS/labs/reference"
export EXAMPLES=$TESTS/../examples/plugins

for name in pbs lsf; do
	export name
	check "sched-$name builds with CMake, and with make without a warning" '
		cmake -S "$EXAMPLES/sched-$name" -B $name-cm >log 2>&1 && cmake --build $name-cm >>log 2>&1 || { cat log; exit 1; }
		cp -r "$EXAMPLES/sched-$name" $name-mk && rm -rf $name-mk/plugins &&
		make -C $name-mk CFLAGS="-O1 -Wall -Wextra -Wconversion -Wno-sign-conversion -Werror" &&
		repx plugin check $name-mk/plugins/sched-$name.so'
	(repx-plugin-test "$name-cm/plugins/sched-$name.so" --fake "$name" --batch 50 --patience 20 >"$name.tap" 2>&1) &
done
wait
for name in pbs lsf; do
	check "sched-$name passes the kit against its fake" '
		cat $name.tap; must_fail grep "^not ok" $name.tap; grep "^1\.\." $name.tap'
	"$WORK/usr/libexec/repx/repx-fake-batch" --setup "$name" "$WORK/$name-fake" || exit 1
	mkdir "$WORK/$name-fake/jobs/1" # a client that was killed there left it
	cat >"$XDG_CONFIG_HOME/repx/config.toml" <<-CONF
	[targets.local]
	base_path = "$WORK/$name-base"
	[targets.local.$name]
	execution_types = ["native"]
	bin_dir = "$WORK/$name-fake/bin"
	CONF
	check "a Lab runs through sched-$name, scatter-gather included" '
		repx --plugin-path $name-cm/plugins run simulation-run --lab "$LAB" --scheduler $name >out 2>&1 || { cat out; exit 1; }
		within 90 totals_are_there "$WORK/$name-base"; cat $name-fake/calls'
done
