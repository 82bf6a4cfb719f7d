# SPDX-License-Identifier: MIT
# Deltas with the static library, which is the agent's, and against the store.
repx_unit_test(delta kit delta_static)
repx_unit_test(store_delta store_parts)
repx_fuzz_target(delta kit delta_static)
repx_fuzz_target(signature kit delta_static)
