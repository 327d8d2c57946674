# The S3 server of the tests (examples/s3-server), as a program of its own in a container of its own.
ARG BASE
FROM ${BASE}
COPY s3-server /usr/local/bin/s3-server
RUN chmod 0755 /usr/local/bin/s3-server
