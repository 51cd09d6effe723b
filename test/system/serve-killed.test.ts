/**
 * `firn serve` that is killed, and its bucket after that: nothing half is in it, what was answered is
 * answered again, and what was lost is made again.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, readdir, readFile, rm, stat } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { originEnv, type OriginProcess, startOriginProcess } from "../../origin/local/origin.ts";
import { readOriginLine } from "../../origin/local/origin-log.ts";
import { ownPort } from "../harness/ports.ts";
import { originPublicKey } from "../../origin/local/secrets.ts";
import { firnUnavailable } from "../harness/firn.ts";
import { pullImage, RegistryAnswer } from "../harness/registry-client.ts";
import { ROOT, StartProcess } from "../harness/start-process.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { until } from "../harness/until.ts";
import { type Random, seeded } from "../farm/random.ts";
import { tinySet } from "./tiny-set.ts";

const MB = 2 ** 20;
const SMALL = ["a", "b", "c", "d", "e", "f"] as const;
/** Larger than all that the gate and the sockets hold. */
const BIG = ["big1", "big2"] as const;
const ATTRIBUTES = [
  ...[...SMALL, "late", "later"].map((name) => `${name} = program "${name}";`),
  ...BIG.map(
    (name) =>
      `${name} = mk "${name}" "mkdir -p $out/bin; head -c 24000000 /dev/urandom > $out/bin/${name}";`,
  ),
].join("\n");
const SERVE = [process.execPath, join(ROOT, "origin/main.ts"), "serve"];

/** A TCP proxy that can stop in the middle of what a client sends. */
interface Gate {
  readonly port: number;
  /** Resolves when a client has sent a megabyte, of which the rest is kept back. */
  hold(): Promise<void>;
  /** Cuts what is held, and holds nothing more. */
  open(): void;
  stop(): void;
}

async function startGate(target: number): Promise<Gate> {
  let caught: (() => void) | undefined;
  const held = new Set<Socket>();
  const all = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target, "127.0.0.1");
    let sent = 0;
    client.on("data", (chunk) => {
      upstream.write(chunk);
      sent += chunk.length;
      if (caught === undefined || sent < MB) return;
      client.pause();
      held.add(client);
      caught();
    });
    upstream.on("data", (chunk) => client.write(chunk));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      all.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        all.delete(one);
        other.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { port: number }).port,
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      caught = resolve;
      return promise;
    },
    open() {
      caught = undefined;
      for (const client of held) client.destroy();
      held.clear();
    },
    stop() {
      server.close();
      for (const socket of all) socket.destroy();
    },
  };
}

