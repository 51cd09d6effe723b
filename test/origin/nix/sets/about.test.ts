/** Lists of versions and descriptions, as a starter set and a channel have them. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import * as fc from "fast-check";
import {
  channelAbout,
  readPackages,
  starterAbout,
  starterMetadata,
} from "../../../../origin/nix/sets/about.ts";

const LIST = {
  version: 2,
  packages: {
    git: { pname: "git", version: "2.51", meta: { description: "Version control", license: {} } },
    'odd"}{name': { version: "1", meta: { description: 'braces { } and "quotes" \\' } },
    bare: { name: "bare" },
    wrong: { version: 5 },
  },
};

test("a channel's list, however its bytes come", async () => {
  const bytes = new TextEncoder().encode(JSON.stringify(LIST));
  const expected = new Map([
    ["git", { version: "2.51", description: "Version control" }],
    ['odd"}{name', { version: "1", description: 'braces { } and "quotes" \\' }],
    ["bare", { version: "", description: "" }],
  ]);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: bytes.length }), async (size) => {
      const chunks = async function* () {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      };
      assert.deepEqual(await readPackages(chunks()), expected);
    }),
  );
});

test("a channel's list is downloaded and unpacked; none is an error that names the address", async () => {
  const packed = brotliCompressSync(JSON.stringify(LIST));
  const server = createServer((request, response) =>
    request.url === "/nixos/packages.json.br"
      ? response.end(packed)
      : response.writeHead(404).end(),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { signal } = new AbortController();
  try {
    const found = await channelAbout(`${url}/nixos/packages.json.br`, signal);
    assert.equal(found.get("git")?.version, "2.51");
    await assert.rejects(channelAbout(`${url}/other/packages.json.br`, signal), /other.*HTTP 404/);
  } finally {
    server.close();
  }
});

test("a starter set's lock, for the system that is asked for", async () => {
  const dir = await mkdtemp(join(tmpdir(), "firn-about-"));
  try {
    const lock = {
      attributes: { _7zz: "7zip", ghost: "gone" },
      units: {
        "7zip": { pname: "7zip", version: "25", description: "archiver", deps: [] },
        libc6: {
          pname: "glibc",
          version: "2.36",
          description: "C library",
          homepage: "https://www.gnu.org/software/libc/",
        },
      },
    };
    await writeFile(join(dir, "lock-arm64.json"), JSON.stringify(lock));
    assert.deepEqual(
      await starterAbout(dir, "aarch64-linux"),
      new Map([["_7zz", { version: "25", description: "archiver" }]]),
    );
    assert.deepEqual(Object.fromEntries(await starterMetadata(dir, "aarch64-linux")), {
      "7zip-25": { pname: "7zip", version: "25", description: "archiver" },
      "glibc-2.36": {
        pname: "glibc",
        version: "2.36",
        description: "C library",
        homepage: "https://www.gnu.org/software/libc/",
      },
    });
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("a channel's list whose connection is cut, or that takes too long, is an error like any other", async () => {
  const packed = brotliCompressSync(JSON.stringify(LIST));
  const server = createServer((request, response) => {
    response.writeHead(200, { "content-length": packed.length });
    response.write(packed.subarray(0, packed.length / 2), () => {
      if (request.url === "/cut") setTimeout(() => response.destroy(), 50);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await assert.rejects(channelAbout(`${url}/cut`, new AbortController().signal), /terminated/);
    await assert.rejects(channelAbout(`${url}/slow`, AbortSignal.timeout(200)), /timeout|abort/i);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
