# SPDX-License-Identifier: MIT
# Links that fail: --fault.
repx_unit_test(fault target)
