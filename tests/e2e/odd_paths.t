#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Base paths that quoting would trip over, a base path behind a link, paths that the target
# expands.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd slurm
start_cluster
make_lab "$TESTS/labs/reference"
ODD="$TB_WORK/re px'\$HOME;&"
export ODD
set_base() { # BASE: of queue and cluster, as TOML literal text
	local text=${1//\\/\\\\}
	text=${text//\"/\\\"}
	BASE_TEXT=$text perl -pi -e 's/^base_path = .*/base_path = "$ENV{BASE_TEXT}"/ if $in; $in = 1 if /targets\.(queue|cluster)\]/; $in = 0 if /targets\.local\]/' \
		"$XDG_CONFIG_HOME/repx/config.toml"
}
odd_totals() { [[ $(outputs_of "$TB_WORK/re px'${TB_HOME};&" E total.txt 2>/dev/null) == "$TOTALS" ]]; }
TB_HOME=$(getent passwd "$TB_SSH_USER" | cut -d: -f6)
export TB_HOME

set_base "$ODD"
check 'blanks, quotes and a variable, with our queue' '
	repx run simulation-run --lab "$LAB" --target queue && odd_totals'
as_user rm -rf "$TB_WORK/re px'${TB_HOME};&"
check 'the same under Slurm' '
	repx run simulation-run --lab "$LAB" --target cluster && within 240 odd_totals && slurm_drain 60'

set_base '~/by tilde'
check 'a tilde is the target'\''s home' '
	repx run simulation-run --lab "$LAB" --target queue &&
	same "'"$TOTALS"'" "$(outputs_of "$TB_HOME/by tilde" E total.txt)"; as_user rm -rf "$TB_HOME/by tilde"'

as_user mkdir -p "$TB_WORK/real" && as_user ln -s real "$TB_WORK/link"
set_base "$TB_WORK/link"
check 'behind a link it works, with a warning' '
	repx run simulation-run --lab "$LAB" --target queue 2>err && cat err && grep -i warning err &&
	same "'"$TOTALS"'" "$(outputs_of "$TB_WORK/real" E total.txt)"'

mkdir "$TB_WORK/project" && chmod 0777 "$TB_WORK/project"
set_base "$TB_WORK/project/one"
check 'in a directory that others can write, agent and helper are run from the home' '
	repx run simulation-run --lab "$LAB" --target queue &&
	same "$TOTALS" "$(outputs_of "$TB_WORK/project/one" E total.txt)" &&
	[[ -n $(as_user find "$TB_HOME/.local/share/repx/bin" -name sched-local) ]] &&
	[[ -z $(as_user find "$TB_WORK/project/one/bin" -name repx-agent) ]]'
set_base "$TB_WORK/project/two"
project_totals() { [[ $(outputs_of "$TB_WORK/project/two" E total.txt 2>/dev/null) == "$TOTALS" ]]; }
check 'the same under Slurm, whose batch scripts name that agent' '
	repx run simulation-run --lab "$LAB" --target cluster && within 240 project_totals && slurm_drain 60'

export P=$TB_WORK/project H=$TB_HOME/.local/share/repx/bin
# old NAME PROGRAM: another one of that kind in the home, last changed eight days ago.
old() {
	local like
	like=$(find "$H" -name "$2" | head -n 1)
	mkdir "$H/$1" && cp "$like" "$H/$1/$2" && echo >>"$H/$1/$2" && chown -R "$TB_SSH_USER" "$H/$1"
	touch -d '8 days ago' "$H/$1/$2"
	sleep 0.1
	find "$H" -name "$2" -newermt yesterday -exec chmod 755 {} + # the newest
}
there() { find "$H" -mindepth 1 -maxdepth 1 -printf '%f\n' | grep -v '^[0-9a-f]\{64\}$' | sort | paste -sd ' '; }
collect() { repx gc -y --target queue "$@" >gc.log 2>&1 || { cat gc.log; return 1; }; }
export -f old there collect
set_base "$P/one"
check 'gc keeps those in the home that are current, and what runs on any such base path use' '
	current=$(ls "$H" | wc -l) && old used repx-agent && old unused repx-agent && old unused2 sched-local && mkdir "$H/mine" && echo x >"$H/mine/file" &&
	mkdir "$H/.trash.left" && cp "$H/unused2/sched-local" "$H/.trash.left" && touch -d "8 days ago" "$H/.trash.left/sched-local" && chown -R "$TB_SSH_USER" "$H/mine" "$H/.trash.left" && sleep 0.1 && find "$H" -name "sched-*" -newermt yesterday -exec chmod 755 {} + &&
	run=$(find "$P/two/.repx/runs" -mindepth 1 -maxdepth 1 -name "2*" | head -n 1) && sed -i "s|bin/[0-9a-f]*/repx-agent|bin/used/repx-agent|" "$run/run.json" && mv "$run/events" events &&
	collect --dry-run && same ".trash.left mine unused unused2 used" "$(there)" && grep "Would delete 2 old" gc.log &&
	collect && cat gc.log && same "mine used" "$(there)" && test "$(ls "$H" | wc -l)" -eq $((current + 2)) && mv events "$run/events"'
check 'a base path that is not to be seen keeps all, for a month' '
	old unused repx-agent && mv "$P/two" "$P/away" && collect && cat gc.log && grep "kept whole" gc.log && same "mine unused used" "$(there)" &&
	touch -d "31 days ago" "$H"/../bases/* && collect && cat gc.log && same "mine" "$(there)" && test "$(ls "$H/../bases" | wc -l)" -eq 1 &&
	repx run simulation-run --lab "$LAB" --target queue | grep "already complete"'
as_user rm -rf "$TB_HOME/.local/share/repx" "$TB_WORK/project"
rm -rf "$TB_HOME/.local/share/repx"

set_base /proc/nowhere
check 'a base path that cannot be written is named, with a cure' '
	must_fail repx run simulation-run --lab "$LAB" --target queue 2>err; cat err; grep /proc/nowhere err && grep base_path err'

set_base '$NO_SUCH_VARIABLE/x'
check 'a variable that is not set there is named' '
	must_fail repx run simulation-run --lab "$LAB" --target queue 2>err; cat err; grep NO_SUCH_VARIABLE err'
