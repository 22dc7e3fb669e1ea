#!/bin/sh
# The second of the article's three ways: registers, starts the application, takes the registration back.
# It shows what is wrong with that. Run as the entry point of local/dockreg, with IP, PORT (published) and ETCD.
url=$ETCD/v2/keys/service/$IP:$PORT

register() { curl --silent --show-error --fail --output /dev/null -XPUT "$url" -d value=running; }
withdraw() { curl --silent --show-error --fail --output /dev/null -XDELETE "$url"; }
stop() {
    withdraw
    if [ -n "$application" ]; then
        kill "$application"
        wait "$application"
    fi
    exit 0
}

# Before the key is there: what `docker stop` says in between would never be heard.
application=
trap stop TERM INT
register || exit 1
node /root/server.js &
application=$!
wait "$application"
withdraw
