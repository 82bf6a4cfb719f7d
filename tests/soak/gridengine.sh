#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The session on Grid Engine with a DAG of 500 jobs: tests/soak/gridengine.sh [JOBS]
set -eu
JOBS=${1:-501} PATIENCE=${PATIENCE:-900} exec bash "$(dirname "$0")/../e2e/gridengine.t"
