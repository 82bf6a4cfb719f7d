#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Jobs that read package, tools and image from their node's own disk, in both schedulers.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd slurm bwrap busybox jq
start_cluster
sh "$TESTS/labs/reference-image/make.sh" "$WORK/imaged" || exit 1
make_lab "$WORK/imaged"
export TOTALS='540 540 595 595'
conf=$XDG_CONFIG_HOME/repx/config.toml
sed -i 's/execution_types = .*/execution_types = ["bwrap"]/' "$conf"
as_user mkdir -p "$TB_WORK/node"
export NODE=$TB_WORK/node N=$WORK/disk
mkdir "$N"
sed -i "s|^base_path = \"$TB_BASE\"|&\nnode_local_path = \"$NODE\"|; s|^base_path = \"$WORK/store\"|&\nnode_local_path = \"$N\"|" "$conf"
packages() { find "$1/repx/pkg" -mindepth 1 -maxdepth 1 -type d | wc -l; }
totals_are_there() { [[ $(outputs_of "$TB_BASE" E total.txt 2>/dev/null) == "$TOTALS" ]]; }

check 'shared: only images are on the node' '
	repx run simulation-run --lab "$LAB" && same "$TOTALS" "$(outputs_of "$WORK/store" E total.txt)" &&
	test -f "$N"/repx/cache/images/*/SUCCESS && test ! -e "$N/repx/pkg" && test ! -e "$WORK/store/cache/images"'

check 'node-local: our queue, jobs side by side' '
	rm -rf "$WORK/store/outputs"; repx run simulation-run --lab "$LAB" --artifact-store node-local -j 4 && same "$TOTALS" "$(outputs_of "$WORK/store" E total.txt)" &&
	test "$(packages "$N")" -gt 3 && test -z "$(find "$N" -name out -o -name "*staging*")" && ls "$N/repx"'

check 'a copy is used as it lies there, and made again when it is gone' '
	cp -r "$N/repx/pkg" before && d=$(ls "$N/repx/pkg" | grep -v use | head -n 1) && rm -r "$N/repx/pkg/$d" && rm -rf "$WORK/store/outputs" &&
	repx run simulation-run --lab "$LAB" --artifact-store node-local && rm -f before/*.use && for d in before/*; do diff -r "$d" "$N/repx/pkg/${d##*/}"; done'

check 'natively: the script is the copy' '
	mkdir -p nat && printf "[lab]\nname = n\n[run r]\nstages = s\n[stage s]\nscript = s.sh\n" >nat/lab.ini && printf "#!/bin/sh\necho \"\$0\" >\"\$1/where\"\n" >nat/s.sh && chmod +x nat/s.sh &&
	make_lab "$WORK/nat" natlab && repx run r --lab "$LAB" --artifact-store node-local && grep "^$N/repx/pkg/[0-9a-f]*/bin/" "$WORK/store/outputs/$(jobs_of s)/out/where"'

check 'without node_local_path: said before anything is done' '
	sed "/^node_local_path/d" "'"$conf"'" >x.toml && cp "'"$conf"'" keep.toml && cp x.toml "'"$conf"'"; must_fail repx run r --lab "$WORK/natlab" --artifact-store node-local 2>err; cp keep.toml "'"$conf"'"; grep "node_local_path" err'

check 'a disk that cannot be written is a failure with its name' '
	printf "#!/bin/sh\necho other\n" >nat/s.sh && make_lab "$WORK/nat" natlab2 && sed -i "s|^node_local_path = \"$N\"|node_local_path = \"/proc/nothing\"|" "'"$conf"'"; must_fail repx run r --lab "$LAB" --artifact-store node-local;
	cp keep.toml "'"$conf"'"; jq -r "select(.reason) | .reason" "$WORK/store/outputs/$(jobs_of s)/repx/attempt.json" | grep "not started: node_local_path"'

sed -i 's|^address = "cluster"|&\nartifact_store = "node-local"|' "$conf"
check 'Slurm, with concurrent jobs on one node' '
	repx run simulation-run --lab "$LAB" --target cluster && within 280 totals_are_there && slurm_drain 60 &&
	test "$(packages "$NODE")" -gt 3 && test ! -e "$TB_BASE/cache/images" && test -f "$NODE"/repx/cache/images/*/SUCCESS && test -z "$(find "$NODE" -name out)"'
