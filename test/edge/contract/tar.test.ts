import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { tarEnd, tarHeader, tarPadding, type TarEntry } from "../../../edge/contract/tar.ts";

const archive = (entries: readonly (TarEntry & { contents?: string })[]): Buffer =>
  Buffer.concat([
    ...entries.flatMap(({ contents = "", ...entry }) => {
      const body = Buffer.from(contents);
      return [
        tarHeader(entry.type === "file" ? { size: body.length, ...entry } : entry),
        body,
        Buffer.alloc(tarPadding(body.length)),
      ];
    }),
    tarEnd,
  ]);

const list = (program: string, tar: Buffer): string[] =>
  execFileSync(program, ["-tvf", "-"], {
    input: tar,
    encoding: "utf8",
    env: { ...process.env, TZ: "UTC", LC_ALL: "C.UTF-8" },
  })
    .trimEnd()
    .split("\n");

const names = (program: string, tar: Buffer): string[] =>
  execFileSync(program, ["-tf", "-"], {
    input: tar,
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C.UTF-8" },
  })
    .trimEnd()
    .split("\n");

test("plain entries are one ustar block each, owner 0/0, second 1", () => {
  const tar = archive([
    { path: "nix", type: "directory", mode: 0o555 },
    { path: "nix/a", type: "file", mode: 0o444, contents: "hello\n" },
    { path: "nix/b", type: "symlink", mode: 0o777, linkname: "/nix/a" },
  ]);
  assert.equal(tar.length, 512 * (1 + 2 + 1 + 2));
  assert.deepEqual(list("tar", tar), [
    "dr-xr-xr-x 0/0               0 1970-01-01 00:00 nix/",
    "-r--r--r-- 0/0               6 1970-01-01 00:00 nix/a",
    "lrwxrwxrwx 0/0               0 1970-01-01 00:00 nix/b -> /nix/a",
  ]);
});

for (const length of [99, 100, 101, 150, 155, 156, 250, 255, 256, 257, 300, 1000, 5000]) {
  test(`a path of ${length} bytes is read back, in one component and in many`, () => {
    const one = "x".repeat(length);
    const many = "abcd/".repeat(Math.ceil(length / 5)).slice(0, length - 1) + "z";
    const deep = `${"p".repeat(Math.max(1, length - 101))}/${"n".repeat(100)}`.slice(0, length);
    const tar = archive(
      [one, many, deep].map((path) => ({ path, type: "file", mode: 0o444, contents: "x" })),
    );
    assert.deepEqual(names("tar", tar), [one, many, deep]);
  });
}

test("directories of 98 to 102 bytes keep their slash out of the name's limit", () => {
  const paths = [98, 99, 100, 101, 102, 155, 156, 254, 255, 256].map(
    (length) => `d/${"y".repeat(length - 2)}`,
  );
  const tar = archive(paths.map((path) => ({ path, type: "directory", mode: 0o555 })));
  assert.deepEqual(
    names("tar", tar),
    paths.map((path) => `${path}/`),
  );
});

test("link names above 100 bytes, and names that are not ASCII, go into a pax header", () => {
  const target = `/nix/store/${"t".repeat(200)}`;
  const tar = archive([
    { path: "näme", type: "symlink", mode: 0o777, linkname: target },
    { path: "l", type: "symlink", mode: 0o777, linkname: "zürich" },
  ]);
  const lines = list("tar", tar).map((line) => line.slice(line.indexOf("00:00") + 6));
  assert.deepEqual(
    lines,
    [`n\\303\\244me -> ${target}`, "l -> z\\303\\274rich"].map((line) => unescape(line)),
  );
});

/** Turns the octal escapes of a C-locale tar into the text that a UTF-8 one prints. */
function unescape(line: string): string {
  const bytes = Buffer.from(
    line.replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    ),
    "latin1",
  );
  return bytes.toString("utf8");
}

test("a name that is not UTF-8 keeps its bytes", () => {
  const path = Uint8Array.of(0x61, 0xff, 0xfe, 0x62);
  const tar = archive([{ path, type: "file", mode: 0o444, contents: "" }]);
  const out = execFileSync("tar", ["-tf", "-", "--quoting-style=literal"], { input: tar });
  assert.deepEqual([...out], [...path, 0x0a]);
});

test("sizes around 8 GiB: below in octal, from there on as a pax record", () => {
  for (const size of [8 ** 11 - 1, 8 ** 11, 2 ** 40]) {
    const tar = Buffer.from(tarHeader({ path: "big", type: "file", mode: 0o444, size }));
    assert.equal(tar.length, size < 8 ** 11 ? 512 : 3 * 512);
    // tar lists the header, then finds the contents missing: the listing is what counts.
    const listing = execFileSync("sh", ["-c", "tar -tvf - 2>/dev/null || true"], {
      input: tar,
      encoding: "utf8",
    });
    assert.match(listing, new RegExp(`0/0\\s+${size} `));
  }
});

test("a pax record counts its own length right around powers of ten", () => {
  const paths = Array.from({ length: 30 }, (_, more) => "q".repeat(975 + more));
  const tar = archive(paths.map((path) => ({ path, type: "file", mode: 0o444, contents: "" })));
  assert.deepEqual(names("tar", tar), paths);
});

test("paths that no archive should hold are refused", () => {
  for (const path of ["", "/abs", "a/../b", "..", "a\0b"])
    assert.throws(
      () => tarHeader({ path, type: "file", mode: 0o444 }),
      TypeError,
      JSON.stringify(path),
    );
  assert.throws(
    () => tarHeader({ path: "a", type: "symlink", mode: 0o777, linkname: "x\0y" }),
    TypeError,
  );
  assert.throws(() => tarHeader({ path: "a", type: "file", mode: 0o444, size: -1 }), TypeError);
});
