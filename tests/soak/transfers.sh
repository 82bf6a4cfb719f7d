#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Kills in transfers, 200 times: tests/soak/transfers.sh [COUNT [SEED]]
set -eu
KILLS=${1:-200} SEED=${2:-$RANDOM} exec bash "$(dirname "$0")/../e2e/transfers.t"
