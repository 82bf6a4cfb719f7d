# SPDX-License-Identifier: MIT
# Schedulers: the helper protocol, the local queue, Slurm's commands, and submission.
set(local_helper sched-local-linux-${REPX_ARCH})
set(slurm_helper sched-slurm-linux-${REPX_ARCH})

repx_unit_test(helper kit_helper)
repx_fuzz_target(helper_request kit_helper)

repx_unit_test(queue kit_helper)
target_compile_definitions(test-queue PRIVATE SCHED_LOCAL="$<TARGET_FILE:${local_helper}>")
add_dependencies(test-queue ${local_helper})

set(queue_sources ${PROJECT_SOURCE_DIR}/plugins/sched-local)
repx_fuzz_target(queue_record kit)
target_sources(fuzz-queue_record PRIVATE ${queue_sources}/helper_model.c
  ${queue_sources}/helper_record.c)

add_library(slurm_parts STATIC ${PROJECT_SOURCE_DIR}/plugins/sched-slurm/parse.c
  ${PROJECT_SOURCE_DIR}/plugins/sched-slurm/args.c)
target_link_libraries(slurm_parts PUBLIC kit)
repx_unit_test(slurm slurm_parts)
repx_fuzz_target(slurm_output slurm_parts)

set(agent ${PROJECT_SOURCE_DIR}/core/agent)
file(GLOB submit_sources CONFIGURE_DEPENDS ${agent}/submit*.c ${agent}/run_watch*.c)
add_library(agent_sched STATIC ${submit_sources} ${agent}/run_verbs_cancel.c
  ${agent}/scheduler_call.c ${agent}/programs.c ${agent}/trust.c ${agent}/call_budget.c
  ${agent}/call_log.c ${agent}/queue_ask.c ${agent}/truth.c
  ${agent}/units_end.c)
target_link_libraries(agent_sched PUBLIC agent_exec kit_helper)
repx_unit_test(submit agent_sched)
target_compile_definitions(test-submit PRIVATE SCHED_LOCAL="$<TARGET_FILE:${local_helper}>"
  REPX_TEST_ARCH="${REPX_ARCH}")
add_dependencies(test-submit ${local_helper})

repx_unit_test(submit_gather agent_sched)
target_compile_definitions(test-submit_gather PRIVATE
  SCHED_LOCAL="$<TARGET_FILE:${local_helper}>" REPX_TEST_ARCH="${REPX_ARCH}")
add_dependencies(test-submit_gather ${local_helper})

repx_unit_test(submit_array agent_sched)
target_compile_definitions(test-submit_array PRIVATE
  SCHED_LOCAL="$<TARGET_FILE:${local_helper}>" REPX_TEST_ARCH="${REPX_ARCH}")
add_dependencies(test-submit_array ${local_helper})

repx_unit_test(submit_works agent_sched)
target_compile_definitions(test-submit_works PRIVATE
  SCHED_LOCAL="$<TARGET_FILE:${local_helper}>" REPX_TEST_ARCH="${REPX_ARCH}")
add_dependencies(test-submit_works ${local_helper})

repx_unit_test(slurm_commands kit_helper)
target_compile_definitions(test-slurm_commands PRIVATE
  SCHED_SLURM="$<TARGET_FILE:${slurm_helper}>")
add_dependencies(test-slurm_commands ${slurm_helper})
repx_fuzz_target(helper_answer agent_sched)
repx_unit_test(said agent_sched)
repx_unit_test(call_budget agent_sched)
repx_unit_test(truth agent_sched)
repx_unit_test(watch agent_sched)
target_compile_definitions(test-watch PRIVATE SCHED_LOCAL="$<TARGET_FILE:${local_helper}>"
  REPX_TEST_ARCH="${REPX_ARCH}")
add_dependencies(test-watch ${local_helper})
