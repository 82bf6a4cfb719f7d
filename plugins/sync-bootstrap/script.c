/* SPDX-License-Identifier: MIT */
/* script.c: find the agent, or receive it, and become it.
 *
 * The text stands between single quotes in a line for an unknown login shell. So it holds
 * no single quote, no backslash and no newline, which sh, csh and fish read differently
 * there, and no exclamation mark, which csh replaces even between quotes. All values come
 * as lines on standard input, which `read -r` takes byte by byte, so that nothing that
 * follows is swallowed.
 *
 * Input:   base path, state path, "ARCH SHA256 LENGTH" for each agent offered, "."
 * Answers: "present" | "missing ARCH" | "fail KIND detail"; after "missing", LENGTH bytes
 *          are awaited and answered with "ready" or "fail KIND detail".
 * After "present" or "ready" the agent has taken over. */
#include "script.h"

#define NAME_START "[ABCDEFGHIJKLMNOPQRSTUVWXYZ_]"
#define NAME_CHAR "[ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789]"

/* clang-format off */
const char first_command[] = "exec /bin/sh -c '"
    "set -f; "
    "say() { printf %s \"" ANSWER_MARK "$*\"; echo; }; "
    "fail() { say fail \"$@\"; exit 1; }; "

    /* name: the variable's name at the front of $r, if there is one; the rest to $r. */
    "name() { n=; "
        "while :; do case $r in "
            NAME_START "*) ;; "
            NAME_CHAR "*) test \"$n\" || return 0;; "
            "*) return 0;; "
        "esac; t=${r#?}; n=$n${r%\"$t\"}; r=$t; done; }; "

    /* expand: $b with ~ and variables looked up, never evaluated. */
    "expand() { case $b in \"~\"|\"~/\"*) test \"$HOME\" || fail unset HOME; b=$HOME${b#?};; esac; "
        "o=; while :; do case $b in *\"$\"*) ;; *) break;; esac; "
            "o=$o${b%%\"$\"*}; b=${b#*\"$\"}; q=; r=$b; "
            "case $r in \"{\"*) q=1; r=${r#?};; esac; name; "
            "case $q$r in 1\"}\"*) r=${r#?};; 1*) n=;; esac; "
            "if test \"$n\"; then v=$(printenv \"$n\") && test \"$v\" || fail unset \"$n\"; "
                "o=$o$v; b=$r; else o=$o\"$\"; fi; "
        "done; b=$o$b; }; "

    /* good FILE: the offered length and digest? */
    "good() { test -f \"$1\" && test \"$(($(wc -c <\"$1\")))\" -eq \"$l\" || return 1; "
        "if command -v sha256sum >/dev/null 2>&1; then h=$(sha256sum <\"$1\"); test \"${h%% *}\" = \"$d\"; "
        "else \"$1\" verify \"$d\" \"$1\"; fi; }; "

    /* mine DIR: can nobody else change what lies there? As sdk/kit/trust.h, by what ls says of
     * each directory on the way from /, which LC_ALL=C sorts from the top. */
    "mine() { c=$(cd \"$1\" 2>/dev/null && pwd -P) || return 1; m=$(id -u); j=$(id -g); "
        "o=; set -- /; IFS=/; for x in $c; do test \"$x\" || continue; o=$o/$x; set -- \"$@\" \"$o\"; done; IFS=$i; "
        "LC_ALL=C ls -ldn \"$@\" 2>/dev/null | { q=1; while read -r x n v y z; do q=0; "
            "case $v in 0|\"$m\") ;; *) exit 1;; esac; "
            "case $x in ?????????[tT]*) ;; ????????w*) exit 1;; "
                "?????w*) case $y in 0) ;; \"$m\") test \"$m\" = \"$j\" || exit 1;; *) exit 1;; esac;; esac; "
            "case $x in ??????[-S]??[-T]*) exit 0;; esac; "
        "done; exit $q; }; }; "

    /* take N: exactly that many bytes of the input, and not one more. */
    "take() { if command -v head >/dev/null 2>&1 && test \"$(echo ab | head -c 1 2>/dev/null)\" = a; "
        "then head -c \"$1\"; else dd ibs=1 obs=65536 count=\"$1\" 2>/dev/null; fi; }; "
    "clean() { rm -f \"$t\"; }; "

    "i=$IFS; IFS= read -r b || exit 1; IFS= read -r s || exit 1; g=$b; a=$(uname -m); d=; l=; k=; "
    "while read -r x y z; do case $x in .) break;; \"$a\") d=$y; l=$z;; esac; k=\"$k $x\"; done; "
    "test \"$d\" || fail arch \"$a; installed here:$k\"; "
    "expand; case $b in /*) ;; *) fail path \"$b\";; esac; "
    "u=$(umask); umask 022; p=$b/bin; e=$(mkdir -p \"$p\" 2>&1) || fail dir $e; "
    "mine \"$p\" || { test \"$HOME\" || fail unset HOME; p=$HOME/.local/share/repx/bin; e=$(mkdir -p \"$p\" 2>&1) || fail dir $e; mine \"$p\" || fail trust \"$b\"; }; "
    "p=$p/$d; f=$p/repx-agent; w=present; "
    "if good \"$f\" && test -x \"$f\"; then :; else "
        "e=$(mkdir -p \"$p\" 2>&1) || fail dir $e; "
        "t=$p/.new.$(uname -n).$$; trap clean 0; trap \"exit 1\" 1 2 13 15; "
        "e=$( { : >\"$t\"; } 2>&1) || fail dir $e; "
        "say missing \"$a\"; "
        "e=$( { take \"$l\" >\"$t\"; } 2>&1) || fail write $e; "
        "test \"$(($(wc -c <\"$t\")))\" -eq \"$l\" || fail short $e; "
        "chmod 755 \"$t\"; good \"$t\" || { test $? -eq 126 && fail exec; fail digest; }; "
        "e=$(mv -f \"$t\" \"$f\" 2>&1) || fail write $e; trap - 0 1 2 13 15; w=ready; "
    "fi; "
    "e=$(\"$f\" --version 2>&1 </dev/null) || fail exec $e; "
    "umask \"$u\"; say $w; exec \"$f\" session \"$g\" \"$s\"'";
/* clang-format on */
