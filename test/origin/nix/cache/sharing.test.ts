/**
 * Two origins with separate Nix stores: what one has built, and stored in the farm's binary cache,
 * the other need not build; and what is not as it was signed, Nix builds itself.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { ORIGIN_NEEDS } from "../../../../origin/local/needs.ts";
import { openFarmCache } from "../../../../origin/nix/cache/index.ts";
import { readSigningKey } from "../../../../origin/nix/cache/signing-key.ts";
import { unavailable } from "../../../harness/available.ts";
import { ownNixUnavailable, withSmallNix } from "../../../harness/own-nix.ts";
import { until } from "../../../harness/until.ts";
import { edgeHere } from "../../layers/edge-requests.ts";
import { directoryWith, open, packageSet, quiet, system, temporary } from "../support.ts";

const CONSUMER = fileURLToPath(new URL("consumer.ts", import.meta.url));
const options = {
  skip: (await unavailable(ORIGIN_NEEDS)) || (await ownNixUnavailable()),
  timeout: 120_000,
};

/** A bucket that keeps what is stored, and answers as a test wants. */
async function bucket(t: TestContext) {
  const files = new Map<string, Buffer>();
  const state = { files, url: "", refuses: [] as string[] };
  const server = createServer(async (request, response) => {
    const key = (request.url ?? "").slice(1);
    if (state.refuses.some((begin) => key.startsWith(begin))) return response.writeHead(503).end();
    if (request.method === "PUT") {
      files.set(key, await buffer(request));
      return response.end();
    }
    const file = files.get(key);
    return file === undefined ? response.writeHead(404).end() : response.end(file);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => void server.close().closeAllConnections());
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return state;
}

async function nixKey(t: TestContext, name: string) {
  const [secret, open] = [join(temporary(t), "secret"), join(temporary(t), "public")];
  await execa("nix-store", ["--generate-binary-cache-key", name, secret, open]);
  return { secret: readFileSync(secret, "utf8"), public: readFileSync(open, "utf8").trim() };
}

/**
 * A set whose `lib` was built here, stored in the bucket, and left a mark for each time it is
 * built.
 */
async function stored(t: TestContext) {
  const mark = join(temporary(t), "mark");
  writeFileSync(mark, "");
  const text = packageSet(
    `lib = mk "lib" ("mkdir $out; echo ${randomUUID()} > $out/lib; ln -s $out/lib $out/self; "
       + "echo built >> ${mark}");
     user = mk "user" "mkdir $out; ln -s \${lib} $out/lib";`,
  );
  const spec = `path:${directoryWith(t, text)}`;
  const key = await nixKey(t, "rack-1");
  const files = await bucket(t);
  const cache = await openFarmCache({
    directory: temporary(t),
    key: readSigningKey(key.secret),
    trustedKeys: [],
    requests: () => ({
      store: async (file) => ({ kind: "put", url: `${files.url}/${file.key}`, headers: {} }),
      url: () => Promise.reject(new Error("a writer reads nothing")),
    }),
    destinations: edgeHere(),
    logger: { ...quiet, debug: () => {} },
  });
  t.after(() => cache.close());
  const set = await open(t, spec, { cache: cache.hooks });
  const revision = await set.resolve("latest", t.signal);
  const request = { revision, system, names: ["lib"] } as const;
  const [outcome] = await set.build(request, { signal: t.signal, log: () => {} });
  assert.equal(outcome?.kind, "built");
  const names = (): string[] => [...files.files.keys()];
  await until("lib is in the cache", () => names().some((name) => name.endsWith(".narinfo")));
  return {
    key,
    files,
    name: (form: RegExp): string => names().find((name) => form.test(name)) ?? "",
    /** How often lib was built so far. */
    builds: (): number => readFileSync(mark, "utf8").split("\n").length - 1,
    /** Builds `user` in a store of its own; what the consumer wrote. */
    async use(keys = key.public): Promise<string> {
      const program = [process.execPath, CONSUMER, spec, "user", temporary(t), files.url, keys];
      const [command = "", ...args] = [...withSmallNix(100e6), ...program];
      const { stdout } = await execa(command, args, { cancelSignal: t.signal });
      const result = JSON.parse(stdout.split("\n").at(-1) ?? "") as { kind: string };
      assert.equal(result.kind, "built", stdout);
      return stdout;
    },
  };
}

test(
  "what one origin built and signed, another takes instead of building it",
  options,
  async (t) => {
    const { use, builds, name, files } = await stored(t);
    assert.match(files.files.get(name(/narinfo$/))?.toString() ?? "", /^Sig: rack-1:/m);
    const log = await use();
    assert.equal(builds(), 1);
    assert.match(
      log,
      /copying path .* from 'the farm's cache'/,
      "no port of this machine in the log",
    );
  },
);

test("a damaged file is refused by Nix, which then builds", options, async (t) => {
  const { use, builds, name, files } = await stored(t);
  const nar = name(/^cache\/nar\//);
  const bytes = Buffer.from(files.files.get(nar) ?? "");
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 0xff;
  files.files.set(nar, bytes);
  await use();
  assert.equal(builds(), 2);
});

test(
  "another file, well packed but not the one that was signed, is refused",
  options,
  async (t) => {
    const { use, builds, name, files } = await stored(t);
    // What the other store path of the cache was packed to, under this one's name.
    const other = await stored(t);
    files.files.set(
      name(/^cache\/nar\//),
      other.files.files.get(other.name(/^cache\/nar\//)) ?? Buffer.from(""),
    );
    await use();
    assert.equal(builds(), 2);
  },
);

test("a narinfo without a signature does not count", options, async (t) => {
  const { use, builds, name, files } = await stored(t);
  const info = name(/narinfo$/);
  const text = files.files.get(info)?.toString() ?? "";
  files.files.set(info, Buffer.from(text.replace(/^Sig: .*\n/m, "")));
  await use();
  assert.equal(builds(), 2);
});

test("what a key that is not trusted has signed does not count", options, async (t) => {
  const { use, builds } = await stored(t);
  await use((await nixKey(t, "rack-1")).public);
  assert.equal(builds(), 2);
});

test(
  "a bucket that answers 503, at once or in the middle, keeps nothing from being built",
  options,
  async (t) => {
    const { use, builds, files } = await stored(t);
    files.refuses = ["cache/"];
    await use();
    assert.equal(builds(), 2);
    files.refuses = ["cache/nar/"];
    await use();
    assert.equal(builds(), 3);
  },
);
