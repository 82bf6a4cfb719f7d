# SPDX-License-Identifier: MIT
# The way back: lists of results, pulling them, tables of them.
repx_unit_test(results wire)
repx_fuzz_target(results wire)
repx_unit_test(table pipeline)
repx_unit_test(pull_dir pipeline)

# What agents answer; the session is the fuzz target's own.
repx_fuzz_target(agent_answer wire)
target_sources(fuzz-agent_answer PRIVATE ${PROJECT_SOURCE_DIR}/core/pipeline/pull_list.c
  ${PROJECT_SOURCE_DIR}/core/pipeline/pull_read.c ${PROJECT_SOURCE_DIR}/core/pipeline/jobs.c
  ${PROJECT_SOURCE_DIR}/core/pipeline/follow.c ${PROJECT_SOURCE_DIR}/core/target/exchange.c
  ${PROJECT_SOURCE_DIR}/core/target/sync_lacking.c)
