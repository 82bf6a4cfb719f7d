#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a stranger does: the installed SDK and nothing else, from `plugin new` to a job that
# ran through it, by the installed tutorial; with CMake and with make; and what a vendor does.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires cmake make pkg-config python3
[[ -f $REPX_BUILD/cmake_install.cmake ]] || skip_all 'not a build directory'
grep -q '^REPX_SANITIZE:[A-Z]*=.' "$REPX_BUILD/CMakeCache.txt" &&
	skip_all 'archives that need a sanitizer are not for strangers'
cmake --install "$REPX_BUILD" --prefix "$WORK/usr" >"$WORK/install.log" 2>&1 ||
	{ cat "$WORK/install.log"; exit 1; }
export PATH=$WORK/usr/bin:$PATH
PKG_CONFIG_PATH=$(dirname "$(find "$WORK/usr" -name repx-plugin.pc)")
export PKG_CONFIG_PATH CMAKE_PREFIX_PATH=$WORK/usr
export -n REPX_BUILD

# Nothing of this test's own but HOME: as one who has only read the page.
follow() {
	local page=$WORK/usr/share/doc/repx/tutorial-scheduler.md
	mkdir -p "$WORK/reader/home" "$WORK/reader/work" && bash "$TESTS/sdk/tutorial.sh" "$page" >"$WORK/reader/typed" &&
		cd "$WORK/reader/work" && env -i HOME="$WORK/reader/home" WORK="$WORK" PATH="$WORK/usr/bin:/usr/bin:/bin" timeout 900 bash "$WORK/reader/typed"
}
check 'the tutorial, followed to the letter: from nothing to jobs run through a scheduler of its own, in under fifteen minutes' '
	follow && test "$(wc -l <"$WORK/reader/work/sched-mine/store/outputs/"*-table-*/out/table.csv)" -gt 1'
for kind in scheduler transport sync; do
	export kind word=${kind/scheduler/sched}
	[[ $kind == scheduler ]] || check "a new $kind builds with CMake, and passes the kit at once" '
		repx plugin new $kind my-own && cmake -S $word-my-own -B $word-my-own/build &&
		cmake --build $word-my-own/build && repx-plugin-test $word-my-own/build/plugins/$word-my-own.so &&
		repx --plugin-path $word-my-own/build/plugins plugin show $word-my-own'
	check "a new $kind builds with make, into a directory that was named" '
		repx plugin new $kind mine made-$kind && make -C made-$kind CFLAGS="-O1 -Wall -Wextra -Werror" &&
		repx plugin check made-$kind/plugins/$word-mine.so'
	check "one symbol is exported, and none of ours is missing" '
		test "$(nm -D --defined-only made-$kind/plugins/$word-mine.so | awk "{ print \$3 }")" = repx_plugin_v0 &&
		must_fail grep -q repx <(nm -D --undefined-only made-$kind/plugins/$word-mine.so)'
done
check 'any name and any directory will do: a word of C, blanks and quotes' '
	odd="$WORK/a b/it\"s \$HOME" && mkdir "$WORK/a b" && repx plugin new scheduler if "$odd" && make -C "$odd" CFLAGS="-O1 -Wall -Wextra -Werror" &&
	BATCH_DIR="$WORK/odd-batch" repx-plugin-test "$odd/plugins/sched-if.so" --config "$odd/test.toml" --part faults'
check 'where nothing can be written, that is told' 'must_fail repx plugin new sync mine /none/deep 2>err; grep "/none/deep: No such file" err'
check 'make says what is missing where the SDK is not found' '
	must_fail env PKG_CONFIG_PATH=/none make -C made-sync 2>err; grep "set PKG_CONFIG_PATH" err'
check 'a directory that exists is left alone' '
	must_fail repx plugin new sync mine made-sync 2>err; grep "exists" err'
check 'a name that is none is refused' 'must_fail repx plugin new sync ../x 2>err; grep "no name for a plugin" err'

make_lab "$TESTS/labs/reference"
export BASE=$WORK/store BATCH_DIR=$WORK/batch
cat >"$XDG_CONFIG_HOME/repx/config.toml" <<CONF
[targets.local]
base_path = "$BASE"
lab = "mine"
[targets.local.mine]
execution_types = ["native"]
command = "$WORK/made-scheduler/fake/mine-batch"
[targets.local.local]
execution_types = ["native"]
CONF
mkdir mine && cp made-*/plugins/* mine/
export REPX_PLUGIN_PATH=$WORK/mine
check 'what a scheduler does not say it honours is refused before anything is submitted' '
	cp -r made-scheduler modest && sed -i "s/^    \.amend = .*/&\n    .honours = REPX_HONOURS_TIME,/" modest/mine.c && make -C modest &&
	printf "[defaults]\ncpus-per-task = 2\n" >res.toml &&
	must_fail repx --plugin-path modest/plugins run simulation-run --lab "$LAB" --scheduler mine --resources res.toml 2>err && cat err &&
	grep "scheduler mine does not honour cpus" err && test ! -e "$BATCH_DIR"'
