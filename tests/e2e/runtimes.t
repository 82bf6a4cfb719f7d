#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Jobs under charliecloud, and docker by what it is asked to do.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd ch-run busybox root
start_sshd
sh "$TESTS/labs/reference-image/make.sh" "$WORK/imaged" || exit 1
make_lab "$WORK/imaged"

# runtime NAME [LINES]: the only one on every target; LINES of further keys for the local target.
runtime() {
	sed -i "s/execution_types = .*/execution_types = [\"$1\"]/; /^mount_/d; /^default_execution/d" "$XDG_CONFIG_HOME/repx/config.toml"
	if [[ -n ${2:-} ]]; then sed -i "s|^base_path = \"$WORK/store\"|&\n$2|" "$XDG_CONFIG_HOME/repx/config.toml"; fi
}
# one NAME SCRIPT: a Lab of one job; runs it with --lab "$LAB".
one() {
	mkdir -p "$WORK/$1"
	cp "$WORK/imaged/busybox.tar" "$WORK/$1"
	printf '[lab]\nname = %s\n[run r]\nstages = s\nimage = busybox.tar\n[stage s]\nscript = s.sh\n' "$1" >"$WORK/$1/lab.ini"
	printf '#!/bin/sh\n%s\n' "$2" >"$WORK/$1/s.sh"
	chmod 755 "$WORK/$1/s.sh"
	make_lab "$WORK/$1" "lab-$1"
	J=$(jobs_of s)
}
out_of() { cat "$WORK/store/outputs/$J/out/$1"; }
reason() { jq -r 'select(.reason) | .reason' "$WORK/store/outputs/$J/repx/attempt.json"; }

# ---- charliecloud ----

runtime charliecloud
check 'charliecloud: as root on this machine' '
	repx run simulation-run --lab "$LAB" && same "$TOTALS" "$(outputs_of "$WORK/store" E total.txt)"'
check 'charliecloud: without privileges over ssh' '
	repx run simulation-run --lab "$LAB" --target queue && same "$TOTALS" "$(outputs_of "$TB_BASE" E total.txt)"'
