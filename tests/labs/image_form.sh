#!/bin/sh
# SPDX-License-Identifier: MIT
# image_form.sh LAB FORM: in a packed Lab, each image as one archive, or as an OCI layout:
#     tar  tar.gz     a docker-archive
#     oci             a directory; its layers are compressed, by gzip and (if there) zstd in turn
#     oci.tar         the same as one file
#     layers.gz       a directory as before, but its layers are compressed
# The manifest of the Lab is brought up to date.
set -eu
lab=$1 form=$2
cd "$lab"
sum() { sha256sum "$1" | cut -d' ' -f1; }
manifest=$(echo lab/*lab-metadata.json)

# blob FILE: into blobs/sha256; its digest.
blob() {
	digest=$(sum "$1")
	mv "$1" "$layout/blobs/sha256/$digest"
	echo "$digest"
}
described() { # DIGEST TYPE
	printf '{"mediaType":"application/vnd.oci.image.%s","digest":"sha256:%s","size":%s}' \
		"$2" "$1" "$(wc -c <"$layout/blobs/sha256/$1")"
}

oci() { # IMAGE LAYOUT
	layout=$2
	mkdir -p "$layout/blobs/sha256"
	cp "$1"/*[0-9a-f].json "$layout/config"
	layers='' zip=gzip
	for layer in $(tr ',' '\n' <"$1/manifest.json" | grep -o '[0-9a-f]*/layer.tar'); do
		$zip -c <"$1/$layer" >"$layout/layer"
		layers="$layers${layers:+,}$(described "$(blob "$layout/layer")" "layer.v1.tar+${zip%% *}")"
		if [ "$zip" = gzip ] && command -v zstd >/dev/null; then zip='zstd -q'; else zip=gzip; fi
	done
	config=$(described "$(blob "$layout/config")" config.v1+json)
	printf '{"schemaVersion":2,"config":%s,"layers":[%s]}' "$config" "$layers" >"$layout/manifest"
	printf '{"schemaVersion":2,"manifests":[%s]}' \
		"$(described "$(blob "$layout/manifest")" manifest.v1+json)" >"$layout/index.json"
	printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
}

if [ "$form" = layers.gz ]; then
	for layer in store/*-layer.tar; do
		before=$(sum "$layer")
		gzip -n <"$layer" >layer.gz
		mv -f layer.gz "$layer"
		sed -i "s/\"sha256\":\"$before\"/\"sha256\":\"$(sum "$layer")\"/" "$manifest"
	done
	exit
fi

for image in images/*; do
	case $form in
	tar) tar -chf "$image.tar" -C "$image" . ;;
	tar.gz) tar -chzf "$image.tar.gz" -C "$image" . ;;
	oci) oci "$image" "$image.oci" ;;
	oci.tar)
		oci "$image" "$image.layout"
		tar -cf "$image.oci.tar" -C "$image.layout" .
		rm -r "$image.layout" ;;
	esac
	rm -r "$image"
	grep -l "\"image\":\"$image\"" revision/*.json | while read -r run; do
		before=$(sum "$run")
		sed -i "s|\"image\":\"$image\"|\"image\":\"$image.$form\"|" "$run"
		sed -i "s/$before/$(sum "$run")/" "$manifest"
	done
done
rm -f store/*-layer.tar
jq -c '.files |= map(select(.path | test("^images/|-layer.tar$") | not))' "$manifest" >"$manifest.new"
mv "$manifest.new" "$manifest"
