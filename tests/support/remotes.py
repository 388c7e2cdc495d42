"""Places to share a store at, each served for real: a folder, an FTP server and an S3 server on loopback."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest


@contextmanager
def s3_bucket(environment: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty bucket of a real S3 server; the environment has its credentials, as a user's would."""
    from moto.server import ThreadedMotoServer  # seconds, which tests of other places need not wait

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "ours")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "wellguarded")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        bucket = f"team-{secrets.token_hex(4)}"  # all servers of a process have the same buckets
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir(bucket)
        yield f"s3://{bucket}/store"
    finally:
        server.stop()


@contextmanager
def ftp_server(folder: Path, permissions: str = "elradfmwMT") -> Iterator[str]:
    """The address of an FTP server over a folder, for one user with a password."""
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import ThreadedFTPServer

    logging.getLogger("pyftpdlib").setLevel(logging.ERROR)
    folder.mkdir(exist_ok=True)
    authorizer = DummyAuthorizer()
    authorizer.add_user("ours", "wellguarded", str(folder), perm=permissions)
    served = type("Served", (FTPHandler,), {"authorizer": authorizer})
    server = ThreadedFTPServer(("127.0.0.1", 0), served)
    thread = threading.Thread(target=server.serve_forever, kwargs={"timeout": 0.05})
    thread.start()
    try:
        yield f"ftp://ours:wellguarded@127.0.0.1:{server.address[1]}/store"
    finally:
        server.close_all()
        thread.join(10)