check 'charliecloud: what a script may and may not' '
	export NOT_FOR_JOBS=secret; echo host >"$WORK/secret"
	one confined "
	cd \"\$1\"; id -u >uid; echo \"\$HOME \$TERM \$NOT_FOR_JOBS\" >env; pwd >pwd
	(echo x >/etc/x) 2>/dev/null && echo root >wrote
	(echo x >'"$WORK"'/store/x) 2>/dev/null && echo base >wrote
	(mount -o remount,rw '"$WORK"'/store && echo x >'"$WORK"'/store/x) 2>/dev/null && echo base >wrote
	(umount \"\$1\") 2>/dev/null && echo umount >wrote
	echo x >/tmp/x && cat /tmp/x >tmp
	test -e '"$WORK"'/secret && echo seen >secret
	cat /proc/net/dev | grep -c eth >net; ls /proc | grep -c \"^[0-9]\" >processes
	cat /etc/motd >motd
	exit 0"
	repx run r --lab "$LAB" && same 0 "$(out_of uid)" && same "/ xterm " "$(out_of env)" &&
	test ! -e "$WORK/store/outputs/$J/out/wrote" && test ! -e "$WORK/store/x" && same x "$(out_of tmp)" && same 0 "$(out_of net)" &&
	test "$(out_of processes)" -lt 9 && test ! -e "$WORK/store/outputs/$J/out/secret" && same "reference image" "$(out_of motd)" &&
	out_of pwd | grep "/attempts/1/out$"'
check 'charliecloud: the ids of the user, without privileges' '
	repx run r --lab "$WORK/lab-confined" --target queue && LAB=$WORK/lab-confined && J=$(jobs_of s) &&
	same "$(id -u "$TB_SSH_USER")" "$(cat "$TB_BASE/outputs/$J/out/uid")" && test ! -e "$TB_BASE/outputs/$J/out/wrote" &&
	same "$(id -u "$TB_SSH_USER")" "$(stat -Lc %u "$TB_BASE/outputs/$J/out/uid")"'
check 'charliecloud: paths that are named are seen' '
	runtime charliecloud "mount_paths = [\"$WORK/named\", \"$WORK/file\"]"; mkdir "$WORK/named"; echo a >"$WORK/named/a"; echo f >"$WORK/file"
	one named "cat '"$WORK"'/named/a '"$WORK"'/file >\"\$1/x\"; echo b >'"$WORK"'/named/b"
	repx run r --lab "$LAB" && same "$(printf "a\nf")" "$(out_of x)" && same b "$(cat "$WORK/named/b")"'
runtime charliecloud
check 'charliecloud: the machine is seen where that is asked for' '
	runtime charliecloud "mount_host_paths = true"
	one host "cat '"$WORK"'/secret >\"\$1/x\"; cat /etc/motd >\"\$1/motd\""
	repx run r --lab "$LAB" && same host "$(out_of x)" && same "reference image" "$(out_of motd)"'
runtime charliecloud
check 'charliecloud: exit status, signals' '
	one three "exit 3"; must_fail repx run r --lab "$LAB"; same "exit 3" "$(reason)"
	one one "exit 1"; must_fail repx run r --lab "$LAB"; same "exit 1" "$(reason)"
	one nine "sh -c \"kill -9 \\\$\\\$\"; kill -9 \$\$"; must_fail repx run r --lab "$LAB"; same "signal 9" "$(reason)"'
check 'charliecloud: an interpreter that the image does not have' '
	one none "" && sed -i "1s,.*,#!/no/such," "$WORK/none/s.sh" && make_lab "$WORK/none" lab-none2 && J=$(jobs_of s) &&
	must_fail repx run r --lab "$LAB"; reason; reason | grep "^not started: charliecloud: .*No such file"'
check 'charliecloud: interrupted: TERM for the script, and nothing is left' '
	one long "trap \"echo got >\$1/got; exit 0\" TERM; echo up >\$1/up; while :; do sleep 0.1; done"
	repx run r --lab "$LAB" & pid=$!
	within 30 test -e "$WORK/store/outputs/$J/out/up"
	kill -INT $pid; wait $pid || true
	same cancelled "$(reason)" && out_of got && ! pgrep -f "bin/s.*outputs/$J"'
check 'charliecloud: the supervisor is killed: so is all in there' '
	one orphan "echo up >\$1/up; sleep 1000 & wait"
	repx run r --lab "$LAB" & pid=$!
	within 30 test -e "$WORK/store/outputs/$J/out/up"
	kill -KILL "$(jq -r "select(.pid) | .pid" "$WORK/store/outputs/$J/repx/attempt.json" | head -n 1)"
	sleep 1; ! pgrep -f "outputs/$J/attempts/1"; rc=$?; kill -INT $pid; wait $pid || true; exit $rc'
check 'no ch-run: a failure with its name, nothing else takes its place' '
	printf "#!/bin/sh\necho \"ch-run[1]: error: no namespaces (x.c:1)\" >&2; exit 1\n" >"$WORK/bin/ch-run" && chmod 755 "$WORK/bin/ch-run"
	one broken "echo ran >\$1/ran"; must_fail repx run r --lab "$LAB"; reason; rm "$WORK/bin/ch-run"; reason | grep "^not started: charliecloud: no namespaces" && test ! -e "$WORK/store/outputs/$J/out/ran"'

# ---- docker: what it is asked to do ----

runtime docker
# A docker that writes down its arguments, has the image once it was loaded, and runs natively.
cat >"$WORK/bin/docker" <<'X'
#!/bin/bash
printf '%s\n' "$@" '' >>"$WORK/docker.log"
case $1 in
image) test -e "$WORK/loaded" || exit 1 ;;
load) cp "${@: -1}" "$WORK/loaded" ;;
run)
	if [[ -e $WORK/refuse ]]; then echo "docker: Error response from daemon: no such thing." >&2; exit 125; fi
	args=("$@")
	while [[ ${args[0]} != --entrypoint ]]; do args=("${args[@]:1}"); done
	exec "${args[1]}" "${args[@]:3}" ;;
esac
X
chmod 755 "$WORK/bin/docker"
check 'docker: loaded once by the digest of its configuration, confined, with the ids of the user' '
	one dock "echo ran >\"\$1/ran\""; id=$(basename "$LAB"/images/*/*[0-9a-f].json .json)
	repx run r --lab "$LAB" && same ran "$(out_of ran)" && tar -xOf "$WORK/loaded" config.json | sha256sum | grep "^$id" &&
	cat docker.log; out=$WORK/store/outputs/$J/attempts/1/out
	for word in run --rm "--network/none" --read-only "--tmpfs//tmp" "--cap-drop/all" "--security-opt/no-new-privileges" "--user/0:0" "--pull/never" \
		"-v/$WORK/store:$WORK/store:ro" "-v/$out:$out" "--workdir/$out" "$id/$out"; do
		paste -sd/ docker.log | grep -F "/${word}/" || { echo "no $word"; exit 1; }; done
	test "$(grep -cx load docker.log)" -eq 1 && ! grep -x -e --privileged docker.log'
check 'docker: named paths, and the machine' '
	runtime docker "mount_paths = [\"$WORK/named\"]"; one dock2 ": 2"; : >docker.log; repx run r --lab "$LAB" && grep -x "$WORK/named:$WORK/named" docker.log && ! grep "^/home" docker.log
	runtime docker "mount_host_paths = true"; one dock3 ": 3"; : >docker.log; repx run r --lab "$LAB" && grep -x /home:/home docker.log && grep -x /tmp:/tmp docker.log && paste -sd/ docker.log | grep -F -e "--network/host/"'
runtime docker
check 'docker: what its daemon refuses is a failure with its name' '
	: >refuse; one dock4 "echo ran 4 >\"\$1/ran\""; must_fail repx run r --lab "$LAB"; rm refuse; reason | grep "^not started: docker: Error response from daemon: no such thing" && test ! -e "$WORK/store/outputs/$J/out/ran"'
