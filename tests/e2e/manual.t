#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The manual page and the option tables say the same.
# shellcheck source=lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"

PAGE=$TESTS/../docs/man/repx.1
export PAGE

check 'every option of every command is in the manual page, and no other' '
	repx --help-all | grep -oE "^ +(-[a-zA-Z], )?--[a-z-]+" | grep -oE -- "--[a-z-]+" | sort -u >tables &&
	sed "s/\\\\-/-/g" "$PAGE" | grep -E "^\.(B|BR) " | grep -oE -- "--[a-z-]+" | sort -u >page &&
	diff tables page'

check 'every command is in the manual page' '
	for c in $(repx --help | sed -n "/^commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p"); do
		sed "s/\\\\-/-/g" "$PAGE" | grep -E "^\.SS .*\b$c\b" || { echo "missing: $c"; exit 1; }; done'

check 'the manual page is well formed' '! man --warnings -E UTF-8 -l -Tutf8 -Z "$PAGE" 2>&1 >/dev/null | grep .'

check 'no command shows the help, exit 0' 'repx | grep "usage: repx" && repx --version | grep "^repx "'

check 'what is mistyped is answered with what there is' '
	exits 2 repx rnu 2>err && grep "did you mean .run" err && exits 2 repx run --nosuch 2>err && grep -- "--nosuch" err &&
	exits 2 repx list jobs --stats x 2>err && grep "did you mean .--status.. .repx list jobs --help" err'

make_lab "$TESTS/labs/reference"

check 'options stand before, between and after the words of a command' '
	repx list runs --lab "$LAB" >after && repx --lab="$LAB" list runs >before && repx list --lab "$LAB" runs >between &&
	repx -vl "$LAB" list -v runs >short && cmp after before && cmp after between && cmp after short && test -s after &&
	exits 2 repx lab --nosuch && repx list runs --version | grep "^repx " && repx list runs --help-all | grep "^repx gc pin:"'
