#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A link over ssh that fails (--fault): one message that says why, and the next run is right. ssh
# guards its bytes itself; what is spoiled here is spoiled above it, as by a transport of a site's own.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd
start_sshd
mkdir six
cat >six/lab.ini <<INI
[lab]
name = six
version = 1
[run six]
stages = one
[stage one]
script = s.sh
param.n = 100..105
output.n = \$out/n
INI
# what the job was told is what it leaves
printf '#!/bin/sh\nsed -n "s/.*\\"n\\": *\\([0-9]*\\).*/\\1/p" "$3" >"$1/n"\n' >six/s.sh
make_lab six sixlab
right() { same '100 101 102 103 104 105' "$(outputs_of "$TB_BASE" one n)"; }
again() { timeout 60 repx run six --lab "$LAB" --target queue && right; }

# survives FAULT [ERROR]: right, or an error of one line; then, without the fault, right.
survives() {
	local status=0
	as_user rm -rf "$TB_BASE/outputs"
	timeout -k 5 40 repx run six --lab "$LAB" --target queue --fault "$1" >out 2>err || status=$?
	cat err
	((status < 2)) || { echo "status $status: hangs, or a crash"; return 1; }
	[[ -z ${2:-} ]] || { ((status == 1)) && grep -E "$2" err; } || return 1
	((status == 1)) || { right; return; }
	[[ $(grep -c '^\[ERROR\] .' err) == 1 ]] && again
}
export -f right again survives

check 'without a fault' again
check 'a link that is late is only slow' 'survives delay=20ms && ! grep ERROR err'
check 'one that is cut' 'survives cut-after=6K "the link is gone: --fault cut it after 6144 bytes"'
check 'one that loses pieces' 'survives drop=4,silence=1s "the link is gone"'
for place in 700 2600; do
	export place
	check "one that changes a bit at byte $place" \
		'survives garble-after=$place,silence=1s "bytes were changed on the way|the link is gone"'
done
# of a plan: each of its jobs is what it was, or nothing runs
check 'no changed bit of what is submitted becomes another result' '
	for place in 2984 3533 4082 4692; do survives garble-after=$place,silence=1s || exit 1; done'

# While the Lab is read, repx logs in; of a Lab that cannot be run the target hears nothing.
mkdir -p "$XDG_CONFIG_HOME/repx/repx.d"
printf '[targets.queue]\ntransport = "openssh"\n' >"$XDG_CONFIG_HOME/repx/repx.d/own.toml"
mv "$WORK/bin/ssh" "$WORK/bin/real"
printf '#!/bin/sh\necho $$ >>%s/begun\ntest ! -e %s/hang || exec sleep 600\nexec %s/bin/real "$@"\n' \
	"$WORK" "$WORK" "$WORK" >"$WORK/bin/ssh"
chmod 755 "$WORK/bin/ssh"
cp -r six long && truncate -s 400M long/zeros && sed -i 's/^script = s.sh/&\nfiles = zeros/' long/lab.ini
check 'it logs in while the Lab is read, and changes nothing before that is good' '
	repx lab pack long -o longlab && as_user rm -rf "$TB_BASE" && must_fail repx run none --lab longlab --target queue 2>err &&
	grep -c ^ begun && grep "none" err && test "$(grep -c ERROR err)" = 1 && as_user test ! -e "$TB_BASE"'
check 'a login that hangs does not hold up what is wrong with the Lab' '
	: >hang && rm -f begun && start=$SECONDS && must_fail timeout 30 repx run none --lab longlab --target queue 2>err &&
	grep "none" err && test $((SECONDS - start)) -lt 10 && ! kill -0 "$(cat begun)"'
check 'one login all the same' '
	rm -f hang begun && before=$(count_logins) && again && test $(($(count_logins) - before)) -eq 1 && test "$(grep -c ^ begun)" = 1'
