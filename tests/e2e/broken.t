#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Broken Labs are refused at the door: one message, exit 1, within a second, nothing written.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

sh "$TESTS/labs/broken/make.sh" "$WORK/broken" || exit 1

for expect in "$WORK"/broken/*/expect "$WORK"/broken/*.expect; do
	[[ -s $expect ]] || continue # an empty one belongs to a whole Lab
	one=${expect%/expect} one=${one%.expect}
	[[ -e $one/lab.tar ]] && lab=$one/lab.tar || lab=$one/lab
	[[ -e $lab ]] || lab=$one
	export one lab expect
	check "refused: ${one##*/}" '
		status=0; start=$(date +%s%N)
		XDG_STATE_HOME=$WORK/never repx run @all --lab "$lab" 2>err >out || status=$?
		took=$((($(date +%s%N) - start) / 1000000))
		cat err; test $status -eq 1 && test $took -lt 1000 &&
		grep -Eq -f "$expect" err && test "$(grep -c "^\[ERROR\]" err)" -eq 1 && test ! -e "$WORK/never"'
done

check 'there were at least sixteen kinds' 'test "$(find "$WORK/broken" -name "*expect" | wc -l)" -ge 16'
