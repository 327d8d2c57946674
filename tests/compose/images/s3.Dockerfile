# The S3 server of the tests (examples/s3-server), as a program of its own in a container of its own.
ARG BASE
FROM ${BASE}
COPY s3-server s3 /usr/local/bin/
