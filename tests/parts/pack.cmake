# SPDX-License-Identifier: MIT
add_executable(test-lab-pack ${CMAKE_CURRENT_SOURCE_DIR}/labs/pack_main.c)
target_link_libraries(test-lab-pack PRIVATE labpack)
repx_unit_test(labpack labpack)
repx_unit_test(labpack_def labpack)
repx_unit_test(labpack_image labpack)
repx_fuzz_target(labdef labpack)
