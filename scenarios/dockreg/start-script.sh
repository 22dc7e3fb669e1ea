#!/bin/sh
# The second of the article's three ways: registers, starts the application, takes the registration back.
# It shows what is wrong with that. Run as the entry point of local/dockreg, with IP, PORT (published) and ETCD.
url=$ETCD/v2/keys/service/$IP:$PORT

register() { curl --silent --show-error --fail --output /dev/null -XPUT "$url" -d value=running; }
withdraw() { curl --silent --show-error --fail --output /dev/null -XDELETE "$url"; }
stop() {
    withdraw
    kill "$application"
    wait "$application"
    exit 0
}

register || exit 1
node /root/server.js &
application=$!
trap stop TERM INT
wait "$application"
withdraw
