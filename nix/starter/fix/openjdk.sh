# update-alternatives would link the programs, and a Java program on installing would make the trust store: Debian's certificate
# bundle in a format that Java reads as well as its own (keytool takes PEM, but writing JKS puts the time in).
afterBuild() {
  local home program
  for home in "$out"/lib/jvm/java-+([0-9])-openjdk-*; do
    for program in "$home"/bin/*; do
      mkdir -p "$out/bin"
      ln -sr "$program" "$out/bin/${program##*/}"
    done
  done
}
