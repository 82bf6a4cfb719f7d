#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=tests/soak/faults/lib.sh
. "${0%/*}/../share/lib.sh"
awk 'BEGIN { RS = "\"" } NR % 4 == 0' "$(input worker__outs)" | xargs cat |
	awk '{ n += $1 } END { print n }' >"$out/n"
finished
