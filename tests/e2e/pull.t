#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The way back: results and logs come here once, whole, and never over what somebody changed.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

make_lab "$TESTS/labs/reference"
export BASE=$XDG_STATE_HOME/repx
repx run simulation-run --lab "$LAB" >"$WORK/run.log" 2>&1 || exit 1
E=$(jobs_of E | head -n 1)
export E

check 'before anything was pulled: the final jobs of a run, with their logs' '
	repx pull simulation-run --lab "$LAB" >out && grep "Pulled" out &&
	for e in $(jobs_of E); do
		cmp "results/$e/out/total.txt" "$BASE/outputs/$e/out/total.txt" &&
		test -f "results/$e/repx/stdout.log" && test -f "results/$e/repx/stderr.log" || exit 1
	done && test "$(find results -mindepth 1 -maxdepth 1 -type d | wc -l)" -eq "$(jobs_of E | wc -l)"'

check 'again: nothing comes' '
	repx pull simulation-run --lab "$LAB" --json | jq -e ".files == 0 and .bytes == 0 and .current > 0"'

check 'a job alone, elsewhere, with what it depends on' '
	repx pull "$E" --deps --to all --lab "$LAB" && test "$(ls all | wc -l)" -gt 2'

check 'only what a pattern matches' '
	repx pull simulation-run --glob "*.txt" --to txt --lab "$LAB" && test -f "txt/$E/out/total.txt" && test ! -e "txt/$E/repx"'

check 'a file that is gone here comes again, the others do not' '
	rm "results/$E/out/total.txt" && repx pull simulation-run --lab "$LAB" --json | jq -e ".files == 1" &&
	cmp "results/$E/out/total.txt" "$BASE/outputs/$E/out/total.txt"'

check 'of many files that were changed here some are named, and the number of the others' '
	repx pull @all --deps --to many --lab "$LAB"; n=$(find many -mindepth 2 -type f | tee changed | wc -l); while read -r f; do echo mine >"$f"; done <changed; test "$n" -gt 20;
	repx pull @all --deps --to many --lab "$LAB" 2>err; test "$(grep -c "was changed here" err)" -eq 20 && grep "and $((n - 20)) more; --json lists all" err; rm -r many'
check 'what was changed here is kept and told' '
	echo mine >"results/$E/out/total.txt" && repx pull simulation-run --lab "$LAB" --json >json 2>err &&
	jq -e ".files == 0 and (.kept | length) == 1" json && test "$(cat "results/$E/out/total.txt")" = mine'

check 'changed with size and time kept, too' '
	f=results/$E/out/total.txt && repx pull simulation-run --lab "$LAB" --force --json | jq -e ".files == 1" &&
	t=$(stat -c %y "$f") && tr 0-9 1-90 <"$f" >x && cat x >"$f" && touch -d "$t" "$f" &&
	repx pull simulation-run --lab "$LAB" --json | jq -e "(.kept | length) == 1" && cmp x "$f"'

check '--force replaces it' '
	repx pull simulation-run --lab "$LAB" --force && cmp "results/$E/out/total.txt" "$BASE/outputs/$E/out/total.txt"'

check 'a new result replaces what an earlier pull left' '
	a=$(jobs_of A | head -n 1) && repx pull "$a" --lab "$LAB" && rm "$BASE/outputs/$a/repx/SUCCESS" "$BASE/outputs/$a/repx/manifest" &&
	echo other >"$BASE/outputs/$a/out/numbers.txt" && repx pull "$a" --lab "$LAB" --json | jq -e "(.kept | length) == 0 and .files == 1" &&
	test "$(cat "results/$a/out/numbers.txt")" = other && repx run "$a" --lab "$LAB" && repx pull "$a" --lab "$LAB" &&
	cmp "results/$a/out/numbers.txt" "$BASE/outputs/$a/out/numbers.txt"'

check 'without a manifest (RepX made it) the target hashes' '
	rm "$BASE/outputs/$E/repx/manifest" && repx pull "$E" --to plain --lab "$LAB" &&
	cmp "plain/$E/out/total.txt" "$BASE/outputs/$E/out/total.txt"'

check 'a result that no longer is what its manifest says does not come' '
	e=$(jobs_of E | sed -n 2p) && out=$BASE/outputs/$e/out/total.txt && cp -p "$out" keep && echo 99 >"$out" &&
	must_fail repx pull "$e" --to wrong --lab "$LAB" --json >json; cp -p keep "$out"; jq -e "(.broken | length) == 1" json &&
	test ! -e "wrong/$e/out/total.txt" && test ! -e wrong/.repx-part'

