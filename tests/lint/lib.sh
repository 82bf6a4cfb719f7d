# SPDX-License-Identifier: MIT
# lib.sh: the files that the linters look at, as git knows them (or all, without git).
# shellcheck shell=sh
set -eu
cd "$(dirname "$0")/../.."

# files PATTERN...: tracked and new files that match, without those that are ignored.
files() {
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard -- "$@" | while IFS= read -r f; do
			if [ -f "$f" ]; then echo "$f"; fi
		done
	else
		find . \( -path './build*' -o -name .git \) -prune -o -type f -print | sed 's|^\./||' |
			while IFS= read -r f; do
				for pattern; do
					# shellcheck disable=SC2254
					case $f in $pattern) echo "$f" ;; esac
				done
			done
	fi
}

c_files() { files '*.c' '*.h' '*.cc'; }

shell_files() {
	files '*.sh' '*.t'
	files '*' | while IFS= read -r f; do
		case $f in *.sh | *.t | *.c | *.h) continue ;; esac
		if head -c 64 "$f" | grep -aq '^#!.*\(/\| \)\(ba\)\{0,1\}sh$'; then echo "$f"; fi
	done
}
