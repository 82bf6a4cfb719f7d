#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A run of 1,000 jobs, waited for and watched for ten minutes: tests/soak/watch.sh [SECONDS [JOBS]]
set -eu
WATCH=${1:-600} JOBS=${2:-1000} exec bash "$(dirname "$0")/../e2e/truth.t"
