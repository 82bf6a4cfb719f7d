#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Large files that changed travel as deltas, which cost about what rsync's do, and arrive right.
# shellcheck source=lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"
requires rsync jq python3

export BASE=$XDG_STATE_HOME/repx
export JOB=0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-hello-1.1
export BIG=lab/jobs/$JOB/big THERE=$BASE/artifacts/jobs/$JOB/big

lab() {
	mkdir -p "lab/lab" lab/revision lab/readme lab/host-tools/none/bin "lab/jobs/$JOB/bin"
	cat >lab/lab/lab-metadata.json <<-JSON
	{"labId":"aaaa0001","lab_version":"1","metadata":"revision/metadata-top.json","files":[]}
	JSON
	cat >lab/revision/metadata-top.json <<-JSON
	{"repx_version":"0.5.0","gitHash":"none","runs":["revision/metadata-r.json"]}
	JSON
	cat >lab/revision/metadata-r.json <<-JSON
	{"name":"r","jobs":{"$JOB":{"params":{},"executables":{"main":{
	"path":"jobs/$JOB/bin/hello","outputs":{"txt":"\$out/h.txt"}}}}}}
	JSON
	printf '#!/bin/sh\necho one >"$1/h.txt"\n' >"lab/jobs/$JOB/bin/hello"
	chmod 755 "lab/jobs/$JOB/bin/hello"
}

# change HOW FROM TO: bytes that do not compress, the same in every run.
change() {
	python3 - "$@" <<-'PY'
	import random, sys
	how, source, to = sys.argv[1:]
	random.seed(how)
	data = bytearray() if how == "new" else bytearray(open(source, "rb").read())
	size = 64 << 20
	if how in ("new", "rewrite"):
	    data = random.randbytes(size)
	elif how == "scattered":
	    for _ in range(size // 100 // 4096):
	        at = random.randrange(0, len(data) - 4096)
	        data[at:at + 4096] = random.randbytes(4096)
	elif how == "front":
	    data[0:0] = random.randbytes(100000)
	elif how == "moved":
	    data = data[20000000:] + data[:20000000]
	open(to, "wb").write(data)
	PY
}
# sync: bytes on the wire, both ways.
sync() { repx run r --lab lab --stale rerun --json | jq '.bytes_sent + .bytes_received'; }
# by_rsync: likewise, for the same change.
by_rsync() {
	rsync -aI --no-whole-file --stats "$BIG" copy/ | tr -d , |
		sed -n 's/^Total bytes \(sent\|received\): //p' | awk '{ n += $1 } END { print n }'
}
# arrives HOW: the change arrives, for at most 1.3 times rsync's bytes. 40 kB are the job's own:
# two frames of greeting, its plan and its events.
arrives() {
	change "$1" "$BIG" next && mv next "$BIG" && ours=$(sync) && theirs=$(by_rsync) &&
		echo "# $1: $ours bytes, rsync $theirs" | tee -a "$WORK/costs" && cmp "$BIG" "$THERE" &&
		test "$((ours - 40000))" -le "$((theirs * 13 / 10))"
}
export -f sync by_rsync change arrives
lab
change new - "$BIG"
mkdir copy && cp "$BIG" copy/

check 'the client is linked with no librsync, and the plugin is' '
	! ldd "$(command -v repx)" | grep rsync &&
	ldd "$REPX_BUILD/lib/repx/plugins/sync-lab.so" | grep rsync'

check 'a file of 64 MiB goes whole when nothing is there' '
	test "$(sync)" -gt 67000000 && cmp "$BIG" "$THERE"'

check 'one page of a hundred changes' 'arrives scattered'
check 'something is inserted in front' 'arrives front'
check 'its parts change places' 'arrives moved'
check 'all of it is written anew' 'arrives rewrite'

cat "$WORK/costs"
check 'a mode alone costs nothing' '
	chmod +x "$BIG" && test "$(sync)" -lt 40000 && test -x "$THERE" && cmp "$BIG" "$THERE"'

check 'what somebody did to the old file there does no harm' '
	change scattered "$BIG" next && cp next "$BIG" && chmod +x "$BIG" &&
	head -c 9000000 /dev/zero | dd of="$THERE" bs=1M seek=7 conv=notrunc status=none &&
	n=$(sync) && echo "$n bytes" && test "$n" -lt 30000000 && cmp "$BIG" "$THERE"'

check 'nothing is left in the staging directory' '
	within 10 eval "test -z \"\$(ls -A \"$BASE/.repx/stage\")\""'
