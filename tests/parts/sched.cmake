# SPDX-License-Identifier: MIT
# Schedulers: the helper protocol, the local queue, Slurm's commands, and submission.
set(local_helper sched-local-linux-${REPX_ARCH})
set(slurm_helper sched-slurm-linux-${REPX_ARCH})

repx_unit_test(queue kit_helper)
target_compile_definitions(test-queue PRIVATE SCHED_LOCAL="$<TARGET_FILE:${local_helper}>")
add_dependencies(test-queue ${local_helper})
