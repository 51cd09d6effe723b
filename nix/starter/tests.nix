# `tests.*`: packages that misbehave on purpose, as nixpkgs has its own below that name: for Firn's tests and for trying out
# what a client sees. None of them is software; nothing else of the set refers to them.
{ bash, runCommand, config }:
let
  refuse = name: reason: throw "Package ‘${name}’ in the starter set ${reason}, refusing to evaluate.";
in
{
  # Fails, with a line on stderr.
  broken-build = runCommand "broken-build-1.0" { } ''
    echo 'this package never builds' >&2
    exit 3
  '';
  broken-eval = refuse "broken-eval-1.0" "is marked as broken";
  unfree = if config.allowUnfree or false then runCommand "unfree-1.0" { } "mkdir -p $out" else refuse "unfree-1.0" "has an unfree license (‘unfree’)";
  insecure = if builtins.elem "insecure-1.0" (config.permittedInsecurePackages or [ ]) then runCommand "insecure-1.0" { } "mkdir -p $out" else refuse "insecure-1.0" "is marked as insecure";
  # Builds after 20 seconds: long enough to hang up, join or lose an origin meanwhile.
  slow-build = runCommand "slow-build-1.0" { } ''
    for second in {1..20}; do echo "second $second of 20"; sleep 1; done
    mkdir -p $out/bin
    printf '#!${bash}/bin/sh\necho slow\n' >$out/bin/slow-build
    chmod +x $out/bin/slow-build
  '';
  # A failure that talks a lot: 20,000 lines.
  noisy-build = runCommand "noisy-build-1.0" { } ''
    for ((line = 1; line <= 20000; line++)); do echo "line $line of 20000"; done
    exit 1
  '';
  not-a-package = "just a string";
  function = { argument ? 1 }: argument;
  nested.inner = runCommand "inner-1.0" { } "mkdir -p $out/share; echo inner >$out/share/inner";
}
