# SPDX-License-Identifier: MIT
# The agent is a program; what is tested of its store alone is a library here.
file(GLOB store_sources CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/core/agent/store*.c
  ${PROJECT_SOURCE_DIR}/core/agent/process_start.c ${PROJECT_SOURCE_DIR}/core/agent/index*.c)
list(FILTER store_sources EXCLUDE REGEX "/store_verbs\\.c$")
file(GLOB state_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/core/agent/state_*.c)
add_library(store_parts STATIC ${store_sources} ${state_sources})
target_link_libraries(store_parts PUBLIC wire delta_static ${JANSSON_STATIC})
add_library(file_parts STATIC
  ${PROJECT_SOURCE_DIR}/core/agent/file_path.c ${PROJECT_SOURCE_DIR}/core/agent/file_list.c
  ${PROJECT_SOURCE_DIR}/core/agent/file_tail.c ${PROJECT_SOURCE_DIR}/core/agent/gcroot.c
  ${PROJECT_SOURCE_DIR}/core/agent/lab_manifest.c ${PROJECT_SOURCE_DIR}/core/agent/lab_files.c
  ${PROJECT_SOURCE_DIR}/core/agent/json_member.c)
target_link_libraries(file_parts PUBLIC store_parts ${JANSSON_STATIC})
repx_unit_test(store store_parts)
repx_unit_test(store_others store_parts)
repx_unit_test(store_package store_parts agent_exec)
repx_unit_test(store_parts store_parts)
repx_unit_test(job_files file_parts)
repx_unit_test(json_member file_parts)
repx_fuzz_target(json_member file_parts)
repx_unit_test(mirror kit wire)
foreach(phase lab image)
  add_library(sync_${phase}_code STATIC ${PROJECT_SOURCE_DIR}/plugins/sync-${phase}/${phase}.c)
  target_link_libraries(sync_${phase}_code PUBLIC kit wire delta_shared)
  repx_unit_test(sync_${phase} sync_${phase}_code)
endforeach()
repx_unit_test(store_tree store_parts)
repx_unit_test(index store_parts)
repx_unit_test(pack store_parts)
repx_fuzz_target(pack store_parts)
repx_fuzz_target(tree store_parts)
repx_fuzz_target(store_index store_parts)