describe("firn serve, killed", { skip: await firnUnavailable() }, () => {
  const random: Random = seeded(Number(process.env["FIRN_SEED"] ?? "1"));
  let root: string;
  let gate: Gate;
  let firn: StartProcess;
  let origin: OriginProcess;
  let url: string;
  let start: () => Promise<void>;
  const log: string[] = [];
  const objects = (): string => join(root, "state/bucket/objects");

  before(async () => {
    root = await tempDir("killed");
    const set = await tinySet(root, ATTRIBUTES);
    const [port, bucketPort] = [await ownPort(), await ownPort()];
    url = `http://127.0.0.1:${port}`;
    gate = await startGate(bucketPort);
    const keyFile = join(root, "origin.key");
    const env = {
      PACKAGE_SET: set.spec,
      FIRN_STATE: join(root, "state"),
      PORT: String(port),
      BUCKET_PORT: String(bucketPort),
      BUCKET_URL: `http://127.0.0.1:${gate.port}`,
      SYSTEMS: "x86_64-linux",
      LIMIT_IMAGES: "off",
      LIMIT_PACKAGES: "off",
      LIMIT_REQUESTS: "off",
      ORIGINS: JSON.stringify({ rack: { key: await originPublicKey(keyFile) } }),
    };
    start = async () => {
      firn = new StartProcess(env, SERVE);
      await firn.line(/listening at/);
    };
    await start();
    const connected = Promise.withResolvers<void>();
    origin = startOriginProcess({
      env: {
        ...(await originEnv(process.env, {
          edgeUrl: url,
          name: "rack",
          keyFile,
          packageSet: set.spec,
          stateDir: join(root, "origin"),
        })),
        ...set.originEnv,
      },
      restart: false,
      onLine: (line) => {
        const { text, connected: isConnected } = readOriginLine(line);
        log.push(text);
        if (isConnected) connected.resolve();
      },
      onExit: (how) => connected.reject(new Error(`${how}: ${log.join("\n")}`)),
    });
    await connected.promise;
  });
  afterEach((context) => {
    if ("passed" in context && !context.passed)
      process.stderr.write(`${[...(firn?.lines ?? []), ...log].join("\n")}\n`);
  });
  after(async () => {
    gate?.stop();
    await origin?.stop();
    await firn?.end("SIGTERM");
    await removeTree(root);
  });

  /** Comes again while the server is away or says when to come again. */
  const pull = (name: string) =>
    until(`${name} pulled`, () =>
      pullImage(url, name).catch(async (error: unknown) => {
        if (error instanceof RegistryAnswer && error.status !== 503) throw error;
        await sleep(200);
        return undefined;
      }),
    );

  /** Ends one of the two processes as a lack of memory does, and waits until neither is left. */
  async function kill(which: "workerd" | "node"): Promise<void> {
    const { pid = 0 } = firn.child;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
    const workerd = Number(children.trim().split(" ")[0]);
    assert.equal((await readFile(`/proc/${workerd}/comm`, "utf8")).trim(), "workerd");
    const closed = once(firn.child, "close");
    process.kill(which === "node" ? pid : workerd, "SIGKILL");
    await closed;
    if (which === "workerd") {
      assert.equal(firn.child.exitCode, 1, "whoever supervises it starts it again");
      assert.match(firn.lines.join("\n"), /workerd ended by itself \(SIGKILL\)/);
    }
    await until("the port is free", () =>
      fetch(url).then(
        () => false,
        () => true,
      ),
    );
  }

  /** Blobs have the bytes that their names say, and records are complete. */
  async function assertWhole(): Promise<void> {
    const files = await readdir(objects(), { recursive: true });
    let blobs = 0;
    for (const file of files) {
      const path = join(objects(), file);
      if (!(await stat(path)).isFile()) continue;
      const bytes = await readFile(path);
      if (file.endsWith(".json")) JSON.parse(String(bytes));
      const [, hex] = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(file) ?? [];
      if (hex === undefined) continue;
      assert.equal(createHash("sha256").update(bytes).digest("hex"), hex, file);
      blobs += 1;
    }
    assert.ok(blobs > 0, "there are no blobs");
  }

  const incoming = (): Promise<string[]> => readdir(join(root, "state/bucket/incoming"));

  for (const [at, which] of (["workerd", "node"] as const).entries())
    test(`${which}, in the middle of an upload`, async () => {
      const held = gate.hold();
      const name = BIG[at] ?? "";
      const pulled = pull(name);
      await held;
      const half = await until("a half upload", async () => {
        const names = await incoming();
        return names.length > 0 ? names : undefined;
      });
      await kill(which);
      await assertWhole();
      gate.open();
      await start();
      const left = await incoming();
      assert.deepEqual(
        half.filter((file) => left.includes(file)),
        [],
        "it is removed at the start",
      );
      const { digest } = await pulled;
      assert.equal((await pullImage(url, name, digest)).digest, digest);
      await assertWhole();
    });

  test("while images are composed: each is there or is not, and is the same again", async () => {
    await Promise.all(SMALL.map(pull));
    const digests = new Map<string, string>();
    const answered = async (name: string): Promise<void> => {
      const { digest } = await pullImage(url, name);
      assert.equal(digests.get(name) ?? digest, digest, name);
      digests.set(name, digest);
    };
    for (let round = 0; round < 2; round += 1) {
      const names = SMALL.flatMap((one) =>
        SMALL.filter((other) => other !== one).map((other) => `${one}/${other}/big${round + 1}`),
      ).filter(() => random() < 0.3);
      const pulls = Promise.allSettled(names.map(answered));
      await sleep(random() * 400);
      await kill(round === 0 ? "workerd" : "node");
      await pulls;
      await assertWhole();
      await start();
      for (const name of names) {
        const { digest } = await pull(name);
        assert.equal(digests.get(name) ?? digest, digest, name);
      }
    }
    await assertWhole();
  });

  test("a bucket from a backup that is older than the farm's state, or lacks the newest blobs", async () => {
    const bucket = join(root, "state/bucket");
    const backup = join(root, "backup");
    await pull("a");
    await cp(bucket, backup, { recursive: true, preserveTimestamps: true });
    const { digest } = await pull("late");
    const { digest: other } = await pull("later/a");
    const blobs = join(objects(), "blobs/sha256");
    const old = new Set(await readdir(join(backup, "objects/blobs/sha256")));
    const newer = (await readdir(blobs)).filter((name) => !old.has(name));
    assert.ok(newer.length > 2, "nothing was made after the backup");

    // As a copy that passed by the blobs before they were written, and by the records afterwards.
    await firn.end("SIGTERM");
    for (const name of newer) await rm(join(blobs, name));
    await start();
    assert.equal((await pull("late")).digest, digest, "its records name blobs that are lost");
    assert.equal((await pull("later/a")).digest, other);
    await pullImage(url, "late", digest);

    await firn.end("SIGTERM");
    await rm(bucket, { recursive: true });
    await cp(backup, bucket, { recursive: true, preserveTimestamps: true });
    await start();
    assert.equal((await pull("late")).digest, digest, "nothing of it is known any more");
    assert.equal((await pull("later/a")).digest, other);
    assert.equal((await pull("a/b")).manifest.layers.length > 0, true);
    await assertWhole();
  });
});
