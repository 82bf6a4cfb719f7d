#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=tests/labs/reference/scripts/lib.sh
. "${0%/*}/../share/scripts/lib.sh"
item=$(input worker__item)
sed -n 's/.*"n" *: *\([0-9]*\).*/\1/p' "$item" >"$out/number.txt"
