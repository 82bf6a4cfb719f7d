#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=tests/soak/faults/lib.sh
. "${0%/*}/../share/lib.sh"
n=$(cat "$(input n)")
echo $((n + 1)) >"$out/n"
finished
