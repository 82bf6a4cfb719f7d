#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=tests/labs/reference/scripts/lib.sh
. "${0%/*}/../share/scripts/lib.sh"
offset=$(parameter offset)
for i in 1 2 3 4 5; do echo $((offset + i)); done >"$out/numbers.txt"
