# SPDX-License-Identifier: MIT
repx_unit_test(json json)
foreach(name lab lab_cache lab_broken lab_tar lab_index)
  repx_unit_test(${name} lab)
  target_compile_definitions(test-${name} PRIVATE TEST_LABS="${CMAKE_CURRENT_SOURCE_DIR}/labs")
endforeach()
foreach(name lab_json lab_tar)
  repx_fuzz_target(${name} lab)
endforeach()
