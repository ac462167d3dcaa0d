#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in the guest of tests/deb/run, as a service, once multi-user.target is reached: the packages at work under systemd and udev.
# TAP goes to the second serial port. gold is in the group render, mallory is not.
exec >/dev/ttyS1 2>&1 </dev/null
stty -F /dev/ttyS1 raw -echo
n=0 out=/tmp/out
ok() { # NAME CONDITION...
	local name=$1; shift
	if "$@"; then echo "ok $((++n)) $name"; else
		echo "not ok $((++n)) $name"; tail -n 20 $out | sed 's/^/# /'
	fi
}
finish() { # QEMU's exit status will be 2 * 0 + 1
	echo "1..$n"; sleep 1; sync
	printf '\0' | dd of=/dev/port bs=1 seek=244 count=1 2>/dev/null
	systemctl poweroff --force
}
trap finish EXIT
of() { systemctl show --value -p "$2" "dseek-exec@$1.service"; }		# INSTANCE PROPERTY
is() { [[ $(of "$1" "$2") == $3 ]]; }						# INSTANCE PROPERTY PATTERN
soon() { # SECONDS CONDITION...
	local end=$((SECONDS + $1)); shift
	until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.2; done
}
as() { local user=$1; shift; (cd "/home/$user" && exec runuser -u "$user" -- "$@") >$out 2>&1; }	# with the limit raised below
work() { (cd /home/gold && exec runuser -u gold -- dseek run --device drm: --tenants tenants.yaml --json) >/tmp/work 2>/tmp/work.err; }
went_on() { # NAME, the status of work in $?: it ended well, and nothing of it is missing for long
	local rc=$? gap; gap=$(sed -n 's/.*"gap_max_ms":\s*\([0-9]*\).*/\1/p' /tmp/work); cat /tmp/work /tmp/work.err >$out
	ok "$1: gold's work went on, longest gap ${gap:-?} ms" test $rc = 0 -a "${gap:-0}" -gt 0
}
said() { grep -qE -e "$1" $out; }
owned() { [ "$(stat -c '%U:%G %a' "$1")" = "$2" ]; }
ulimit -l unlimited

ok "dseek-exec@cpu0 is active" soon 120 is cpu0 ActiveState active
ok "dseek-exec@cpu0-standby is active" soon 120 is cpu0-standby ActiveState active
echo "# $(uname -r), up $(cut -d' ' -f1 /proc/uptime) s, systemd $(systemctl --version | head -n 1)"
dmesg -c >/dev/null
journalctl -u 'dseek-exec@*' -b --no-pager -o cat >$out 2>&1
ok "the service has loaded the module" test -d /sys/module/dseek
ok "of the package's version" test "$(cat /sys/module/dseek/version)" = "$(dpkg-query -W -f '${Version}' dseek-dkms)"
ok "with the parameters of modprobe.d" grep -qx 60000 /sys/module/dseek/parameters/recovery_ms
{ of cpu0 StatusText; of cpu0-standby StatusText; } >$out
# both start at once: whichever is second stands by
ok "one serves" test "$(grep -c '^serves cpu0, generation 1$' $out)" = 1
ok "the other stands by" test "$(grep -c '^stands by for cpu0$' $out)" = 1
ok "no failed unit of ours" test -z "$(systemctl list-units --failed --plain --no-legend '*dseek*')"

ls -l /dev/dseek-exec /dev/dri/ >$out 2>&1
ok "/dev/dseek-exec is root:dseek-exec 660" owned /dev/dseek-exec "root:dseek-exec 660"
node=/dev/dri/$(basename "$(ls -d /sys/devices/*/dseek/drm/renderD*)")
ok "$node is root:render 660" owned "$node" "root:render 660"
pid=$(of cpu0 MainPID); cat "/proc/$pid/status" >$out
ok "the executor is user dseek-exec" test "$(awk '/^Uid:/ {print $2, $3, $4}' $out)" = "$(id -u dseek-exec) $(id -u dseek-exec) $(id -u dseek-exec)"
ok "without capabilities" said '^CapEff:.0+$'
ok "nor new privileges" said '^NoNewPrivs:.1$'
ok "behind a system call filter" said '^Seccomp:.2$'
ok "its memory lock is unlimited" grep -qE '^Max locked memory +unlimited' "/proc/$pid/limits"
ok "it sees no home" test -z "$(ls -A "/proc/$pid/root/home" 2>/dev/null)"
ok "and no network" test "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)"

as gold dseek doctor; rc=$?
ok "a member of render: dseek doctor" test $rc = 0
ok "finds the engine" said 'ok +engines +1 served, 0 waiting: cpu0'
ok "and the executors' device closed" said 'ok +executor node'
as gold dseek bench roundtrip --device drm: -n 100 --unpinned; rc=$?
ok "runs jobs" test $rc = 0
as gold dd if=/dev/dseek-exec count=0; rc=$?
ok "can't open /dev/dseek-exec" test $rc != 0
as mallory dseek bench roundtrip --device drm: -n 100 --unpinned; rc=$?
ok "one who isn't runs none" test $rc = 1
ok "and is told why" said 'Permission denied'
as mallory dd if=/dev/dseek-exec count=0; rc=$?
ok "nor opens /dev/dseek-exec" test $rc != 0

