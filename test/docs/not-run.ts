/** Commands of the pages that no test can run as they stand, and why; and those that end otherwise. */

const CLOUDFLARE = "asks for an account at Cloudflare";
const SYSTEMD = "there is no systemd in a container";
const NOT_IN_DEBIAN = "is no package of Debian's or npm's";
const OWN_IMAGE =
  "takes an image of Firn itself, 164 MB: test/clients/own-image makes one and runs it so";
const SIGNATURES =
  "cosign is no package of Debian's: test/edge/referrers verifies with sigstore's own library";

/** Firn in containers of its own image. */
const RUN_EDGE =
  "docker run -d --name firn --network host --user 1000:1000 -v /srv/firn:/var/lib/firn " +
  "-e HOST=127.0.0.1 -e PACKAGE_SET=channel:nixos-unstable " +
  `-e ORIGINS='{"rack-1": {"key": "…"}}' HOST/firn firn serve`;
const RUN_ORIGIN =
  "docker run -d --name rack-1 --network host --privileged -v rack-1:/var/lib/firn " +
  "-v $PWD/rack-1.key:/rack-1.key:ro -e FIRN_EDGES=http://127.0.0.1:8787 -e ORIGIN_NAME=rack-1 " +
  "-e ORIGIN_KEY_FILE=/rack-1.key -e PACKAGE_SET=channel:nixos-unstable HOST/firn firn origin";
const NIX_IMAGE =
  "nix-build -E 'with import <nixpkgs> { }; import ./nix/image.nix { inherit pkgs; } " +
  "{ packages.firn = callPackage ./nix/firn { }; }'";

/** By the text of the command. One that no page has any more fails the test. */
export const NOT_RUN: Readonly<Record<string, string>> = {
  "npm install": "takes a minute, and what runs the tests has done it: .ci/run",
  "npm test": "runs this test",
  "npm test -- --quick": "runs tests for a minute, beside this one: .ci/run runs all of them",
  "du -sh /nix/store": "ends with 1 when a store path goes meanwhile, as those of other tests do",

  "oras discover HOST/git": `oras ${NOT_IN_DEBIAN}: test/edge/referrers asks for the same`,
  "trivy image --sbom-sources oci HOST/git": `trivy ${NOT_IN_DEBIAN}: test/edge/referrers reads the same`,
  "cosign download sbom HOST/git": SIGNATURES,
  "cosign verify --key registry.pub --insecure-ignore-tlog HOST/git": SIGNATURES,
  "cosign verify-attestation --key registry.pub --insecure-ignore-tlog --type slsaprovenance1 HOST/git":
    SIGNATURES,

  "docker pull 127.0.0.1:8787/firn": OWN_IMAGE,
  "npm run firn -- push amd64/firn images.example.org/firn:1": OWN_IMAGE,
  [RUN_EDGE]: OWN_IMAGE,
  [RUN_ORIGIN]: OWN_IMAGE,
  "docker stop --time 90": OWN_IMAGE,
  [NIX_IMAGE]: "takes nixpkgs: test/nix/image builds image.nix with the starter set",

  "npx wrangler login": CLOUDFLARE,
  "npx wrangler whoami": CLOUDFLARE,
  "npx wrangler r2 bucket create firn": CLOUDFLARE,
  "npx wrangler r2 bucket create firn-production": CLOUDFLARE,
  "npx wrangler r2 bucket create firn-staging": CLOUDFLARE,
  "npx wrangler r2 bucket domain add firn-production --domain blobs.example.org --zone-id ZONE":
    CLOUDFLARE,
  "npm run -s firn -- user root --operator | npx wrangler secret put ACCOUNTS --env production":
    CLOUDFLARE,
  "openssl rand -base64 32 | npx wrangler secret put TOKEN_KEY --env production": CLOUDFLARE,
  "npx wrangler secret put S3_ACCESS_KEY_ID --env production": CLOUDFLARE,
  "npx wrangler secret put S3_SECRET_ACCESS_KEY --env production": CLOUDFLARE,
  "npm run deploy -- --env production": `${CLOUDFLARE}: test/origin/deploy has all before that`,
  "npx wrangler rollback --env production": CLOUDFLARE,
  "npx wrangler tail firn-production": CLOUDFLARE,
  "npx wrangler tail firn-production --status error": CLOUDFLARE,

  "curl -sI https://channels.nixos.org": "asks a host on the internet",
  "git ls-remote URL": "asks the host of the reader's repository",

  "nix flake lock": "is for a flake of the reader's, and Debian 12's Nix has it switched off",

  "systemctl enable --now firn-origin": SYSTEMD,
  "systemctl enable --now firn.socket firn.service": SYSTEMD,
  "systemctl status firn": SYSTEMD,
  "systemctl status firn-origin": SYSTEMD,
  "systemctl start firn-origin": SYSTEMD,
  "systemctl restart firn-origin": SYSTEMD,
  "git checkout COMMIT && npm install && systemctl restart firn": SYSTEMD,
  "journalctl -u firn -f": SYSTEMD,
  "journalctl -u firn-origin -f": SYSTEMD,
  "journalctl -u firn -u firn-origin --since -1h | grep THE-ID": SYSTEMD,
  "git pull && npm install && systemctl restart firn": `${SYSTEMD}: test/system/serve restarts it`,
};

/** Commands that run on, by their beginning, and what they say when they are up. */
export const STAYS: readonly (readonly [command: RegExp, up: RegExp])[] = [
  [/^npm start$/, /^ready: /],
  [/npm run firn -- serve$/, /listening at/],
  [/npm run firn -- origin$/, /connected to the edge/],
  [/^firn mirror .* --every 1h$/, /^(new|same)  shell\/git/],
];

const NOTHING_SET = "says what is missing, for the checkout's wrangler.toml sets nothing";

/** Exit statuses other than 0. */
export const STATUS: readonly (readonly [command: string, status: number, why: string])[] = [
  ["npm run deploy -- --env production --dry-run", 2, NOTHING_SET],
];
