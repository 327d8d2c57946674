# PostgreSQL from Debian's packages, where the official image cannot be had: the same variables
# (POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD_FILE, PGDATA), as far as docker-compose.yml uses them.
ARG BASE
FROM ${BASE}
ARG DEBIAN_FRONTEND=noninteractive
# The package would start a cluster of its own.
RUN apt-get update && mkdir -p /etc/postgresql-common \
 && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
 && apt-get install -y --no-install-recommends postgresql \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin \
 && ln -s /usr/lib/postgresql/*/bin /usr/local/pgsql
ENV PATH=/usr/local/pgsql:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY postgres.sh /usr/local/bin/postgres.sh
ENTRYPOINT ["sh", "/usr/local/bin/postgres.sh"]
STOPSIGNAL SIGINT
