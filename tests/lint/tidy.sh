#!/bin/sh
# SPDX-License-Identifier: MIT
# tidy.sh BUILD [deep]: clang-tidy over every C source, by the compile commands of a clang build.
# The analyzer looks at a bounded number of states of a function, which takes a third of the
# time; "deep" bounds nothing.
build=$(cd "$1" && pwd)
bound='--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=60000'
if [ "${2:-}" = deep ]; then bound=; fi
. "$(dirname "$0")/lib.sh"

# Only what that build compiles: others have no flags.
known() { files '*.c' | while IFS= read -r f; do if grep -q "\"$PWD/$f\"" "$build/compile_commands.json"; then echo "$f"; fi; done; }
# shellcheck disable=SC2086
known | xargs -P "$(nproc)" -n 4 clang-tidy -p "$build" --quiet $bound 2>/dev/null
