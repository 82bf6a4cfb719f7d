# SPDX-License-Identifier: MIT
# Every tests/e2e/*.t is a test. They run one at a time: each may start a cluster of its own.
file(GLOB sessions CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/e2e/*.t)
foreach(session ${sessions})
  get_filename_component(name ${session} NAME_WE)
  add_test(NAME e2e-${name} COMMAND bash ${session})
  set_tests_properties(e2e-${name} PROPERTIES
    LABELS e2e TIMEOUT 600 RUN_SERIAL TRUE SKIP_RETURN_CODE 77
    ENVIRONMENT "REPX_BUILD=${PROJECT_BINARY_DIR}")
endforeach()
