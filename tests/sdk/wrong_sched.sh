#!/bin/bash
# SPDX-License-Identifier: MIT
# wrong_sched.sh TOOL SCHED-EXEC.so SCRIPT: the example script with one promise broken at a
# time, and the check that was made for it fails.
set -u
tool=$1 so=$2 script=$3 number=0 failed=0
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
chmod 700 "$dir"

wrong() { # NAME SENTENCE-OF-THE-CHECK CASE...: cases of the verb, $1
	number=$((number + 1))
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
		echo "ok $number - $name fails on: $sentence"
	else
		echo "not ok $number - $name should fail on: $sentence"
		grep '^not ok' <<<"$said" | sed 's/^/# /'
		failed=1
	fi
}

run="$script \"\$@\""
wrong twice 'a unit is accepted' "submit) $run | sed p"
wrong forgets 'a batch of 3 is answered once each' "submit) $run | sed 3d"
wrong otherid 'find knows its key at once' "find) $run | sed 's/\"id\": \"k/\"id\": \"x/'"
wrong garbage 'status answers' "status) echo Segmentation fault; $run"
wrong notime 'limits: one line of numbers' 'limits) exit 0'
wrong alldone 'one that exits with 7 is failed' "status) $run | sed 's/\"failed\"/\"done\"/'"
wrong nodeps 'a unit runs after the one it depends on' \
	"submit) sed 's/\"deps\":\[[^]]*\]/\"deps\":[]/g' | $run"
wrong nocancel 'cancel ends a running unit' 'cancel) cat >/dev/null'
wrong allkeys 'a key that nobody has gets no answer' \
	'find) cat >/dev/null; echo "{\"v\":1,\"key\":\"kx\",\"id\":\"1\",\"state\":\"done\"}"'
wrong noindex 'each of its indices 0 to 4 runs' "submit) sed 's/\"array\":5/\"array\":1/' | $run"
echo "1..$number"
exit $failed
