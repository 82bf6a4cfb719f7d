# SPDX-License-Identifier: MIT
# The agent is a program; what is tested of its store alone is a library here.
file(GLOB store_sources CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/core/agent/store*.c ${PROJECT_SOURCE_DIR}/core/agent/index*.c)
list(FILTER store_sources EXCLUDE REGEX "/store_verbs\\.c$")
add_library(store_parts STATIC ${store_sources})
target_link_libraries(store_parts PUBLIC wire)
repx_unit_test(store store_parts)
repx_unit_test(store_tree store_parts)
repx_unit_test(index store_parts)
repx_unit_test(pack store_parts)
repx_fuzz_target(pack store_parts)
repx_fuzz_target(tree store_parts)
