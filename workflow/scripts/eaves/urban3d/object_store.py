"""An object store that speaks S3: what lies there, its bytes and its checksums; every fault is one line."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore import UNSIGNED, exceptions
from botocore.config import Config
from botocore.session import Session

from eaves.core.errors import InputError

CHUNK_BYTES = 1 << 16  # what is lost at most of a file when the process is killed
REGION = "us-east-1"  # where no setting names one; public buckets elsewhere are found through it
# What a store answers to keys that it does not know, or that are no longer good.
_REFUSED = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}


class ConnectionBrokenError(Exception):
    """The connection broke while a file was read: ask again for the rest."""


@dataclass(frozen=True)
class Item:
    """A file on the store. size: in bytes. etag: what the store tells versions apart by, often an MD5; no quotes."""

    key: str
    size: int
    etag: str


class Store:
    """One bucket of an object store."""

    def __init__(
        self,
        bucket: str,
        endpoint: str | None = None,
        profile: str | None = None,
        unsigned: bool = False,
        connections: int = 8,
        retries: int = 5,
    ) -> None:
        """Connects to nothing yet.

        Args:
            bucket: its name.
            endpoint: the URL of a store other than Amazon's.
            profile: whose keys sign the requests, a section of the AWS configuration; None takes the keys that the
                environment or configuration give, and does without where there are none.
            unsigned: do without keys in any case, as public buckets allow.
            connections: how many threads will read at a time.
            retries: of a request, with growing pauses, where the store does not answer or is too busy.

        Raises:
            InputError: there is no such profile, or the endpoint is no URL.
        """
        self.bucket, self.place = bucket, f"s3://{bucket}" + (f" at {endpoint}" if endpoint else "")
        settings: dict[str, Any] = {
            "max_pool_connections": connections,
            "retries": {"mode": "standard", "total_max_attempts": 1 + retries},
            "connect_timeout": 10,
            "read_timeout": 30,
            "response_checksum_validation": "when_required",  # whole files are verified here, not pieces there
        }
        if endpoint:
            settings["s3"] = {"addressing_style": "path"}  # other stores seldom have a host name per bucket
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
        """Lists the files whose keys begin like this, sorted by key.

        Raises:
            InputError: the store cannot be reached, or refuses.
        """
        found = []
        with self._faults_named(self.place):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for row in page.get("Contents", []):
                    found.append(Item(row["Key"], row["Size"], row["ETag"].strip('"')))
        return sorted((item for item in found if not item.key.endswith("/")), key=lambda item: item.key)

    def read(self, item: Item, start: int = 0) -> Iterator[bytes]:
        """Reads a file from a byte on, piece by piece; that very version of it.

        Raises:
            InputError: the store cannot be reached, refuses, or has another version by now.
            ConnectionBrokenError: the connection broke on the way.
        """
        with self._faults_named(f"s3://{self.bucket}/{item.key}"):
            answer = self._client.get_object(
                Bucket=self.bucket, Key=item.key, Range=f"bytes={start}-", IfMatch=f'"{item.etag}"'
            )
        if not answer.get("ContentRange", "").startswith(f"bytes {start}-"):
            raise InputError(f"{self.place}: this store sends no parts of files (ranges); name another with --endpoint")
        body = answer["Body"]
        try:
            while piece := body.read(CHUNK_BYTES):
                yield piece
        except (exceptions.HTTPClientError, exceptions.IncompleteReadError) as error:
            raise ConnectionBrokenError(str(error)) from error
        finally:
            body.close()

    def details(self, item: Item) -> dict[str, Any]:
        """Gives what the store tells of a file: `ChecksumSHA256` and the like, `ServerSideEncryption`.

        Raises:
            InputError: the store cannot be reached, or refuses.
        """
        with self._faults_named(f"s3://{self.bucket}/{item.key}"):
            return self._client.head_object(Bucket=self.bucket, Key=item.key, ChecksumMode="ENABLED")

    def part_bytes(self, item: Item) -> int | None:
        """Gives the size of the parts in which a file was uploaded; None where the store does not tell.

        Raises:
            InputError: the store cannot be reached, or refuses.
        """
        with self._faults_named(f"s3://{self.bucket}/{item.key}"):
            first = self._client.head_object(Bucket=self.bucket, Key=item.key, PartNumber=1)
        return first["ContentLength"] if first.get("PartsCount") else None

    @contextmanager
    def _faults_named(self, what: str) -> Iterator[None]:
        """Says in one line what is wrong and what to do."""
        try:
            yield
        except exceptions.ClientError as error:
            raise InputError(f"{what}: {self._advice(error)}") from error
        except exceptions.ProfileNotFound as error:
            raise InputError(f"--profile: {error}; `aws configure list-profiles` shows those there are") from error
        except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
            raise InputError(
                f"{what}: cannot be reached ({error}); connect, or name a mirror that can be with --endpoint, and run "
                "this again: it goes on from here"
            ) from error
        except (exceptions.BotoCoreError, ValueError) as error:
            why = " ".join(str(error).split())
            raise InputError(f"{what}: {why}; check --endpoint, --bucket, --prefix and --profile") from error

    def _advice(self, error: exceptions.ClientError) -> str:
        answer = error.response["Error"]
        code, status = answer["Code"], error.response["ResponseMetadata"].get("HTTPStatusCode")
        if code in _REFUSED:
            return f"the keys are refused ({code}); give others with --profile; a public bucket needs --no-sign-request"
        if code == "NoSuchBucket":
            return "no such bucket; check --bucket and --endpoint"
        if code == "PreconditionFailed":
            return "the store has another version by now; run this again"
        if status == 403:
            how = "signed with your keys" if self.signed else "without keys"
            return f"access denied to a request {how}; a private bucket needs --profile, a public --no-sign-request"
        if status == 404:
            return "no such file; check --prefix, or run this again if the store has changed"
        return f"the store answers {code}: {answer.get('Message', '')}; try again later"
