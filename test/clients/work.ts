/** Real work that pulled images do: what is run in which image, and what must come out. */
import assert from "node:assert/strict";
import type { RunOptions, RunResult } from "../harness/clients/client.ts";

/**
 * What the containers have around them: a directory mounted at /given with a repository and a
 * certificate, and servers on the machine's own 127.0.0.1.
 */
export interface Surroundings {
  readonly given: string;
  readonly commit: string;
  readonly http: string;
  readonly https: string;
}

export interface Work {
  readonly title: string;
  readonly image: string;
  readonly command: (given: Surroundings) => readonly string[];
  readonly options: (given: Surroundings) => RunOptions;
  readonly check: (result: RunResult, given: Surroundings) => void;
}

const mounted = ({ given }: Surroundings): RunOptions => ({ mounts: { [given]: "/given" } });
const networked = ({ given }: Surroundings): RunOptions => ({
  mounts: { [given]: "/given" },
  hostNetwork: true,
});
const bash = (script: string) => ["bash", "-euc", script] as const;

const succeeds =
  (expected: string | RegExp) =>
  (result: RunResult): void => {
    assert.equal(result.exitCode, 0, JSON.stringify(result));
    if (typeof expected === "string") assert.equal(result.stdout.trim(), expected);
    else assert.match(result.stdout, expected);
  };

/**
 * The image's own bundle, found as SSL_CERT_FILE says, and the test's authority beside it: in the
 * writable /tmp that every image has.
 */
const TRUST =
  'cat "$SSL_CERT_FILE" /given/ca.crt >/tmp/bundle.crt; export SSL_CERT_FILE=/tmp/bundle.crt';

const GIT_CURL = "shell/git/curl";
/** curl's exit code for a certificate that it does not trust. */
const CURL_UNTRUSTED = 60;

export const WORK: readonly Work[] = [
  {
    title: "git clones a local repository",
    image: GIT_CURL,
    command: ({ commit }) =>
      bash(
        `cd "$(mktemp -d)"; git clone --quiet file:///given/snow.git; cat snow/flake.txt
        test "$(git -C snow rev-parse HEAD)" = ${commit}; git -C snow fsck`,
      ),
    options: mounted,
    check: succeeds("six arms"),
  },
  {
    title: "git clones over http",
    image: GIT_CURL,
    command: ({ http }) =>
      bash(`cd "$(mktemp -d)"; git clone --quiet ${http}/snow.git; cat snow/flake.txt`),
    options: networked,
    check: succeeds("six arms"),
  },
  {
    title: "git clones over https, by the image's certificates and one more",
    image: GIT_CURL,
    command: ({ https }) =>
      bash(`${TRUST}; cd "$(mktemp -d)"; git clone --quiet ${https}/snow.git; cat snow/flake.txt`),
    options: networked,
    check: succeeds("six arms"),
  },
  {
    title: "curl over TLS, by the image's certificates and one more",
    image: GIT_CURL,
    command: ({ https }) =>
      bash(
        `test "$(tr -dc D <"$SSL_CERT_FILE" | wc -c)" -gt 100; ${TRUST}
        curl --silent --show-error --fail ${https}/hello.txt`,
      ),
    options: networked,
    check: succeeds("hello over TLS"),
  },
  {
    title: "curl refuses a certificate whose authority the image does not have",
    image: GIT_CURL,
    command: ({ https }) => ["curl", "--silent", "--show-error", `${https}/hello.txt`],
    options: networked,
    check: (result) => {
      assert.equal(result.exitCode, CURL_UNTRUSTED, JSON.stringify(result));
      assert.equal(result.stdout, "");
    },
  },
  {
    title: "the shell image has what every image needs",
    image: GIT_CURL,
    command: () =>
      bash(
        `id -un; id -un nobody; /usr/bin/env true; sh -c "echo from sh"; stat -c %a /tmp /var/tmp
        [[ $(</etc/services) == *443/tcp* ]]; [[ $(</etc/protocols) == *ICMP* ]]`,
      ),
    options: () => ({}),
    check: succeeds("root\nnobody\nfrom sh\n1777\n1777"),
  },
  {
    title: "python keeps a database",
    image: "python3",
    command: () => [
      "python3",
      "-c",
      `
import sqlite3
db = sqlite3.connect("/tmp/x.db")
db.execute("create table t (n)")
db.executemany("insert into t values (?)", [(n,) for n in range(10)])
db.commit()
print(sqlite3.connect("/tmp/x.db").execute("select sum(n) from t").fetchone()[0])
`,
    ],
    options: () => ({}),
    check: succeeds("45"),
  },
  {
    title: "python speaks TLS, to those it trusts",
    image: "python3",
    command: ({ https }) => [
      "python3",
      "-c",
      `
import ssl, urllib.error, urllib.request
assert len(ssl.create_default_context().get_ca_certs()) > 50
def get(context): return urllib.request.urlopen("${https}/hello.txt", context=context).read().decode()
try:
    get(ssl.create_default_context())
    raise SystemExit("trusted an unknown authority")
except urllib.error.URLError as error:
    assert isinstance(error.reason, ssl.SSLCertVerificationError), error
context = ssl.create_default_context()
context.load_verify_locations("/given/ca.crt")
print(get(context))
`,
    ],
    options: networked,
    check: succeeds("hello over TLS"),
  },
  {
    title: "ImageMagick draws",
    image: "imagemagick",
    command: () => ["convert", "-size", "16x16", "xc:red", "-resize", "2x2", "png:-"],
    options: () => ({}),
    check: succeeds(/PNG/),
  },
  {
    title: "ImageMagick reads what it drew",
    image: "imagemagick",
    command: () => ["convert", "-size", "16x16", "gradient:red-blue", "-resize", "4x4", "txt:-"],
    options: () => ({}),
    check: succeeds(/4,4[^]*3,3:/),
  },
  {
    title: "7zz hashes",
    image: "7zz",
    command: () => ["7zz", "h", "/etc/passwd"],
    options: () => ({}),
    check: succeeds(/CRC32/),
  },
  {
    title: "a nested attribute's program runs",
    image: "xorg.xauth",
    command: () => [
      "xauth",
      "-i",
      "-f",
      "/tmp/authority",
      "add",
      ":1",
      ".",
      "00112233445566778899aabbccddeeff",
    ],
    options: () => ({}),
    check: (result) => assert.equal(result.exitCode, 0, JSON.stringify(result)),
  },
];
