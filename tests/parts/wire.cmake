# SPDX-License-Identifier: MIT
foreach(name frame msg digest mux)
  repx_unit_test(${name} wire)
endforeach()
foreach(name frame msg mux)
  repx_fuzz_target(${name} wire)
endforeach()
