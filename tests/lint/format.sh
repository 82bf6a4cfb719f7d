#!/bin/sh
# SPDX-License-Identifier: MIT
# C sources are as clang-format writes them.
. "$(dirname "$0")/lib.sh"

c_files | grep -v '\.cc$' | xargs clang-format --dry-run -Werror
