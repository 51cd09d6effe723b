# The command line `firn` with all that it runs, for nixpkgs and the starter set: server, origin and
# image builder. Node strips the types of TypeScript that is below no node_modules, so the sources stay
# as they are. Its parts are store paths of their own: a new version of Firn is a few megabytes.
#
#   app        the sources
#   modules    packages of npm: without wrangler, so without `firn deploy`
#   $out       bin/firn, and share/firn/registration: how Nix comes to know all this where it is in an
#              image, beside a Nix that has no database yet (in-image.sh)
{ runCommand, stdenv
, bash, busybox, cacert, git, iana-etc, libdeflate, nix, nodejs_24, patchelf
  # The loader of programs, and what holds libc, libgcc and libstdc++.
, interpreter ? stdenv.cc.bintools.dynamicLinker
, libraries ? [ stdenv.cc.libc stdenv.cc.cc.lib ]
, fetchNpm ? import ./fetch-npm.nix { inherit runCommand nodejs_24 cacert; }
  # A checkout, of which package.json and its lock are read here.
, root ? ../..
  # The files that package.json lists: a directory, or a tar.
, source ? import ./source.nix root
}:
let
  package = builtins.fromJSON (builtins.readFile (root + "/package.json"));
  inherit (import ./npm.nix { inherit runCommand fetchNpm; } (root + "/package-lock.json")) modules;
  system = stdenv.hostPlatform.system;
  cpu = { x86_64-linux = "x64"; aarch64-linux = "arm64"; }.${system};
  workerd = "@cloudflare/workerd-linux-${{ x64 = "64"; arm64 = "arm64"; }.${cpu}}";
  koffi = "@koromix/koffi-linux-${cpu}";
  # Node is the set's own.
  left = [ "node" "wrangler" ];
  wanted = builtins.filter (name: !(builtins.elem name left)) (builtins.attrNames package.dependencies);

  npm = runCommand "firn-npm-${package.version}"
    {
      nativeBuildInputs = [ patchelf ];
      modules = modules (wanted ++ [ workerd koffi "@esbuild/linux-${cpu}" ]);
      inherit interpreter;
      libraries = builtins.concatStringsSep ":" (map (path: "${path}/lib") libraries);
    }
    ''
      mkdir $out
      cp -r $modules/node_modules $out/
      chmod -R u+w $out
      cd $out/node_modules
      patchelf --set-interpreter $interpreter --set-rpath "$libraries" ${workerd}/bin/workerd
      rm -rf ${koffi}/musl_*
      patchelf --set-rpath "$libraries" ${koffi}/linux_*/koffi.node
    '';

  app = runCommand "firn-app-${package.version}" { inherit source; } ''
    mkdir $out
    if [ -d $source ]; then cp -r $source/. $out/; else tar -xf $source -C $out; fi
    chmod u+w $out
    ln -s ${npm}/node_modules $out/node_modules
  '';

  used = [ app npm nodejs_24 bash busybox cacert git iana-etc libdeflate nix ];
in
runCommand "firn-${package.version}"
{
  # By Nix's own hand: each input's closure, as nix-store --register-validity reads it.
  exportReferencesGraph = builtins.concatLists (builtins.genList
    (i: [ "graph-${toString i}" (builtins.elemAt used i) ])
    (builtins.length used));
  pname = "firn";
  inherit (package) version;
  meta = {
    inherit (package) description;
    license = { spdxId = package.license; fullName = package.license; };
    mainProgram = "firn";
    platforms = [ "x86_64-linux" "aarch64-linux" ];
  };
}
''
  share=$out/share/firn
  mkdir -p $out/bin $share
  cat graph-* >$share/registration
  sed 's|@busybox@|${busybox}/bin/busybox|g; s|@nix@|${nix}|g; s|@firn@|'"$out"'|g' ${./in-image.sh} >$share/in-image.sh
  cat >$out/bin/firn <<END
  #!${bash}/bin/bash
  export PATH="\''${PATH:+\$PATH:}${nix}/bin:${git}/bin:${bash}/bin"
  export LIBDEFLATE="\''${LIBDEFLATE-${libdeflate}/lib/libdeflate.so.0}"
  # An image has the programs of its packages in /bin.
  if [[ /bin/firn -ef \$0 ]]; then . $share/in-image.sh; fi
  exec ${nodejs_24}/bin/node ${app}/origin/main.ts "\$@"
  END
  chmod +x $out/bin/firn
''
