#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Labs from definitions: packed, run, changed, packed and run again.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

cp -R "$TESTS/../examples/epidemic" def
export TOP=$TESTS/..

# How many jobs of a stage have run.
outputs() { find "$XDG_STATE_HOME/repx/outputs" -maxdepth 1 -name "*-$1-*" | wc -l; }

check 'a definition becomes a Lab' 'repx lab pack def -o lab && test -s lab/lab/lab-metadata.json'
export LAB=$WORK/lab
check 'that lists its runs' 'repx list runs --lab lab | grep sweep && repx list runs --lab lab | grep quick'

check 'a small run of it gives its table' '
	repx run quick --lab lab --target local && repx show output quick table.csv --lab lab --target local >table &&
	test "$(wc -l <table)" -eq 3 && sed -n 2p table | grep "^1.50,2,0.634,"'
check 'the whole one repeats nothing of the small' '
	repx run sweep --lab lab --target local >log 2>&1 && cat log && grep "Executed 45 jobs" log &&
	same 40 "$(outputs simulate)"'
check 'the theory is met: at R0 = 4 nearly everybody falls ill' '
	repx show output sweep table.csv --lab lab --target local | grep "^4.00,5,0.976,0.009,0.980,"'
check 'running again says that all is complete' '
	repx run sweep --lab lab --target local 2>&1 | grep "already complete"'
check 'one more value: only its simulations, its mean and the table' '
	sed -i "s/^param.R0 = .*/&, 5.0/" def/lab.ini && repx lab pack def -o lab &&
	repx run sweep --lab lab --target local >log 2>&1 && cat log && grep "Executed 7 jobs" log &&
	same 45 "$(outputs simulate)" && same 3 "$(outputs table)" &&
	repx show output sweep table.csv --lab lab --target local | grep "^5.00,5,"'

check 'a mistake is told with its line, and the old Lab stays' '
	echo "speed = 3" >>def/lab.ini && must_fail repx lab pack def -o lab 2>err; cat err
	grep "lab.ini:[0-9]*: a \[stage\] knows no speed" err && repx list runs --lab lab | grep sweep'
check 'what is no Lab of ours is not replaced' '
	mkdir -p mine && echo dear >mine/diary && must_fail repx lab pack "$TOP/examples/epidemic" -o mine 2>err; cat err
	grep "is no Lab made by repx lab pack" err && grep dear mine/diary'
check 'a directory without lab.ini is told' '
	must_fail repx lab pack mine -o other 2>err; cat err; grep "mine/lab.ini" err && test ! -e other'
check 'every definition of the tree can be packed' '
	for d in "$TOP"/examples/*/lab.ini "$TESTS"/labs/reference/lab.ini; do repx lab pack "${d%/lab.ini}" -o one; done'
