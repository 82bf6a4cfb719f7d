#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Images as archives and OCI layouts: reduced to layers, and only missing layers travel.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd bwrap busybox jq
start_sshd
sh "$TESTS/labs/reference-image/make.sh" "$WORK/imaged" || exit 1
sed -i 's/execution_types = .*/execution_types = ["bwrap"]/' "$XDG_CONFIG_HOME/repx/config.toml"

# form NAME: $LAB and $LAB_TAR have the image in that form.
form() {
	rm -rf "$WORK/lab" "$WORK/lab.tar"
	make_lab "$WORK/imaged"
	sh "$TESTS/labs/image_form.sh" "$LAB" "$1"
	make_tar
}
runs_here() { rm -rf "$WORK/store" && repx run simulation-run "$@" && same "$TOTALS" "$(outputs_of "$WORK/store" E total.txt)"; }
# Every layer in the store is a tar, named after its digest; the image leads there.
is_exploded() {
	local image link name
	for image in "$1"/artifacts/images/*/; do
		test -f "$image/manifest.json" && jq -e '.[0].Config' "$image/manifest.json" >/dev/null
		test -f "$image/$(jq -r '.[0].Config' "$image/manifest.json")"
		for link in $(jq -r '.[0].Layers[]' "$image/manifest.json"); do
			name=$(readlink -f "$image/$link")
			same "$1/artifacts/store/${link%/*}-layer.tar" "$name"
			same "${link%/*}  $name" "$(sha256sum "$name")"
			tar -tf "$name" >/dev/null
		done
	done
	test -n "$name"
}
nothing_kept() { test -z "$(find "$XDG_CACHE_HOME/repx/images" -name '*layer.tar' -o -name '.part*')"; }

for kind in tar tar.gz oci oci.tar; do
	check "$kind: from a directory" '
		form '$kind' && runs_here --lab "$LAB" && is_exploded "$WORK/store" && nothing_kept'
	form $kind
	check "$kind: from a tar, with what is remembered" '
		runs_here --lab "$LAB_TAR" && is_exploded "$WORK/store" && nothing_kept'
done

# in_image: the Lab has its image in image/ and no list of files, as old ones do.
in_image() {
	mv "$LAB/images" "$LAB/image" && sed -i 's|images/|image/|g' "$LAB"/revision/*.json
	jq -c '.files = []' "$LAB"/lab/*lab-metadata.json >m && cp -f m "$LAB"/lab/*lab-metadata.json
}
collected() {
	local there
	there=$(cd "$WORK/store/artifacts" && find image* store -type f,l | sort)
	python3 "$TESTS/e2e/repx_gc.py" "$WORK/store" && repx gc -y --lab "$LAB"
	same "$there" "$(cd "$WORK/store/artifacts" && find image* store -type f,l | sort)" && test -n "$there"
}
export -f in_image collected
check "what an archive became stays when RepX collects, and when we do" '
	form oci.tar && runs_here --lab "$LAB" && collected'
check "also where the Lab has it in image/ and lists no files" '
	form tar.gz && in_image && runs_here --lab "$LAB" && test -f "$(echo "$WORK"/store/artifacts/image/*)/manifest.json" && collected &&
	repx run simulation-run --lab "$LAB" | tee again.log && grep "image: nothing was missing" again.log'

check 'the same content in another form is the same image' '
	form tar && cp -r "$WORK/store/artifacts/store" layers && runs_here --lab "$LAB" &&
	same "$(ls layers)" "$(ls "$WORK/store/artifacts/store")"'

check 'over ssh' '
	form tar.gz && repx run simulation-run --lab "$LAB" --target queue &&
	same "$TOTALS" "$(outputs_of "$TB_BASE" E total.txt)" && is_exploded "$TB_BASE"'

check 'again: nothing is sent' '
	form tar.gz && as_user rm -rf "$TB_BASE/outputs" &&
	repx run simulation-run --lab "$LAB" --target queue >again.log 2>&1 &&
	grep "image: nothing was missing" again.log'

# twelve N: an image of twelve layers of 1 MiB, the last with content N.
twelve() {
	local dir=$WORK/twelve layers='' ids='' k id
	rm -rf "$dir" && mkdir -p "$dir/root/bin" "$dir/image"
	tar -xf "$WORK/imaged/busybox.tar" -C "$dir"
	for k in 1 2 3 4 5 6 7 8 9 10 11 12; do
		case $k in
		1) id=$(jq -r '.[0].Layers[0]' "$dir/manifest.json") && cp "$dir/$id" "$dir/layer.tar" ;;
		*)
			rm -rf "$dir/root" && mkdir "$dir/root"
			openssl enc -aes-128-ctr -nosalt -K "$(printf '%032x' $((k == 12 ? $1 : k)))" \
				-iv 0 </dev/zero 2>/dev/null | head -c 1048576 >"$dir/root/data$k"
			tar --mtime=@0 -cf "$dir/layer.tar" -C "$dir/root" . ;;
		esac
		id=$(sha256sum "$dir/layer.tar" | cut -d" " -f1)
		mkdir "$dir/image/$id" && mv "$dir/layer.tar" "$dir/image/$id/layer.tar"
		layers+=${layers:+,}\"$id/layer.tar\" ids+=${ids:+,}\"sha256:$id\"
	done
	printf '{"os":"linux","rootfs":{"type":"layers","diff_ids":[%s]}}' "$ids" >"$dir/image/c.json"
	printf '[{"Config":"c.json","Layers":[%s]}]' "$layers" >"$dir/image/manifest.json"
	rm -f "$WORK/imaged/busybox.tar" && tar -cf "$WORK/imaged/busybox.tar" -C "$dir/image" .
	rm -rf "$dir"
}
check 'one layer of twelve changed: that layer travels' '
	twelve 100 && form tar && repx run simulation-run --lab "$LAB" --target queue 2>&1 | tee one.log &&
	twelve 101 && form tar.gz && repx run simulation-run --lab "$LAB" --target queue 2>&1 | tee two.log &&
	grep "image: sent 3 files, 1.0 MiB" two.log'

check 'a layer that is not what the configuration says is refused' '
	form tar && mkdir x && tar -xf "$LAB"/images/*.tar -C x &&
	for layer in x/*/layer.tar; do echo >>"$layer"; break; done &&
	tar -cf "$(echo "$LAB"/images/*.tar)" -C x . && rm -rf "$WORK/store" &&
	must_fail repx run simulation-run --lab "$LAB" >no.log 2>&1 && grep "configuration says" no.log'

check 'an archive that unpacks to far more than it may is refused' '
	form tar.gz && rm -rf "$WORK/store" "$XDG_CACHE_HOME/repx/images" && REPX_IMAGE_MAX=1000 must_fail repx run simulation-run --lab "$LAB" >bomb.log 2>&1; cat bomb.log; grep "unpacks to far more" bomb.log &&
	nothing_kept && runs_here --lab "$LAB"'

check 'exploded, but with compressed layers: they are made plain before they are sent' '
	form layers.gz && runs_here --lab "$LAB" && is_exploded "$WORK/store" && nothing_kept'

# odd TEXT: the image exploded, its layers called odd1 and odd2; what the second holds says TEXT.
printf 'cat /etc/motd >"$1/motd"\n' >>"$WORK/imaged/scripts/a.sh"
odd() {
	local image id n=0
	rm -rf "$WORK/lab" x && make_lab "$WORK/imaged" && image=$(echo "$LAB"/images/*) && mkdir -p x/etc || return 1
	for id in $(jq -r '.[0].Layers[]' "$image/manifest.json"); do
		n=$((n + 1)) id=${id%/layer.tar}
		rm -r "${image:?}/$id" && mkdir "$image/odd$n" && ln -s "../../../store/odd$n-layer.tar" "$image/odd$n/layer.tar"
		mv "$LAB/store/$id-layer.tar" "$LAB/store/odd$n-layer.tar"
	done
	echo "$1" >x/etc/motd && rm -f "$LAB/store/odd2-layer.tar" && tar --mtime=@1 -cf "$LAB/store/odd2-layer.tar" -C x .
	touch -d @1 "$LAB"/store/odd*
	jq -c '.[0].Layers = ["odd1/layer.tar", "odd2/layer.tar"]' "$image/manifest.json" >x/m && cp -f x/m "$image/manifest.json"
	jq -c '.files |= map(select(.path | test("^images/|-layer.tar$") | not))' "$LAB"/lab/*lab-metadata.json >x/m && cp -f x/m "$LAB"/lab/*lab-metadata.json
}
runs_one() { repx run "$(jobs_of A | head -n 1)" --lab "$LAB" "${@:2}" && same "$1" "$(cat "$WORK"/store/outputs/*-A-*/out/motd)"; }
export -f odd runs_one
check 'layers with odd names: another content of one name is another image, here and on the node' '
	rm -rf "$WORK/store" && sed -i "s|^base_path = \"$WORK/store\"|&\nnode_local_path = \"$WORK/disk\"|" "$XDG_CONFIG_HOME/repx/config.toml" && mkdir "$WORK/disk" &&
	odd one && runs_one one && odd two && runs_one two --stale rerun &&
	sed -i "/^node_local_path/d" "$XDG_CONFIG_HOME/repx/config.toml" && rm -rf "$WORK/store" &&
	odd one && runs_one one && odd two && runs_one two --stale rerun'
