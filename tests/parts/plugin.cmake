# SPDX-License-Identifier: MIT
# Plugins that are wrong in one way each, and the loader that must say which.
set(REPX_BROKEN_DIR ${CMAKE_BINARY_DIR}/tests/plugins)
function(repx_broken_plugin name)
  add_library(broken-${name} MODULE ${CMAKE_CURRENT_SOURCE_DIR}/plugins/broken.c)
  target_link_libraries(broken-${name} PRIVATE repx_flags)
  target_compile_definitions(broken-${name} PRIVATE ${ARGN})
  set_target_properties(broken-${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
    LIBRARY_OUTPUT_DIRECTORY ${REPX_BROKEN_DIR})
  add_dependencies(test-plugin broken-${name})
endfunction()

repx_unit_test(plugin plugin)
target_compile_definitions(test-plugin PRIVATE BROKEN_DIR="${REPX_BROKEN_DIR}")
repx_broken_plugin(good)
repx_broken_plugin(symbol BROKEN_SYMBOL)
repx_broken_plugin(magic BROKEN_MAGIC=UINT64_C\(0x11\))
repx_broken_plugin(major BROKEN_MAJOR=7)
repx_broken_plugin(huge BROKEN_SIZE=65537)
repx_broken_plugin(tiny BROKEN_SIZE=40)
repx_broken_plugin(slot BROKEN_SLOT)
repx_broken_plugin(kind BROKEN_KIND=REPX_KIND_SYNC)
repx_broken_plugin(kind9 BROKEN_KIND=9)
repx_broken_plugin(name BROKEN_NAME="other")
repx_broken_plugin(vhuge BROKEN_VTABLE=70000)
repx_broken_plugin(vtiny BROKEN_VTABLE=16)
repx_broken_plugin(older BROKEN_VTABLE=offsetof\(struct\ repx_transport_ops,login\))

repx_unit_test(manifest plugin)
target_sources(test-manifest PRIVATE ${PROJECT_SOURCE_DIR}/core/plugin/tool/manifest_write.c)
repx_fuzz_target(plugin_elf plugin)
repx_fuzz_target(manifest plugin)

# A transport from the command line, for the tests against a real sshd.
add_executable(drive ${CMAKE_CURRENT_SOURCE_DIR}/plugins/drive.c)
target_link_libraries(drive PRIVATE plugin)
add_test(NAME transports COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/plugins/transports.sh
  $<TARGET_FILE:drive> ${REPX_PLUGIN_DIR})
set_tests_properties(transports PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)

# The readers of transport-ssh, from its own sources.
set(REPX_SSH_DIR ${PROJECT_SOURCE_DIR}/plugins/transport-ssh)
add_library(ssh_readers STATIC ${REPX_SSH_DIR}/settings.c ${REPX_SSH_DIR}/known_hosts.c
  ${REPX_SSH_DIR}/identity.c ${REPX_SSH_DIR}/base64.c)
target_link_libraries(ssh_readers PUBLIC kit PkgConfig::SSH2)
repx_unit_test(sshconfig ssh_readers)
repx_unit_test(knownhosts ssh_readers)
repx_fuzz_target(known_hosts ssh_readers)
repx_fuzz_target(ssh_files ssh_readers)
