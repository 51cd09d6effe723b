/** Where an edge may send an origin, by where the edge is. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { describe, test, type TestContext } from "node:test";
import { type Space, spaceOf } from "../../../origin/channel/address-space.ts";
import { DestinationRefused, Destinations, SignedRequests } from "../../../origin/channel/index.ts";
import { spaceOfEdge } from "../../../origin/channel/destinations.ts";

describe("how far away an address is", () => {
  for (const [address, space] of [
    ["127.0.0.1", "machine"],
    ["127.9.9.9", "machine"],
    ["0.0.0.0", "machine"],
    ["::1", "machine"],
    ["::", "machine"],
    ["::ffff:127.0.0.1", "machine"],
    ["::ffff:7f00:1", "machine"],
    ["64:ff9b::7f00:1", "machine"],
    ["2002:7f00:1::", "machine"],
    ["169.254.169.254", "machine"],
    ["::ffff:a9fe:a9fe", "machine"],
    ["100.100.100.200", "machine"],
    ["192.0.0.192", "machine"],
    ["168.63.129.16", "machine"],
    ["fe80::1%eth0", "machine"],
    ["224.0.0.1", "machine"],
    ["255.255.255.255", "machine"],
    ["no address", "machine"],
    ["10.0.0.1", "private"],
    ["172.16.0.1", "private"],
    ["172.31.255.255", "private"],
    ["192.168.1.1", "private"],
    ["100.64.0.1", "private"],
    ["fd00:ec2::254", "private"],
    ["::ffff:10.0.0.1", "private"],
    ["64:ff9b::a00:1", "private"],
    ["172.32.0.1", "public"],
    ["203.0.113.7", "public"],
    ["64:ff9b::cb00:7107", "public"],
    ["::ffff:203.0.113.7", "public"],
    ["2606:4700::1", "public"],
  ] as const)
    test(`${address}: ${space}`, () => assert.equal(spaceOf(address), space));
});

const HERE = "http://127.0.0.1:2375/";
const METADATA = "http://169.254.169.254/latest/api/token";
const INNER = "http://10.0.0.7:9000/bucket";
const OUTER = "https://203.0.113.7/bucket";
const refused = (destinations: Destinations, urls: readonly string[]): string[] =>
  urls.filter((url) => {
    try {
      destinations.check(url);
      return false;
    } catch (error) {
      assert.ok(error instanceof DestinationRefused);
      return true;
    }
  });
const edgeAt = (space: Space, secure = true): Destinations => {
  const destinations = new Destinations();
  destinations.edgeIsAt({ space, secure });
  return destinations;
};

test("an edge leads no further in than it is itself", () => {
  const all = [HERE, METADATA, INNER, OUTER, "http://[::1]/", "https://bucket.example/x"];
  assert.deepEqual(refused(edgeAt("machine", false), all), []);
  assert.deepEqual(refused(edgeAt("private"), all), [HERE, METADATA, "http://[::1]/"]);
  assert.deepEqual(refused(edgeAt("public"), all), [HERE, METADATA, INNER, "http://[::1]/"]);
  assert.deepEqual(refused(new Destinations(), all), [HERE, METADATA, INNER, "http://[::1]/"]);
});

test("addresses are judged however they are written", () => {
  const forms = ["http://2130706433/", "http://0x7f.1/", "http://017700000001/", "http://127.1/"];
  assert.deepEqual(refused(edgeAt("public"), forms), forms);
});

test("an edge that is reached by https sends nothing over the internet without", () => {
  const open = "http://203.0.113.7/bucket";
  assert.deepEqual(refused(edgeAt("public"), [open, OUTER]), [open]);
  assert.deepEqual(refused(edgeAt("public", false), [open, OUTER]), []);
  assert.deepEqual(refused(edgeAt("private"), [INNER]), []);
});

test("only plain URLs of http and https", () => {
  const odd = ["file:///etc/passwd", "ftp://203.0.113.7/", "https://a:b@203.0.113.7/", "x", ""];
  assert.deepEqual(refused(edgeAt("machine", false), odd), odd);
});

test("BUCKET_HOSTS takes the place of the rule, port by port", () => {
  const destinations = new Destinations(["10.0.0.7:9000", "minio.inner", "203.0.113.9:443"]);
  assert.deepEqual(
    refused(destinations, [
      INNER,
      "http://minio.inner:1/",
      "https://203.0.113.9/",
      "http://203.0.113.9/",
      "http://10.0.0.7:22/",
      OUTER,
      "https://minio.inner.example/",
    ]),
    ["http://203.0.113.9/", "http://10.0.0.7:22/", OUTER, "https://minio.inner.example/"],
  );
});

test("the machine's proxy is no bucket", () => {
  const env = { HTTPS_PROXY: "http://proxy.inner:3128" };
  const destinations = new Destinations([], env);
  assert.deepEqual(refused(destinations, ["https://proxy.inner:8080/", OUTER]), [
    "https://proxy.inner:8080/",
  ]);
});

const socket = (remoteAddress: string, localAddress: string): Socket =>
  ({ remoteAddress, localAddress }) as Socket;

test("where an edge is, by the connection to it", () => {
  const name = new URL("wss://firn.example");
  const away = socket("203.0.113.7", "10.0.0.2");
  assert.equal(spaceOfEdge(name, away, true), "public");
  assert.equal(spaceOfEdge(name, socket("10.0.0.1", "10.0.0.2"), true), "private");
  assert.equal(spaceOfEdge(name, socket("10.0.0.2", "10.0.0.2"), true), "machine");
  // Of a proxy the address says nothing.
  assert.equal(spaceOfEdge(name, socket("10.0.0.1", "10.0.0.2"), false), "public");
  assert.equal(
    spaceOfEdge(new URL("wss://10.0.0.9"), socket("10.0.0.1", "10.0.0.2"), false),
    "private",
  );
});

/** A server that nobody should reach. */
async function inner(t: TestContext): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  const server = createServer((_, response) => response.end());
  server.on("connection", () => (connections += 1));
  server.listen(0, "localhost");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
}

test("a name is judged by what it is resolved to, before anything connects", async (t) => {
  const { port, connections } = await inner(t);
  const url = `http://localhost:${port}/x`;
  const ask = async (destinations: Destinations): Promise<number | undefined> => {
    const http = new SignedRequests(destinations);
    t.after(() => http.close());
    const body = { size: 1, bytes: new Uint8Array(1) };
    const response = await http.get(url, t.signal);
    response.resume();
    await http.put({ kind: "put", url, headers: {} }, body, t.signal);
    return response.statusCode;
  };
  for (const space of ["public", "private"] as const)
    await assert.rejects(ask(edgeAt(space, false)), (error: unknown) => {
      assert.ok(error instanceof DestinationRefused);
      assert.match(
        error.message,
        /localhost, on this machine .*: .* set BUCKET_HOSTS to localhost/,
      );
      return true;
    });
  assert.equal(connections(), 0);
  assert.equal(await ask(edgeAt("machine", false)), 200);
  assert.equal(await ask(new Destinations([`localhost:${port}`])), 200);
});
