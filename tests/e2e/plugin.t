#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Plugins as a user sees them: list, show, check.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

PLUGINS=$REPX_BUILD/lib/repx/plugins
[[ -d $PLUGINS ]] || PLUGINS=$(dirname "$(repx plugin list --json | sed -n 's/.*"file":"\([^"]*\)".*/\1/p' | head -n 1)")
export PLUGINS

check 'show tells the keys of a plugin, as text and as JSON' '
	repx plugin show sched-exec | grep -x "  helper  *string, required" &&
	repx plugin show sched-exec --json | grep "\"name\":\"helper\",\"type\":\"string\""'
check 'an unknown plugin is answered with those that are there' '
	must_fail repx plugin show sched-none 2>err; grep "no plugin .sched-none.; installed: .*sched-exec" err'
check 'check loads each bundled plugin' '
	for so in "$PLUGINS"/*.so; do repx plugin check "$so"; done'
check 'a file that is cut short is told, with status 1' '
	mkdir cut && cp "$PLUGINS"/transport-local.* cut && truncate -s 9000 cut/transport-local.so &&
	sed -i /^sha256/d cut/transport-local.ini && status=0 &&
	{ repx plugin check cut/transport-local.so 2>err || status=$?; } &&
	test $status -eq 1 && grep "is cut short" err'
check 'a file that is no plugin is told, with status 1' '
	mkdir text && cp "$PLUGINS"/transport-local.ini text && echo hello >text/transport-local.so &&
	sed -i /^sha256/d text/transport-local.ini && status=0 &&
	{ repx plugin check text/transport-local.so 2>err || status=$?; } &&
	test $status -eq 1 && grep "is no ELF file" err'
check 'one that another file took the place of is refused' '
	mkdir swap && cp "$PLUGINS"/transport-local.ini swap && cp "$PLUGINS"/transport-ssh.so swap/transport-local.so &&
	must_fail repx plugin check swap/transport-local.so 2>err; grep "its manifest says" err'

# Plugins that are wrong in one way each, in the place of a transport that a run uses.
BROKEN=$REPX_BUILD/tests/plugins
export BROKEN
refused() { # NAME MESSAGE: by check and by run, with status 1 and that message, and no signal
	local dir=$WORK/door/$1 name=${3:-broken} way
	mkdir -p "$dir" && cp "$BROKEN/$1.so" "$dir/transport-$name.so"
	printf '[plugin]\nkind = transport\nname = %s\nabi = 0.1\n' "$name" >"$dir/transport-$name.ini"
	printf '[targets.local]\nbase_path = "%s/door-base"\ntransport = "%s"\n' "$WORK" "$name" >"$XDG_CONFIG_HOME/repx/config.toml"
	for way in "plugin check $dir/transport-$name.so" "--plugin-path $dir run simulation-run --lab $LAB"; do
		# shellcheck disable=SC2086 # words
		exits 1 repx $way >out 2>err || return 1
		if ! grep -q "$2" err || ! grep -q "transport-$name.so" err; then cat err; return 1; fi
	done
	test ! -e "$WORK/door-base"
}
export -f refused
if [[ -f $BROKEN/exits.so ]]; then
	make_lab "$TESTS/labs/reference"
	check 'one that ends the process when it is loaded is refused, exit 1' '
		refused exits "ends the process when it is loaded (exit status 3)" && refused exits0 "ends the process when it is loaded (exit status 0)"'
	check 'so is one that crashes or hangs, in its entry or before' '
		refused crashes "crashes when it is loaded: signal 11" && refused loading "crashes when it is loaded: signal 6" && refused hangs "does not come back within 5 s"'
	check 'and what is no plugin of this repx: symbol, magic, sizes, kind, name, a function that is missing' '
		refused symbol "exports no symbol repx_plugin_v0" && refused magic "magic is 0000000000000011, need" && refused huge "descriptor is 65537 bytes, at most 65536" &&
		refused tiny "descriptor is 40 bytes, need at least" && refused lies "says it is 65536 bytes, but memory ends" && refused vhuge "vtable is 70000 bytes" &&
		refused vtiny "vtable is 16 bytes, need at least" && refused slot "exit_status is NULL" && refused major "built for ABI 7.1, this repx has 0.1" &&
		refused kind "phase is 0, need 1 (bootstrap)" && refused kind9 "kind is 9" && refused name "name is \"other\", its manifest says \"broken\""'
	rm "$XDG_CONFIG_HOME/repx/config.toml"
	lonely() { # FILE MESSAGE: of a file alone, whatever it is called
		exits 1 repx plugin check "$1" 2>err; cat err; grep "$2" err
	}
	export -f lonely
	check 'a file without a manifest, or called otherwise, is told what is wrong with it' '
		mkdir alone && cp "$BROKEN/magic.so" alone/bad.so && cp "$BROKEN/slot.so" alone/transport-broken.so &&
		lonely alone/bad.so "magic is 0000000000000011" && lonely alone/transport-broken.so "exit_status is NULL" &&
		cp "$BROKEN/good.so" alone/transport-broken.so && lonely alone/transport-broken.so "has no manifest"'
	check 'repx-manifest refuses them as well, and never crashes or hangs' '
		tool=$REPX_BUILD/libexec/repx/repx-manifest; [[ -x $tool ]] || tool=$REPX_BUILD/core/plugin/repx-manifest
		mkdir tool && for one in exits0 crashes loading magic; do
			cp "$BROKEN/$one.so" tool/transport-broken.so && exits 1 "$tool" tool/transport-broken.so 2>err && grep "^repx-manifest: " err || { cat err; exit 1; }
		done; head -c 5000 "$BROKEN/good.so" >tool/transport-broken.so && exits 1 "$tool" tool/transport-broken.so 2>err && grep "is cut short" err &&
		test ! -e tool/transport-broken.ini'
	# A stranger's plugin in our own directory is a stranger's all the same.
	check 'one that was put among our own plugins is tried first, too' '
		own=$WORK/own && mkdir -p "$own/bin" "$own/lib/repx" && cp "$REPX" "$own/bin/repx" && cp -r "$PLUGINS" "$own/lib/repx/plugins" &&
		printf "[targets.local]\nbase_path = \"%s/own-base\"\ntransport = \"broken\"\n" "$WORK" >"$XDG_CONFIG_HOME/repx/config.toml" &&
		printf "[plugin]\nkind = transport\nname = broken\nabi = 0.1\n" >"$own/lib/repx/plugins/transport-broken.ini" &&
		for one in exits0 crashes; do
			cp "$BROKEN/$one.so" "$own/lib/repx/plugins/transport-broken.so" &&
			exits 1 "$own/bin/repx" run simulation-run --lab "$LAB" 2>err >out && grep "when it is loaded" err || { cat err; exit 1; }
		done; test "$(sort out | uniq -d | wc -l)" -eq 0'
	check 'what one prints as it is loaded is no answer' '
		mkdir loud && cp "$BROKEN/prints.so" loud/transport-broken.so && cp own/lib/repx/plugins/transport-broken.ini loud &&
		repx plugin check loud/transport-broken.so >out 2>err && must_fail grep printed out && grep printed err'
	check 'control characters of a manifest do not reach the terminal, nor does the default of a secret' '
		printf "version = 1\033[31m\n[config word]\ntype = string\nsecret = true\ninitial = hunter2\nhelp = a\033]0;b\n" >>loud/transport-broken.ini &&
		for way in "list" "show transport-broken" "list --json" "show transport-broken --json"; do
			repx --plugin-path loud plugin $way >out && must_fail grep -q "$(printf "\033")\|hunter2" out || exit 1
		done'
	rm -f "$XDG_CONFIG_HOME/repx/config.toml"
else
	check 'broken plugins are refused # SKIP not a build directory' true
fi

# Any opening of a plugin's .so would be seen; that this sees them is shown with check.
opened() { strace -f -e trace=open,openat,execve -o trace "$@" >/dev/null && grep -c '/plugins/.*\.so"' trace; }
export -f opened
if has strace && strace -o /dev/null true 2>/dev/null; then
	check 'list and show open no plugin' '
		must_fail opened repx plugin list && must_fail opened repx plugin list --json &&
		must_fail opened repx plugin show sched-slurm'
	check 'check does' 'test "$(opened repx plugin check "$PLUGINS/sched-slurm.so")" -gt 0'
else
	check 'list and show open no plugin # SKIP no strace' true
fi

# Rights that its user does not have are no rights to load plugins with.
if [[ $(id -u) == 0 ]] && has runuser; then
	check 'a set-uid repx refuses' '
		mkdir -m 755 suid && install -m 4755 "$REPX" suid/repx &&
		must_fail runuser -u nobody -- "$WORK/suid/repx" --plugin-path "$PLUGINS" plugin list 2>err; cat err; grep -i "set-user-id\|privilege\|set-uid" err'
else
	check 'a set-uid repx refuses # SKIP needs root' true
fi
