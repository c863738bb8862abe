"""Access to an S3-compatible object store: list and read objects, and get their checksums."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore import UNSIGNED, exceptions
from botocore.config import Config
from botocore.session import Session

from eaves.core.errors import InputError

CHUNK_BYTES = 1 << 16  # the most that a killed process loses of a file
REGION = "us-east-1"  # the default; requests for buckets in other regions are redirected from here
# Error codes for unknown, invalid or expired access keys.
_REFUSED = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}


class ConnectionBrokenError(Exception):
    """The connection broke while an object was being read; the rest can be requested again."""


@dataclass(frozen=True)
class Item:
    """An object on the store: its key, its size in bytes, and its ETag without quotes, often an MD5."""

    key: str
    size: int
    etag: str


class Store:
    """A bucket of an object store."""

    def __init__(
        self,
        bucket: str,
        endpoint: str | None = None,
        profile: str | None = None,
        unsigned: bool = False,
        connections: int = 8,
        retries: int = 5,
    ) -> None:
        """Create the client; no connection is made yet.

        Args:
            bucket: Name of the bucket.
            endpoint: URL of a store other than Amazon's.
            profile: Profile of the AWS configuration whose keys sign the requests; None uses the keys in the
                environment or the configuration, or none if there are none.
            unsigned: Send unsigned requests in any case, as public buckets allow.
            connections: Number of threads that will read at the same time.
            retries: Retries of a request, with increasing pauses, if the store does not answer or is too busy.

        Raises:
            InputError: If there is no such profile, or the endpoint is not a URL.
        """
        self.bucket, self.place = bucket, f"s3://{bucket}" + (f" at {endpoint}" if endpoint else "")
        settings: dict[str, Any] = {
            "max_pool_connections": connections,
            "retries": {"mode": "standard", "total_max_attempts": 1 + retries},
            "connect_timeout": 10,
            "read_timeout": 30,
            "response_checksum_validation": "when_required",  # files are verified when complete
        }
        if endpoint:
            settings["s3"] = {"addressing_style": "path"}  # few other stores have a host name per bucket
        logging.getLogger("botocore").setLevel(logging.ERROR)
        with self._faults_named(self.place):
            session = Session(profile=profile)
            self.signed = not unsigned and session.get_credentials() is not None
            if not self.signed:
                settings["signature_version"] = UNSIGNED
            region = session.get_config_variable("region") or REGION
            self._client = session.create_client(
                "s3", region_name=region, endpoint_url=endpoint, config=Config(**settings)
            )

    def files(self, prefix: str) -> list[Item]:
        """List the objects whose keys begin with a prefix, sorted by key.

        Raises:
            InputError: If the store cannot be reached or refuses the request.
        """
        found = []
        with self._faults_named(self.place):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for row in page.get("Contents", []):
                    found.append(Item(row["Key"], row["Size"], row["ETag"].strip('"')))
        return sorted((item for item in found if not item.key.endswith("/")), key=lambda item: item.key)

    def read(self, item: Item, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object from an offset, in chunks; only of the version that `item` describes.

        Raises:
            InputError: If the store cannot be reached, refuses the request, or has another version by now.
            ConnectionBrokenError: If the connection breaks.
        """
        with self._faults_named(f"s3://{self.bucket}/{item.key}"):
            answer = self._client.get_object(
                Bucket=self.bucket, Key=item.key, Range=f"bytes={start}-", IfMatch=f'"{item.etag}"'
            )
        if not answer.get("ContentRange", "").startswith(f"bytes {start}-"):
            raise InputError(f"{self.place}: this store does not support range requests; use another --endpoint")
        body = answer["Body"]
        try:
            while piece := body.read(CHUNK_BYTES):
                yield piece
        except (exceptions.HTTPClientError, exceptions.IncompleteReadError) as error:
            raise ConnectionBrokenError(str(error)) from error
        finally:
            body.close()

    def details(self, item: Item) -> dict[str, Any]:
        """Return an object's metadata, such as `ChecksumSHA256` and `ServerSideEncryption`.

        Raises:
            InputError: If the store cannot be reached or refuses the request.
        """
        with self._faults_named(f"s3://{self.bucket}/{item.key}"):
            return self._client.head_object(Bucket=self.bucket, Key=item.key, ChecksumMode="ENABLED")

    def part_bytes(self, item: Item) -> int | None:
        """Return the part size of a multipart upload; None if the store does not report it.

        Raises:
            InputError: If the store cannot be reached or refuses the request.
        """
        with self._faults_named(f"s3://{self.bucket}/{item.key}"):
            first = self._client.head_object(Bucket=self.bucket, Key=item.key, PartNumber=1)
        return first["ContentLength"] if first.get("PartsCount") else None

    @contextmanager
    def _faults_named(self, what: str) -> Iterator[None]:
        """Convert errors of the client to InputErrors that say what is wrong and what to do."""
        try:
            yield
        except exceptions.ClientError as error:
            raise InputError(f"{what}: {self._advice(error)}") from error
        except exceptions.ProfileNotFound as error:
            raise InputError(f"--profile: {error}; `aws configure list-profiles` lists the available ones") from error
        except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
            raise InputError(
                f"{what}: cannot be reached ({error}); check the network, or use a mirror with --endpoint, and run "
                "this again to resume"
            ) from error
        except (exceptions.BotoCoreError, ValueError) as error:
            why = " ".join(str(error).split())
            raise InputError(f"{what}: {why}; check --endpoint, --bucket, --prefix and --profile") from error

    def _advice(self, error: exceptions.ClientError) -> str:
        answer = error.response["Error"]
        code, status = answer["Code"], error.response["ResponseMetadata"].get("HTTPStatusCode")
        if code in _REFUSED:
            return (
                f"the keys were rejected ({code}); use others with --profile, or --no-sign-request for a public bucket"
            )
        if code == "NoSuchBucket":
            return "no such bucket; check --bucket and --endpoint"
        if code == "PreconditionFailed":
            return "the object has changed on the store in the meantime; run this again"
        if status == 403:
            how = "signed" if self.signed else "unsigned"
            return (
                f"access denied to the {how} request; a private bucket needs --profile, a public one --no-sign-request"
            )
        if status == 404:
            return "no such object; check --prefix, or run this again if the store has changed"
        return f"the store returned {code}: {answer.get('Message', '')}; try again later"
