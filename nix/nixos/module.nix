# NixOS: services.firn.origin is an origin, services.firn.server an edge on one's own server, both on one
# machine a whole Firn. Units as origin/server/examples has them; a setting is a variable of
# origin/configuration.md, origin/server/README.md or edge/configuration.md.
{ config, lib, pkgs, ... }:
let
  inherit (lib) literalMD mkEnableOption mkIf mkMerge mkOption optionalAttrs types;
  cfg = config.services.firn;
  settings = mkOption {
    type = types.attrsOf types.str;
    default = { };
    example = { EVAL_MEMORY = "2G"; CLOSURE_LIMIT = "4G"; };
    description = "Variables, limits among them. They are readable by everybody: no secrets.";
  };
  environmentFile = mkOption {
    type = types.nullOr types.path;
    default = null;
    description = "File of variables that are secret, as systemd's EnvironmentFile has it.";
  };
  packageSet = mkOption {
    type = types.str;
    default = "channel:nixos-unstable";
    description = "PACKAGE_SET: the same for the edge and all its origins.";
  };
  # What the units have in common.
  sandboxed = {
    DynamicUser = true;
    CapabilityBoundingSet = "";
    NoNewPrivileges = true;
    ProtectSystem = "strict";
    ProtectHome = true;
    PrivateTmp = true;
    PrivateDevices = true;
    RestrictAddressFamilies = "AF_INET AF_INET6 AF_UNIX";
  };
  secrets = file: optionalAttrs (file != null) { EnvironmentFile = file; };
in
{
  options.services.firn = {
    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ../firn { };
      defaultText = literalMD "the firn of this checkout";
      description = "The firn that runs.";
    };
    origin = {
      enable = mkEnableOption "an origin of Firn, which builds and stores packages";
      inherit settings environmentFile packageSet;
      edges = mkOption {
        type = types.listOf types.str;
        example = [ "https://registry.example.org" ];
        description = "FIRN_EDGES: the edges that it works for.";
      };
      name = mkOption {
        type = types.str;
        default = config.networking.hostName;
        description = "ORIGIN_NAME: as the edges' ORIGINS has it.";
      };
      keyFile = mkOption {
        type = types.str;
        example = "/run/secrets/firn-origin.key";
        description = "Its private key, made by `firn keygen`: a path outside of the Nix store.";
      };
    };
    server = {
      enable = mkEnableOption "Firn's edge, without Cloudflare";
      inherit settings environmentFile packageSet;
      listen = mkOption {
        type = types.str;
        default = "127.0.0.1:8787";
        example = "[::1]:8787";
        description = "Address and port, for a TLS proxy on this machine.";
      };
    };
  };

  config = mkMerge [
    (mkIf cfg.origin.enable {
      # Whoever can pull chooses what is built. Nix takes BUILD_LOG from nobody whom it does not trust.
      nix.settings.sandbox = true;
      nix.settings.max-build-log-size = 67108864;
      systemd.services.firn-origin = {
        description = "An origin of Firn: builds and stores packages";
        wantedBy = [ "multi-user.target" ];
        wants = [ "network-online.target" ];
        after = [ "network-online.target" ];
        path = [ config.nix.package ];
        environment = {
          PACKAGE_SET = cfg.origin.packageSet;
          FIRN_EDGES = builtins.concatStringsSep "," cfg.origin.edges;
          ORIGIN_NAME = cfg.origin.name;
          ORIGIN_KEY_FILE = "%d/key";
          STATE_DIR = "/var/lib/firn-origin";
          NIX_REMOTE = "daemon";
        } // cfg.origin.settings;
        serviceConfig = {
          Type = "exec";
          ExecStart = "${cfg.package}/bin/firn origin";
          LoadCredential = "key:${cfg.origin.keyFile}";
          Restart = "always";
          RestartSec = 5;
          # DRAIN (60 s) for its jobs, and a little more.
          TimeoutStopSec = 90;
          KillMode = "mixed";
          OOMPolicy = "continue";
          StateDirectory = "firn-origin";
          StateDirectoryMode = "0700";
          UMask = "0077";
          ProtectClock = true;
          ProtectControlGroups = true;
          ProtectHostname = true;
          ProtectKernelLogs = true;
          ProtectKernelModules = true;
          ProtectKernelTunables = true;
          ProtectProc = "invisible";
          LockPersonality = true;
          RestrictNamespaces = true;
          RestrictRealtime = true;
          RestrictSUIDSGID = true;
          SystemCallArchitectures = "native";
          SystemCallFilter = "@system-service";
          SystemCallErrorNumber = "EPERM";
        } // sandboxed // secrets cfg.origin.environmentFile;
      };
    })
    (mkIf cfg.server.enable (
      let
        parts = builtins.match "(.*):([0-9]+)" cfg.server.listen;
        address = if parts == null then throw "services.firn.server.listen is no ADDRESS:PORT" else parts;
        # systemd writes [::1]:8787, HOST is ::1.
        withoutBrackets = builtins.replaceStrings [ "[" "]" ] [ "" "" ];
      in
      {
        # systemd listens, also while Firn is restarted: whoever connects meanwhile waits a second.
        systemd.sockets.firn = {
          description = "Firn's socket";
          wantedBy = [ "sockets.target" ];
          listenStreams = [ cfg.server.listen ];
          socketConfig.Backlog = 1024;
        };
        systemd.services.firn = {
          description = "Firn, a container registry";
          wantedBy = [ "multi-user.target" ];
          wants = [ "network-online.target" ];
          after = [ "network-online.target" ];
          requires = [ "firn.socket" ];
          # Started again however often it fails: systemd gives up otherwise, the socket too.
          startLimitIntervalSec = 0;
          environment = {
            PACKAGE_SET = cfg.server.packageSet;
            FIRN_STATE = "/var/lib/firn";
            HOST = withoutBrackets (builtins.elemAt address 0);
            PORT = builtins.elemAt address 1;
          } // cfg.server.settings;
          serviceConfig = {
            Type = "exec";
            ExecStart = "${cfg.package}/bin/firn serve";
            Restart = "on-failure";
            RestartSec = 1;
            # Answers that have begun may end; then workerd is stopped.
            TimeoutStopSec = 15;
            KillMode = "mixed";
            StateDirectory = "firn";
          } // sandboxed // secrets cfg.server.environmentFile;
        };
      }
    ))
  ];
}
