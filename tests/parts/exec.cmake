# SPDX-License-Identifier: MIT
# The agent's records, supervisor and runtimes, as a library for their tests.
file(GLOB exec_sources CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/core/agent/state_*.c ${PROJECT_SOURCE_DIR}/core/agent/job*.c
  ${CMAKE_CURRENT_SOURCE_DIR}/gc_absent.c ${PROJECT_SOURCE_DIR}/core/agent/process_start.c
  ${PROJECT_SOURCE_DIR}/core/agent/runtime*.c ${PROJECT_SOURCE_DIR}/core/agent/scatter*.c
  ${PROJECT_SOURCE_DIR}/core/agent/internal_execute.c ${PROJECT_SOURCE_DIR}/core/agent/manifest.c ${PROJECT_SOURCE_DIR}/core/agent/manifest_purged.c
  ${PROJECT_SOURCE_DIR}/core/agent/submission*.c
  ${PROJECT_SOURCE_DIR}/core/agent/unit_said.c
  ${PROJECT_SOURCE_DIR}/core/agent/store_digest.c ${PROJECT_SOURCE_DIR}/core/agent/store_fs.c
  ${PROJECT_SOURCE_DIR}/core/agent/trust.c ${PROJECT_SOURCE_DIR}/core/agent/site.c ${PROJECT_SOURCE_DIR}/core/agent/expand.c)
add_library(agent_exec STATIC ${exec_sources})
target_link_libraries(agent_exec PUBLIC wire ${JANSSON_STATIC})
repx_unit_test(submission agent_exec)
repx_unit_test(job agent_exec)
repx_unit_test(scatter agent_exec)
repx_unit_test(runtime agent_exec)
repx_unit_test(layer agent_exec)
repx_unit_test(job_internal agent_exec)
repx_unit_test(state agent_exec)
repx_unit_test(state_lease agent_exec)
repx_unit_test(state_next agent_exec)
foreach(reader plan_line run_record claim lease journal attempt event work_items image_manifest
    layer)
  repx_fuzz_target(${reader} agent_exec)
endforeach()

# Collections: all of the agent but its main.
repx_unit_test(gc_broken wire delta_static kit_helper ${JANSSON_STATIC} ${CMAKE_DL_LIBS})
target_sources(test-gc_broken PRIVATE
  $<FILTER:$<TARGET_OBJECTS:repx-agent>,EXCLUDE,/main[.]c>)
