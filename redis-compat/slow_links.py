"""Links between nodes that take their time: a proxy before each node's cluster port.

Each node announces its proxy's port, so that everything other nodes send it, and what it answers,
goes through there. Every piece of bytes is held for a random time up to `delay_s`, in both
directions, and pieces stay in order, as on a real link. All runs on one thread of its own.
"""

import asyncio
import random
import threading

PIECE_BYTES = 1 << 16


class SlowLinks:
    """Proxies; add() one for each node before the nodes start."""

    def __init__(self, delay_s, seed=1):
        self._delay_s = delay_s
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.pieces = 0

    def add(self, port):
        """Returns the port of a proxy before `port`."""
        future = asyncio.run_coroutine_threadsafe(self._listen(port), self._loop)
        return future.result(timeout=10)

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    async def _listen(self, port):
        async def connected(reader, writer):
            try:
                further, back = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                writer.close()
                return
            await asyncio.gather(self._carry(reader, back), self._carry(further, writer))

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        return server.sockets[0].getsockname()[1]

    async def _carry(self, reader, writer):
        """One direction of a connection: pieces wait side by side and leave in order."""
        queue = asyncio.Queue(maxsize=4096)
        sender = asyncio.ensure_future(self._deliver(queue, writer))
        try:
            while piece := await reader.read(PIECE_BYTES):
                self.pieces += 1
                due = self._loop.time() + self._random.uniform(0, self._delay_s)
                await queue.put((due, piece))
        except OSError:
            pass
        await queue.put((0, b""))
        await sender

    async def _deliver(self, queue, writer):
        try:
            while True:
                due, piece = await queue.get()
                if not piece:
                    break
                if (wait_s := due - self._loop.time()) > 0:
                    await asyncio.sleep(wait_s)
                writer.write(piece)
                await writer.drain()
        except OSError:
            while (await queue.get())[1]:
                pass
        writer.close()
