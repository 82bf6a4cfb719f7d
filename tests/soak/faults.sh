#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Faults at random moments of runs under Slurm, 200 times: tests/soak/faults.sh [COUNT [SEED]]
set -eu
export DEEP=${DEEP-1}
ROUNDS=${1:-200} SEED=${2:-$RANDOM} exec bash "$(dirname "$0")/../e2e/faults.t"
