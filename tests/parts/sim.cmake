# SPDX-License-Identifier: MIT
# Submission in a simulated world: core/agent/submission.h and truth.h, nothing else of the program.
file(GLOB sim_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/sim/*.c)
file(GLOB machine_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/core/agent/submission*.c)
add_executable(sim ${sim_sources} ${machine_sources}
  ${PROJECT_SOURCE_DIR}/core/agent/truth.c)
target_include_directories(sim PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(sim PRIVATE repx_flags)
if(REPX_SANITIZE)
  set(seeds --count 1000) # each takes some 30 times as long
endif()
add_test(NAME sim COMMAND sim ${seeds})
set_tests_properties(sim PROPERTIES LABELS unit TIMEOUT 120)
if(REPX_SANITIZE)
  return()
endif()
foreach(rule claim look-up lease producers look-again fence link swap)
  add_test(NAME sim-without-${rule} COMMAND sim --without ${rule})
  set_tests_properties(sim-without-${rule} PROPERTIES LABELS unit TIMEOUT 120)
endforeach()

# The agent's own code, all of what submits, follows, cancels and runs, with a scheduler in memory.
file(GLOB sim_agent_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/sim/agent/*.c)
add_executable(sim-agent ${sim_agent_sources} ${PROJECT_SOURCE_DIR}/core/agent/supervise.c)
target_include_directories(sim-agent PRIVATE ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(sim-agent PRIVATE agent_sched)
foreach(name poll nanosleep clock_gettime write linkat symlinkat renameat unlinkat mkdirat faccessat
    scheduler_call script_run lease_take lease_touch submission_rules_all)
  target_link_options(sim-agent PRIVATE -Wl,--wrap=${name})
endforeach()
add_test(NAME sim-agent COMMAND sim-agent --count 250)
set_tests_properties(sim-agent PROPERTIES LABELS unit TIMEOUT 300)
foreach(rule claim look-up lease)
  add_test(NAME sim-agent-without-${rule} COMMAND sim-agent --count 500 --without ${rule})
  set_tests_properties(sim-agent-without-${rule} PROPERTIES LABELS unit TIMEOUT 300)
endforeach()
