# SPDX-License-Identifier: MIT
# repx_plugin(KIND-NAME [libraries...]): KIND-NAME.so of the calling folder's *.c files but
# helper_*.c, and its manifest KIND-NAME.ini, generated from the plugin.
# repx_scheduler_helper(NAME [libraries...]): the static helper of the same sources and
# helper_*.c with the kit's main.
#
# A manifest holds the digests of the files as they were built, so installing copies them
# as they are: no stripping, no new RPATH. Who strips them later runs repx-manifest again.
set(REPX_PLUGIN_DIR ${PROJECT_BINARY_DIR}/lib/repx/plugins)
set(REPX_PLUGIN_DESTINATION ${CMAKE_INSTALL_LIBDIR}/repx/plugins)

function(repx_plugin name)
  file(GLOB sources CONFIGURE_DEPENDS *.c)
  list(FILTER sources EXCLUDE REGEX "/helper_[a-z_]*\\.c$")
  add_library(${name} MODULE ${sources})
  target_link_libraries(${name} PRIVATE kit ${ARGN})
  set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${REPX_PLUGIN_DIR}
    BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH_USE_LINK_PATH ON)
  target_link_options(${name} PRIVATE -Wl,--exclude-libs,ALL)
  if(NOT REPX_SANITIZE)
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
  add_dependencies(${name} repx-manifest)
  repx_helper_first(${name} ${name}-linux-${REPX_ARCH})
  add_custom_command(TARGET ${name} POST_BUILD
    COMMAND repx-manifest $<TARGET_FILE:${name}>
    BYPRODUCTS ${REPX_PLUGIN_DIR}/${name}.ini)
  install(FILES $<TARGET_FILE:${name}> ${REPX_PLUGIN_DIR}/${name}.ini
    DESTINATION ${REPX_PLUGIN_DESTINATION})
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
  repx_helper_first(sched-${name} ${target})
  add_dependencies(${target} repx-manifest)
  add_custom_command(TARGET ${target} POST_BUILD
    COMMAND repx-manifest --if-built ${REPX_PLUGIN_DIR}/sched-${name}.so)
  install(PROGRAMS $<TARGET_FILE:${target}> DESTINATION ${REPX_PLUGIN_DESTINATION})
endfunction()

# The plugin's manifest names the helper's digest: the helper is built before the plugin,
# in whichever order the two are declared.
function(repx_helper_first plugin helper)
  if(TARGET ${plugin} AND TARGET ${helper})
    add_dependencies(${plugin} ${helper})
  endif()
endfunction()
