# Firn as a flake: `git+https://…?dir=nix/nixos`. `nix run` is the command line, lib.image makes an image
# of one's own nixpkgs (../image.nix), nixosModules.default runs an origin, a registry or both.
{
  description = "A container registry whose images are built with Nix when they are pulled";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      each = make: builtins.listToAttrs (map
        (system: { name = system; value = make nixpkgs.legacyPackages.${system}; })
        systems);
    in
    {
      lib.image = import ../image.nix;
      nixosModules.default = import ./module.nix;
      packages = each (pkgs: rec {
        firn = pkgs.callPackage ../firn { };
        default = firn;
      });
      devShells = each (pkgs: {
        default = pkgs.mkShell {
          packages = [ pkgs.nodejs_24 pkgs.nix pkgs.git pkgs.skopeo pkgs.libdeflate ];
          LIBDEFLATE = "${pkgs.libdeflate}/lib/libdeflate.so.0";
        };
      });
      checks = each (pkgs: {
        inherit (self.packages.${pkgs.stdenv.hostPlatform.system}) firn;
        image = import ../image.nix { inherit pkgs; nodejs = pkgs.nodejs_24; } {
          packages = [ "hello" ];
        };
      });
    };
}
