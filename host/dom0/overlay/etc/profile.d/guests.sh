# Where guests run, show them at the start of the console's shell.
if [ -e /dev/disk/by-id/virtio-debian1 ] && [ "$(tty)" = /dev/hvc0 ]; then
    xl list
    echo "Consoles of the guests: xl console debian1 (Ctrl-] leaves it)"
fi
