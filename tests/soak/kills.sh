#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The kill test, 200 times: tests/soak/kills.sh [COUNT [SEED]]
set -eu
KILLS=${1:-200} SEED=${2:-$RANDOM} exec bash "$(dirname "$0")/../e2e/kills.t"
