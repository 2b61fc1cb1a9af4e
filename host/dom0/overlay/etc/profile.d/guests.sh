# Where the machine has the disks of guests, the console's shell waits until they were started, and shows them.
if [ "$(tty)" = /dev/hvc0 ] && grep -qsx debian1 /sys/block/vd*/serial; then
    echo "Starting the guests debian1 and debian2 ..."
    systemctl start xendomains
    xl list
    echo "Their consoles: xl console debian1 (Ctrl-] leaves it). All about xl: xl help."
fi
