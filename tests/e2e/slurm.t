#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The main job over ssh under Slurm, scatter-gather included.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd slurm
start_cluster
make_lab "$TESTS/labs/reference"
make_tar
all_succeeded() {
	[[ $(repx list jobs simulation-run --status succeeded --target cluster --lab "$LAB" | grep -c '\[succeeded\]') == 16 ]]
}

check 'run returns after submission, with one login' '
	before=$(count_logins) && start=$SECONDS &&
	repx run simulation-run --lab "$LAB" --target cluster >out && cat out &&
	test $((SECONDS - start)) -lt 15 && grep "as SLURM ID" out && test $(($(count_logins) - before)) -eq 1'

check 'queued jobs are known by their names, and not submitted again' '
	before=$(slurm squeue -h -r -o %i | wc -l) &&
	repx run simulation-run --lab "$LAB" --target cluster && slurm squeue -h -o %j | sort | uniq -d >twice;
	for a in $(jobs_of A) $(jobs_of B); do ! grep -x "$a" twice; done'

check 'nobody needs to be attached: all results are right' '
	within 240 totals_are_there && slurm_drain 60 && all_succeeded'

check 'no attempt was made twice' '
	for j in $(jobs_of A) $(jobs_of B) $(jobs_of C) $(jobs_of E); do
		test "$(ls "$TB_BASE/outputs/$j/attempts" | wc -l)" -eq 1; done'

check 'running again says that all is complete, and submits nothing' '
	before=$(count_logins) && repx run simulation-run --lab "$LAB" --target cluster | grep "already complete" &&
	test $(($(count_logins) - before)) -eq 1 && test -z "$(slurm squeue -h)"'

check 'from a tar, to an empty base path' '
	as_user rm -rf "$TB_BASE" && repx run simulation-run --lab "$LAB_TAR" --target cluster &&
	within 240 totals_are_there && slurm_drain 60'

check 'resources reach Slurm, each as its own argument' '
	mkdir -p def && printf "[lab]\nname=r\nversion=1\n[run r]\nstages=s\n[stage s]\nscript=s.sh\noutput.x=\$out/x\n" >def/lab.ini &&
	printf "#!/bin/sh\nenv | grep SLURM_ >\$1/x\n" >def/s.sh && repx lab pack def -o res &&
	printf "[defaults]\nmem = \"300M\"\ncpus-per-task = 2\ntime = \"00:03:00\"\npartition = \"highmem\"\nsbatch_opts = [\"--nice=7\"]\n" >res.toml &&
	repx run r --lab res --target cluster --resources res.toml >out 2>&1 || { cat out; exit 1; }
	s=$TB_BASE/outputs/$(ls res/jobs) && within 60 test -f "$s/repx/SUCCESS" && cat "$s/out/x" &&
	grep -q SLURM_JOB_PARTITION=highmem "$s/out/x" && grep -q SLURM_CPUS_PER_TASK=2 "$s/out/x"'

# hand NUMBER: a Lab whose one job has the id of all of them, and a script of its own.
hand() {
	local lab=$WORK/hand$1
	mkdir -p "$lab"/{lab,revision,readme,host-tools/none/bin,jobs/aaaa-j-1.1/bin}
	printf '{"labId":"hand%s","lab_version":"1","metadata":"revision/metadata-top.json","files":[]}' "$1" >"$lab/lab/lab-metadata.json"
	printf '{"repx_version":"0.5.0","gitHash":"none","runs":["revision/metadata-r.json"]}' >"$lab/revision/metadata-top.json"
	printf '{"name":"r","jobs":{"aaaa-j-1.1":{"params":{},"executables":{"main":{"path":"jobs/aaaa-j-1.1/bin/j","outputs":{"x":"$out/x"}}}}}}' >"$lab/revision/metadata-r.json"
	printf '#!/bin/sh\necho %s begins >>"%s/said"\nuntil test -e "%s/go"; do sleep 0.1; done\necho %s >"$1/x"\necho %s ends >>"%s/said"\n' "$1" "$TB_WORK" "$TB_WORK" "$1" "$1" "$TB_WORK" >"$lab/jobs/aaaa-j-1.1/bin/j"
	chmod 755 "$lab/jobs/aaaa-j-1.1/bin/j"
	repx run r --lab "$lab" --target cluster --stale rerun || return 1
}
said() { test "$(paste -sd , "$TB_WORK/said" 2>/dev/null)" = "$1"; }
export -f hand said

check 'four works of one job id wait for each other; one in the middle is cancelled, and no two run beside each other' '
	hand 1 && within 20 said "1 begins" && hand 2 && second=$(ls -t "$TB_BASE/.repx/runs" | head -n 1) && hand 3 && hand 4 &&
	slurm squeue -h -t PD -o %E >deps && cat deps && test "$(wc -l <deps)" -eq 3 && awk -F, "{ print NF }" deps | sort | paste -sd , | grep -x 1,2,3 &&
	repx explain aaaa-j-1.1 --lab hand4 --target cluster >out && cat out && grep "comes after the other work on this job of run .* and 2 more" out &&
	repx cancel "$second" --target cluster && sleep 2 && said "1 begins" && test "$(slurm squeue -h | wc -l)" -eq 3 &&
	as_user touch "$TB_WORK/go" && slurm_drain 60 && paste -sd , "$TB_WORK/said" && said "1 begins,1 ends,3 begins,3 ends,4 begins,4 ends" &&
	same 4 "$(cat "$TB_BASE/outputs/aaaa-j-1.1/out/x")" && test -z "$(cd "$TB_BASE/.repx" && find live next -type l)" && test ! -e "$TB_BASE/.repx/behind"'
