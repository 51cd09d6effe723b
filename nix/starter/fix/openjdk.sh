# update-alternatives would link the programs. The trust store (lib/security/cacerts) is missing: Java makes it on installing, with the
# time in it. In an image: -Djavax.net.ssl.trustStore=…, or keytool -importcert.
afterBuild() {
  local home program
  for home in "$out"/lib/jvm/java-+([0-9])-openjdk-*; do
    for program in "$home"/bin/*; do
      mkdir -p "$out/bin"
      ln -sr "$program" "$out/bin/${program##*/}"
    done
  done
}
