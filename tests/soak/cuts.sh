#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# 200 MiB over links that are cut 20 times at random bytes: at most 1.1 times the bytes are sent.
#     [SEED=N] tests/soak/cuts.sh
SIZE=${SIZE:-200} CUTS=${CUTS:-20} exec bash "$(dirname "$0")/../e2e/transfer.t"
