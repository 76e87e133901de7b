"""Writes a wheel around a program: build_wheel.py PROGRAM VERSION PLATFORM README OUTPUT_FOLDER LICENCE...

A wheel is a zip file with a list of its files and their hashes; pip puts files of `.data/scripts` beside its own
programs.
"""

import base64
import hashlib
import pathlib
import stat
import sys
import zipfile

program, version, platform, readme, folder = sys.argv[1:6]
licences = [pathlib.Path(path) for path in sys.argv[6:]]
stem = f"socketio_gateway-{version}"
tag = f"py3-none-{platform}"
info = f"{stem}.dist-info"

metadata = f"""Metadata-Version: 2.4
Name: socketio-gateway
Version: {version}
Summary: Socket.IO and plain WebSocket on one port, in front of any backend
License-Expression: MIT OR Apache-2.0
{"".join(f"License-File: {path.name}" + chr(10) for path in licences)}Keywords: socket.io,websocket,gateway,server
Requires-Python: >=3.8
Description-Content-Type: text/markdown

{pathlib.Path(readme).read_text(encoding="utf-8")}"""
wheel = f"""Wheel-Version: 1.0
Generator: build_wheel.py
Root-Is-Purelib: false
Tag: {tag}
"""

files = [(f"{stem}.data/scripts/socketio-gateway", pathlib.Path(program).read_bytes(), 0o755)]
files += [(f"{info}/licenses/{path.name}", path.read_bytes(), 0o644) for path in licences]
files += [(f"{info}/METADATA", metadata.encode(), 0o644), (f"{info}/WHEEL", wheel.encode(), 0o644)]
records = []
for name, content, _ in files:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    records.append(f"{name},sha256={digest},{len(content)}\n")
record = f"{info}/RECORD"
files.append((record, ("".join(records) + f"{record},,\n").encode(), 0o644))

path = pathlib.Path(folder) / f"{stem}-{tag}.whl"
with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, content, mode in files:
        # A fixed time, so that the same program makes the same file.
        entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = (stat.S_IFREG | mode) << 16
        archive.writestr(entry, content)
print(path)
