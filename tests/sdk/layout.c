/* SPDX-License-Identifier: MIT */
/* The layouts of the contract where pointers have 64 bits, member by member. A line that
 * fails is a break of the ABI; new lines are added when structs grow at their end. */
#include <stddef.h>

#include <repx/plugin.h>
#include <repx/scheduler.h>
#include <repx/sync.h>
#include <repx/transport.h>

#define SIZE(type, n) \
    _Static_assert(sizeof(struct type) == (n), #type " has another size")
#define AT(type, member, n) \
    _Static_assert(offsetof(struct type, member) == (n), #type "." #member " has moved")

/* plugin.h */
SIZE(repx_err, 2048);
AT(repx_err, code, 0);
AT(repx_err, reserved, 4);
AT(repx_err, text, 8);
SIZE(repx_field, 48);
AT(repx_field, name, 0);
AT(repx_field, type, 8);
AT(repx_field, flags, 12);
AT(repx_field, min, 16);
AT(repx_field, max, 24);
AT(repx_field, initial, 32);
AT(repx_field, help, 40);
SIZE(repx_run, 128);
AT(repx_run, size, 0);
AT(repx_run, argv, 8);
AT(repx_run, env, 16);
AT(repx_run, workdir, 24);
AT(repx_run, input, 32);
AT(repx_run, input_len, 40);
AT(repx_run, deadline_ms, 48);
AT(repx_run, output_max, 56);
AT(repx_run, status, 64);
AT(repx_run, reserved, 68);
AT(repx_run, out, 72);
AT(repx_run, out_len, 80);
AT(repx_run, errors, 88);
AT(repx_run, errors_len, 96);
AT(repx_run, output, 104);
AT(repx_run, output_ctx, 112);
AT(repx_run, stop_at, 120);
SIZE(repx_host, 88);
AT(repx_host, size, 0);
AT(repx_host, ctx, 8);
AT(repx_host, log, 16);
AT(repx_host, progress, 24);
AT(repx_host, canceled, 32);
AT(repx_host, cancel_fd, 40);
AT(repx_host, now_ms, 48);
AT(repx_host, config_text, 56);
AT(repx_host, config_number, 64);
AT(repx_host, secret, 72);
AT(repx_host, run, 80);
SIZE(repx_plugin, 112);
AT(repx_plugin, size, 0);
AT(repx_plugin, magic, 8);
AT(repx_plugin, abi_major, 16);
AT(repx_plugin, abi_minor, 20);
AT(repx_plugin, kind, 24);
AT(repx_plugin, phase, 28);
AT(repx_plugin, name, 32);
AT(repx_plugin, version, 40);
AT(repx_plugin, vendor, 48);
AT(repx_plugin, license, 56);
AT(repx_plugin, summary, 64);
AT(repx_plugin, vtable, 72);
AT(repx_plugin, vtable_size, 80);
AT(repx_plugin, fields, 88);
AT(repx_plugin, field_count, 96);
AT(repx_plugin, field_stride, 104);

/* transport.h */
SIZE(repx_endpoint, 40);
AT(repx_endpoint, size, 0);
AT(repx_endpoint, address, 8);
AT(repx_endpoint, target, 16);
AT(repx_endpoint, mode, 24);
AT(repx_endpoint, reserved, 28);
AT(repx_endpoint, deadline_ms, 32);
SIZE(repx_wait, 16);
AT(repx_wait, stream, 0);
AT(repx_wait, want, 8);
AT(repx_wait, ready, 12);
SIZE(repx_transport_stats, 32);
AT(repx_transport_stats, size, 0);
AT(repx_transport_stats, logins, 8);
AT(repx_transport_stats, bytes_sent, 16);
AT(repx_transport_stats, bytes_received, 24);
SIZE(repx_transport_ops, 112);
AT(repx_transport_ops, size, 0);
AT(repx_transport_ops, open, 8);
AT(repx_transport_ops, close, 16);
AT(repx_transport_ops, start, 24);
AT(repx_transport_ops, read, 32);
AT(repx_transport_ops, write, 40);
AT(repx_transport_ops, half_close, 48);
AT(repx_transport_ops, wait, 56);
AT(repx_transport_ops, exit_status, 64);
AT(repx_transport_ops, end, 72);
AT(repx_transport_ops, stats, 80);
AT(repx_transport_ops, login, 88);
AT(repx_transport_ops, logout, 96);
AT(repx_transport_ops, suits, 104);

/* scheduler.h */
SIZE(repx_resources, 112);
AT(repx_resources, size, 0);
AT(repx_resources, cpus, 8);
AT(repx_resources, memory, 16);
AT(repx_resources, time, 24);
AT(repx_resources, nodes, 32);
AT(repx_resources, tasks, 40);
AT(repx_resources, gpus, 48);
AT(repx_resources, queue, 56);
AT(repx_resources, account, 64);
AT(repx_resources, qos, 72);
AT(repx_resources, constraint, 80);
AT(repx_resources, exclusive, 88);
AT(repx_resources, native, 96);
AT(repx_resources, native_count, 104);
SIZE(repx_dep, 24);
AT(repx_dep, type, 0);
AT(repx_dep, reserved, 4);
AT(repx_dep, id, 8);
AT(repx_dep, key, 16);
SIZE(repx_unit, 192);
AT(repx_unit, size, 0);
AT(repx_unit, key, 8);
AT(repx_unit, name, 16);
AT(repx_unit, argv, 24);
AT(repx_unit, body, 32);
AT(repx_unit, workdir, 40);
AT(repx_unit, array, 48);
AT(repx_unit, deps, 56);
AT(repx_unit, dep_count, 64);
AT(repx_unit, dep_stride, 72);
AT(repx_unit, resources, 80);
SIZE(repx_submit_sink, 16);
AT(repx_submit_sink, ctx, 0);
AT(repx_submit_sink, answer, 8);
SIZE(repx_status, 56);
AT(repx_status, size, 0);
AT(repx_status, id, 8);
AT(repx_status, key, 16);
AT(repx_status, index, 24);
AT(repx_status, state, 32);
AT(repx_status, exit, 36);
AT(repx_status, reason, 40);
AT(repx_status, node, 48);
SIZE(repx_status_sink, 16);
AT(repx_status_sink, ctx, 0);
AT(repx_status_sink, row, 8);
SIZE(repx_found_sink, 16);
AT(repx_found_sink, ctx, 0);
AT(repx_found_sink, found, 8);
SIZE(repx_limits, 72);
AT(repx_limits, size, 0);
AT(repx_limits, array_max, 8);
AT(repx_limits, submit_max, 16);
AT(repx_limits, script_max, 24);
AT(repx_limits, name_max, 32);
AT(repx_limits, poll_ms, 40);
AT(repx_limits, node_submits, 48);
AT(repx_limits, remembers_s, 56);
AT(repx_limits, index_ids, 64);
SIZE(repx_scheduler_ops, 80);
AT(repx_scheduler_ops, size, 0);
AT(repx_scheduler_ops, open, 8);
AT(repx_scheduler_ops, close, 16);
AT(repx_scheduler_ops, check, 24);
AT(repx_scheduler_ops, limits, 32);
AT(repx_scheduler_ops, submit, 40);
AT(repx_scheduler_ops, status, 48);
AT(repx_scheduler_ops, find, 56);
AT(repx_scheduler_ops, cancel, 64);
AT(repx_scheduler_ops, amend, 72);

/* sync.h */
SIZE(repx_entry, 72);
AT(repx_entry, size, 0);
AT(repx_entry, path, 8);
AT(repx_entry, kind, 16);
AT(repx_entry, executable, 20);
AT(repx_entry, length, 24);
AT(repx_entry, digest, 32);
AT(repx_entry, link, 64);
SIZE(repx_tree, 32);
AT(repx_tree, size, 0);
AT(repx_tree, entries, 8);
AT(repx_tree, count, 16);
AT(repx_tree, stride, 24);
SIZE(repx_sync_host, 176);
AT(repx_sync_host, size, 0);
AT(repx_sync_host, host, 8);
AT(repx_sync_host, ctx, 16);
AT(repx_sync_host, source_count, 24);
AT(repx_sync_host, source_entry, 32);
AT(repx_sync_host, source_read, 40);
AT(repx_sync_host, known, 48);
AT(repx_sync_host, remember, 56);
AT(repx_sync_host, have, 64);
AT(repx_sync_host, place, 72);
AT(repx_sync_host, lacking, 80);
AT(repx_sync_host, put, 88);
AT(repx_sync_host, verify, 96);
AT(repx_sync_host, room, 104);
AT(repx_sync_host, signature, 112);
AT(repx_sync_host, patch, 120);
AT(repx_sync_host, raw_exec, 128);
AT(repx_sync_host, raw_read, 136);
AT(repx_sync_host, raw_write, 144);
AT(repx_sync_host, base_path, 152);
AT(repx_sync_host, state_path, 160);
AT(repx_sync_host, tree_digest, 168);
SIZE(repx_sync_ops, 24);
AT(repx_sync_ops, size, 0);
AT(repx_sync_ops, perform, 8);
AT(repx_sync_ops, connect, 16);
