#!/bin/bash
# SPDX-License-Identifier: MIT
# wrong_sched.sh TOOL SCHED-EXEC.so SCRIPT: the example script with one promise broken at a
# time, and the check that was made for it fails.
set -u
tool=$1 so=$2 script=$3
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
chmod 700 "$dir"

try() { # NAME SENTENCE-OF-THE-CHECK CASE...: cases of the verb, $1
	local said status name=$1 sentence=$2
	{
		echo '#!/bin/sh'
		echo 'case $1 in'
		printf '%s ;;\n' "${@:3}"
		echo "*) exec $script \"\$@\" ;;"
		echo 'esac'
	} >"$dir/$name"
	chmod 700 "$dir/$name"
	printf '[targets.t]\naddress = "t"\nbase_path = "/tmp"\n[targets.t.exec]\nhelper = "%s"\n' \
		"$dir/$name" >"$dir/$name.toml"
	said=$("$tool" "$so" --config "$dir/$name.toml" --patience 4 --batch 3)
	status=$?
	if [ $status -eq 1 ] && grep -q "^not ok [0-9]* - .*$sentence" <<<"$said"; then
		echo "ok - $name fails on: $sentence"
	else
		echo "not ok - $name should fail on: $sentence"
		grep '^not ok' <<<"$said" | while IFS= read -r line; do echo "# $line"; done
	fi >"$dir/$name.said"
}

# Most of the time they wait for what does not come: so a few at a time.
wrong() {
	while [ "$(jobs -pr | wc -l)" -ge 4 ]; do wait -n; done
	try "$@" &
}

run="$script \"\$@\""
wrong twice 'a unit is accepted' "submit) $run | sed p"
wrong forgets 'a batch of 3 is answered once each' "submit) $run | sed 3d"
wrong otherid 'find knows its key at once' "find) $run | sed 's/\"id\": \"k/\"id\": \"x/'"
wrong garbage 'status answers' "status) echo Segmentation fault; $run"
wrong notime 'limits: one line of numbers' 'limits) exit 0'
wrong odd 'name_chars are printable' 'limits) echo "{\"v\":1,\"name_chars\":\"-x\"}"'
wrong brief 'a name of 40 characters, of those that limits allows, is taken' \
	'limits) echo "{\"v\":1,\"name_max\":40}"' \
	"submit) sed 's/\"name\":\"[^\"]\{30,\}\"/\"name\":/' | $run"
wrong crowd '4 calls at a time, as lanes allows' 'limits) echo "{\"v\":1,\"lanes\":4}"' \
	"find) mkdir $dir/find || exit 1; $run; sleep 0.2; rmdir $dir/find"
wrong alldone 'one that exits with 7 is failed' "status) $run | sed 's/\"failed\"/\"done\"/'"
wrong nodeps 'a unit runs after the one it depends on' \
	"submit) sed 's/\"deps\":\[[^]]*\]/\"deps\":[]/g' | $run"
wrong nocancel 'cancel ends a running unit' 'cancel) cat >/dev/null'
wrong allkeys 'a key that nobody has gets no answer' \
	'find) cat >/dev/null; echo "{\"v\":1,\"key\":\"kx\",\"id\":\"1\",\"state\":\"done\"}"'
wrong noindex 'each of its indices 0 to 4 runs' "submit) sed 's/\"array\":5/\"array\":1/' | $run"
wait
cat "$dir"/*.said | awk '{ if (/^#/) print; else { n++; sub(/ok -/, "ok " n " -"); print; bad += /^not/ } } END { print "1.." n; exit bad > 0 || n != 13 }'
