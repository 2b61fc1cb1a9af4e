#!/bin/busybox sh
# What udhcpc calls when it has got an address ($1 is the event, the rest is in the environment).
case $1 in
    bound | renew)
        ip addr flush dev "$interface"
        ip addr add "$ip/${mask:-24}" dev "$interface"
        [ -z "$router" ] || ip route add default via "$router"
        ;;
esac
