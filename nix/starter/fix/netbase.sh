# Every image has iana-etc, and every program may ask for C.UTF-8 (nixpkgs' glibc brings it itself; a store path does not fit where
# Debian's looks for it, see libc6.sh). netbase alone has nothing but text.
afterUnpack() { find "$root/usr/lib/locale" -mindepth 1 -maxdepth 1 ! -name 'C.*' -exec rm -rf {} +; rm -rf "$root"/{bin,sbin,usr/bin,usr/sbin}; }
