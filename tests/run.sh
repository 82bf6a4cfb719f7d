#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh: everything that is tested, from a fresh clone: installs what the tests need (Debian,
# apt), builds with gcc, clang and the sanitizers, runs unit tests, fuzz corpora, sessions
# against a real sshd and a real Slurm, and the linters. May be run again.
#
#     tests/run.sh              all of it
#     tests/run.sh PART...      of: release clang asan tsan
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=.ci/packages.sh
. .ci/packages.sh

passed=0 failed=0 failures=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { printf '== %4d s  %s\n' "$SECONDS" "$*"; }

failure() {
	failed=$((failed + 1))
	failures+=("$1")
}

# build PRESET DIR [TARGET...]: 1 when that failed.
build() {
	local preset=$1 dir=$2
	shift 2
	say "$preset: building in $dir"
	if cmake --preset "$preset" -DREPX_TESTS=ON >"$log" 2>&1 &&
		cmake --build --preset "$preset" ${1:+--target "$@"} >"$log" 2>&1; then
		return 0
	fi
	grep -E -A12 '^FAILED:|rror:' "$log" | cut -c1-300 | head -n 80 || tail -n 40 "$log"
	failure "$preset: build"
	return 1
}

# tests WHAT DIR CTEST-OPTIONS...: its summary lines are counted.
tests() {
	local what=$1 dir=$2 line quiet='^Internal ctest|^Test project'
	shift 2
	[[ $* != *-j2* ]] || quiet+='|^ *Start ' # what takes long tells that it has begun
	say "$what"
	ctest --test-dir "$dir" --output-on-failure --no-tests=error "$@" 2>&1 | tee "$log" |
		grep --line-buffered -vE "$quiet" || true
	line=$(grep -E '^[0-9]+% tests passed' "$log" || true)
	if [[ $line =~ ,\ ([0-9]+)\ tests?\ failed\ out\ of\ ([0-9]+) ]]; then
		failed=$((failed + BASH_REMATCH[1]))
		passed=$((passed + BASH_REMATCH[2] - BASH_REMATCH[1]))
		((BASH_REMATCH[1] == 0)) || failures+=("$what")
	else
		failure "$what: ctest did not finish"
	fi
}

# Sessions have daemons and deadlines, and the machine may be busy: one that fails is told and
# tried once more. What is wrong fails twice.
again='--repeat until-pass:2'

# shellcheck disable=SC2086
part_release() {
	build release build || return 0
	tests "gcc: unit tests and fuzz corpora" build -j4 -L 'unit|fuzz'
	tests "gcc: sessions with sshd and Slurm (ten minutes)" build -j2 $again -L e2e
	tests "gcc: headers of the SDK, the conformance kit" build -j2 $again -L 'sdk|conformance'
}

part_clang() {
	build clang build-clang || return 0
	tests "clang: unit tests and fuzz corpora" build-clang -j4 -L 'unit|fuzz'
	tests "linters; clang-tidy takes a few minutes" build-clang -L lint
}

# shellcheck disable=SC2086
part_asan() {
	build asan build-asan || return 0
	tests "sanitizers: unit tests and fuzz corpora" build-asan -j4 -L 'unit|fuzz'
	tests "sanitizers: sessions on the local target" build-asan $again -R '^e2e-(local|broken|failure)$'
}

# Threads digest a Lab's files, pack what is sent, and log in meanwhile.
# shellcheck disable=SC2086
part_tsan() {
	export TSAN_OPTIONS="log_path=$PWD/build-tsan/race"
	rm -f build-tsan/race.*
	build tsan build-tsan core/all plugins/all test-lab test-lab_cache test-lab_broken || return 0
	tests "thread sanitizer: what has threads" build-tsan $again \
		-R '^(unit-(lab|lab_cache|lab_broken)|e2e-(link_ssh|delta))$'
	if compgen -G 'build-tsan/race.*' >"$log"; then # what ran in a session tells nobody
		head -n 60 build-tsan/race.* | cut -c1-200
		failure "thread sanitizer: races"
	fi
}

say "looking for what the tests need"
# shellcheck disable=SC2086
need $BUILD_PACKAGES $TEST_PACKAGES

(($#)) || set -- release clang asan tsan
for part; do
	case $part in
	release | clang | asan | tsan) "part_$part" ;;
	*) echo "usage: tests/run.sh [release] [clang] [asan] [tsan]" >&2; exit 2 ;;
	esac
done

say "done"
((${#failures[@]} == 0)) || printf 'failed: %s\n' "${failures[@]}"
echo "$passed passed, $failed failed"
((failed == 0))
