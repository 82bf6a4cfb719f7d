# SPDX-License-Identifier: MIT
# lib.sh: how a script reads what it is called with: an output directory, inputs.json and
# parameters.json.
# shellcheck shell=sh disable=SC2034
set -eu
out=$1 inputs=$2 parameters=$3

# each_input NAME: the paths of a reduction's inputs, NAME__0, NAME__1, ..., in order. Between
# its quotes inputs.json holds, in turn, keys and values.
each_input() {
	awk -v name="$1__" 'BEGIN { RS = "\"" }
		NR % 4 == 2 { key = $0 }
		NR % 4 == 0 && index(key, name) == 1 { print key, $0 }' "$inputs" |
		sort | cut -d' ' -f2-
}

# parameter NAME: a number.
parameter() {
	tr -d '\n' <"$parameters" | sed -n 's/.*"'"$1"'" *: *\([-+.0-9eE]*\).*/\1/p'
}
