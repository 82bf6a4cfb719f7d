# SPDX-License-Identifier: MIT
repx_unit_test(config config)
repx_unit_test(config_errors config)
repx_unit_test(resources config)
repx_unit_test(resolve plan)
repx_unit_test(plan plan)
repx_fuzz_target(config_toml config)

# How the command talks.
repx_unit_test(ui pipeline)
target_sources(test-ui PRIVATE ${PROJECT_SOURCE_DIR}/core/cli/ui.c)

# What `run` tells of the events of a run.
repx_unit_test(run_report pipeline)
target_sources(test-run_report PRIVATE ${PROJECT_SOURCE_DIR}/core/cli/run_report.c
  ${PROJECT_SOURCE_DIR}/core/cli/purge_note.c ${PROJECT_SOURCE_DIR}/core/cli/ui.c)
