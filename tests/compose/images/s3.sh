#!/bin/sh
# What docker-compose.yml asks of a store's command: the keys from the environment, port 9000, /data.
exec s3-server 0.0.0.0:9000 /data "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" kiln
