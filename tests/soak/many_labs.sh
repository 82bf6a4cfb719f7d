#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A thousand Labs that share one job id: tests/soak/many_labs.sh [COUNT]
set -eu
LABS=${1:-1000} exec bash "$(dirname "$0")/../e2e/many_labs.t"
