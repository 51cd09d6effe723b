import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { makePlan } from "../../../../origin/plan/index.ts";
import { channelGraph } from "../../../../origin/plan/sources/channel.ts";
import { unxz } from "../../../../origin/plan/sources/xz.ts";

const path = (letter: string, name: string): string => `${letter.repeat(32)}-${name}`;
const GLIBC = path("a", "glibc-2.39");
const GIT = path("b", "git-2.39.5");
const DOC = path("c", "git-2.39.5-doc");
const GONE = path("d", "gone-1.0");
const ZLIB = path("f", "zlib-1.3");
/** zlib is in no list: only git's narinfo names it. */
const INFOS: Record<string, readonly string[]> = {
  [GLIBC]: [GLIBC],
  [GIT]: [GIT, GLIBC, ZLIB],
  [DOC]: [],
  [ZLIB]: [GLIBC],
};
const log = (): void => {};
const narinfo = (base: string): string =>
  `StorePath: /nix/store/${base}
URL: nar/x.nar.xz
NarHash: sha256:x
NarSize: ${base.length * 1_000_000}
References: ${INFOS[base]!.join(" ")}
Sig: x
`;

let xz = true;
try {
  execFileSync("xz", ["--version"], { stdio: "ignore" });
} catch {
  xz = false;
  if (process.env.CI === "true") throw new Error("xz is missing, which CI must have");
}

describe("a channel's graph", { skip: xz ? false : "the program xz is not installed" }, () => {
  let server: Server;
  let base: string;
  let dir: string;
  let asked: string[] = [];
  let answer: (url: string) => { status: number; body?: string | Buffer } | undefined;

  before(async () => {
    const list = execFileSync("xz", ["--compress", "--stdout"], {
      input: [GLIBC, GIT, DOC, GONE].map((name) => `/nix/store/${name}\n`).join(""),
    });
    server = createServer((request, response) => {
      const url = request.url!;
      asked.push(url);
      const name = Object.keys(INFOS).find((each) => url === `/cache/${each.slice(0, 32)}.narinfo`);
      const { status, body } =
        answer(url) ??
        (url === "/channel/store-paths.xz"
          ? { status: 200, body: list }
          : name
            ? { status: 200, body: narinfo(name) }
            : { status: 404, body: "404" });
      response.writeHead(status).end(body);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  afterEach(() => rm(dir, { recursive: true }));
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "firn-plan-"));
    asked = [];
    answer = () => undefined;
  });

  const source = () => ({
    storePaths: `${base}/channel/store-paths.xz`,
    cache: `${base}/cache/`,
    dir,
  });

  it("has every listed path and what they refer to; plain names can be requested", async () => {
    const nodes = await channelGraph(source(), { log });
    const found = Object.fromEntries(
      nodes.map(({ name, roots, references, size }) => [
        name,
        { roots, size, references: references.map((each) => each.slice(44)) },
      ]),
    );
    assert.deepEqual(found, {
      "glibc-2.39": { roots: ["glibc"], size: GLIBC.length * 1_000_000, references: [] },
      "git-2.39.5": {
        roots: ["git"],
        size: GIT.length * 1_000_000,
        references: ["glibc-2.39", "zlib-1.3"],
      },
      "git-2.39.5-doc": { roots: [], size: DOC.length * 1_000_000, references: [] },
      "zlib-1.3": { roots: [], size: ZLIB.length * 1_000_000, references: ["glibc-2.39"] },
    });
  });

  it("becomes a plan, and says how far it is", async () => {
    const lines: string[] = [];
    const plan = await makePlan({
      source: { kind: "channel", ...source() },
      log: (line) => lines.push(line),
    });
    assert.deepEqual(Object.keys(plan.names), ["git-2.39.5", "glibc-2.39", "zlib-1.3"]);
    assert.match(
      lines.join("\n"),
      new RegExp(
        "4 store paths in the channel\n4 store paths read, 1 are not in the cache\n" +
          "layer plan: \\d classes of 3 names",
      ),
    );
  });

  it("goes on where it was broken off, and reads again what was written half", async () => {
    answer = (url) => (url.includes(GIT.slice(0, 32)) ? { status: 403 } : undefined);
    await assert.rejects(channelGraph(source(), { log }), /answers 403/);
    const kept = await readFile(join(dir, "narinfos.jsonl"), "utf8");
    assert.match(kept, /glibc/);
    await writeFile(join(dir, "narinfos.jsonl"), `${kept}{"path":"/nix/store/bbbb`);
    answer = () => undefined;
    asked = [];
    assert.equal((await channelGraph(source(), { log })).length, 4);
    assert.ok(
      !asked.some((url) => url.includes(GLIBC.slice(0, 32))),
      "glibc was not asked for again",
    );
    asked = [];
    assert.equal((await channelGraph(source(), { log })).length, 4);
    assert.deepEqual(
      asked.filter((url) => url.endsWith(".narinfo")),
      [`/cache/${GONE.slice(0, 32)}.narinfo`],
    );
  });

  it("asks again when the server is in trouble", async () => {
    let failed = false;
    answer = (url) => {
      if (failed || !url.includes(ZLIB.slice(0, 32))) return undefined;
      failed = true;
      return { status: 503 };
    };
    assert.equal((await channelGraph(source(), { log })).length, 4);
  });

  it("refuses an answer for another path, a list that is none, and a channel that is not there", async () => {
    answer = (url) =>
      url.includes(GIT.slice(0, 32)) ? { status: 200, body: narinfo(GLIBC) } : undefined;
    await assert.rejects(channelGraph(source(), { log }), /answers for .*git.* with .*glibc/);
    answer = (url) => (url.endsWith(".xz") ? { status: 200, body: "no xz" } : undefined);
    await assert.rejects(channelGraph(source(), { log }), /xz cannot unpack/);
    answer = (url) => (url.endsWith(".xz") ? { status: 404 } : undefined);
    await assert.rejects(channelGraph(source(), { log }), /no list of store paths/);
  });

  it("stops when told to", async () => {
    await assert.rejects(
      channelGraph(source(), { log, signal: AbortSignal.abort(new Error("enough")) }),
      /enough/,
    );
  });

  it("says that xz is missing", async () => {
    const before = process.env.PATH;
    process.env.PATH = dir;
    try {
      await assert.rejects(unxz(Buffer.from("")), /xz is not installed/);
    } finally {
      process.env.PATH = before;
    }
  });
});
