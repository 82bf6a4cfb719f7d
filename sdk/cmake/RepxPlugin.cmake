# SPDX-License-Identifier: MIT
# repx_plugin(KIND-NAME [libraries...]): KIND-NAME.so of the calling folder's *.c files but
# helper_*.c, and its manifest KIND-NAME.ini, generated from the plugin.
# repx_scheduler_helper(NAME [libraries...]): the static helper of the same sources and
# helper_*.c with the kit's main.
set(REPX_PLUGIN_DIR ${PROJECT_BINARY_DIR}/lib/repx/plugins)

function(repx_plugin name)
  file(GLOB sources CONFIGURE_DEPENDS *.c)
  list(FILTER sources EXCLUDE REGEX "/helper_[a-z_]*\\.c$")
  add_library(${name} MODULE ${sources})
  target_link_libraries(${name} PRIVATE kit ${ARGN})
  set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${REPX_PLUGIN_DIR})
  target_link_options(${name} PRIVATE -Wl,--exclude-libs,ALL)
  if(NOT REPX_SANITIZE)
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
  install(TARGETS ${name} DESTINATION ${CMAKE_INSTALL_LIBDIR}/repx/plugins)
endfunction()

function(repx_scheduler_helper name)
  file(GLOB sources CONFIGURE_DEPENDS *.c)
  set(target sched-${name}-linux-${REPX_ARCH})
  add_executable(${target} ${sources})
  target_compile_definitions(${target} PRIVATE REPX_HELPER=1)
  target_link_libraries(${target} PRIVATE kit_helper ${ARGN})
  if(NOT REPX_SANITIZE)
    target_link_options(${target} PRIVATE -static)
  endif()
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${REPX_PLUGIN_DIR}
    POSITION_INDEPENDENT_CODE OFF)
  install(TARGETS ${target} DESTINATION ${CMAKE_INSTALL_LIBDIR}/repx/plugins)
endfunction()
