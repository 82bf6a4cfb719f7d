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
