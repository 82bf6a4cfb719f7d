#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A DAG of 500 jobs whose client is killed at once, under Slurm: tests/soak/left_alone.sh [JOBS]
set -eu
JOBS=${1:-501} PATIENCE=${PATIENCE:-900} exec bash "$(dirname "$0")/../e2e/left_alone.t"
