#!/bin/sh
# Runs configure by itself, whatever anybody says.
set -e
autoreconf -fi
./configure "$@"
