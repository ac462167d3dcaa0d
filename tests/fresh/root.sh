# SPDX-License-Identifier: MIT
# Sourced by tests that need a Debian root of their own: made by debootstrap, entered in namespaces of its own.
# They set: fresh (a folder to keep the roots in), suite, root (the one in use), logs (a folder).
#
#   root_missing        why this machine can't make or enter one; nothing if it can
#   root_base           debootstrap's result as $fresh/$suite.tar, once; 1: $logs/debootstrap says why not
#   root_make           $root anew, with this machine's package settings, certificates and proxies
#   inside [-n] LOG CMD in the root, its words to $logs/LOG, which is $log from then on; -n: without a network
#
# Needs root, debootstrap and a package mirror: the one of this machine's apt settings, or DSEEK_DEBIAN_MIRROR=URI.

root_missing() {
	[ "$(id -u)" = 0 ] || { echo "only root can make and enter the root folder"; return; }
	command -v debootstrap >/dev/null || PATH=$PATH:/usr/sbin:/sbin
	command -v debootstrap >/dev/null || tools/packages install fresh || { echo "debootstrap is not installed"; return; }
	command -v unshare >/dev/null || { echo "unshare (util-linux) is not installed"; return; }
	unshare -m true 2>/dev/null || echo "this machine refuses mount namespaces"
}

mirror() {
	local uri=${DSEEK_DEBIAN_MIRROR:-}
	[ -n "$uri" ] || ! (. /etc/os-release; [ "${ID:-}" = debian ]) ||
		uri=$(apt-get indextargets --no-release-info --format '$(REPO_URI) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null |
			awk '$2 == "main" && $3 == "Debian" && $1 !~ /security/ {print $1; exit}')
	uri=${uri:-http://deb.debian.org/debian}
	echo "${uri%/}"
}

root_base() {
	PATH=$PATH:/usr/sbin:/sbin
	[ ! -f "$fresh/$suite.tar" ] || return 0
	mkdir -p "$fresh" "$logs"
	echo "== debootstrap $suite from $(mirror)"
	rm -rf --one-file-system "$fresh/new"
	debootstrap --variant=minbase "$suite" "$fresh/new" "$(mirror)" >"$logs/debootstrap" 2>&1 || return
	tar -C "$fresh/new" --one-file-system -cf "$fresh/$suite.tar.part" . && mv "$fresh/$suite.tar.part" "$fresh/$suite.tar"
	rm -rf --one-file-system "$fresh/new"
}

carry() { # FILE or FOLDER of this machine, to the same place there
	[ -e "$1" ] && mkdir -p "$root$(dirname "$1")" && cp -rL --no-clobber "$1" "$root$(dirname "$1")/"
}

root_make() {
	rm -rf --one-file-system "$root"; mkdir -p "$root"
	tar -C "$root" -xf "$fresh/$suite.tar"
	echo "deb $(mirror) $suite main" >"$root/etc/apt/sources.list"
	local f v
	rm -f "$root/etc/resolv.conf"
	for f in /etc/resolv.conf /etc/hosts /etc/pip.conf "$HOME/.config/pip" "$HOME/.pip" /etc/ssl/certs/ca-certificates.crt; do carry "$f"; done
	# the package ca-certificates makes the bundle anew, from its own and from those in this folder, one a file
	mkdir -p "$root/usr/local/share/ca-certificates"
	awk -v d="$root/usr/local/share/ca-certificates" '/BEGIN CERT/ {f = sprintf("%s/host-%03d.crt", d, ++n)} f {print >f} /END CERT/ {close(f); f = ""}' \
		/etc/ssl/certs/ca-certificates.crt 2>/dev/null
	for f in /etc/apt/apt.conf.d/*; do
		# settings, not hooks of packages that the root doesn't have
		grep -qiE 'Acquire|Proxy|CaInfo|Verify|Retries' "$f" && ! grep -qE 'Invoke|Pre-Install|IndexTargets' "$f" && cp "$f" "$root/etc/apt/apt.conf.d/"
	done
	# a folder that pip is told to look into
	for f in ${PIP_FIND_LINKS:-}; do [ -d "$f" ] && carry "$f"; done
	: >"$fresh/$suite.env"
	while IFS= read -r v; do
		case ${v%%=*} in
		*CA_BUNDLE*|*CACERT*|*CA_CERT*|SSL_CERT_*|PIP_*|*_proxy|*_PROXY|CURL_*) echo "$v" >>"$fresh/$suite.env"
			f=${v#*=}; [ -f "$f" ] && carry "$f";;
		esac
	done < <(env)
}

inside() {
	local net= env=() v
	[ "$1" = -n ] && { net=--net; shift; }
	log=$logs/$1; shift
	while IFS= read -r v; do env+=("$v"); done <"$fresh/$suite.env"
	unshare --mount --pid --fork $net bash -c '
		mount --make-rprivate / && mount --bind "$0" "$0" &&
		mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t tmpfs tmp "$0/tmp" && mount -t tmpfs run "$0/run" || exit 125
		mount -t sysfs -o ro sys "$0/sys" 2>/dev/null || mount --rbind /sys "$0/sys"
		root=$0; exec chroot "$root" "$@"' "$root" \
		env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C TERM=dumb CI=true \
		${env[@]+"${env[@]}"} bash -c "cd ${root_cwd:-/root} && $*" >"$log" 2>&1 </dev/null
}
