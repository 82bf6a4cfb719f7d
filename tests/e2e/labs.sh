# SPDX-License-Identifier: MIT
# labs.sh, after lib.sh: Labs of some shape, and how far a run of one is below $TB_BASE.
# shellcheck shell=bash disable=SC2016

# pairs_lab NAME FIRST LAST: as many jobs as numbers, which tell theirs, and one after each, which
# tells twice that. Run `r`.
pairs_lab() {
	mkdir -p "$1.def"
	printf '[lab]\nname=pairs\nversion=1\n[run r]\nstages=B\n[stage A]\nscript=a.sh\nparam.n=%s..%s\noutput.x=$out/x\n[stage B]\nscript=b.sh\ninput.x=A.x\noutput.y=$out/y\n' \
		"$2" "$3" >"$1.def/lab.ini"
	printf '#!/bin/sh\nsed -n "s/.*\\"n\\": *\\([0-9]*\\).*/\\1/p" "$3" >"$1/x"\n' >"$1.def/a.sh"
	printf '#!/bin/sh\nx=$(sed -n "s/.*\\"x\\": *\\"\\([^\\"]*\\)\\".*/\\1/p" "$2")\necho $(($(cat "$x") * 2)) >"$1/y"\n' >"$1.def/b.sh"
	make_lab "$1.def" "$1"
}

# dag_lab NAME JOBS: in three levels, each job of the second and third follows one of the level
# before. Run `dag`; its script is $1.def/s.sh.
dag_lab() {
	mkdir -p "$1.def"
	cat >"$1.def/lab.ini" <<-LAB
	[lab]
	name = dag
	version = 1
	[run dag]
	stages = third
	[stage first]
	script = s.sh
	param.n = 1..$(($2 / 3))
	output.n = \$out/n
	[stage second]
	script = s.sh
	input.n = first.n
	output.n = \$out/n
	[stage third]
	script = s.sh
	input.n = second.n
	output.n = \$out/n
	LAB
	printf '#!/bin/sh\ncp "$2" "$1/in"; echo 1 >"$1/n"\n' >"$1.def/s.sh"
	make_lab "$1.def" "$1"
}

# tree_lab NAME BRANCHES: a job, a scatter-gather of that many branches, which counts them, and a job
# after it. Run `r`.
tree_lab() {
	mkdir -p "$1.def"
	cat >"$1.def/lab.ini" <<-'LAB'
	[lab]
	name = tree
	version = 1
	[run r]
	stages = E
	[stage L]
	script = list.sh
	output.x = $out/x
	[stage S]
	type = scatter-gather
	scatter = scatter.sh
	gather = gather.sh
	input.x = L.x
	output.n = $out/n
	step.one = one.sh
	step.one.output.o = $out/o
	[stage E]
	script = end.sh
	input.n = S.n
	output.e = $out/e
	LAB
	printf '#!/bin/sh\necho 1 >"$1/x"\n' >"$1.def/list.sh"
	printf '#!/bin/sh\nseq -s , %s | sed "s/^/[/; s/$/]/" >"$1/work_items.json"\n' "$2" >"$1.def/scatter.sh"
	printf '#!/bin/sh\necho 1 >"$1/o"\n' >"$1.def/one.sh"
	printf '#!/bin/sh\ngrep -o "/o\\"" "$1/../repx/worker_outs_manifest.json" | wc -l >"$1/n"\n' >"$1.def/gather.sh"
	printf '#!/bin/sh\necho end >"$1/e"\n' >"$1.def/end.sh"
	make_lab "$1.def" "$1"
}

# Jobs that have succeeded; whether so many have; whether nothing has a third attempt (of a
# scatter-gather one is the scatter's, one the gather's); whether something waits.
succeeded() { find -L "$TB_BASE/outputs" -maxdepth 3 -path '*/repx/SUCCESS' 2>/dev/null | wc -l; }
all_are() { [[ $(succeeded) -eq $1 ]]; }
once() { [[ -z $(find "$TB_BASE/outputs" -path '*/attempts/3') ]]; }
waits() { ls "$TB_BASE"/.repx/waiting/2* >/dev/null 2>&1; }
