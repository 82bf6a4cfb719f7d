#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The main job in an image under bwrap: local, over ssh, under Slurm.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd slurm bwrap busybox
start_cluster
sh "$TESTS/labs/reference-image/make.sh" "$WORK/imaged" || exit 1
make_lab "$WORK/imaged"
make_tar
sed -i 's/execution_types = .*/execution_types = ["bwrap"]/' "$XDG_CONFIG_HOME/repx/config.toml"

check 'on this machine' '
	repx run simulation-run --lab "$LAB" && same "'"$TOTALS"'" "$(outputs_of "$WORK/store" E total.txt)"'

check 'what a purge took of an unpacked image is unpacked again' '
	rm -rf "$WORK/store/outputs" && rm "$WORK"/store/cache/images/*/rootfs/bin/busybox && repx run simulation-run --lab "$LAB" &&
	same "'"$TOTALS"'" "$(outputs_of "$WORK/store" E total.txt)"'

check 'on this machine, from a tar' '
	rm -rf "$WORK/store" && repx run simulation-run --lab "$LAB_TAR" &&
	same "'"$TOTALS"'" "$(outputs_of "$WORK/store" E total.txt)"'

check 'over ssh with our queue, one login' '
	before=$(count_logins) && repx run simulation-run --lab "$LAB" --target queue &&
	same "'"$TOTALS"'" "$(outputs_of "$TB_BASE" E total.txt)" && test $(($(count_logins) - before)) -eq 1'

check 'over ssh under Slurm, from a tar' '
	as_user rm -rf "$TB_BASE" && repx run simulation-run --lab "$LAB_TAR" --target cluster &&
	within 280 totals_are_there && slurm_drain 60'
