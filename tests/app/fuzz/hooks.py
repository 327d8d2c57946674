"""What the fuzzer cannot know: bodies that are not JSON, and ids of things that there are."""

import json
import os
import random

import schemathesis

KNOWN = json.loads(os.environ["KILN_TEST_KNOWN"])


@schemathesis.serializer("application/gzip", "application/x-tar")
def as_bytes(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


@schemathesis.deserializer("application/gzip", "application/octet-stream", "text/plain")
def taken(ctx, response):
    return response.content.decode("latin-1")


@schemathesis.hook
def map_path_parameters(ctx, path_parameters):
    """Half of the time something that is there."""
    for name, value in KNOWN.items():
        if path_parameters and name in path_parameters and random.random() < 0.5:
            path_parameters[name] = value
    return path_parameters
