# Locales and time zones are looked for where an image's profile has them: C.UTF-8 comes with iana-etc, which is in every image,
# time zones with tzdata.
afterBuild() {
  inProfile "$out"/lib/libc.so.6 /usr/lib/locale /usr/lib/locale/locale-archive /usr/share/locale /usr/share/zoneinfo
}
