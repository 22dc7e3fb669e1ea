#!/bin/bash
# Points the backend at this machine's private address, as its metadata service tells it, and becomes HAProxy.
set -euo pipefail

CONFIG=${HAPROXY_CONFIG:-/etc/haproxy/haproxy.cfg}
METADATA=${METADATA_URL:-http://169.254.169.254/metadata/v1}
ADDRESS_URL=$METADATA/interfaces/private/0/ipv4/address

fail() {
    echo "haproxy-start: $*" >&2
    exit 1
}

# The metadata service may be a moment behind the Docker daemon when a machine boots.
private_ipv4=$(curl --silent --show-error --fail --max-time 2 --retry 5 --retry-delay 1 --retry-connrefused \
    "$ADDRESS_URL") || fail "no private address from $ADDRESS_URL"
octet='(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])'
[[ $private_ipv4 =~ ^$octet\.$octet\.$octet\.$octet$ ]] ||
    fail "$ADDRESS_URL answered something that is no IPv4 address: ${private_ipv4:0:80}"

sed -i -e "s/server apache private_ipv4:80/server apache $private_ipv4:80/" "$CONFIG"
haproxy -c -q -f "$CONFIG" || fail "$CONFIG is not a valid configuration"

echo "haproxy-start: the backend is $private_ipv4:80" >&2
# With a master process (-W): a lone HAProxy leaves SIGTERM to its default, which process 1 does not have.
exec haproxy -W -db -f "$CONFIG"
