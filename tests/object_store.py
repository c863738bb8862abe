"""An object store on this machine, and a bad line to it."""

import contextlib
import http.client
import http.server
import logging
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# The store is public and the tests' own: whatever keys the machine has are none of its business.
_FOLDER = tempfile.TemporaryDirectory(prefix="aws-")
_EMPTY = Path(_FOLDER.name) / "config"  # a file, for DVC refuses /dev/null
_EMPTY.touch()
os.environ.update(
    AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE=str(_EMPTY), AWS_SHARED_CREDENTIALS_FILE=str(_EMPTY)
)
for _name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
    os.environ.pop(_name, None)

BUCKET, PREFIX = "challenge", "Hosted/Urban"
KEYS = {"AWS_ACCESS_KEY_ID": "some", "AWS_SECRET_ACCESS_KEY": "key"}


class ObjectStore:
    """A local server that speaks S3, with one bucket that everybody may read."""

    def __init__(self) -> None:
        # Here, for they take a second, and most tests need no store.
        from botocore.config import Config
        from botocore.session import Session
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self.url = "http://{}:{}".format(*self._server.get_host_and_port())
        self.client = Session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id="some",
            aws_secret_access_key="key",
            config=Config(s3={"addressing_style": "path"}),
        )
        self.client.create_bucket(Bucket=BUCKET)

    def put(self, key: str, content: bytes, **options: Any) -> None:
        self.client.put_object(**{"Bucket": BUCKET, "Key": key, "Body": content, "ACL": "public-read"} | options)

    def put_in_parts(self, key: str, content: bytes, part_bytes: int) -> None:
        at = {"Bucket": BUCKET, "Key": key}
        upload = self.client.create_multipart_upload(**at, ACL="public-read")["UploadId"]
        parts = []
        for number, start in enumerate(range(0, len(content), part_bytes), 1):
            body = content[start : start + part_bytes]
            etag = self.client.upload_part(**at, UploadId=upload, PartNumber=number, Body=body)["ETag"]
            parts.append({"PartNumber": number, "ETag": etag})
        self.client.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})

    def put_folder(self, folder: Path, prefix: str) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def close(self) -> None:
        self._server.stop()


class BadLine(http.server.ThreadingHTTPServer):
    """Passes requests on to a server. Of each file, `cuts` answers end after `piece` bytes; or all pieces come slowly.

    asked: (path, byte from which on) of every file that was read. rot: a key whose first byte arrives changed.
    """

    daemon_threads = True

    def __init__(self, url: str, cuts: int = 0, pause_s: float = 0.0, piece: int = 40_000) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.behind, self.cuts, self.pause_s, self.piece = urlsplit(url).netloc, cuts, pause_s, piece
        self.asked: list[tuple[str, int]] = []
        self.rot = ""
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()


class _Passing(http.server.BaseHTTPRequestHandler):
    server: BadLine

    def do_GET(self) -> None:
        self.pass_on()

    def do_HEAD(self) -> None:
        self.pass_on()

    def pass_on(self) -> None:
        there = http.client.HTTPConnection(self.server.behind, timeout=30)
        there.request(self.command, self.path, headers=dict(self.headers))
        answer = there.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "server", "date"):
                self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD" or "Range" not in self.headers:
            self.wfile.write(content)
            return
        self.server.asked.append((self.path, int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))))
        if self.server.rot and self.path.endswith(self.server.rot):
            content = bytes([content[0] ^ 1]) + content[1:]
        cut = [path for path, _ in self.server.asked].count(self.path) <= self.server.cuts
        with contextlib.suppress(ConnectionError):  # who asked may have been killed
            for start in range(0, self.server.piece if cut else len(content), self.server.piece):
                time.sleep(self.server.pause_s)
                self.wfile.write(content[start : start + self.server.piece])
        self.close_connection = True

    def log_message(self, *arguments: Any) -> None:
        pass
