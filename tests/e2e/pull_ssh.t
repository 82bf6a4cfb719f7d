#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The way back and collection over ssh: one login each, however many files there are.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd
start_sshd
make_lab "$TESTS/labs/reference"
repx run simulation-run --lab "$LAB" --target queue >"$WORK/run.log" 2>&1 || exit 1
E=$(jobs_of E | head -n 1)
export E

check 'results of many files come with one login' '
	as_user sh -c "mkdir \"$TB_BASE/outputs/$E/out/many\" && cd \"$TB_BASE/outputs/$E/out/many\" && i=0; while [ \$i -lt 2000 ]; do echo \$i >f\$i; i=\$((i + 1)); done; rm \"$TB_BASE/outputs/$E/repx/manifest\"" &&
	before=$(count_logins) && repx pull "$E" --target queue --lab "$LAB" --json >json && test $(($(count_logins) - before)) -eq 1 &&
	jq -e ".files > 2000" json && diff -r "$TB_BASE/outputs/$E/out" "results/$E/out"'

check 'again nothing comes' 'repx pull "$E" --target queue --lab "$LAB" --json | jq -e ".files == 0 and .current > 2000"'

check 'a table over ssh' 'repx pull simulation-run --table t.csv --target queue --lab "$LAB" && test "$(wc -l <t.csv)" -gt 1'

check 'a connection that breaks: what arrived stays, the rest comes next time' '
	as_user sh -c "head -c 60000000 /dev/urandom >\"$TB_BASE/outputs/$E/out/big\"" &&
	(ulimit -f 10000; exec repx pull "$E" --to cut --target queue --lab "$LAB") || true; test -s cut/.repx-part/* &&
	repx pull "$E" --to cut --target queue --lab "$LAB" --json >json && jq -e ".resumed_bytes > 0" json && cmp "cut/$E/out/big" "$TB_BASE/outputs/$E/out/big"'

check 'collection over ssh: pin, list, collect, with one login each' '
	before=$(count_logins) && repx gc pin --lab "$LAB" --target queue && repx gc list --target queue | grep pinned && repx gc -y --pinned-only --target queue &&
	test $(($(count_logins) - before)) -eq 3 && repx run "$(jobs_of C | head -n 1)" --lab "$LAB" --target queue | grep "already complete"'