check 'a result that was purged is told' '
	e=$(jobs_of E | sed -n 2p) && out=$BASE/outputs/$e/out/total.txt && mv "$out" keep &&
	must_fail repx pull "$e" --to purged --lab "$LAB" 2>err; mv keep "$out"; grep "total.txt" err'

check 'links come when they stay inside, else they are told' '
	d=$BASE/outputs/$E/out && mkdir "$d/sub" && ln -s total.txt "$d/near" && ln -s ../total.txt "$d/sub/up" &&
	ln -s /etc/passwd "$d/far" && ln -s ../../x "$d/sub/out" && ln -s sub/../../.. "$d/odd" && mkdir "$d/empty" &&
	must_fail repx pull "$E" --to links --lab "$LAB" --json >json;
	rm -r "$d/sub" "$d/near" "$d/far" "$d/odd" "$d/empty"; jq -e "(.refused | length) == 3" json &&
	test "$(readlink "links/$E/out/near")" = total.txt && cmp "links/$E/out/sub/up" "$BASE/outputs/$E/out/total.txt" &&
	test -d "links/$E/out/empty" && test ! -L "links/$E/out/far"'

check 'nothing is written through a link that lies here' '
	mkdir -p "trap/$E" elsewhere && ln -s "$WORK/elsewhere" "trap/$E/out" &&
	repx pull "$E" --to trap --lab "$LAB" --json | jq -e "(.kept | length) == 1" && test -z "$(ls elsewhere)"'

check 'names of all kinds' '
	d=$BASE/outputs/$E/out && printf x >"$d/$(printf "a b\n%%\377")" && printf y >"$d/-q" && chmod 755 "$d/-q" &&
	repx pull "$E" --to odd --lab "$LAB" && cmp "odd/$E/out/-q" "$d/-q" && test -x "odd/$E/out/-q" &&
	cmp "odd/$E/out/$(printf "a b\n%%\377")" "$d/$(printf "a b\n%%\377")" &&
	repx pull "$E" --to odd --lab "$LAB" --json | jq -e ".files == 0"; s=$?; rm "$d"/a* "$d/-q"; exit $s'