all_done() { [[ $(repx list jobs simulation-run --status succeeded --lab "$LAB" | grep -c "\[succeeded\]") == 16 ]]; }
check 'a Lab is brought by the new sync plugin and run through the new scheduler' '
	repx run simulation-run --lab "$LAB" --scheduler mine && within 100 all_done &&
	same "540 540 595 595" "$(outputs_of "$BASE" E total.txt)"'
printf '[targets.local]\ntransport = "mine"\n' >"$WORK/t.toml"
mkdir -p "$XDG_CONFIG_HOME/repx/repx.d" && cp "$WORK/t.toml" "$XDG_CONFIG_HOME/repx/repx.d/"
check 'and one through the new transport' '
	rm -rf "$BASE" && repx run simulation-run --lab "$LAB" --scheduler local &&
	same "540 540 595 595" "$(outputs_of "$BASE" E total.txt)"'

# ---- a vendor's delivery, and a sync plugin out of the header alone ----

EXAMPLES=$(dirname "$PKG_CONFIG_PATH")/../share/repx/examples
[[ -d $EXAMPLES ]] || EXAMPLES=$(dirname "$(find "$WORK/usr" -type d -path '*/examples/plugins')")
export EXAMPLES VENDOR=$WORK/vendor
has clang || export CC=cc
check 'a vendor builds a transport with its own compiler, from the installed SDK alone' '
	cp -r "$EXAMPLES/plugins/transport-vendor" theirs && theirs/build.sh "$VENDOR" && rm -r theirs &&
	test "$(nm -D --defined-only "$VENDOR/transport-vendor.so" | awk "{ print \$3 }")" = repx_plugin_v0 &&
	must_fail grep -q repx <(nm -D --undefined-only "$VENDOR/transport-vendor.so") &&
	readelf -d "$VENDOR/transport-vendor.so" | grep "RUNPATH.*ORIGIN" && nm "$VENDOR/transport-vendor.so" 2>&1 | grep "no symbols"'
printf '[targets.t]\naddress = "%s"\nbase_path = "%s"\ntransport = "vendor"\ndefault_scheduler = "local"\n[targets.t.local]\nexecution_types = ["native"]\n[targets.t.transport-vendor]\ntoken = "sesame"\n' \
	"$WORK/tetherd" "$WORK/far" >vendor.toml
"$VENDOR/tetherd" "$WORK/tetherd" sesame &
tetherd=$!
check 'the kit passes through it, its peer started by the vendor'"'"'s far end' '
	within 5 test -S "$WORK/tetherd" && repx-plugin-test "$VENDOR/transport-vendor.so" --config vendor.toml --patience 20'
rm -rf "$XDG_CONFIG_HOME/repx" && mkdir -p "$XDG_CONFIG_HOME/repx" && cp vendor.toml "$XDG_CONFIG_HOME/repx/config.toml"
export REPX_PLUGIN_PATH=$VENDOR
check 'a Lab runs over it' '
	repx run simulation-run --lab "$LAB" --target t && same "540 540 595 595" "$(outputs_of "$WORK/far" E total.txt)"'
check 'show tells its keys, and keeps the secret' 'repx plugin show transport-vendor | grep -x "  token  *string, required, secret"'
check 'a token that is wrong or missing, and a value that is none, are told' '
	cd "$XDG_CONFIG_HOME/repx" && sed -i s/sesame/open/ config.toml && must_fail repx run simulation-run --lab "$LAB" --target t 2>err && cat err &&
	grep "tetherd refuses: the token is not known" err && must_fail grep "open" err &&
	sed -i "s/^token.*/patience = \"0s\"/" config.toml && must_fail repx run simulation-run --lab "$LAB" --target t 2>err && cat err &&
	grep "config.toml:[0-9]*: .*patience" err && sed -i /^patience/d config.toml && must_fail repx run simulation-run --lab "$LAB" --target t 2>err && cat err && grep "token" err'
cp vendor.toml "$XDG_CONFIG_HOME/repx/config.toml"
kill $tetherd
wait $tetherd 2>/dev/null
check 'without its library it is told which one is missing' '
	mkdir -m 755 part && cp "$VENDOR"/transport-vendor.* part && must_fail repx plugin check part/transport-vendor.so 2>err && grep libvendor-tether err'
check 'a Lab is brought by a sync plugin that has only the header' '
	cp -r "$TESTS/plugins/sync-plain" plain && make -C plain && must_fail grep -r "kit/" plain/plain.c && repx-plugin-test plain/plugins/sync-plain.so &&
	printf "[targets.local]\nbase_path = \"$WORK/plain-base\"\nlab = \"plain\"\n[targets.local.local]\nexecution_types = [\"native\"]\n" >"$XDG_CONFIG_HOME/repx/config.toml" &&
	repx --plugin-path plain/plugins run simulation-run --lab "$LAB" && same "540 540 595 595" "$(outputs_of "$WORK/plain-base" E total.txt)" &&
	repx --plugin-path plain/plugins run simulation-run --lab "$LAB" | grep "already complete"'
