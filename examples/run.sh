#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh: from a fresh clone to a result. Installs what is missing (Debian, apt), builds repx
# into build/, packs the example Lab, runs it on this machine and prints its table. May be run
# again: what is there is used.
set -eu
cd "$(dirname "$0")/.."
top=$PWD
# shellcheck source=.ci/packages.sh
. .ci/packages.sh

say() { printf '== %s\n' "$*"; }

say "looking for what the build needs"
# shellcheck disable=SC2086
need $BUILD_PACKAGES

say "building repx (a minute or two the first time)"
cmake --preset release -DREPX_TESTS=OFF
cmake --build build

repx=$top/build/bin/repx
[ -x "$repx" ] || repx=$top/build/core/cli/repx
lab=$top/build/epidemic

say "packing the example Lab: scripts and lab.ini in examples/epidemic"
"$repx" lab pack examples/epidemic -o "$lab"

say "running it here: 40 simulations, 8 means, one table"
"$repx" run sweep --lab "$lab" --target local

say "the result: what share of a population falls ill, by the basic reproduction number R0"
"$repx" show output sweep table.csv --lab "$lab" --target local >build/epidemic.csv
column -s, -t build/epidemic.csv 2>/dev/null || cat build/epidemic.csv
echo
say "the same as a file, for any plotting program: build/epidemic.csv"
say "next: edit examples/epidemic/lab.ini and run this again; only what changed is computed"
