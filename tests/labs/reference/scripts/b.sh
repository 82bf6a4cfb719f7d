#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=tests/labs/reference/scripts/lib.sh
. "${0%/*}/../share/scripts/lib.sh"
case $(parameter mode) in
fast | slow) for i in 6 7 8 9 10; do echo $i; done >"$out/numbers.txt" ;;
*) echo "unknown mode" >&2; exit 1 ;;
esac
