# SPDX-License-Identifier: MIT
# The contract from outside: files that are no plugins, headers, the installed SDK.
repx_unit_test(plugin_probe plugin)
target_compile_definitions(test-plugin_probe PRIVATE BROKEN_DIR="${REPX_BROKEN_DIR}")
repx_broken_plugin(exits BROKEN_ENTRY=exit\(3\))
repx_broken_plugin(exits0 BROKEN_ENTRY=_exit\(0\))
repx_broken_plugin(crashes BROKEN_ENTRY=raise\(SIGSEGV\))
repx_broken_plugin(hangs BROKEN_ENTRY=sleep\(600\))
repx_broken_plugin(loading BROKEN_LOADING=abort\(\))
repx_broken_plugin(lies BROKEN_LIE BROKEN_SIZE=65536)
add_dependencies(test-plugin_probe test-plugin broken-exits broken-exits0 broken-crashes
  broken-hangs broken-loading broken-lies)

add_test(NAME sdk-headers COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/sdk/headers.sh
  ${PROJECT_SOURCE_DIR} ${REPX_PLUGIN_DIR})
set_tests_properties(sdk-headers PROPERTIES LABELS sdk TIMEOUT 120)
