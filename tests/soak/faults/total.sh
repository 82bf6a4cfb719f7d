#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=tests/soak/faults/lib.sh
. "${0%/*}/../share/lib.sh"
input n | xargs cat | awk '{ n += $1 } END { print n }' >"$out/total"
finished
