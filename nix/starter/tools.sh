# Builder of the tools that build everything else: taken out of the archive's own packages and started by their own loader.
# With the host's tools the outputs would depend on the host: another patchelf lays a binary out differently.
# The host gives only what unpacks a .deb: sh, dpkg-deb, tar, cp, mkdir, rm.
set -eu
export PATH=/usr/bin:/bin LC_ALL=C
umask 022
raw=$PWD/raw
mkdir -p "$raw" "$out/bin" "$out/lib"
for deb in $debs; do
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$raw" --no-same-owner --no-same-permissions --exclude=./usr/share --exclude=./var --exclude=./etc
done
for dir in "$raw/lib/$triplet" "$raw/usr/lib/$triplet"; do
  for library in "$dir"/*.so*; do
    # A link out of the directory (libblas' alternatives and the like) is no library that a tool needs.
    if [ -f "$library" ]; then cp -P "$library" "$out/lib/"; fi
  done
done
loader=$out/lib/$interpreter
for program in $programs; do
  for dir in "$raw/bin" "$raw/usr/bin"; do
    if [ -f "$dir/$program" ]; then cp -L "$dir/$program" "$out/bin/$program"; fi
  done
  # DT_RPATH, not RUNPATH: it holds for the libraries of libraries too, so these stay as they are.
  "$loader" --library-path "$out/lib" "$raw/usr/bin/patchelf" --force-rpath --set-rpath "$out/lib" --set-interpreter "$loader" "$out/bin/$program"
done
