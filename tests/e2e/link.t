#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A link that fails (--fault): a run over it is right, or ends with an error that says why; it
# never hangs; and the second run, without the fault, is right.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

make_lab "$TESTS/labs/reference"
export XDG_STATE_HOME=$WORK/state BASE=$WORK/state/repx target=local
right() { same '540 540 595 595' "$(outputs_of "$BASE" E total.txt)"; }

# survives FAULT [ERROR]: with ERROR the first run is to fail so.
survives() {
	local status=0
	rm -rf "$BASE/outputs"
	[[ $1 != *cold* ]] || rm -rf "$BASE" # the agent and the Lab pass as well
	timeout -k 5 40 repx run simulation-run --lab "$LAB" --target $target --fault "${1/,cold/}" >out 2>err || status=$?
	cat err
	((status < 2)) || { echo "status $status: hangs, or a crash"; return 1; }
	[[ -z ${2:-} ]] || { ((status == 1)) && grep -E "$2" err; } || return 1
	((status == 0)) || { grep '^\[ERROR\] .' err || return 1; }
	((status == 1)) || { right; return; }
	timeout 60 repx run simulation-run --lab "$LAB" --target $target >out 2>&1 || { cat out; return 1; }
	right
}
export -f right survives

check 'what is no fault is told, exit 2' '
	exits 2 repx run x --fault cut-afer=1 2>err && grep "cut-afer=1. is none of cut-after=, drop-after=" err &&
	exits 2 repx run x --fault cut-after=much 2>err && grep "cut-after needs a size" err'
check 'a link that is late is only slow' '
	survives delay=30ms && ! grep ERROR err'
check 'one that is cut while the agent and the Lab are sent' '
	survives cut-after=65536,cold "the link is gone: --fault cut it after 65536 bytes"'
check 'one that is cut while the run is watched' 'survives cut-after=20K'
check 'one that loses everything from a place on' '
	survives drop-after=200K,silence=1s,cold "the link is gone: nothing came for 1 s"'
check 'one that changes a bit of what is asked for' 'survives garble-after=9000,silence=1s'
check 'one that does it all' 'survives delay=5ms,garble=2K,drop=30,silence=1s'
