#!/bin/sh
# SPDX-License-Identifier: MIT
# tidy.sh BUILD: clang-tidy over every C source, by the compile commands of a clang build.
build=$(cd "$1" && pwd)
. "$(dirname "$0")/lib.sh"

# Only what that build compiles: others have no flags.
known() { files '*.c' | while IFS= read -r f; do if grep -q "\"$PWD/$f\"" "$build/compile_commands.json"; then echo "$f"; fi; done; }
known | xargs -P "$(nproc)" -n 4 clang-tidy -p "$build" --quiet 2>/dev/null
