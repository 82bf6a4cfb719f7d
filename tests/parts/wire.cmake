# SPDX-License-Identifier: MIT
foreach(name frame msg digest block mux mux_flow)
  repx_unit_test(${name} wire)
endforeach()
target_sources(test-mux PRIVATE agent/mux_pair.c)
target_sources(test-mux_flow PRIVATE agent/mux_pair.c)
foreach(name frame msg block mux)
  repx_fuzz_target(${name} wire)
endforeach()

# An agent with verbs of the tests' own, and the client's session over transport-local.
set(agent ${PROJECT_SOURCE_DIR}/core/agent)
add_executable(test-agent agent/verbs.c ${agent}/main.c ${agent}/session.c ${agent}/call.c ${agent}/call_child.c
  ${agent}/site.c ${agent}/expand.c ${agent}/trust.c ${agent}/capacity.c ${agent}/verify.c
  ${agent}/verbs_missing.c ${agent}/store_fs.c)
target_link_libraries(test-agent PRIVATE wire)
add_library(test-link STATIC agent/link.c ${PROJECT_SOURCE_DIR}/plugins/transport-local/local.c
  ${PROJECT_SOURCE_DIR}/core/target/session.c ${PROJECT_SOURCE_DIR}/core/target/session_link.c)
target_link_libraries(test-link PUBLIC wire)
target_compile_definitions(test-link PUBLIC TEST_AGENT="$<TARGET_FILE:test-agent>")
repx_unit_test(session test-link)
add_dependencies(test-session test-agent)
repx_unit_test(session_site wire)
target_sources(test-session_site PRIVATE ${agent}/site.c ${agent}/expand.c ${agent}/trust.c
  ${agent}/capacity.c)
set(bootstrap ${PROJECT_SOURCE_DIR}/plugins/sync-bootstrap)
repx_unit_test(session_first_command test-link)
target_sources(test-session_first_command PRIVATE ${bootstrap}/connect.c ${bootstrap}/script.c)
add_dependencies(test-session_first_command test-agent)
repx_unit_test(session_host_tools test-link)
target_sources(test-session_host_tools PRIVATE ${bootstrap}/perform.c)
