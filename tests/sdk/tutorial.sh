#!/bin/bash
# SPDX-License-Identifier: MIT
# tutorial.sh FILE.md: what a reader does who follows the page, as a program on standard output:
# blocks marked `sh` are typed; `LANGUAGE FILE` is written to that file; `c FILE:NAME` takes the
# place of the function or table NAME there. Whoever runs it is in an empty directory.
set -eu
awk '
/^```/ && !inside {
	inside = 1; n = split(substr($0, 4), word, " "); place = n > 1 ? word[2] : ""; text = ""
	if (n == 1 && word[1] != "sh") { print "nobody knows what to do with a block of " word[1] > "/dev/stderr"; exit 1 }
	next
}
/^```$/ && inside {
	inside = 0; blocks++
	if (place == "") { printf "# block %d\n%s", blocks, text; next }
	split(place, at, ":")
	if (at[2] == "") printf "mkdir -p \"$(dirname %s)\"\ncat >%s <<\"BLOCK\"\n%sBLOCK\n", at[1], at[1], text
	else printf "cat >block <<\"BLOCK\"\n%sBLOCK\nreplace %s %s\n", text, at[1], at[2]
	next
}
inside { text = text $0 "\n" }
BEGIN {
	print "set -euo pipefail"
	print "replace() { # FILE NAME: from the line that begins NAME to the one that ends it"
	print "\tawk -v name=\"$2\" '\''"
	print "\t\t/^static / && index($0, \" \" name \"(\") + index($0, \" \" name \"[\") && !seen { while ((getline line <\"block\") > 0) print line; seen = skip = 1 }"
	print "\t\t!skip { print }"
	print "\t\tskip && /^}/ { skip = 0 }"
	print "\t\tEND { exit !seen }'\'' \"$1\" >replaced && mv replaced \"$1\" && rm block"
	print "}"
}
END { if (inside || !blocks) exit 1 }' "$1"
