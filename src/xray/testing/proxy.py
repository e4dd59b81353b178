"""A TCP proxy between a client and a real server that breaks what it carries when told to."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from ssl import SSLContext
from typing import Final, TypeVar

from xray.testing.faults import Answer
from xray.testing.network import Late, Repeat
from xray.testing.wire_faults import AnswerTwice, Break, Delay, Drip, Garbage, WireFault

_T = TypeVar("_T")

_LOOPBACK: Final = "127.0.0.1"
_POLL_S: Final = 0.01
_PIECE_BYTES: Final = 64 << 10
_RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)
_FILLERS: Final = 4

_Messages = Garbage | AnswerTwice | Answer | Repeat | Late


class FaultProxy:
    """Carries the connections of clients to a server on this machine, and misbehaves as told.

        with FaultProxy(server_port) as proxy:
            proxy.script(Break("answer"), Drip("request"))
            ...                                  # send to proxy.url

    Each fault is met by one connection. Those of `script` are used up one a connection, `always`
    holds until it is changed; a connection that met none carries any number of requests.

    Args:
        target: the port to forward to.
        tls: speak https to clients with this certificate, and http to the target.
    """

    def __init__(self, target: int, tls: SSLContext | None = None) -> None:
        self.target = target
        self.port = 0
        self._tls = tls
        self._lock = threading.Lock()
        self._script: deque[WireFault | None] = deque()
        self._always: WireFault | None = None
        self._connections = 0
        self._open: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._deaf: list[socket.socket] = []
        self._loop = asyncio.new_event_loop()
        # A client that goes away is what this proxy is for.
        self._loop.set_exception_handler(lambda *_: None)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.listen()

    def __enter__(self) -> FaultProxy:
        """The proxy itself, listening."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://{_LOOPBACK}:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections were opened to it."""
        return self._connections

    def script(self, *faults: WireFault | None) -> None:
        """Let the next connections meet *faults*, one each; None is good service."""
        with self._lock:
            self._script.extend(faults)

    def always(self, fault: WireFault | None) -> None:
        """Let every connection the script says nothing about meet *fault*; None is good service."""
        with self._lock:
            self._always = fault

    def wait_for_connections(self, connections: int, timeout_s: float = 10.0) -> bool:
        """Wait until at least so many *connections* were opened; whether they were."""
        deadline_s = time.monotonic() + timeout_s
        while self._connections < connections:
            if time.monotonic() > deadline_s:
                return False
            time.sleep(_POLL_S)
        return True

    def refuse(self) -> None:
        """Stop listening: connections are refused until `listen`."""
        self._run(self._stop_listening())

    def ignore(self) -> None:
        """Let connections hang before they are opened, until `listen`."""
        self._run(self._stop_listening())
        with self._lock:
            self._deaf = _be_deaf(self.port)

    def listen(self) -> None:
        """Listen, on the same port as before."""
        if self._listener is None or self._deaf:
            self._run(self._start_listening())

    def recover(self) -> None:
        """No fault holds any more; what is open stays as it is."""
        with self._lock:
            self._script.clear()
            self._always = None
        self.listen()

    def cut(self) -> None:
        """Reset every connection that is open."""
        self._run(self._end_connections())

    def close(self) -> None:
        """Stop, and end every connection."""
        if self._loop.is_closed():
            return
        self.refuse()
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[object, object, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start_listening(self) -> None:
        await self._stop_listening()
        self._listener = socket.create_server((_LOOPBACK, self.port), backlog=128)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._loop.add_reader(self._listener, self._accept, self._listener)

    async def _stop_listening(self) -> None:
        for each in self._deaf:
            each.close()
        self._deaf = []
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    async def _end_connections(self) -> None:
        ending = list(self._open)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def _accept(self, listener: socket.socket) -> None:
        # A task that waits for one would lose it when it is cancelled as it comes.
        try:
            connection, _ = listener.accept()
        except OSError:  # whoever came has gone again
            return
        connection.setblocking(False)
        with self._lock:
            self._connections += 1
            fault = self._script.popleft() if self._script else self._always
        task = self._loop.create_task(self._carry(connection, fault))
        self._open.add(task)
        task.add_done_callback(partial(self._forget, connection))

    def _forget(self, connection: socket.socket, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        if task.cancelled():  # before it began
            connection.close()

    async def _carry(self, connection: socket.socket, fault: WireFault | None) -> None:
        try:
            client = await self._open_end(connection)
        except (OSError, asyncio.CancelledError):
            connection.close()
            return
        try:
            if isinstance(fault, Delay) and fault.side == "connection":
                await asyncio.sleep(fault.seconds)
            if isinstance(fault, _Messages):
                await self._carry_message(client, fault)
            else:
                await self._carry_bytes(client, fault)
        except asyncio.CancelledError:
            client.reset()
        except _BrokenError as broken:
            if broken.is_reset:
                client.reset()
        except (OSError, EOFError):
            # Either end went away, as both may.
            pass
        finally:
            client.close()

    async def _open_end(self, connection: socket.socket) -> _Stream:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await self._loop.connect_accepted_socket(
            lambda: protocol, connection, ssl=self._tls
        )
        return _Stream(reader, asyncio.StreamWriter(transport, protocol, reader, self._loop))

    async def _carry_bytes(self, client: _Stream, fault: WireFault | None) -> None:
        server = await self._reach_server()
        there = self._loop.create_task(_pipe(client, server, _of_side(fault, "request")))
        back = self._loop.create_task(_pipe(server, client, _of_side(fault, "answer")))
        try:
            await asyncio.gather(there, back)
        except _BrokenError as broken:
            if broken.is_reset:
                server.reset()
            raise
        finally:
            # Nothing is waited for: another cancellation might come meanwhile.
            there.cancel()
            back.cancel()
            server.close()

    async def _carry_message(self, client: _Stream, fault: _Messages) -> None:
        request = await client.read_message()
        if isinstance(fault, Late):
            client.reset()
            await asyncio.sleep(fault.seconds)
            await self._exchange(request)
        elif isinstance(fault, Answer):
            await client.write(_spell(fault))
        elif isinstance(fault, Garbage):
            if fault.is_forwarded:
                await self._exchange(request)
            await client.write(fault.content)
        else:
            answer = await self._exchange(request)
            if isinstance(fault, Repeat):
                answer = await self._exchange(request)
            await client.write(answer * (2 if isinstance(fault, AnswerTwice) else 1))
            # Whoever keeps the connection finds the rest of the answer in it.
            await client.read()

    async def _exchange(self, request: bytes) -> bytes:
        server = await self._reach_server()
        try:
            await server.write(request)
            return await server.read_message()
        finally:
            server.close()

    async def _reach_server(self) -> _Stream:
        return _Stream(*await asyncio.open_connection(_LOOPBACK, self.target))


class _BrokenError(Exception):
    """The connection is to end here."""

    def __init__(self, *, is_reset: bool) -> None:
        super().__init__()
        self.is_reset = is_reset


class _Stream:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """What came, as soon as there is anything; nothing at its end."""
        return await self._reader.read(_PIECE_BYTES)

    async def read_message(self) -> bytes:
        """A whole HTTP message whose length its head tells."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return head + await self._reader.readexactly(length)

    async def write(self, content: bytes) -> None:
        """Send *content*."""
        self._writer.write(content)
        await self._writer.drain()

    def end(self) -> None:
        """Say that nothing more will be sent, where the protocol can say it."""
        if not self._writer.can_write_eof():
            self._writer.close()
            return
        with suppress(OSError):
            self._writer.write_eof()

    def reset(self) -> None:
        """End the connection as a machine does that was switched off and on."""
        sock = self._writer.get_extra_info("socket")
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        self._writer.transport.abort()

    def close(self) -> None:
        """Send what is left, and end the connection."""
        self._writer.close()


def _of_side(fault: WireFault | None, side: str) -> Break | Drip | Delay | None:
    if isinstance(fault, (Break, Drip, Delay)) and fault.side == side:
        return fault
    return None


async def _pipe(source: _Stream, sink: _Stream, fault: Break | Drip | Delay | None) -> None:
    passed = 0
    if isinstance(fault, Break) and not fault.after_bytes and fault.side == "request":
        await _break(sink, fault)
        return
    while piece := await source.read():
        if isinstance(fault, Delay):
            await asyncio.sleep(fault.seconds)
        if isinstance(fault, Drip):
            for start in range(0, len(piece), fault.piece_bytes):
                await asyncio.sleep(fault.pause_s)
                await sink.write(piece[start : start + fault.piece_bytes])
        elif isinstance(fault, Break) and passed + len(piece) >= fault.after_bytes:
            await sink.write(piece[: fault.after_bytes - passed])
            await _break(sink, fault)
            return
        else:
            await sink.write(piece)
        passed += len(piece)
    sink.end()


async def _break(sink: _Stream, fault: Break) -> None:
    if fault.way == "half_close":
        sink.end()
    elif fault.way == "hang":
        await asyncio.Event().wait()
    else:
        raise _BrokenError(is_reset=fault.way == "reset")


def _be_deaf(port: int) -> list[socket.socket]:
    """A listener that takes nothing, and connections that fill its queue."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((_LOOPBACK, port))
    listener.listen(0)
    fillers = [socket.socket() for _ in range(_FILLERS)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex((_LOOPBACK, port))
    return [listener, *fillers]


def _spell(answer: Answer) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} Told", f"Content-Length: {len(answer.body)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + answer.body