# A write beyond the limit ends the client at that byte.
cut_off() { (ulimit -f 20000; exec repx pull "$E" --to big --lab "$LAB") || test -s big/.repx-part/*; }

check 'a large file that was cut off goes on where it was' '
	d=$BASE/outputs/$E/out && head -c 40000000 /dev/urandom >"$d/big" && cut_off && test ! -e "big/$E/out/big" &&
	repx pull "$E" --to big --lab "$LAB" --json >json && jq -e ".resumed_bytes == 20480000" json &&
	jq -e ".bytes < 21000000" json && cmp "big/$E/out/big" "$d/big" && test ! -e big/.repx-part'

check 'a beginning that is wrong is fetched anew' '
	d=$BASE/outputs/$E/out && rm -rf big && cut_off && printf wrong | dd of="$(echo big/.repx-part/*)" conv=notrunc status=none &&
	repx pull "$E" --to big --lab "$LAB" && cmp "big/$E/out/big" "$d/big"; s=$?; rm "$d/big"; exit $s'

# Looks without a pause: a pull of what lies here is over soon.
begins() {
	local until=$((SECONDS + 10)) part
	while ((SECONDS < until)); do
		for part in "$1"/.repx-part/*; do
			[[ ! -s $part ]] || return 0
		done
	done
	return 1
}
export -f begins
check 'what is changed here while a newer one comes is kept; nobody else pulls into it meanwhile' '
	d=$BASE/outputs/$E/out && cp "$d/total.txt" keep && printf old >"$d/total.txt" && rm -f "$BASE/outputs/$E/repx/manifest" &&
	repx pull "$E" --to busy --lab "$LAB" && printf newer >"$d/total.txt" && head -c 120000000 /dev/urandom >"$d/big" &&
	{ repx pull "$E" --to busy --lab "$LAB" --json >json & pull=$!; } &&
	begins busy && kill -STOP "$pull" && test ! -e "busy/$E/out/big" &&
	must_fail repx pull "$E" --to busy --lab "$LAB" 2>err && grep "another pull" err &&
	echo mine >"busy/$E/out/total.txt" && kill -CONT "$pull" && wait "$pull" && cmp "busy/$E/out/big" "$d/big" &&
	test "$(cat "busy/$E/out/total.txt")" = mine && jq -e "(.kept | length) == 1" json; s=$?
	mv keep "$d/total.txt"; rm -f "$d/big"; exit $s'

check 'jobs without results are counted' '
	XDG_STATE_HOME=$WORK/none repx pull simulation-run --lab "$LAB" --to none | grep "no results yet"'

check 'a table of a run' '
	repx pull simulation-run --table t.csv --lab "$LAB" && head -n 1 t.csv | grep "^job," &&
	test "$(wc -l <t.csv)" -eq $(($(jobs_of E | wc -l) + 1)) &&
	same "540 540 595 595" "$(tail -n +2 t.csv | grep -oE "(540|595)" | sort | paste -sd " ")" &&
	repx pull simulation-run --table - --lab "$LAB" | cmp - t.csv'

check 'a table that was changed here is kept, what an earlier pull left is replaced' '
	echo note >>t.csv && cp t.csv mine && must_fail repx pull simulation-run --table t.csv --lab "$LAB" 2>err && grep "t.csv: was changed here; --force replaces it" err &&
	cmp t.csv mine && repx pull simulation-run --table t.csv --force --lab "$LAB" && ! grep note t.csv && repx pull "$E" --table t.csv --lab "$LAB" && test "$(wc -l <t.csv)" = 2 &&
	ln -s t.csv link.csv && must_fail repx pull "$E" --table link.csv --lab "$LAB" && test -L link.csv && repx pull simulation-run --table t.csv --lab "$LAB"'
check 'a table says what is missing: jobs that have not succeeded, results that are gone or changed' '
	e=$(jobs_of E | sed -n 2p) && out=$BASE/outputs/$e/out/total.txt && mv "$out" keep && (repx pull simulation-run --table t2.csv --lab "$LAB" 2>err; test $? -eq 1) && cat err && grep "$e/out/total.txt" err;
	s=$?; echo 99 >"$out"; (repx pull simulation-run --table t3.csv --lab "$LAB" 2>err; test $? -eq 1) && grep "manifest" err || s=1; mv keep "$out";
	cmp t2.csv t3.csv && same 3 "$(tail -n +2 t2.csv | grep -cE "(540|595)")" && test "$(wc -l <t2.csv)" -eq "$(wc -l <t.csv)" &&
	mv "$BASE/outputs/$e/repx/SUCCESS" keep && repx pull simulation-run --table t4.csv --lab "$LAB" 2>err; mv keep "$BASE/outputs/$e/repx/SUCCESS"; grep "1 of 4 jobs has no results" err && cmp t4.csv t2.csv && exit $s'

check 'patterns: ./ in front, sets, none that match' '
	repx pull "$E" --glob "./out/t*l.[tx]xt" --to sets --lab "$LAB" && test -f "sets/$E/out/total.txt" && test ! -e "sets/$E/repx" &&
	repx pull "$E" --glob out/ --to dirs --lab "$LAB" && test -f "dirs/$E/out/total.txt" && test ! -e "dirs/$E/repx" && must_fail repx pull "$E" --to "" --lab "$LAB" &&
	repx pull "$E" --glob "*.nothing" --to none2 --lab "$LAB" 2>err && grep "matches" err && repx pull "$E" --glob "[" --to none2 --lab "$LAB" --json | jq -e ".files == 0 and .error == null"'

check 'behind a link, and while everything is collected' '
	ln -s "$BASE" "$WORK/alias" && printf "submission_target = \"local\"\n[targets.local]\nbase_path = \"$WORK/alias\"\n" >"$XDG_CONFIG_HOME/repx/config.toml" &&
	repx pull simulation-run --to aliased --lab "$LAB" && diff -r aliased/$E/out "$BASE/outputs/$E/out/" && repx gc -y && repx pull simulation-run --to aliased --lab "$LAB" --json | jq -e ".files == 0 and .bytes == 0" &&
	rm "$XDG_CONFIG_HOME/repx/config.toml"'

check 'an unknown name is an error, exit 1; options that do not go together, too' '
	(repx pull nosuch --lab "$LAB"; test $? -eq 1) && must_fail repx pull --table t.csv --glob x --lab "$LAB"'
