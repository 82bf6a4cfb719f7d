#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Labs that share one job id and differ in its script and data, run one after the other while
# earlier jobs still run: each job reads its own package only, and who opened
# artifacts/jobs/ID sees one version of it.
# LABS sets how many (20).
# shellcheck source=lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"
requires python3

export JOB=0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-same-1.1
export BASE=$XDG_STATE_HOME/repx COUNT=${LABS:-20}

# The job reads its data several times while it runs, and writes down what it and they say.
lab() { # NUMBER
	rm -rf lab
	mkdir -p lab/{lab,revision,readme,host-tools/none/bin} "lab/jobs/$JOB"/{bin,data}
	cat >"lab/jobs/$JOB/bin/x" <<-SH
	#!/bin/sh
	cd "\$(dirname "\$0")/.." || exit 1
	said=
	for again in 1 2 3 4 5; do
		for f in 1 2 3 4 5 6; do read -r n <data/\$f || n=none; said="\$said \$n"; done
		read -r n <bin/../data/sum; said="\$said \$n"
		sleep 0.05
	done
	echo $1 \$said >>"$WORK/said"
	echo $1 >"\$1/o"
	SH
	chmod 755 "lab/jobs/$JOB/bin/x"
	for f in 1 2 3 4 5 6 sum; do echo "$1" >"lab/jobs/$JOB/data/$f"; done
	cat >lab/lab/lab-metadata.json <<-JSON
	{"labId":"$(printf 'many%04d' "$1")","lab_version":"1","metadata":"revision/metadata-top.json","files":[]}
	JSON
	cat >lab/revision/metadata-top.json <<-JSON
	{"repx_version":"0.5.0","gitHash":"none","runs":["revision/metadata-r.json"]}
	JSON
	cat >lab/revision/metadata-r.json <<-JSON
	{"name":"r","jobs":{"$JOB":{"params":{},"executables":{"main":{
	"path":"jobs/$JOB/bin/x","outputs":{"o":"\$out/o"}}}}}}
	JSON
}

# Opens the package again and again, and compares what it holds. What was opened may be taken
# away meanwhile, but never exchanged.
cat >reader.py <<'PY'
import os, re, sys, time
package, stop = sys.argv[1:]
seen, looks, gone = set(), 0, 0
while not os.path.exists(stop):
    time.sleep(0.002)
    try:
        top = os.open(package, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        continue
    try:
        def read(name):
            fd = os.open(name, os.O_RDONLY, dir_fd=top)
            try:
                return os.read(fd, 4096).decode()
            finally:
                os.close(fd)
        found = {re.search(r"^echo (\d+) ", read("bin/x"), re.M).group(1)}
        for name in ("1", "2", "3", "4", "5", "6", "sum"):
            found.add(read("data/" + name).strip())
        if len(found) != 1:
            print("a mixture:", found)
            sys.exit(1)
        seen |= found
        looks += 1
    except FileNotFoundError:
        gone += 1
    finally:
        os.close(top)
print(f"{looks} looks, {len(seen)} versions, {gone} gone while looking")
PY

all_ran() { (($(wc -l <"$WORK/said") >= COUNT)); }
export -f lab all_ran

python3 reader.py "$BASE/artifacts/jobs/$JOB" stop >reader 2>&1 & reader=$!
: >"$WORK/said"
check "$COUNT Labs, each submitted while those before run or wait" '
	for ((i = 1; i <= COUNT; i++)); do lab "$i" && repx run r --lab lab --stale rerun --detach || exit 1; done'
check 'all jobs run' 'within $((60 + COUNT)) all_ran'
check 'each read its own script and its own data, and nothing else' '
	awk "{ for (i = 2; i <= NF; i++) if (\$i != \$1) { print; bad = 1 } if (NF != 36) { print; bad = 1 } } END { exit bad }" "$WORK/said"'
check 'each Lab'\''s job ran once, in the order of their submission' '
	seq "$COUNT" | diff - <(cut -d" " -f1 "$WORK/said")'
check 'five more, each when the one before has ended' '
	for ((i = COUNT + 1; i <= COUNT + 5; i++)); do lab "$i" && repx run r --lab lab --stale rerun || exit 1; done
	same "$((COUNT + 5))" "$(tail -n 1 "$WORK/said" | cut -d" " -f1)"'
touch stop
wait "$reader"
export saw=$?
check 'whoever opened the package saw one version of it' 'cat reader && test "$saw" -eq 0 &&
	grep -Eq " ([3-9]|[0-9]{2,}) versions" reader'
echo "# $(cat reader)"
check 'the last one stands at the name in the end' '
	repx run r --lab lab --stale keep && diff -r "lab/jobs/$JOB" "$BASE/artifacts/jobs/$JOB" && test ! -e "$BASE/.repx/behind"'
