#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The main job through a scheduler that is a script of the site (plugin exec).
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires python3
make_lab "$TESTS/labs/reference"
export BASE=$WORK/store SCRIPT=$WORK/site/background.py
mkdir -p "$WORK/site" && cp "$TESTS/../examples/plugins/sched-exec/background.py" "$SCRIPT"
chmod 755 "$WORK/site" "$SCRIPT"

config() { # HELPER
	cat >"$XDG_CONFIG_HOME/repx/config.toml" <<-CONF
	[targets.local]
	base_path = "$BASE"
	[targets.local.exec]
	$1
	execution_types = ["native"]
	CONF
}
run() { repx run simulation-run --lab "$LAB" --scheduler exec; }
succeeded() { repx list jobs simulation-run --status succeeded --lab "$LAB" | grep -c "\[succeeded\]"; }
all_done() { [[ $(succeeded) == 16 ]]; }
export -f run succeeded

config 'jobs = 3'
check 'a missing or unknown key is told before anything is done' '
	must_fail run 2>err; grep "config.toml:.*jobs.*no such key" err && test ! -e "$BASE"'
config ''
check 'the key is needed' 'must_fail run 2>err; grep "sched-exec needs the key helper" err'
config 'helper = "bin/background.py"'
check 'a path that is not absolute is refused' 'must_fail run 2>err; grep "absolute path" err'

config "helper = \"$SCRIPT\""
chmod 777 "$SCRIPT"
check 'a script that others can change is not run' '
	must_fail run 2>err; cat err; grep "can be changed by everybody" err &&
	test ! -e "$BASE/.repx/sched-exec/"*/pid'
chmod 755 "$SCRIPT"

check 'the script runs the Lab, scatter-gather included' '
	run >out && within 60 all_done && same "'"$TOTALS"'" "$(outputs_of "$BASE" E total.txt)"'
check 'the helper was told its keys through the run record' '
	grep -h "\"config\":{\"helper\":\"$SCRIPT\"" "$BASE"/.repx/runs/*/run.json'
check 'what is still at work is asked of the scheduler that has it, and not submitted again' '
	rm -rf "$BASE/outputs" && run >first; run | grep "Submitted 0 jobs"'
within 60 all_done
check 'running again finds all complete' 'run | grep "already complete"'
config "helper = \"$SCRIPT\"
hepler = 1"
check 'a wrong key is told even then, and where it stands' '
	must_fail run 2>err; cat err; test "$(grep -c ERROR err)" -eq 1 &&
	grep "config.toml:5: hepler: sched-exec has no such key; did you mean .helper" err'
