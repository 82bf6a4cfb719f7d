#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A target without room: full, out of inodes, read-only. One message, nothing half there, and
# when there is room again nothing was lost. With file systems of its own, hence as root.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires root mount
mkdir -p "$WORK/fs"
mount -t tmpfs -o size=1m none "$WORK/fs" 2>/dev/null || skip_all "needs to mount a tmpfs"
umount "$WORK/fs"
trap 'while mountpoint -q "$WORK/fs"; do umount -l "$WORK/fs"; done; finish' EXIT
export JOB=0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-hello-1.1
mkdir -p "$XDG_CONFIG_HOME/repx"
cat >"$XDG_CONFIG_HOME/repx/config.toml" <<-CONF
	submission_target = "local"
	[targets.local]
	base_path = "$WORK/fs/repx"
	default_scheduler = "local"
	[targets.local.local]
	execution_types = ["native"]
CONF

small_lab() {
	mkdir -p "$1"/{lab,revision,readme,host-tools/none/bin} "$1/jobs/$JOB/bin"
	echo '{"labId":"'"$2"'","lab_version":"1","metadata":"revision/metadata-top.json","files":[]}' \
		>"$1/lab/lab-metadata.json"
	echo '{"repx_version":"0.5.0","gitHash":"none","runs":["revision/metadata-r.json"]}' \
		>"$1/revision/metadata-top.json"
	cat >"$1/revision/metadata-r.json" <<-JSON
	{"name":"r","jobs":{"$JOB":{"params":{},"executables":{"main":{
	"path":"jobs/$JOB/bin/hello","outputs":{"txt":"\$out/h.txt"}}}}}}
	JSON
	printf '#!/bin/sh\necho one >"$1/h.txt"\n' >"$1/jobs/$JOB/bin/hello"
	chmod 755 "$1/jobs/$JOB/bin/hello"
}
run() { repx -v run r --lab "$WORK/$1" --stale rerun "${@:2}" >"$WORK/said" 2>&1; }
# one line of error, with these words
says() { cat said && test "$(grep -c ERROR said)" = 1 && grep ERROR said | grep -E "$1"; }
# Mount it anew with these options, with a small Lab there already.
anew() {
	while mountpoint -q "$WORK/fs"; do umount -l "$WORK/fs"; done
	mount -t tmpfs -o "$1" none "$WORK/fs" && run small
}
nothing_half() {
	test ! -e "$WORK/fs/repx/artifacts/jobs/$JOB/blob" && test ! -e "$WORK/fs/repx/artifacts/jobs/$JOB/f1" &&
		diff -r "$WORK/small/jobs" "$WORK/fs/repx/artifacts/jobs"
}
arrived() { diff -r "$WORK/$1/jobs" "$WORK/fs/repx/artifacts/jobs"; }
export -f small_lab run says anew nothing_half arrived

small_lab small aaaa0001
small_lab large aaaa0002
head -c 12M /dev/urandom >"large/jobs/$JOB/blob"
small_lab many aaaa0003
for ((i = 0; i < 600; i++)); do echo "$i" >"many/jobs/$JOB/f$i"; done
small_lab spread aaaa0004
for ((i = 0; i < 1500; i++)); do echo "spread $i" >"spread/jobs/$JOB/f$i"; done

check 'too few bytes: said before anything is sent' '
	anew size=10m && must_fail run large && says "MiB are to be sent.*room for" && nothing_half &&
	mount -o remount,size=40m "$WORK/fs" && run large && arrived large'
check 'too few inodes: said before anything is sent' '
	anew size=40m,nr_inodes=300 && must_fail run many && says "files are to be sent.*inodes" && nothing_half &&
	mount -o remount,nr_inodes=2000 "$WORK/fs" && run many && arrived many'
