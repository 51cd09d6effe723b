/** Limits: how they are written, how they count, and who counts as one client. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";
import {
  clientAddress,
  clientKey,
  LIMITED,
  Meter,
  readLimits,
} from "../../../edge/access/limits.ts";

describe("LIMIT_ variables", () => {
  test("have defaults, and off means none", () => {
    assert.deepEqual(readLimits({}).requests, LIMITED.requests.default);
    assert.equal(readLimits({ LIMIT_IMAGES: "off" }).images, null);
    assert.deepEqual(readLimits({ LIMIT_TAGS: "5/60" }).tags, { count: 5, seconds: 60 });
    assert.deepEqual(readLimits({ LIMIT_WAITS: "7" }).waits, { count: 7, seconds: 0 });
  });
  for (const [name, text] of [
    ["LIMIT_REQUESTS", "many"],
    ["LIMIT_REQUESTS", "5"],
    ["LIMIT_REQUESTS", "0/60"],
    ["LIMIT_REQUESTS", "5/0"],
    ["LIMIT_WAITS", "5/60"],
    ["LIMIT_WAITS", "0"],
  ] as const)
    test(`${name}=${text} is an error that names it`, () => {
      assert.throws(
        () => readLimits({ [name]: text }),
        new RegExp(`^Error: ${name} must be <count>`),
      );
    });
});

test("a limit that there is none of is an error that names those that there are", () => {
  assert.throws(
    () => readLimits({ LIMIT_IMAGE: "5/60" } as object),
    /^Error: LIMIT_IMAGE is no limit: the limits are LIMIT_REQUESTS, LIMIT_IMAGES, /,
  );
});

describe("the meter", () => {
  const limit = { count: 3, seconds: 10 };
  beforeEach(() => mock.timers.enable({ apis: ["Date"], now: 1_000_000 }));
  afterEach(() => mock.timers.reset());

  test("gives a client its share, then says when there is more", () => {
    const meter = new Meter();
    assert.deepEqual(
      [1, 2, 3].map(() => meter.take("a", "images", limit)),
      [0, 0, 0],
    );
    mock.timers.tick(4_000);
    assert.equal(meter.take("a", "images", limit), 6_000);
    mock.timers.tick(5_999);
    assert.equal(meter.take("a", "images", limit), 1);
    mock.timers.tick(1);
    assert.equal(meter.take("a", "images", limit), 0);
  });
  test("counts clients and things apart", () => {
    const meter = new Meter();
    for (let n = 0; n < 3; n++) meter.take("a", "images", limit);
    assert.notEqual(meter.take("a", "images", limit), 0);
    assert.equal(meter.take("b", "images", limit), 0);
    assert.equal(meter.take("a", "tags", limit), 0);
  });
  test("takes several at once or none, and more than the limit only from a fresh window", () => {
    const meter = new Meter();
    assert.equal(meter.take("a", "packages", limit, 2), 0);
    assert.equal(meter.take("a", "packages", limit, 2), 10_000);
    assert.equal(meter.take("a", "packages", limit, 1), 0);
    assert.equal(meter.take("b", "packages", limit, 64), 0);
    assert.equal(meter.take("b", "packages", limit, 1), 10_000);
  });
  test("holds places until they are given back", () => {
    const meter = new Meter();
    const two = { count: 2, seconds: 0 };
    const first = meter.hold("a", two);
    const second = meter.hold("a", two);
    assert.ok(first && second);
    assert.equal(meter.hold("a", two), null);
    const other = meter.hold("b", two);
    assert.ok(other);
    first();
    const third = meter.hold("a", two);
    assert.ok(third);
    for (const release of [second, third, other]) release();
  });
});

const address = (headers: Record<string, string>): string | null =>
  clientAddress({ headers: new Headers(headers) }, "X-Client");

describe("who is one client", () => {
  const same: readonly (readonly [string, string, boolean])[] = [
    ["192.0.2.1", "192.0.2.1", true],
    ["192.0.2.1", "192.0.2.2", false],
    ["2001:db8::1", "2001:db8:0:0:ffff::2", true],
    ["2001:db8:0:1::1", "2001:db8::1", false],
    ["2001:0db8::1", "2001:DB8::2", true],
    ["::1", "::2", true],
    ["::ffff:192.0.2.1", "0:0:0:0:0:ffff:192.0.2.1", true],
    ["::ffff:192.0.2.1", "192.0.2.1", true],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.2", false],
    ["192.0.2.1:4711", "192.0.2.1:4712", true],
    ["192.0.2.1:4711", "192.0.2.2:4711", false],
    ["1:2:3:4:5:6:7:8", "1:2:3:4::", true],
  ];
  for (const [a, b, expected] of same)
    test(`${a} and ${b} are ${expected ? "one" : "two"}`, () => {
      assert.equal(clientKey(null, a) === clientKey(null, b), expected);
    });
  test("a header that the operator named and a request lacks is an address too, and a bounded one", () => {
    assert.notEqual(clientKey(null, address({})), null, "past the proxy, everybody is one client");
    assert.equal(address({}), address({ "X-Client": " " }));
    assert.equal(address({ "X-Client": "203.0.113.9, 192.0.2.1" }), "192.0.2.1");
    assert.ok(String(address({ "X-Client": "x".repeat(10_000) })).length < 100);
  });
  test("an account counts wherever it comes from; nobody from nowhere is not counted", () => {
    assert.equal(clientKey("ci", "192.0.2.1"), clientKey("ci", "192.0.2.2"));
    assert.notEqual(clientKey("192.0.2.1", null), clientKey(null, "192.0.2.1"));
    assert.equal(clientKey(null, null), null);
  });
});
