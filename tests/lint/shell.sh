#!/bin/sh
# SPDX-License-Identifier: MIT
# Shell scripts pass shellcheck.
. "$(dirname "$0")/lib.sh"

# Sessions are read with what they source; what a check evaluates looks unused and unquoted.
shell_files | grep '\.t$' | xargs -r shellcheck -x -s bash -e SC1091,SC2016,SC2034,SC2088,SC2154
shell_files | grep -v '\.t$' | xargs shellcheck -x -e SC1091,SC2016
