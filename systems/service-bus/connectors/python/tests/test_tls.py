"""The connector over TLS, with the certificate of a proxy in front of the bus."""

import asyncio
import ssl
import subprocess
import tempfile
import unittest
from pathlib import Path

from bus import KEY, LIMIT, OPTIONS, Bus, soon

from service_bus import EventType, HttpFailed, LinkState, ServiceConnector


async def copy(reader, writer):
    try:
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


class TlsTests(unittest.IsolatedAsyncioTestCase):
    async def test_socketio_and_http_work_over_tls(self):
        bus = Bus()
        self.addCleanup(bus.end)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        key, certificate = Path(folder.name, "key.pem"), Path(folder.name, "cert.pem")
        make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
        make = [*make.split(), "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate]
        subprocess.run(make, check=True, capture_output=True, timeout=LIMIT)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)

        forwarding = set()

        async def forward(reader, writer):
            forwarding.add(asyncio.current_task())
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", int(bus.port))
            await asyncio.gather(copy(reader, to_writer), copy(to_reader, writer))

        proxy = await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context)

        async def end():
            proxy.close()
            bus.kill()
            if forwarding:
                await soon(asyncio.wait(forwarding))

        self.addAsyncCleanup(end)
        url = f"https://localhost:{proxy.sockets[0].getsockname()[1]}"
        trusting = {"key": KEY, "tls": ssl.create_default_context(cafile=certificate), **OPTIONS}
        one = ServiceConnector("one", url, **trusting)
        self.addAsyncCleanup(one.shutdown)
        self.assertEqual(await soon(one.initialize()), LinkState.SOCKET)
        self.assertEqual(await one.broadcast(EventType.SYSTEM_INFO), 1)
        blocked = ServiceConnector("blocked", url, **{**trusting, "path": "/blocked/", "timeout": 2})
        self.addAsyncCleanup(blocked.shutdown)
        self.assertEqual(await soon(blocked.initialize()), LinkState.HTTP)
        self.assertEqual(await blocked.broadcast(EventType.SYSTEM_INFO), 1)
        # A server with an untrusted certificate is refused.
        strict = ServiceConnector("strict", url, KEY, timeout=2)
        self.addAsyncCleanup(strict.shutdown)
        with self.assertRaises(HttpFailed):
            await soon(strict.initialize())


if __name__ == "__main__":
    unittest.main()
