#!/bin/sh
# SPDX-License-Identifier: MIT
# make.sh DIR: the reference Lab's definition in DIR, with an image for its runs. The image is
# a docker-archive of two layers (busybox; a motd and /etc/passwd), made without docker.
set -eu
dir=$1
here=$(cd "$(dirname "$0")" && pwd)
busybox=${BUSYBOX:-/bin/busybox}

[ -x "$busybox" ] || { echo "make.sh: needs a static busybox (apt: busybox-static)" >&2; exit 1; }
mkdir -p "$dir"
cp -R "$here/../reference/." "$dir"
sed 's/^stages = .*/&\nimage = busybox.tar/' "$dir/lab.ini" >"$dir/lab.ini.new"
mv "$dir/lab.ini.new" "$dir/lab.ini"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pack() { tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$@"; }

mkdir -p "$work/base/bin" "$work/base/tmp" "$work/etc/etc" "$work/image"
cp "$busybox" "$work/base/bin/busybox"
chmod 755 "$work/base/bin/busybox"
for applet in sh awk cat cp echo env false grep head id ls mkdir paste printf rm sed sleep sort \
	tail test touch tr true uname wc; do
	ln -s busybox "$work/base/bin/$applet"
done
echo 'root:x:0:0:root:/:/bin/sh' >"$work/etc/etc/passwd"
echo 'reference image' >"$work/etc/etc/motd"

layers='' ids=''
for layer in base etc; do
	pack "$work/$layer.tar" -C "$work/$layer" .
	id=$(sha256sum "$work/$layer.tar" | cut -d' ' -f1)
	mkdir "$work/image/$id"
	mv "$work/$layer.tar" "$work/image/$id/layer.tar"
	layers="$layers${layers:+,}\"$id/layer.tar\""
	ids="$ids${ids:+,}\"sha256:$id\""
done
printf '{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":[%s]}}\n' \
	"$ids" >"$work/config.json"
config=$(sha256sum "$work/config.json" | cut -d' ' -f1).json
mv "$work/config.json" "$work/image/$config"
printf '[{"Config":"%s","RepoTags":["reference:1"],"Layers":[%s]}]\n' "$config" "$layers" \
	>"$work/image/manifest.json"
pack "$dir/busybox.tar" -C "$work/image" .
