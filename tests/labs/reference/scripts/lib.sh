# SPDX-License-Identifier: MIT
# lib.sh: what the scripts share. A script is called with an output directory, the path of
# inputs.json and the path of parameters.json.
# shellcheck shell=sh disable=SC2034
set -eu
out=$1 inputs=$2 parameters=$3

# input NAME: the path of an input. Texts of inputs.json are every second field between
# quotes: a key, then its value.
input() {
	awk -v name="$1" 'BEGIN { RS = "\"" }
		NR % 4 == 2 { key = $0 }
		NR % 4 == 0 && key == name { print; found = 1 }
		END { if (!found) { print "no input " name > "/dev/stderr"; exit 1 } }' "$inputs"
}

# parameter NAME: a number, a truth value or a text without quotes in it.
parameter() {
	tr -d '\n' <"$parameters" |
		sed -n 's/.*"'"$1"'"[[:blank:]]*:[[:blank:]]*"\{0,1\}\([^",}]*\).*/\1/p'
}