check 'full while files arrive: one message, nothing half, and what arrived is not sent again' '
	anew size=16m && dd if=/dev/zero of="$WORK/fs/ballast" bs=1M count=11 status=none &&
	must_fail run spread && says "no room .bytes or inodes. is left" && nothing_half &&
	rm "$WORK/fs/ballast" && run spread && arrived spread && grep "lab: sent" said &&
	test "$(sed -n "s/.*lab: sent \([0-9]*\) files.*/\1/p" said)" -lt 1400'
check 'a large file that found the disk full goes on where it stopped' '
	anew size=30m && { run large --fault delay=1ms & client=$!; } &&
	dd if=/dev/zero of="$WORK/fs/ballast" bs=1M count=40 status=none 2>/dev/null || true
	{ wait "$client" || true; } && rm -f "$WORK/fs/ballast" && run large && arrived large'
check 'what arrived of it needs no room twice' '
	anew size=20m && must_fail run large --fault cut-after=9M && run large && arrived large'
# A job that writes 30 MB.
small_lab greedy aaaa0005
printf '#!/bin/sh\nhead -c 30000000 /dev/urandom >"$1/h.txt" || exit 9\n' >"greedy/jobs/$JOB/bin/hello"
check 'a job that fills the disk fails, and is told so at once; with room it runs again' '
	anew size=20m && must_fail timeout 60 repx run r --lab greedy --stale rerun && test -e "$WORK/fs/repx/outputs/$JOB/repx/FAIL" && grep "no room was left" "$WORK/fs/repx/outputs/$JOB/repx/stderr.log" &&
	mount -o remount,size=80m "$WORK/fs" && run greedy && test "$(stat -c %s "$WORK/fs/repx/outputs/$JOB/out/h.txt")" = 30000000'
check 'a collection frees a disk that is full, also when nothing was kept back for that' '
	for kept in yes no; do
		anew size=12m && stray=$WORK/fs/repx/artifacts/jobs/stray && mkdir "$stray" && head -c 4M /dev/zero >"$stray/x" && touch -d yesterday "$stray" &&
			{ test $kept = yes || rm "$WORK/fs/repx/.repx/reserve"; } && sleep 0.1 && { cat /dev/zero >"$WORK/fs/fill" 2>/dev/null; true; } &&
			repx gc --yes >said 2>&1 && cat said && test ! -e "$stray" && ! grep -E "warning|another collection" said || { cat said; exit 1; }
	done'
check 'read-only: one message' '
	anew size=40m && mount --bind "$WORK/fs" "$WORK/fs" && mount -o remount,bind,ro "$WORK/fs" &&
	must_fail run many && says "read-only|Read-only" && umount -l "$WORK/fs" && run many && arrived many'

# ---- a real quota: of a subvolume, where kernel and tools have it ----

while mountpoint -q "$WORK/fs"; do umount -l "$WORK/fs"; done
quota_fs() {
	has mkfs.btrfs btrfs && truncate -s 256M "$WORK/disk" && mkfs.btrfs -q -f "$WORK/disk" && mount -o loop "$WORK/disk" "$WORK/fs" &&
		btrfs quota enable "$WORK/fs" && btrfs subvolume create "$WORK/fs/repx"
}
limit() { sync -f "$WORK/fs" && btrfs qgroup limit "$1" "$WORK/fs/repx"; }
export -f limit
if ! quota_fs >quota.log 2>&1; then
	echo "# no quota can be had here: $(tail -n 1 quota.log)"
else
	check 'a quota is used up: one message, nothing half, and the next run goes on' '
		limit none && run small && limit 8M && must_fail run large && says "quota" && nothing_half &&
		limit 100M && run large && arrived large && run small'
	check 'a job that uses it up fails, and is told so; with room it runs again' '
		limit 20M && must_fail run greedy && cat said && test -e "$WORK/fs/repx/outputs/$JOB/repx/FAIL" && grep "quota is used up" "$WORK/fs/repx/outputs/$JOB/repx/stderr.log" && limit none && run greedy && test "$(stat -c %s "$WORK/fs/repx/outputs/$JOB/out/h.txt")" = 30000000'
fi
