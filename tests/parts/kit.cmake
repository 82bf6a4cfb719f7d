# SPDX-License-Identifier: MIT
# What the SDK's kit has for plugins of schedulers.
foreach(name scheduler stream records tree)
  repx_unit_test(kit_${name} kit)
endforeach()
foreach(name stream text records)
  repx_fuzz_target(kit_${name} kit)
endforeach()
