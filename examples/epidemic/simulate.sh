#!/bin/sh
# SPDX-License-Identifier: MIT
# Every day each healthy person meets the infected and falls ill with probability
# 1 - exp(-beta I / N); each infected one recovers with probability 1 / infectious_days.
# shellcheck source=examples/epidemic/lib.sh
. "${0%/*}/../share/lib.sh"

awk -v R0="$(parameter R0)" -v seed="$(parameter seed)" -v N="$(parameter population)" \
	-v days="$(parameter infectious_days)" -v course="$out/course.csv" '
	# A generator of its own: the same numbers on every machine.
	function uniform() { state = (16807 * state) % 2147483647; return state / 2147483647 }
	function binomial(n, p,   i, hits) { for (i = 0; i < n; i++) hits += uniform() < p; return hits + 0 }
	BEGIN {
		state = seed * 48271 + 11
		for (i = 0; i < 20; i++) uniform()
		beta = R0 / days
		I = 5; S = N - I; R = 0; peak = I; peak_day = 0
		print "day,susceptible,infected,recovered" >course
		for (day = 0; I > 0; day++) {
			print day "," S "," I "," R >course
			ill = binomial(S, 1 - exp(-beta * I / N))
			well = binomial(I, 1 / days)
			S -= ill; I += ill - well; R += well
			if (I > peak) { peak = I; peak_day = day + 1 }
		}
		print day "," S "," I "," R >course
		print R0 "," seed "," R / N "," peak / N "," peak_day "," day
	}' >"$out/outcome.csv"
