#!/bin/sh
# SPDX-License-Identifier: MIT
# The contract's headers stand alone, in strict C99 and in C++11.
. "$(dirname "$0")/lib.sh"

for header in sdk/include/repx/*.h; do
	name=repx/${header##*/}
	printf '#include <%s>\n' "$name" | "${CC:-cc}" -std=c99 -pedantic-errors -Wall -Wextra -Werror -Isdk/include \
		-fsyntax-only -x c - || { echo "$name: not strict C99"; exit 1; }
	echo "#include <$name>" | "${CXX:-c++}" -std=c++11 -pedantic-errors -Wall -Wextra -Werror -Isdk/include \
		-fsyntax-only -x c++ - || { echo "$name: not C++11"; exit 1; }
done
