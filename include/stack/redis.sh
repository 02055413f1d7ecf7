#!/bin/sh
# Starts Redis with the password in REDISCLI_AUTH, the variable that redis-cli reads as well.
#   DATA, CONFIGURATION, PORT   other places, for tests
set -eu
umask 077
configuration=${CONFIGURATION:-/tmp/redis.conf}
cat > "$configuration" <<END
requirepass $REDISCLI_AUTH
dir ${DATA:-/data}
port ${PORT:-6379}
appendonly yes
maxmemory 384mb
maxmemory-policy noeviction
END
exec redis-server "$configuration"
