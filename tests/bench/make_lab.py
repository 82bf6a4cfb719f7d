#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_lab.py KIND DIR [NUMBER]: a Lab of one trivial job, for measuring transfers.

    small DIR N       N files of 200 B to 8 KiB beside the script (20,000: 82 MB)
    tiny DIR N        N files of 40 B
    bulk DIR N        8 files of N MiB; every other one compresses well
    inserted DIR N    the same as bulk with two files, 256 KiB inserted in each
    large DIR N       one file of N MiB
    layers DIR N      an image of 12 layers of 8 MiB; N says which variant of the seventh it has

The same arguments give the same Lab."""
import hashlib
import json
import os
import random
import sys

JOB = "0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-bench-1.1"
MIB = 1 << 20
listed = []


def put(path, data, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)
    listed.append((path, hashlib.sha256(data).hexdigest()))


def words(size):
    line = b"".join(b"%d some words of a log, with a number\n" % i for i in range(2000))
    return (line * (size // len(line) + 1))[:size]


def small(count, low, high):
    pool = random.randbytes(high * 64)
    for i in range(count):
        size = random.randint(low, high)
        at = random.randrange(0, len(pool) - size)
        data = b"%08d" % i + pool[at + 8:at + size]
        put(f"jobs/{JOB}/data/d{i // 500}/f{i}", data)


def bulk(files, size, inserted=b""):
    for i in range(files):
        data = words(size) if i % 2 else random.randbytes(size)
        if inserted:
            data = data[:size // 3] + random.randbytes(256 << 10) + data[size // 3:]
        put(f"jobs/{JOB}/data/b{i}", data)


def layers(variant):
    names = []
    for i in range(12):
        random.seed(f"layer {i} {variant if i == 6 else 0}")
        data = random.randbytes(8 * MIB - 10240) + bytes(10240)
        name = hashlib.sha256(data).hexdigest()
        put(f"store/{name}-layer.tar", data)
        os.makedirs(f"images/bench.tar/{name}", exist_ok=True)
        os.symlink(f"../../../store/{name}-layer.tar", f"images/bench.tar/{name}/layer.tar")
        names.append(name)
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {
        "type": "layers", "diff_ids": ["sha256:" + n for n in names]}}).encode()
    put("images/bench.tar/config.json", config)
    put("images/bench.tar/manifest.json", json.dumps([{
        "Config": "config.json", "RepoTags": ["bench:1"],
        "Layers": [n + "/layer.tar" for n in names]}]).encode())


def main():
    kind, target, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    os.makedirs(target)
    os.chdir(target)
    random.seed("bench")
    if kind in ("small", "tiny"):
        small(number, *((200, 8192) if kind == "small" else (40, 40)))
    elif kind in ("bulk", "inserted"):
        bulk(2 if kind == "inserted" or number < 0 else 8, abs(number) * MIB,
             b"x" if kind == "inserted" else b"")
    elif kind == "large":
        with open(os.path.join(os.makedirs(f"jobs/{JOB}/data") or f"jobs/{JOB}/data", "large"), "wb") as f:
            digest = hashlib.sha256()
            for _ in range(number):
                data = random.randbytes(MIB)
                digest.update(data)
                f.write(data)
        listed.append((f"jobs/{JOB}/data/large", digest.hexdigest()))
    elif kind == "layers":
        layers(number)
    else:
        sys.exit(__doc__)
    put(f"jobs/{JOB}/bin/bench", b'#!/bin/sh\necho done >"$1/out.txt"\n', 0o755)
    os.makedirs("host-tools/none/bin")
    put("readme/README.md", b"For measuring.\n")
    image = "images/bench.tar" if kind == "layers" else None
    put("revision/metadata-bench.json", json.dumps({
        "name": "bench", "type": "run", "gitHash": "none", "image": image, "dependencies": {},
        "jobs": {JOB: {
            "name": "bench-1.1", "stage_type": "simple", "params": {}, "resource_hints": None,
            "executables": {"main": {
                "path": f"jobs/{JOB}/bin/bench", "inputs": [], "outputs": {"text": "$out/out.txt"},
                "resource_hints": None, "deps": []}}}}}).encode())
    put("revision/metadata-top.json", json.dumps({
        "type": "root", "repx_version": "0.5.0", "gitHash": "none",
        "runs": ["revision/metadata-bench.json"]}).encode())
    files = [{"path": p, "sha256": d} for p, d in sorted(listed)]
    if image:
        files += [{"path": f"images/bench.tar/{n['path'][6:-10]}/layer.tar", "sha256": n["sha256"]}
                  for n in files if n["path"].startswith("store/")]
    os.makedirs("lab")
    with open("lab/lab-metadata.json", "w", encoding="ascii") as f:
        json.dump({"labId": "bench0000", "lab_version": "1",
                   "metadata": "revision/metadata-top.json", "files": files}, f)


main()
