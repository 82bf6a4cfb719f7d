#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Results that a scratch purge took: seen, and made again when something asked for needs them.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

make_lab "$TESTS/labs/reference"
export BASE=$XDG_STATE_HOME/repx
repx run simulation-run --lab "$LAB" >"$WORK/run.log" 2>&1 || exit 1
# Of the first job of a stage: its id, its result, how often it ran.
job() { jobs_of "$1" | head -n 1; }
result() { find "$BASE/outputs/$(job "$1")/out/" -type f | head -n 1; }
attempts() { find "$BASE/outputs/$(job "$1")/attempts" -mindepth 1 -maxdepth 1 | wc -l; }
status_of() { repx list jobs simulation-run --lab "$LAB" --json --status succeeded --status failed --status pending --status purged | jq -r ".[] | select(.id == \"$1\") | .status"; }
complete() { repx run "${1:-simulation-run}" --lab "$LAB" | grep "already complete"; }

check 'nothing is missed while all is there' '
	complete && same succeeded "$(status_of "$(job E)")" && repx show job "$(job E)" --lab "$LAB" | grep "^Status: SUCCESS"'
check 'a file of a final result is gone: purged in list and show' '
	rm "$(result E)"; same purged "$(status_of "$(job E)")" && repx show job "$(job E)" --lab "$LAB" | grep "^Status: PURGED" &&
	repx list jobs simulation-run --lab "$LAB" --status purged | grep "$(job E).*\[purged\]" && repx status last | grep -A1 "^1 purged" | grep "$(job E)"'
check 'it is made again, and nothing else' '
	d=$(attempts D); repx run simulation-run --lab "$LAB" >again.log; cat again.log; grep "1 results are no longer" again.log && grep "Executed 1 jobs" again.log &&
	same "$TOTALS" "$(outputs_of "$BASE" E total.txt)" && same "$d" "$(attempts D)" && same succeeded "$(status_of "$(job E)")" && complete'
check 'of a producer: purged, and run again only when it is needed' '
	rm -r "$BASE/outputs/$(job C)/out/"*; same purged "$(status_of "$(job C)")" && complete && same 1 "$(attempts C)"'
check 'needed: the consumer runs again, so its producers do' '
	for j in $(jobs_of D; jobs_of E); do rm -r "$BASE/outputs/$j/out/"*; done; rm "$BASE/outputs/$(job D)/branch-3/step-square/out/"*
	repx run simulation-run --lab "$LAB" && same "$TOTALS" "$(outputs_of "$BASE" E total.txt)" && same 2 "$(attempts C)" && same 1 "$(attempts A)" &&
	same 2 "$(ls "$BASE/outputs/$(job D)/branch-3/step-square/attempts" | wc -l)" && same 1 "$(ls "$BASE/outputs/$(job D)/branch-4/step-square/attempts" | wc -l)" && complete'
check 'changed, of the same length: seen; touched only: not' '
	f=$(result E); touch "$f"; same succeeded "$(status_of "$(job E)")"; n=$(wc -c <"$f"); head -c "$n" /dev/zero | tr "\0" x >"$f"; same purged "$(status_of "$(job E)")" &&
	repx run simulation-run --lab "$LAB" && same "$TOTALS" "$(outputs_of "$BASE" E total.txt)"'
# the oldest files go first, whatever they are: the manifest with what it speaks of
check 'a file and the manifest that speaks of it' '
	rm "$BASE/outputs/$(job E)/repx/manifest" && same succeeded "$(status_of "$(job E)")" && rm "$(result E)"; same purged "$(status_of "$(job E)")" &&
	repx run simulation-run --lab "$LAB" && same "$TOTALS" "$(outputs_of "$BASE" E total.txt)" &&
	rm "$(result E)" "$BASE/outputs/$(job E)/repx/"{manifest,attempt.json}; same purged "$(status_of "$(job E)")" &&
	rm "$BASE/outputs/$(job D)"/branch-[36]/step-square/attempts/*/{out/*,repx/manifest}; rm "$BASE/outputs/$(job D)/attempts/"*/out/*;
	repx run simulation-run --lab "$LAB" && same "$TOTALS" "$(outputs_of "$BASE" E total.txt)" && complete'
check 'a whole attempt is gone' '
	rm -r "$BASE/outputs/$(job E)/attempts/"*; repx run simulation-run --lab "$LAB" && same "$TOTALS" "$(outputs_of "$BASE" E total.txt)" && complete'
check 'the link to what counts is gone' '
	rm "$BASE/outputs/$(job E)/out"; same purged "$(status_of "$(job E)")" && repx run simulation-run --lab "$LAB" && same "$TOTALS" "$(outputs_of "$BASE" E total.txt)" && complete'
check 'what RepX made has no manifest, and is believed' '
	j=$BASE/outputs/$(job E); out=$(readlink -f "$j/out"); cp -r "$out" kept; rm -r "$j"; mkdir -p "$j/repx"; cp -r kept "$j/out"; : >"$j/repx/SUCCESS"; complete && rm "$j/out/"*; complete'

# ---- warned in time ----

printf 'submission_target = "local"\n[targets.local]\nbase_path = "%s"\npurge_days = 10\n' "$BASE" >"$XDG_CONFIG_HOME/repx/config.toml"
check 'purge_days: nothing is said of what is young' '
	repx run simulation-run --lab "$LAB" >run.log 2>&1; ! grep "purge" run.log; repx status >status.log 2>&1; ! grep purge status.log'
check 'purge_days: run and status warn in time, and name the pull' '
	touch -d "8 days ago" "$BASE"/outputs/*/repx/SUCCESS; repx run simulation-run --lab "$LAB" >run.log 2>&1; cat run.log;
	grep "will be taken by the purge in 1 day .purge_days = 10.; .repx pull simulation-run --target local. brings" run.log &&
	for r in "$BASE"/.repx/runs/*; do t=$(($(date +%s%3N) - 8 * 86400000)); sed -i "s/\"t\":[0-9]*/\"t\":$t/" "$r/run.json"; done;
	repx status >status.log 2>&1; cat status.log; test "$(grep -c "purge.*repx pull simulation-run --target local" status.log)" -eq 1 && repx status last 2>&1 | grep "repx pull simulation-run"'
check 'purge_days: status goes by the age of the results, too' '
	for r in "$BASE"/.repx/runs/*; do t=$(date +%s%3N); sed -i "s/\"t\":[0-9]*/\"t\":$t/" "$r/run.json"; done; touch -d "8 days ago" "$BASE"/outputs/*/repx/SUCCESS;
	repx status >status.log 2>&1; cat status.log; grep "purge in 1 day.*repx pull simulation-run --target local" status.log && repx status last 2>&1 | grep "repx pull simulation-run"'
check 'purge_days must be a number of days' '
	sed -i "s/purge_days.*/purge_days = 0/" "$XDG_CONFIG_HOME/repx/config.toml"; must_fail repx status 2>err; grep "config.toml:4.*purge_days" err'
