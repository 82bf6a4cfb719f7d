#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""wanproxy - a TCP proxy on loopback that behaves like a slow or broken WAN.

It needs no privilege.  It delays and caps bytes, not packets: what TCP itself
does on a long path (slow start, loss recovery) is not modelled.

    wanproxy.py --listen 127.0.0.1:PORT --to 127.0.0.1:PORT --conf FILE [--ready FILE]

FILE holds key=value lines and is read again on SIGHUP:
    rtt_ms=40        round trip; a new connection also pays one for its handshake
    rate_kbit=0      cap per direction, shared by all connections; 0 = none
    queue_kb=4096    bytes in flight per connection and direction
    down=0           1 = a black hole: nothing moves, nothing is refused
    refuse=0         1 = every new connection is reset
    cut_up_bytes=0   reset a connection once it has carried this many bytes
    cut_down_bytes=0   up (client to server) or down; 0 = never
    stall_up_bytes=0 stop moving bytes, without closing, likewise
    stall_down_bytes=0
SIGUSR1 resets every open connection; SIGTERM ends.
"""
import argparse
import asyncio
import signal
import socket
import struct
import sys

DEFAULTS = dict(rtt_ms=0, rate_kbit=0, queue_kb=4096, down=0, refuse=0,
                cut_up_bytes=0, cut_down_bytes=0,
                stall_up_bytes=0, stall_down_bytes=0)


class Conf:
    def __init__(self, path):
        self.path = path
        self.load()

    def load(self):
        values = dict(DEFAULTS)
        with open(self.path) as f:
            for line in f:
                key, eq, value = line.split("#")[0].partition("=")
                if eq and key.strip() in values:
                    values[key.strip()] = float(value)
        self.__dict__.update(values)


class Line:
    """The capped line of one direction, shared by all connections."""

    def __init__(self, conf):
        self.conf = conf
        self.free_at = 0.0

    def book(self, now, size):
        if self.conf.rate_kbit <= 0:
            return now
        self.free_at = max(self.free_at, now) + size * 8 / (self.conf.rate_kbit * 1000)
        return self.free_at


def reset(writer):
    """Closes with RST rather than FIN."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
    writer.transport.abort()


class Connection:
    def __init__(self, proxy, client):
        self.proxy, self.conf = proxy, proxy.conf
        self.client, self.server = client, None

    def cut(self):
        for end in (self.client, self.server):
            if end is not None:
                reset(end[1])

    async def run(self):
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(self.conf.rtt_ms / 1000)
            if self.conf.refuse:
                return self.cut()
            self.server = await asyncio.open_connection(*self.proxy.to)
            self.server[1].get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.gather(
                self.carry(loop, self.client[0], self.server[1], self.proxy.up, "up"),
                self.carry(loop, self.server[0], self.client[1], self.proxy.down, "down"))
        except OSError:
            self.cut()
        finally:
            for end in (self.client, self.server):
                if end is not None:
                    end[1].close()

    async def carry(self, loop, reader, writer, line, way):
        queue, room = asyncio.Queue(), asyncio.Condition()
        state = {"held": 0}

        async def take():
            total = 0
            while True:
                data = await reader.read(16384)
                due = line.book(loop.time(), len(data)) + self.conf.rtt_ms / 2000
                total += len(data)
                async with room:
                    await room.wait_for(
                        lambda: state["held"] < self.conf.queue_kb * 1024)
                    state["held"] += len(data)
                queue.put_nowait((due, data))
                if not data:
                    return

        async def give():
            carried = 0
            while True:
                due, data = await queue.get()
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                stall = getattr(self.conf, f"stall_{way}_bytes")
                while self.conf.down or (stall and carried + len(data) > stall):
                    await asyncio.sleep(0.05)
                    stall = getattr(self.conf, f"stall_{way}_bytes")
                if not data:
                    if writer.can_write_eof():
                        writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
                carried += len(data)
                cut = getattr(self.conf, f"cut_{way}_bytes")
                if cut and carried >= cut:
                    return self.cut()
                async with room:
                    state["held"] -= len(data)
                    room.notify_all()

        taker = asyncio.ensure_future(take())
        try:
            await give()
        finally:
            taker.cancel()


class Proxy:
    def __init__(self, conf, to):
        self.conf, self.to, self.open = conf, to, set()
        self.up, self.down = Line(conf), Line(conf)

    async def accept(self, reader, writer):
        writer.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, (reader, writer))
        self.open.add(connection)
        try:
            await connection.run()
        finally:
            self.open.discard(connection)

    def cut_all(self):
        for connection in list(self.open):
            connection.cut()


async def main():
    parser = argparse.ArgumentParser()
    for name in ("--listen", "--to", "--conf"):
        parser.add_argument(name, required=True)
    parser.add_argument("--ready")
    args = parser.parse_args()
    host, port = args.listen.rsplit(":", 1)
    to = args.to.rsplit(":", 1)
    if not host.startswith("127.") or not to[0].startswith("127."):
        sys.exit("wanproxy: only loopback addresses")
    proxy = Proxy(Conf(args.conf), (to[0], int(to[1])))
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, proxy.conf.load)
    loop.add_signal_handler(signal.SIGUSR1, proxy.cut_all)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await asyncio.start_server(proxy.accept, host, int(port))
    if args.ready:
        open(args.ready, "w").close()
    async with server:
        await stop.wait()
    proxy.cut_all()


if __name__ == "__main__":
    asyncio.run(main())
