#!/bin/sh
# SPDX-License-Identifier: MIT
# build.sh OUT: what a vendor delivers, from sources that nobody else sees. It needs the installed
# SDK (pkg-config repx-plugin) and nothing of repx's tree; compiler and flags are the vendor's own.
# shellcheck disable=SC2086,SC2046,SC2016 # flags are words; $ORIGIN is the loader's
set -eu
cd "$(dirname "$0")"
out=$1
: "${CC:=clang}"
flags='-std=gnu11 -O3 -fPIC -fvisibility=hidden -fomit-frame-pointer -fno-plt'
mkdir -p "$out"

"$CC" $flags -shared -s -Wl,-soname,libvendor-tether.so -o "$out/libvendor-tether.so" src/tether.c
"$CC" $flags $(pkg-config --cflags repx-plugin) -shared -s -Wl,-z,defs -Wl,-rpath,'$ORIGIN' \
	-o "$out/transport-vendor.so" src/plugin.c -L"$out" -lvendor-tether
"$CC" $flags -s -o "$out/tetherd" src/tetherd.c src/tether.c
"$(pkg-config --variable=manifest repx-plugin)" "$out/transport-vendor.so"
cp LICENSE.tether "$out"
