# SPDX-License-Identifier: MIT
# The contract from outside: files that are no plugins, headers, the installed SDK.
repx_unit_test(plugin_probe plugin)
target_compile_definitions(test-plugin_probe PRIVATE BROKEN_DIR="${REPX_BROKEN_DIR}")
# A crash is to be a crash, also where the sanitizer would make an exit of it.
set_tests_properties(unit-plugin_probe PROPERTIES
  ENVIRONMENT "ASAN_OPTIONS=handle_segv=0:handle_abort=0")
repx_broken_plugin(exits BROKEN_ENTRY=exit\(3\))
repx_broken_plugin(exits0 BROKEN_ENTRY=_exit\(0\))
# Not through the handler of a sanitizer.
repx_broken_plugin(crashes "BROKEN_ENTRY=(signal(SIGSEGV,SIG_DFL),raise(SIGSEGV))")
repx_broken_plugin(hangs BROKEN_ENTRY=sleep\(600\))
repx_broken_plugin(loading BROKEN_LOADING=abort\(\))
repx_broken_plugin(lies BROKEN_LIE BROKEN_SIZE=65536)
repx_broken_plugin(lies_more BROKEN_SIZE=60000)
repx_broken_plugin(prints BROKEN_ENTRY=\(void\)!write\(1,\"printed\",7\))
repx_broken_plugin(nowhere)
target_link_options(broken-nowhere PRIVATE "-Wl,-rpath,/usr/lib:,-z,now")
repx_broken_plugin(relative)
target_link_options(broken-relative PRIVATE -Wl,-rpath,lib)
add_dependencies(test-plugin_probe test-plugin broken-exits broken-exits0 broken-crashes
  broken-hangs broken-loading broken-lies broken-lies_more broken-prints broken-nowhere
  broken-relative)

add_test(NAME sdk-headers COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/sdk/headers.sh
  ${PROJECT_SOURCE_DIR} ${REPX_PLUGIN_DIR})
set_tests_properties(sdk-headers PROPERTIES LABELS sdk TIMEOUT 120)

# The conformance kit: bundled plugins pass, wrong ones fail on the check made for them.
function(repx_conformance name)
  add_test(NAME conformance-${name} COMMAND repx-plugin-test ${REPX_PLUGIN_DIR}/${name}.so ${ARGN})
  set_tests_properties(conformance-${name} PROPERTIES LABELS conformance TIMEOUT 600)
endfunction()
foreach(plugin transport-local sched-local sync-bootstrap sync-lab sync-image)
  repx_conformance(${plugin})
endforeach()

repx_conformance(sched-slurm --fake slurm --batch 100 --patience 30)

# Its helper is a script; only we may be able to change that.
set(exec_script ${CMAKE_CURRENT_BINARY_DIR}/background.py)
file(COPY ${PROJECT_SOURCE_DIR}/examples/plugins/sched-exec/background.py
  DESTINATION ${CMAKE_CURRENT_BINARY_DIR} FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/exec.toml
  "[targets.test]\naddress = \"test\"\nbase_path = \"/tmp\"\n[targets.test.exec]\nhelper = \"${exec_script}\"\n")
repx_conformance(sched-exec --config ${CMAKE_CURRENT_BINARY_DIR}/exec.toml --batch 50)

# WHAT: the plugin that is spoiled; SOURCE: how.
function(repx_wrong_plugin what source name)
  set(target ${source}-${name})
  add_library(${target} MODULE ${CMAKE_CURRENT_SOURCE_DIR}/plugins/${source}.c)
  target_link_libraries(${target} PRIVATE kit)
  string(TOUPPER ${name} define)
  target_compile_definitions(${target} PRIVATE WRONG_${define})
  target_compile_options(${target} PRIVATE -Wno-unused-function -Wno-unused-variable)
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${what}
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/wrong/${name})
  add_dependencies(${target} repx-manifest)
  add_custom_command(TARGET ${target} POST_BUILD
    COMMAND repx-manifest $<TARGET_FILE:${target}>)
endfunction()
foreach(name status bytes errors deadline stride leak end half crash exit field inherit memory
    deaf patient once blocks pipe naps one suits stats close)
  repx_wrong_plugin(transport-local wrong ${name})
endforeach()
foreach(name loses trips past early forgets mode place link twice deaf hasty all leak open chdir
    signal environment prints exact empty code)
  repx_wrong_plugin(sync-plain wrong_sync ${name})
endforeach()
foreach(name boast zero bits)
  repx_wrong_plugin(sched-exec wrong_sched ${name})
endforeach()
foreach(name trusts unended)
  repx_wrong_plugin(sync-lab wrong_delta ${name})
  target_link_libraries(wrong_delta-${name} PRIVATE delta_shared)
endforeach()
foreach(name afresh strict stubborn again never mute)
  repx_wrong_plugin(sync-bootstrap wrong_bootstrap ${name})
  foreach(source connect perform script)
    target_sources(wrong_bootstrap-${name} PRIVATE
      ${PROJECT_SOURCE_DIR}/plugins/sync-bootstrap/${source}.c)
  endforeach()
endforeach()
add_test(NAME conformance-wrong COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/sdk/wrong.sh
  $<TARGET_FILE:repx-plugin-test> ${CMAKE_CURRENT_BINARY_DIR}/wrong)
set_tests_properties(conformance-wrong PROPERTIES LABELS conformance TIMEOUT 300)
add_test(NAME conformance-wrong-sched COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/sdk/wrong_sched.sh
  $<TARGET_FILE:repx-plugin-test> ${REPX_PLUGIN_DIR}/sched-exec.so ${exec_script})
set_tests_properties(conformance-wrong-sched PROPERTIES LABELS conformance TIMEOUT 600)

add_test(NAME conformance-wrong-sched-fake COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/sdk/wrong_sched_fake.sh
  $<TARGET_FILE:repx-plugin-test> $<TARGET_FILE:repx-manifest> ${REPX_PLUGIN_DIR}/sched-slurm.so)
set_tests_properties(conformance-wrong-sched-fake PROPERTIES LABELS conformance TIMEOUT 600)

# A plugin with a library of its own beside it.
repx_unit_test(plugin_origin plugin)
target_compile_definitions(test-plugin_origin PRIVATE BROKEN_DIR="${REPX_BROKEN_DIR}")
add_library(origin_dep SHARED ${CMAKE_CURRENT_SOURCE_DIR}/plugins/origin_dep.c)
set_target_properties(origin_dep PROPERTIES C_VISIBILITY_PRESET default
  LIBRARY_OUTPUT_DIRECTORY ${REPX_BROKEN_DIR})
repx_broken_plugin(origin BROKEN_ANSWER=origin_answer\(\) BROKEN_NAME="origin")
target_link_libraries(broken-origin PRIVATE origin_dep)
set_target_properties(broken-origin PROPERTIES BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "$ORIGIN")
add_dependencies(test-plugin_origin broken-origin broken-good)

# The contract against its baseline, and plugins of other builds of it.
add_test(NAME sdk-abi COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/abi/abi.sh ${PROJECT_SOURCE_DIR})
set_tests_properties(sdk-abi PROPERTIES LABELS sdk TIMEOUT 120 SKIP_RETURN_CODE 77)
add_test(NAME sdk-old COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/abi/old.sh ${PROJECT_SOURCE_DIR}
  $<TARGET_FILE:repx> $<TARGET_FILE:repx-plugin-test>)
set_tests_properties(sdk-old PROPERTIES LABELS sdk TIMEOUT 120 SKIP_RETURN_CODE 77)
add_test(NAME sdk-keys COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/sdk/keys_page.sh $<TARGET_FILE:repx>
  ${REPX_PLUGIN_DIR} ${PROJECT_SOURCE_DIR}/docs/man/repx-plugins.7)
set_tests_properties(sdk-keys PROPERTIES LABELS sdk TIMEOUT 60)
