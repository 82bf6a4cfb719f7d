#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The main job over ssh, with our own queue on the target.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd
start_sshd
make_lab "$TESTS/labs/reference"
make_tar

check 'a run over ssh gives the right results, with one login' '
	before=$(count_logins) && repx run simulation-run --lab "$LAB" --target queue >out &&
	same "'"$TOTALS"'" "$(outputs_of "$TB_BASE" E total.txt)" &&
	test $(($(count_logins) - before)) -eq 1'

check 'running again submits nothing, with one login' '
	before=$(count_logins) && repx run simulation-run --lab "$LAB" --target queue | grep "already complete" &&
	test $(($(count_logins) - before)) -eq 1'

check 'from a tar to an empty base path, with one login' '
	as_user rm -rf "$TB_BASE" && before=$(count_logins) &&
	repx run simulation-run --lab "$LAB_TAR" --target queue &&
	same "'"$TOTALS"'" "$(outputs_of "$TB_BASE" E total.txt)" && test $(($(count_logins) - before)) -eq 1'

check 'list, show and log look at the target, not at this disk' '
	e=$(jobs_of E | head -n 1) &&
	repx list jobs simulation-run --status succeeded --target queue --lab "$LAB" | grep -c "\[succeeded\]" | grep -x 16 &&
	repx show output "$e" total.txt --target queue --lab "$LAB" | grep -E "^(540|595)$" &&
	repx log "$e" --target queue --lab "$LAB"'

check 'through the user'\''s own ssh, too' '
	mkdir -p "$XDG_CONFIG_HOME/repx/repx.d" && as_user rm -rf "$TB_BASE" &&
	printf "[targets.queue]\ntransport = \"openssh\"\n" >"$XDG_CONFIG_HOME/repx/repx.d/t.toml" &&
	before=$(count_logins) && repx run simulation-run --lab "$LAB" --target queue &&
	same "'"$TOTALS"'" "$(outputs_of "$TB_BASE" E total.txt)" && test $(($(count_logins) - before)) -eq 1'

check 'login once, then commands reuse it; logout ends it' '
	repx login queue && before=$(count_logins) && repx run simulation-run --lab "$LAB" --target queue &&
	test $(($(count_logins) - before)) -eq 0 && repx logout queue'
rm -f "$XDG_CONFIG_HOME/repx/repx.d/t.toml"

check 'an agent that was cut short is healed, never trusted' '
	agent=$(ls -d "$TB_BASE"/bin/*/repx-agent) && head -c 1000 "$agent" >half && cp half "$agent" &&
	repx run simulation-run --lab "$LAB" --target queue | grep "already complete" &&
	test "$(stat -c %s "$agent")" -gt 1000'

check 'an unknown host key is refused, with the fingerprint and the cure' '
	cp "$HOME/.ssh/known_hosts" keep && : >"$HOME/.ssh/known_hosts" && cp "$HOME/.ssh/config" keepc &&
	sed -i "s|UserKnownHostsFile .*|UserKnownHostsFile $HOME/.ssh/known_hosts|" "$HOME/.ssh/config" &&
	must_fail repx run simulation-run --lab "$LAB" --target queue 2>err;
	cp keep "$HOME/.ssh/known_hosts"; cp keepc "$HOME/.ssh/config"; cat err; grep "SHA256:" err'

for shell in /bin/csh /usr/bin/fish; do
	[[ -x $shell && $(id -u) == 0 ]] || continue
	export shell
	check "with the login shell ${shell##*/}" '
		old=$(getent passwd "$TB_SSH_USER" | cut -d: -f7); usermod -s "$shell" "$TB_SSH_USER";
		status=0; repx run simulation-run --lab "$LAB" --target queue || status=$?;
		usermod -s "${old:-/bin/bash}" "$TB_SSH_USER"; exit $status'
done

check 'with a .bashrc that prints' '
	home=$(getent passwd "$TB_SSH_USER" | cut -d: -f6) &&
	as_user sh -c "echo \"echo welcome to the machine\" >$home/.bashrc" ;
	status=0; repx run simulation-run --lab "$LAB" --target queue || status=$?; rm -f "$home/.bashrc"; exit $status'

check 'a connection that is cut while a log is followed: what to do is said' '
	repx log "$(jobs_of E | head -n 1)" -f --lab "$LAB" --target queue >out 2>err & pid=$!; sleep 2; "$TESTBED" drop-ssh "$cluster";
	exits 1 wait $pid; cat err; grep "the connection to the agent .*: run the same again, it goes on" err'
