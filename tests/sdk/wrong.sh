#!/bin/bash
# SPDX-License-Identifier: MIT
# wrong.sh TOOL DIR: each DIR/NAME/transport-local.so breaks one promise, and the check that
# was made for it fails.
set -u
tool=$1 dir=$2 number=0 failed=0

wrong() { # NAME SENTENCE-OF-THE-CHECK
	number=$((number + 1))
	local said status
	said=$("$tool" "$dir/$1/transport-local.so" --patience 2)
	status=$?
	if [ $status -eq 1 ] && grep -q "^not ok [0-9]* - .*$2" <<<"$said"; then
		echo "ok $number - $1 fails on: $2"
	else
		echo "not ok $number - $1 should fail on: $2"
		grep '^not ok' <<<"$said" | sed 's/^/# /'
		failed=1
	fi
}

wrong status 'exit 42: its status is 42'
wrong bytes 'each value of a byte passes'
wrong errors 'standard error is a channel of its own'
wrong deadline 'wait comes back at its deadline'
wrong stride 'of two streams the one that has output'
wrong leak 'ten commands leave no descriptor'
wrong end 'after end the command sees the end'
wrong half 'bytes of input reach a command, and their end'
wrong crash 'transport: does not crash'
wrong exit 'transport: never ends the process (status 4)'
wrong field 'key port: a plain name, one line of help, a default in its range'
echo "1..$number"
exit $failed
