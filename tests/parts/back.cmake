# SPDX-License-Identifier: MIT
# The way back: lists of results, pulling them, tables of them.
repx_unit_test(results wire)
repx_fuzz_target(results wire)
repx_unit_test(table pipeline)
repx_unit_test(pull_dir pipeline)
