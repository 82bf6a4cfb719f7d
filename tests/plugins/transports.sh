#!/bin/bash
# SPDX-License-Identifier: MIT
# transports.sh DRIVE PLUGINS: transport-ssh and transport-openssh against a real sshd of
# this test's own, on loopback. Needs no root. KEEP=1 keeps its files.
# shellcheck disable=SC2016,SC2034,SC2317 # the checks are texts, run by check()
set -u
drive=$1 plugins=$2
[ -x "$drive" ] || { echo "Bail out! there is no $drive"; exit 1; }
number=0 failed=0

skip() { echo "1..0 # SKIP $1"; exit 77; }
for program in sshd ssh ssh-keygen ssh-agent ssh-add sha256sum; do
	PATH=$PATH:/usr/sbin command -v $program >/dev/null || skip "there is no $program"
done
sshd=$(PATH=$PATH:/usr/sbin command -v sshd)

dir=$(mktemp -d "${TMPDIR:-/tmp}/repx-ssh-XXXXXX")
sshd_pid=''
finish() {
	[ -n "$sshd_pid" ] && kill -CONT "$sshd_pid" 2>/dev/null && kill "$sshd_pid"
	[ -n "${KEEP:-}" ] || rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM
export HOME=$dir/home XDG_RUNTIME_DIR=$dir/run
unset SSH_AUTH_SOCK KRB5CCNAME SSH_ASKPASS
mkdir -m 700 "$HOME" "$XDG_RUNTIME_DIR"
user=$(id -un)
# libssh2 1.10 loses a few bytes with each ECDSA signature and with each list of methods
# but the last: not ours to find.
printf 'leak:CRYPTO_zalloc\nleak:libssh2.so\n' >"$dir/lsan"
export LSAN_OPTIONS=${LSAN_OPTIONS:+$LSAN_OPTIONS:}suppressions=$dir/lsan:print_suppressions=0

check() { # SENTENCE COMMANDS
	number=$((number + 1))
	if (eval "$2") >"$dir/said" 2>&1; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		sed 's/^/# /' "$dir/said" | tail -n 20
		failed=1
	fi
}

await() { # TEST FILE: at most ten seconds
	local tick
	for tick in $(seq 100); do
		test "$1" "$2" && return 0
		sleep 0.1
	done
	echo "no $2 after $tick tries"
	exit 1
}

keys() {
	local kind
	for kind in ed25519 ecdsa rsa; do
		ssh-keygen -q -t $kind -N '' -C "host-$kind" -f "$dir/host_$kind"
		ssh-keygen -q -t $kind -N '' -C "id-$kind" -f "$dir/id_$kind"
	done
	ssh-keygen -q -t ed25519 -N 'open sesame' -f "$dir/id_locked"
	ssh-keygen -q -t ed25519 -N '' -f "$dir/id_stranger"
	cat "$dir"/id_{ed25519,ecdsa,rsa,locked}.pub >"$dir/authorized_keys"
}

start_sshd() {
	[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
	local try
	for try in $(seq 20); do
		port=$((20000 + (RANDOM + try) % 10000))
		cat >"$dir/sshd_config" <<-CONF
			Port $port
			ListenAddress 127.0.0.1
			HostKey $dir/host_ed25519
			HostKey $dir/host_ecdsa
			HostKey $dir/host_rsa
			PidFile none
			AuthorizedKeysFile $dir/authorized_keys
			StrictModes no
			UsePAM no
			PasswordAuthentication no
			KbdInteractiveAuthentication no
			UseDNS no
			PrintMotd no
			LogLevel VERBOSE
		CONF
		"$sshd" -D -f "$dir/sshd_config" -E "$dir/log" &
		sshd_pid=$!
		local tick
		for tick in $(seq 100); do
			grep -q "Server listening" "$dir/log" 2>/dev/null && return 0
			kill -0 $sshd_pid 2>/dev/null || break
			sleep 0.05
		done
		: "$tick"
	done
	skip "sshd does not start: $(tail -n 1 "$dir/log")"
}

client_files() {
	echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$dir/host_ed25519.pub")" >"$dir/known_hosts"
	cp "$dir/known_hosts" "$dir/hashed"
	ssh-keygen -q -H -f "$dir/hashed" >/dev/null 2>&1
	echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$dir/id_stranger.pub")" >"$dir/wrong"
	echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$dir/host_rsa.pub")" >"$dir/only_rsa"
	echo "[127.0.0.*]:$port $(cut -d' ' -f1,2 "$dir/host_ecdsa.pub")" >"$dir/wildcard"
	: >"$dir/empty"
	cat >"$dir/config" <<-CONF
		Host jump
		  ProxyJump elsewhere
		Host quick
		  StrictHostKeyChecking no
		Host cluster jump quick
		  HostName 127.0.0.1
		  Port $port
		  User $user
		  IdentityFile $dir/id_ed25519
		  UserKnownHostsFile $dir/known_hosts
		  GlobalKnownHostsFile /dev/null
	CONF
}

config=$dir/config
D() { # [OPTIONS] NAME OPERATION ...
	"$drive" --path "$plugins" --deadline 20000 --set "config_file=$config" "$@"
}
logins() { grep -c '^Accepted publickey ' "$dir/log"; }
fails_with() { # CODE TEXT COMMAND...: drive exits with 100 + REPX_E_..., and says so
	local code=$1 text=$2 status
	shift 2
	"$@" </dev/null >"$dir/out" 2>&1
	status=$?
	cat "$dir/out"
	[ "$status" -eq $((100 + code)) ] && grep -q -e "$text" "$dir/out"
}
LINK=4 TIMEOUT=5 AUTH=6

for_both() {
	local t=$1
	check "$t: input, output, errors and exit status" '
		echo in | D '"$t"' run cluster "echo out; cat; echo err >&2; exit 7" >"$dir/o" 2>"$dir/e"
		[ $? -eq 7 ] && [ "$(cat "$dir/o")" = "out
in" ] && grep -qx err "$dir/e"'
	check "$t: a command that takes no input is no error" '
		D '"$t"' run cluster "exec <&-; echo ok" <"$dir/big" | grep -qx ok'
	check "$t: 64 MiB up" '
		[ "$(D '"$t"' run cluster sha256sum <"$dir/big")" = "$sum" ]'
	check "$t: 64 MiB down" '
		[ "$(D '"$t"' run cluster "cat $dir/big" </dev/null | sha256sum)" = "$sum" ]'
	check "$t: 64 MiB both ways at once" '
		[ "$(D '"$t"' run cluster cat <"$dir/big" | sha256sum)" = "$sum" ]'
	check "$t: much to standard error while nobody waits for output" '
		D '"$t"' run cluster "head -c 3000000 /dev/zero >&2; echo done" </dev/null 2>"$dir/e" |
			grep -qx done && [ "$(tr -dc "\\0" <"$dir/e" | wc -c)" -eq 3000000 ]'
	check "$t: one run is one login, and says so" '
		before=$(logins)
		D --stats '"$t"' run cluster true </dev/null 2>&1 | grep -q logins=1 &&
			[ "$(logins)" -eq $((before + 1)) ]'
	check "$t: an unknown host is refused, and what to do is said" '
		fails_with $AUTH "onnect.* once with" D --set "known_hosts=$dir/empty" '"$t"' run cluster true'
	check "$t: a changed host key is refused" '
		fails_with $AUTH "another" D --set "known_hosts=$dir/wrong" '"$t"' run cluster true'
	check "$t: a server with an ecdsa key, too, when only ed25519 is on file" '
		D '"$t"' run cluster true </dev/null'
	check "$t: hashed names in known_hosts" '
		D --set "known_hosts=$dir/hashed" '"$t"' run cluster true </dev/null'
	check "$t: patterns in known_hosts" '
		D --set "known_hosts=$dir/wildcard" '"$t"' run cluster true </dev/null'
	check "$t: a key that is not authorized" '
		config=$dir/nokeys
		fails_with $AUTH "authorized_keys\|accepts none" D --set "identity=$dir/id_stranger" '"$t"' run cluster true'
	check "$t: a refused port is a lost link" '
		fails_with $LINK "onnection refused" D --set port=1 '"$t"' run 127.0.0.1 true'
	check "$t: a server that never answers is a time-out" '
		kill -STOP $sshd_pid
		timeout 15 "$drive" --path "$plugins" --deadline 10000 --set "config_file=$dir/config" \
			--set connect_timeout=1s '"$t"' run cluster true </dev/null >"$dir/out" 2>&1
		status=$?; kill -CONT $sshd_pid; cat "$dir/out"
		[ $status -eq $((100 + TIMEOUT)) ]'
	check "$t: a session that is killed is a lost link within seconds" '
		D '"$t"' run cluster "echo \$\$ >$dir/pid; sleep 60" </dev/null >"$dir/out" 2>&1 &
		await -s "$dir/pid"
		kill -KILL "$(ps -o ppid= "$(cat "$dir/pid")")"
		start=$SECONDS; wait $!; status=$?; cat "$dir/out"; rm "$dir/pid"
		[ $status -eq $((100 + LINK)) ] && [ $((SECONDS - start)) -le 5 ]'
	check "$t: a session that falls silent is a lost link" '
		"$drive" --path "$plugins" --set "config_file=$dir/config" --set keepalive=1s '"$t"' \
			run cluster "echo \$\$ >$dir/pid; sleep 60" </dev/null >"$dir/out" 2>&1 &
		client=$!
		await -s "$dir/pid"
		server=$(ps -o ppid= "$(cat "$dir/pid")"); kill -STOP $server; rm "$dir/pid"
		start=$SECONDS; wait $client; status=$?; cat "$dir/out"
		kill -CONT $server; kill -KILL $server
		[ $status -eq $((100 + LINK)) ] && [ $((SECONDS - start)) -le 10 ]'
}

only_ssh() {
	check "ssh: a command that is killed by a signal" '
		D ssh run cluster "kill -TERM \$\$" </dev/null; [ $? -eq 143 ]'
	check "ssh: RSA keys: what is wrong and what to do" '
		fails_with $AUTH "ssh-keygen -t ed25519" D --set "identity=$dir/id_rsa" ssh run cluster true ||
			D --set "identity=$dir/id_rsa" ssh run cluster true </dev/null'
	check "ssh: only an RSA host key on file" '
		fails_with $AUTH "$dir/only_rsa:1" D --set "known_hosts=$dir/only_rsa" ssh run cluster true ||
			D --set "known_hosts=$dir/only_rsa" ssh run cluster true </dev/null'
	check "ssh: the changed key is named with file, line and fingerprint" '
		fails_with $AUTH "SHA256:.* but $dir/wrong:1 has another" \
			D --set "known_hosts=$dir/wrong" ssh run cluster true'
	check "ssh: an ecdsa key" '
		D --set "identity=$dir/id_ecdsa" ssh run cluster true </dev/null'
	check "ssh: a locked key is not asked for in batch mode" '
		fails_with $AUTH ssh-add D --set "identity=$dir/id_locked" ssh run cluster true &&
			! grep -q asked: "$dir/out"'
	check "ssh: its passphrase is asked for in prompt mode" '
		D --mode prompt --secret "open sesame" --set "identity=$dir/id_locked" \
			ssh run cluster true </dev/null'
	check "ssh: a wrong passphrase is asked for once" '
		fails_with $AUTH "wrong passphrase" D --mode prompt --secret no \
			--set "identity=$dir/id_locked" ssh run cluster true &&
			[ "$(grep -c asked: "$dir/out")" -eq 1 ]'
	check "ssh: an address with user and port needs no configuration" '
		"$drive" --path "$plugins" --set "identity=$dir/id_ed25519" --set "config_file=/dev/null" \
			--set "known_hosts=$dir/known_hosts" ssh run "$user@127.0.0.1:$port" true </dev/null'
	check "ssh: works where there is no ssh program" '
		mkdir "$dir/bin"
		PATH=$dir/bin "$drive" --path "$plugins" --set "identity=$dir/id_ed25519" \
			--set "known_hosts=$dir/known_hosts" ssh run "$user@127.0.0.1:$port" "echo there" \
			</dev/null | grep -qx there'
	check "ssh: reuse mode never connects" '
		fails_with $AUTH "repx login there" D --mode reuse ssh run cluster true'
	check "ssh: keys of the agent" '
		export SSH_AUTH_SOCK=$dir/agent
		config=$dir/nokeys
		ssh-agent -D -a "$dir/agent" & agent=$!
		await -S "$dir/agent"
		ssh-add -q "$dir/id_rsa" "$dir/id_stranger" "$dir/id_ed25519"
		D ssh run cluster true </dev/null && [ "$(D ssh suits cluster)" = "yes " ]; status=$?
		kill $agent; [ $status -eq 0 ]'
}

suits() {
	check "auto: what libssh2 covers" '[ "$(D ssh suits cluster)" = "yes " ]'
	check "auto: not a jump host" 'D ssh suits jump | grep -q "^no proxyjump"'
	check "auto: not RSA alone" '
		D --set "identity=$dir/id_rsa" ssh suits cluster | grep -q "^no all keys are RSA\|^yes"'
	check "auto: not a certificate" '
		cp "$dir/id_ed25519" "$dir/id_cert"; touch "$dir/id_cert-cert.pub"
		D --set "identity=$dir/id_cert" ssh suits cluster | grep -q "^no .*certificate"'
	check "auto: not where an authority vouches for the host" '
		echo "@cert-authority * $(cut -d" " -f1,2 "$dir/host_ed25519.pub")" >"$dir/authority"
		D --set "known_hosts=$dir/authority" ssh suits cluster | grep -q "^no a @cert-authority"'
	check "auto: not where checks are off and the key is not on file" '
		D --set "known_hosts=$dir/empty" ssh suits quick | grep -q "^no StrictHostKeyChecking"'
	check "auto: not with a Kerberos ticket" '
		mkdir -p "$dir/kbin"; printf "#!/bin/sh\nexit 0\n" >"$dir/kbin/klist"; chmod +x "$dir/kbin/klist"
		PATH=$dir/kbin:$PATH D ssh suits cluster | grep -q "^no GSSAPI" ||
			! ssh -G -F /dev/null x | grep -q "^gssapiauthentication yes"'
}

login() {
	check "login: reuse mode without one says what to do, and does not connect" '
		before=$(wc -l <"$dir/log")
		fails_with $AUTH "repx login there" D --mode reuse openssh run cluster true &&
			[ "$(wc -l <"$dir/log")" -eq "$before" ]'
	check "login: authenticates once" '
		before=$(logins); D openssh login cluster </dev/null && D openssh login cluster </dev/null &&
			[ "$(logins)" -eq $((before + 1)) ]'
	check "login: all modes use it, with no login of their own" '
		before=$(logins)
		D --mode reuse openssh run cluster true </dev/null &&
			D --mode batch openssh run cluster true </dev/null &&
			D --mode prompt --stats openssh run cluster true </dev/null 2>&1 | grep -q logins=0 &&
			[ "$(logins)" -eq "$before" ]'
	check "login: auto takes it" 'D ssh suits cluster | grep -q "^no .*repx login"'
	check "login: another target has its own" '
		fails_with $AUTH "repx login other" D --mode reuse --target other openssh run cluster true'
	check "logout: forgets it" '
		D openssh logout cluster </dev/null && D openssh logout cluster </dev/null &&
			fails_with $AUTH "repx login there" D --mode reuse openssh run cluster true'
}

keys
start_sshd
client_files
sed '/IdentityFile/d' "$dir/config" >"$dir/nokeys"
head -c 67108864 /dev/urandom >"$dir/big"
sum=$(sha256sum <"$dir/big")
for_both ssh
for_both openssh
only_ssh
suits
login
echo "1..$number"
exit $failed
