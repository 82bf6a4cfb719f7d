# SPDX-License-Identifier: MIT
# repx_flags: the one place for compiler flags. repx_library: a static library of a folder.
add_library(repx_flags INTERFACE)
target_include_directories(repx_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/sdk/include ${PROJECT_SOURCE_DIR}/sdk ${PROJECT_SOURCE_DIR})
target_compile_definitions(repx_flags INTERFACE
  $<$<COMPILE_LANGUAGE:C>:_POSIX_C_SOURCE=200809L> REPX_VERSION="${PROJECT_VERSION}")
set(REPX_C_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wundef -Wcast-qual -Wcast-align
  -Wwrite-strings -Wformat=2 -Wstrict-prototypes -Wold-style-definition -Wmissing-prototypes
  -Wmissing-declarations -Wpointer-arith -Wconversion -Wno-sign-conversion
  -Wimplicit-fallthrough -Wswitch-enum -Wno-missing-field-initializers)
if(CMAKE_C_COMPILER_ID STREQUAL GNU)
  list(APPEND REPX_C_WARNINGS -Wlogical-op -Wduplicated-cond -Wduplicated-branches
    -Wno-format-truncation)
else()
  list(APPEND REPX_C_WARNINGS -Wcomma -Wconditional-uninitialized)
endif()
target_compile_options(repx_flags INTERFACE
  "$<$<COMPILE_LANGUAGE:C>:${REPX_C_WARNINGS}>" -fno-common -fstack-protector-strong
  $<$<BOOL:${REPX_WERROR}>:-Werror>)
if(REPX_SANITIZE)
  target_compile_options(repx_flags INTERFACE -fsanitize=${REPX_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(repx_flags INTERFACE -fsanitize=${REPX_SANITIZE})
else()
  target_compile_definitions(repx_flags INTERFACE
    $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
  target_link_options(repx_flags INTERFACE -Wl,-z,relro,-z,now)
endif()

# repx_library(NAME [libraries...]): all *.c of the calling folder.
function(repx_library name)
  file(GLOB sources CONFIGURE_DEPENDS *.c *.cc)
  if(NOT sources)
    return()
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC repx_flags ${ARGN})
endfunction()
