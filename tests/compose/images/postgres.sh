# The first start makes the cluster and the database; every start runs the server as `postgres`.
set -eu
export PGDATA=${PGDATA:-/var/lib/postgresql/data}
as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }

install -d -m 0700 -o postgres -g postgres "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  install -m 0400 -o postgres -g postgres "$POSTGRES_PASSWORD_FILE" /run/password
  as_postgres initdb --no-instructions -U "$POSTGRES_USER" --pwfile=/run/password \
    --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  rm /run/password
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  echo "CREATE DATABASE \"$POSTGRES_DB\"" |
    as_postgres postgres --single -D "$PGDATA" postgres > /dev/null
fi
exec setpriv --reuid=postgres --regid=postgres --init-groups \
  postgres -c 'listen_addresses=*' -c unix_socket_directories=/tmp
