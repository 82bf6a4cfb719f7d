#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=tests/soak/faults/lib.sh
. "${0%/*}/../share/lib.sh"
tr -dc 0-9 <"$parameters" >"$out/n"
finished
