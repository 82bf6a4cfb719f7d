# SPDX-License-Identifier: MIT
# Tests of the text. tidy needs the compile commands of clang.
foreach(name spdx includes format shell)
  add_test(NAME lint-${name} COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/lint/${name}.sh)
  set_tests_properties(lint-${name} PROPERTIES LABELS lint TIMEOUT 300)
endforeach()
if(CMAKE_C_COMPILER_ID MATCHES Clang)
  add_test(NAME lint-tidy
    COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/lint/tidy.sh ${PROJECT_BINARY_DIR})
  set_tests_properties(lint-tidy PROPERTIES LABELS lint TIMEOUT 1200)
endif()
