#!/bin/sh
# SPDX-License-Identifier: MIT
# shapes.sh chain|reduce|scatter N DIR: write a Lab definition to DIR (which must not exist):
#     chain    N jobs, each after the one before
#     reduce   N jobs, N after these one by one, N after those, and one that reads all
#     scatter  one scatter-gather job of N branches
# The run is called like the shape; `repx lab pack DIR` makes the Lab.
set -eu
if [ $# -ne 3 ] || [ -e "$3" ]; then
	echo "usage: shapes.sh chain|reduce|scatter N DIR" >&2
	exit 2
fi
shape=$1 count=$2
mkdir -p "$3"
cd "$3"
printf '#!/bin/sh\necho 1 >"$1/n"\n' >work.sh

stage() { # NAME [LINE...]
	name=$1
	shift
	printf '\n[stage %s]\nscript = work.sh\noutput.n = $out/n\n' "$name"
	for line in "$@"; do printf '%s\n' "$line"; done
}
{
	printf '[lab]\nname = %s\n\n[run %s]\n' "$shape" "$shape"
	case $shape in
	chain)
		printf 'stages = s%d\n' "$count"
		stage s1
		i=2
		while [ "$i" -le "$count" ]; do
			stage "s$i" "input.n = s$((i - 1)).n"
			i=$((i + 1))
		done
		;;
	reduce)
		printf 'stages = all\n'
		stage a "param.i = 1..$count"
		stage b 'input.n = a.n'
		stage c 'input.n = b.n'
		stage all 'input.n = c.n over *'
		;;
	scatter)
		printf 'stages = spread\n\n[stage spread]\ntype = scatter-gather\nscatter = scatter.sh\n'
		printf 'gather = work.sh\noutput.n = $out/n\nstep.work = work.sh\nstep.work.output.n = $out/n\n'
		printf '#!/bin/sh\nseq -s , %d | sed "s/^/[/; s/$/]/" >"$1/work_items.json"\n' "$count" >scatter.sh
		;;
	*) exit 2 ;;
	esac
} >lab.ini
