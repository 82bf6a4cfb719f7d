#!/bin/bash
# SPDX-License-Identifier: MIT
# reference_page.sh HEADER PAGE: the reference in a manual page as the header says it, member by
# member, compared with the page. With --write it takes its place there. A member that says
# nothing, or a function that does not tell errors, threads and since when, fails.
set -eu
write=
if [ "$1" = --write ]; then write=1; shift; fi
header=$1 page=$2
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

perl -0ne '
	sub plain { # a comment as one line
		my $t = join " ", @_;
		$t =~ s{^\s*/?\*+/?|\*/\s*$}{}gm; $t =~ s/\s*\n\s*\*?\s*/ /g; $t =~ s/\s+/ /g; $t =~ s/^ | $//g;
		return $t;
	}
	sub roff { my $t = shift; $t =~ s/\\/\\e/g; $t =~ s/-/\\-/g; $t =~ s/^(?=[.\x27])/\\&/mg; return $t }
	sub item { # NAMES, TEXT
		my ($names, $text) = @_;
		print ".TP\n", join(".TQ\n", map { ".B \"" . roff($_ =~ s/"/""/gr) . "\"\n" } @$names);
		$text =~ s/\s+(Errors: )/\n.br\n$1/;
		print roff($text) =~ s/^\\&(\.br)$/$1/mgr, "\n";
	}
	my ($bad, $text) = (0, $_);
	$text =~ s/^.*?extern "C" \{\s*#endif\n//s; $text =~ s/#ifdef __cplusplus\s*\}.*//s;
	$text =~ s/^#(?:if|el|endif|    define).*\n//mg;
	my $about = "";
	while ($text =~ /\S/) {
		if ($text =~ s{\A\s*(/\*.*?\*/)[ \t]*\n}{}s) { $about = plain($1); next }
		if ($text =~ s{\A\s*struct (\w+) \{\n(.*?)^\};}{}ms) {
			my ($name, $body) = ($1, $2);
			print ".SS \"struct $name\"\n" . roff($about) . "\n";
			$about = "";
			my @names; my $above = "";
			while ($body =~ /\S/) {
				if ($body =~ s{^\s*(/\*.*?\*/)[ \t]*\n}{}s) { $above = plain($1); next }
				$body =~ s{^\s*([^;]*;)[ \t]*((?:/\*.*?\*/)?)}{}s or die "$name: $body";
				my ($member, $beside) = ($1, $2 ? plain($2) : "");
				$member =~ s/\s+/ /g;
				$body =~ s{^[ \t]*\n}{};
				push @names, $member;
				my $all = join " ", grep { length } $above, $beside;
				if ($member =~ /\(\*/ && $body =~ /^[ \t]+[^\n\/]*\(\*/ && $above) { next } # one text for both
				if (!length $all) { print STDERR "struct $name: $member says nothing\n"; $bad = 1 }
				for my $word ("Errors: ", "Threads: ", "Since: ") {
					next if $member !~ /\(\*/ || index($all, $word) >= 0;
					print STDERR "struct $name: $member does not say $word\n"; $bad = 1;
				}
				item(\@names, $all);
				@names = (); $above = "";
			}
			next;
		}
		if ($text =~ s{\A\s*#define (\w+) ([^\n]*?)[ \t]*((?:/\*.*?\*/)?)[ \t]*\n}{}s) {
			my ($name, $value, $beside) = ($1, $2, $3 ? plain($3) : "");
			if (length $about) { print ".SS \"" . ($name =~ s/[^_]+$/*/r) . "\"\n" . roff($about) . "\n"; $about = "" }
			item(["$name $value"], length $beside ? $beside : "");
			next;
		}
		if ($text =~ s{\A\s*REPX_EXPORT ([^;]*;)}{}s) { item([$1 =~ s/\s+/ /gr], $about); $about = ""; next }
		$text =~ s/\A\s*[^\n]*\n?//;
	}
	exit $bad' "$header" | sed '/^$/d; s/[[:space:]]*$//' >"$work/reference"

if [ -n "$write" ]; then
	awk -v from="$work/reference" '
		/^\.\\" reference begins/ { print; while ((getline line <from) > 0) print line; skip = 1; next }
		/^\.\\" reference ends/ { skip = 0 }
		!skip' "$page" >"$work/page" && cp "$work/page" "$page"
fi
[ "$(wc -l <"$work/reference")" -gt 50 ]
sed -n '/^\.\\" reference begins/,/^\.\\" reference ends/p' "$page" | sed '1d;$d' | diff - "$work/reference"
