/**
 * What the pages leave to their reader, and what a test puts there. They are replaced in this order,
 * each everywhere.
 */

/** What is known when the commands run. */
export interface Facts {
  /** URL, and host with port, of the Firn that all commands use. */
  readonly url: string;
  readonly host: string;
  /** Host of a registry of another kind, to push to. */
  readonly registry: string;
  /** Name of the Firn's origin. */
  readonly origin: string;
  /** URL of the `firn serve` that the page itself starts, and public key of `rack-1`. */
  readonly served: string;
  readonly rackKey: string;
  /** Digest of `shell/git`. */
  readonly digest: string;
  readonly password: string;
  /** The bucket, as an operator's command reaches it. */
  readonly bucket: Readonly<Record<"endpoint" | "accessKeyId" | "secretAccessKey", string>>;
}

type StandIn = readonly [pattern: RegExp, value: string];

export const standIns = (facts: Facts): readonly StandIn[] => [
  // An origin connects to the edge that the page has started.
  [/FIRN_EDGES=\S+/g, `FIRN_EDGES=${facts.served}`],
  [/\{"key": "…"\}/g, `{"key": "${facts.rackKey}"}`],
  // A registry's name: with the protocol, and in an image's name.
  [/https:\/\/(HOST|firn\.example|registry\.example\.org|eu\.example\.org)/g, facts.url],
  [/\b(HOST|registry\.example\.org|127\.0\.0\.1:8787)\b/g, facts.host],
  [/REGISTRY\/REPO:TAG/g, `${facts.registry}/team/git:1`],
  [/channel:nixos-unstable/g, "starter"],
  // The starter set has no tags beside latest.
  [/from=git:nixos-\S+&to=git:nixos-[\d.]+/g, "from=git&to=shell/git"],
  // Accounts and secrets.
  [/FIRN_USER=…/g, "FIRN_USER=root"],
  [/FIRN_PASSWORD=…/g, `FIRN_PASSWORD=${facts.password}`],
  [/USER:PASSWORD/g, `root:${facts.password}`],
  [/docker login (\S+)$/g, "docker login $1 --username root"],
  [/(docker login .*)$/g, `$1 --password-stdin <<< ${facts.password}`],
  [/S3_ENDPOINT=…/g, `S3_ENDPOINT=${facts.bucket.endpoint}`],
  [/S3_ACCESS_KEY_ID=…/g, `S3_ACCESS_KEY_ID=${facts.bucket.accessKeyId}`],
  [/S3_SECRET_ACCESS_KEY=…/g, `S3_SECRET_ACCESS_KEY=${facts.bucket.secretAccessKey}`],
  // Names: of an account, of an origin (one that nothing rests on is revoked), of images.
  [/firn (-- )?user NAME/g, "firn $1user somebody"],
  [/\b(drain|rest) NAME/g, `$1 ${facts.origin}`],
  [/\brevoke NAME/g, "revoke rack-9"],
  [/NAME@sha256:…/g, `shell/git@${facts.digest}`],
  [/\bNAME\b/g, "shell/git"],
  [/diff A B/g, "diff git shell/git"],
  [/search WORD/g, "search json"],
  // Files and directories; systemd's are below the scratch directory, which has the checkout too.
  [/\bDIR\b/g, "images"],
  [/docker-archive:FILE/g, "docker-archive:image.tar"],
  [/mirror LIST/g, "mirror images.txt"],
  [/BACKUP\//g, "backup/"],
  [/\/etc\/systemd\/system\//g, "etc/systemd/system/"],
  [/\/opt\/firn\//g, "./"],
  // Only what it would do: the machine is not the test's.
  [/^apt-get install/g, "apt-get install --simulate"],
  // An answer that is an error is a failure.
  [/^curl /g, "curl --fail-with-body "],
];

export const filledIn = (text: string, facts: Facts): string =>
  standIns(facts).reduce((done, [pattern, value]) => done.replaceAll(pattern, value), text);