# Kill whoever serves, while gold works: the other takes over, the killed one comes back and stands by.
for round in 1 2 3; do
	server=cpu0 other=cpu0-standby
	is cpu0 StatusText 'serves*' || { server=cpu0-standby; other=cpu0; }
	work & run=$!
	sleep 3
	kill -KILL "$(of $server MainPID)"
	ok "round $round: killed, $other takes over" soon 30 is $other StatusText "serves cpu0, generation $((round + 1))"
	ok "round $round: $server comes back and stands by" soon 60 is $server StatusText 'stands by for cpu0'
	wait $run; went_on "round $round"
done
{ of cpu0 NRestarts; of cpu0-standby NRestarts; } >$out
ok "systemd counts three restarts" test "$(awk '{n += $1} END {print n}' $out)" = 3

# Alone: no one stands by, so the jobs wait for the restart.
systemctl stop dseek-exec@cpu0-standby
ok "stopped: the other serves" soon 30 is cpu0 StatusText 'serves cpu0, *'
before=$(of cpu0 MainPID)
work & run=$!
sleep 3
kill -KILL "$before"
restarted() { is cpu0 StatusText 'serves cpu0, *' && ! is cpu0 MainPID "$before" && ! is cpu0 MainPID 0; }
ok "alone: killed, restarted, serves again" soon 60 restarted
wait $run; went_on alone
systemctl start dseek-exec@cpu0-standby
ok "the standby is back" soon 60 is cpu0-standby StatusText 'stands by for cpu0'

# The rules, and those to copy for a GPU, are understood.
cp /usr/share/doc/dseek-exec/examples/72-dseek-gpu.rules /etc/udev/rules.d/
udevadm test /sys/class/misc/dseek-exec >$out 2>&1
rules_bad() { grep -E 'dseek[^ ]*\.rules' $out | grep -vE 'Reading rules file|GROUP [0-9]+|MODE [0-9]+'; }
ok "udev reads the rules" said '72-dseek-gpu.rules'
ok "and understands them" test -z "$(rules_bad)"
rm -f /etc/udev/rules.d/72-dseek-gpu.rules

# Settings.
printf 'BACKEND=null\nBACKEND_OPTIONS=cost_us=5\nDEPTH=4\n' >/etc/default/dseek-exec-null0
systemctl start dseek-exec@null0; rc=$?
ok "another engine, by its settings" test $rc = 0
tr '\0' ' ' <"/proc/$(of null0 MainPID)/cmdline" >$out
ok "which are on its command line" said -- '--name=null0 --backend=null --backend-options=cost_us=5 --depth=4'
echo 'BACKEND=hal' >/etc/default/dseek-exec-bad
systemctl start dseek-exec@bad >$out 2>&1; rc=$?
ok "a backend that isn't there fails the start" test $rc != 0
ok "for good" test "$(of bad NRestarts) $(of bad ExecMainStatus)" = "0 2"
journalctl -u dseek-exec@bad -b --no-pager -o cat >$out
ok "and the journal says why" said "no backend is called 'hal'"
systemctl stop dseek-exec@null0; systemctl reset-failed dseek-exec@bad
rm -f /etc/default/dseek-exec-{bad,null0}

# An upgrade restarts one after the other: the engine is served throughout.
pids="$(of cpu0 MainPID) $(of cpu0-standby MainPID)"
work & run=$!
sleep 1
dpkg -i /deb/new/dseek-exec_*.deb >$out 2>&1; rc=$?
ok "the package is configured anew" test $rc = 0
ok "both instances are new" test "$(echo "$pids $(of cpu0 MainPID) $(of cpu0-standby MainPID)" | tr ' ' '\n' | sort -u | wc -l)" = 4
wait $run; went_on upgrade

systemctl stop 'dseek-exec@*'
ok "stopped" is cpu0 ActiveState inactive
ok "by itself, not by force" is cpu0 Result success
rmmod dseek 2>$out; rc=$?
ok "the module can be unloaded" test $rc = 0
systemctl start dseek-exec@cpu0; rc=$?
ok "and is loaded by the service" test $rc = 0
systemctl stop 'dseek-exec@*'; rmmod dseek
modprobe dseek
ok "enabled instances come with the module" soon 60 is cpu0 ActiveState active
ok "all of them" soon 60 is cpu0-standby ActiveState active
dpkg --purge dseek-exec >$out 2>&1; rc=$?
ok "purge of a package whose service runs" test $rc = 0
ok "no executor is left" test -z "$(grep -lx dseek-exec /proc/[0-9]*/comm)"
ok "no settings, no links" test -z "$(find /etc -name '*dseek-exec*')"
rmmod dseek; rc=$?
ok "the module is idle" test $rc = 0
# As under Secure Boot: no module whose key the kernel doesn't know. From here there is no way back, but the guest ends.
echo 1 >/sys/module/module/parameters/sig_enforce
modprobe dseek >$out 2>&1; rc=$?
ok "a kernel that wants known keys refuses the module" test $rc != 0 -a ! -d /sys/module/dseek
ok "as dseek(4) says" said 'Key was rejected by service'
dmesg | grep -E 'WARNING:|BUG|Oops|Call Trace|refcount|dseek.*(error|ERROR)' >$out
ok "the kernel has no complaint" test ! -s $out
