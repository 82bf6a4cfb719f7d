#!/bin/sh
# SPDX-License-Identifier: MIT
# Every source file says its licence in the first line, or in the second after #!.
. "$(dirname "$0")/lib.sh"

bad=$({
	files '*.c' '*.h' '*.cc' '*.cmake' '*CMakeLists.txt' '*.py' '*.ini'
	shell_files
} | sort -u | grep -v '^tests/fuzz/corpus/' | while IFS= read -r f; do
	head -n 2 "$f" | grep -q 'SPDX-License-Identifier: MIT' || echo "$f"
done)
[ -z "$bad" ] || { printf 'no SPDX line:\n%s\n' "$bad"; exit 1; }
