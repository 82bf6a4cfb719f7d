#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Why a job is as it is; on this machine's queue.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

export BASE=$XDG_STATE_HOME/repx
mkdir -p "$WORK/def"
cat >"$WORK/def/lab.ini" <<'INI'
[lab]
name = explained
version = 1
[run r]
stages = last
[run l]
stages = after
[stage bad]
script = bad.sh
output.x = $out/x
[stage last]
script = copy.sh
input.x = bad.x
output.x = $out/x
[stage slow]
script = slow.sh
output.x = $out/x
[stage after]
script = copy.sh
input.x = slow.x
output.x = $out/x
INI
printf '#!/bin/sh\nsleep 1\nexit 3\n' >"$WORK/def/bad.sh"
printf '#!/bin/sh\nsleep 4\necho x >"$1/x"\n' >"$WORK/def/slow.sh"
printf '#!/bin/sh\necho x >"$1/x"\n' >"$WORK/def/copy.sh"
make_lab "$WORK/def"
cat >resources.toml <<'TOML'
[defaults]
mem = "512M"
time = "00:10:00"

[[rules]]
job_id_glob = "*-bad-*"
mem = "300M"
TOML

check 'a job that no run has says so, and which rule gives it what' '
	repx explain "$(jobs_of bad)" --lab "$LAB" >out && cat out && grep "no run of this target has it" out &&
	grep "mem = 300M, from .*resources.toml:5" out && grep "time = 00:10:00, from .*resources.toml:1" out'

check 'every option is told, and each resource is from the file that sets it, wherever the others are' '
	printf "[defaults]\nmem = \"600M\"\nsbatch_opts = [\"--nice=5\", \"--exclusive\"]\n" >big.toml &&
	repx explain "$(jobs_of last)" --lab "$LAB" --resources big.toml >out && cat out && grep "mem = 600M, from big.toml:2" out &&
	grep "time = 00:10:00, from .*resources.toml:1" out && grep "sbatch_opts = --nice=5 --exclusive, from big.toml:3" out'

check 'what ended it, with use beside limit' '
	must_fail repx run r --continue-on-failure --lab "$LAB" >/dev/null 2>&1; repx explain "$(jobs_of bad)" --lab "$LAB" >out && cat out &&
	grep "State: failed: exit 3" out && grep "elapsed 1.* of 10m" out && grep "peak memory .* of 300.0 MiB" out && grep "Submitted:" out'

check 'what it was submitted with, when the files say something else by now' '
	repx explain "$(jobs_of last)" --lab "$LAB" --resources big.toml >out && cat out && grep "mem = 600M, from big.toml:2 (submitted with 512M)" out && grep "time = .*toml:1$" out'

check 'whom a blocked job waits for in vain' 'repx explain "$(jobs_of last)" --lab "$LAB" >out && cat out && grep "State: blocked" out && grep "because .*-bad-.* did not succeed" out'

check 'what a queued job depends on' '
	repx run l --detach --lab "$LAB" >/dev/null && sleep 1 && repx explain "$(jobs_of after)" --lab "$LAB" >out; cat out &&
	grep "State: queued" out && grep "depends on .*-slow-.*, which is running" out; repx attach >/dev/null'

check '--json is one object with the rules in it' '
	repx explain "$(jobs_of bad)" --lab "$LAB" --json | jq -e ".reason == \"exit 3\" and (.rules.main.mem | endswith(\"resources.toml:5\")) and .end.exit == 3"'
