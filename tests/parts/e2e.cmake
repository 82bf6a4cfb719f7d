# SPDX-License-Identifier: MIT
# Every tests/e2e/*.t is a test with directories and a cluster of its own, so two may run at a
# time; but not those that change the test user's home or shell, or that measure time.
set(alone broken odd_paths queue)
file(GLOB sessions CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/e2e/*.t)
foreach(session ${sessions})
  get_filename_component(name ${session} NAME_WE)
  add_test(NAME e2e-${name} COMMAND bash ${session})
  set_tests_properties(e2e-${name} PROPERTIES
    LABELS e2e TIMEOUT 600 SKIP_RETURN_CODE 77
    ENVIRONMENT "REPX_BUILD=${PROJECT_BINARY_DIR}")
  if(name IN_LIST alone)
    set_tests_properties(e2e-${name} PROPERTIES RUN_SERIAL TRUE)
  endif()
endforeach()
