#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Jobs that read package, tools and image from their node's own disk, in both schedulers.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd slurm bwrap busybox jq python3
start_cluster
sh "$TESTS/labs/reference-image/make.sh" "$WORK/imaged" || exit 1
make_lab "$WORK/imaged"
conf=$XDG_CONFIG_HOME/repx/config.toml
sed -i 's/execution_types = .*/execution_types = ["bwrap"]/' "$conf"
as_user mkdir -p "$TB_WORK/node"
export NODE=$TB_WORK/node N=$WORK/disk
mkdir "$N"
sed -i "s|^base_path = \"$TB_BASE\"|&\nnode_local_path = \"$NODE\"|; s|^base_path = \"$WORK/store\"|&\nnode_local_path = \"$N\"|" "$conf"
packages() { find "$1/repx/pkg" -mindepth 1 -maxdepth 1 -type d | wc -l; }

check 'shared: only images are on the node' '
	repx run simulation-run --lab "$LAB" && same "$TOTALS" "$(outputs_of "$WORK/store" E total.txt)" &&
	test -f "$N"/repx/cache/images/*/SUCCESS && test ! -e "$N/repx/pkg" && test ! -e "$WORK/store/cache/images"'

check 'node-local: our queue, jobs side by side' '
	rm -rf "$WORK/store/outputs"; repx run simulation-run --lab "$LAB" --artifact-store node-local -j 4 && same "$TOTALS" "$(outputs_of "$WORK/store" E total.txt)" &&
	test "$(packages "$N")" -gt 3 && test -z "$(find "$N" -name out -o -name "*staging*")" && ls "$N/repx"'

check 'a copy is used as it lies there, and made again when it is gone' '
	cp -r "$N/repx/pkg" before && d=$(ls "$N/repx/pkg" | grep -v use | head -n 1) && rm -r "$N/repx/pkg/$d" && rm -rf "$WORK/store/outputs" &&
	repx run simulation-run --lab "$LAB" --artifact-store node-local && rm -f before/*.use before/*.dirs && for d in before/*; do diff -r "$d" "$N/repx/pkg/${d##*/}"; done'

check 'what a cleaner took of a copy is made again, the script of a job first of all' '
	find "$N/repx/pkg" -path "*/bin/*" -delete && find "$N/repx/cache" -name busybox -delete && rm -rf "$WORK/store/outputs" &&
	repx run simulation-run --lab "$LAB" --artifact-store node-local && same "$TOTALS" "$(outputs_of "$WORK/store" E total.txt)" &&
	repx gc -y && test -z "$(find "$N" -name ".trash*")"'

# layered N: the image has one more layer, with file N.
layered() {
	rm -rf more && mkdir more && tar -xf "$WORK/imaged/busybox.tar" -C more && mkdir "more/x" && echo "$1" >"more/$1" && tar --mtime=@0 -cf more/x/layer.tar -C more "$1" &&
	(cd more && rm "$1" && python3 - <<-X
		import json, hashlib
		m = json.load(open("manifest.json")); c = json.load(open(m[0]["Config"]))
		m[0]["Layers"].append("x/layer.tar")
		if "rootfs" in c: c["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(open("x/layer.tar", "rb").read()).hexdigest())
		json.dump(c, open(m[0]["Config"], "w")); json.dump(m, open("manifest.json", "w"))
	X
	) && mkdir -p "lay$1" && tar -cf "lay$1/busybox.tar" -C more . && printf "[lab]\nname = l\n[run r]\nstages = s\nimage = busybox.tar\n[stage s]\nscript = s.sh\n" >"lay$1/lab.ini" &&
	printf "#!/bin/sh\ncat /%s >\"\$1/x\"; test -x /bin/busybox\n" "$1" >"lay$1/s.sh" && chmod +x "lay$1/s.sh" && make_lab "$WORK/lay$1" "laylab$1"
}
check 'layers that are on the node are reused from there: one more layer costs one' '
	n=$(ls "$N/repx/cache/layers" | grep -vc use$); inode=$(stat -c %i "$N"/repx/cache/layers/*/fs/bin/busybox | head -n 1);
	layered one && repx run r --lab "$LAB" && same one "$(cat "$WORK/store/outputs/$(jobs_of s)/out/x")" && same $((n + 1)) "$(ls "$N/repx/cache/layers" | grep -vc use$)" &&
	same 3 "$(stat -c %h "$N"/repx/cache/images/*/rootfs/bin/busybox | sort -u)" && grep -q . "$N"/repx/cache/images/*/layers'
check 'gc on the node: the image without a root goes with the layer that only it had' '
	rm -r "$WORK/store/gcroots" && repx run simulation-run --lab "$WORK/lab" && n=$(ls "$N/repx/cache/layers" | grep -vc use$) && repx gc -y && same $((n - 1)) "$(ls "$N/repx/cache/layers" | grep -vc use$)" && same 1 "$(ls "$N/repx/cache/images" | grep -vc use$)"'
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
