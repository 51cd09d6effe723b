# Python finds its own modules by its place. Modules of other packages lie in the image's profile: beside the link that
# python was started by, or at the root. (A root that leads to /usr is a whole Debian, whose modules are not meant.)
afterBuild() {
  local library=("$out"/lib/python3.+([0-9])) site program
  # It looks for its library above its own place, having followed links to programs but not to directories; /bin of an image may be a link to this package's.
  # So the program stands beside bin, and an absolute link leads to it.
  mkdir -p "$out/libexec"
  for program in "$out"/bin/python3.+([0-9]); do
    mv "$program" "$out/libexec/"
    ln -s "$out/libexec/${program##*/}" "$program"
  done
  site=$library/sitecustomize.py
  rm -f "$site" "$out/bin/py3clean" "$out/bin/py3compile"
  { echo "HERE = \"$out\""; cat; } >"$site" <<'PYTHON'
import os
import site
import sys

# A virtual environment notes where its Python is: / of an image is not searched for modules, so it must not be /bin.
if sys.prefix == sys.base_prefix:
    sys._base_executable = HERE + "/bin/python3"


def profiles():
    yield os.path.dirname(os.path.dirname(os.path.abspath(sys.executable or "")))
    yield "/"


version = "python%d.%d" % sys.version_info[:2]
for profile in profiles():
    for directory in ("lib/python3/dist-packages", "lib/%s/site-packages" % version):
        path = os.path.join(profile, directory)
        if os.path.isdir(path) and not os.path.realpath(path).startswith("/usr/"):
            site.addsitedir(path)
PYTHON
}
