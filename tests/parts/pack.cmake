# SPDX-License-Identifier: MIT
repx_unit_test(labpack labpack)
repx_unit_test(labpack_def labpack)
repx_unit_test(labpack_image labpack)
repx_fuzz_target(labdef labpack)
