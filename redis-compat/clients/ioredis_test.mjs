// ioredis, unmodified, over RESP2 and RESP3. Finds its server in QUORATE_TEST_HOST and
// QUORATE_TEST_PORT (server.py runs it) and its packages in node_modules under QUORATE_TEST_MODULES
// (CMake installs them beside the build).

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, beforeEach, describe, test } from "node:test";

const require = createRequire(process.env.QUORATE_TEST_MODULES + "/");
const { Redis } = require("ioredis");
const address = {
  host: process.env.QUORATE_TEST_HOST,
  port: Number(process.env.QUORATE_TEST_PORT),
};

for (const protocol of [2, 3]) {
  describe(`ioredis over RESP${protocol}`, () => {
    let client;
    const options = { ...address, protocol, maxRetriesPerRequest: 1 };
    const refused = (message, ...command) =>
      assert.rejects(client.call(...command), { message });

    before(() => { client = new Redis(options); });
    after(() => client.quit());
    beforeEach(async () => assert.equal(await client.flushall(), "OK"));

    test("speaks the protocol asked for", async () => {
      const greeting = await client.call("HELLO");
      const fields = Array.isArray(greeting) ? greeting
        : Object.entries(greeting instanceof Map ? Object.fromEntries(greeting) : greeting).flat();
      assert.equal(Number(fields[fields.indexOf("proto") + 1]), protocol);
    });

    test("connection", async () => {
      assert.equal(await client.ping(), "PONG");
      assert.equal(await client.ping("hello"), "hello");
      assert.equal(await client.echo("text"), "text");
      assert.equal(await client.client("SETNAME", "tester"), "OK");
      assert.equal(await client.client("GETNAME"), "tester");
      assert.ok(await client.client("ID") > 0);
      const other = new Redis({ ...options, db: 4 });
      await other.set("k", "four");
      assert.equal(await client.get("k"), null);
      assert.equal(await client.select(4), "OK");
      assert.equal(await client.get("k"), "four");
      assert.equal(await client.select(0), "OK");
      assert.equal(await other.flushdb(), "OK");
      await other.quit();
      await refused("ERR DB index is out of range", "SELECT", "99");
      await refused("ERR unknown command 'NOSUCH', with args beginning with: 'a' ", "NOSUCH", "a");
    });

    test("SET with its options", async () => {
      assert.equal(await client.set("k", "v", "NX"), "OK");
      assert.equal(await client.set("k", "w", "NX"), null);
      assert.equal(await client.set("k", "w", "XX", "GET"), "v");
      assert.equal(await client.set("k", "w", "EX", 100), "OK");
      assert.equal(await client.set("k", "x", "KEEPTTL"), "OK");
      assert.equal(await client.ttl("k"), 100);
      assert.equal(await client.set("k", "w", "PX", 100000), "OK");
      assert.ok(await client.pttl("k") > 99000);
      assert.equal(await client.set("k", "w", "EXAT", Math.floor(Date.now() / 1000) + 50), "OK");
      assert.equal(await client.set("k", "w", "PXAT", Date.now() + 50000), "OK");
      assert.ok(await client.ttl("k") >= 48);
      await refused("ERR syntax error", "SET", "k", "v", "NX", "XX");
      await refused("ERR invalid expire time in 'set' command", "SET", "k", "v", "EX", "0");
      await refused("ERR wrong number of arguments for 'set' command", "SET", "k");
    });

    test("strings and counters", async () => {
      assert.equal(await client.mset({ a: 1, b: 2 }), "OK");
      assert.deepEqual(await client.mget("a", "none", "b"), ["1", null, "2"]);
      assert.equal(await client.incr("a"), 2);
      assert.equal(await client.incrby("a", 40), 42);
      assert.equal(await client.decr("a"), 41);
      assert.equal(await client.decrby("a", 50), -9);
      assert.equal(await client.append("b", "34"), 3);
      assert.equal(await client.exists("a", "b", "a", "none"), 3);
      assert.equal(await client.type("a"), "string");
      assert.equal(await client.del("a", "b", "none"), 2);
      assert.equal(await client.type("a"), "none");
      await client.set("text", "abc");
      await refused("ERR value is not an integer or out of range", "INCR", "text");
    });

    test("expiry", async () => {
      await client.set("k", "v");
      assert.equal(await client.ttl("k"), -1);
      assert.equal(await client.expire("k", 100, "NX"), 1);
      assert.equal(await client.expire("k", 50, "GT"), 0);
      assert.equal(await client.pexpire("k", 200000, "XX"), 1);
      assert.equal(await client.pexpire("k", 300000, "LT"), 0);
      assert.equal(await client.ttl("k"), 200);
      assert.equal(await client.persist("k"), 1);
      assert.equal(await client.pttl("none"), -2);
    });

    test("scan and keys", async () => {
      const pairs = Array.from({ length: 300 }, (_, i) => [`user:${i}`, "v"]);
      await client.mset(Object.fromEntries(pairs));
      const seen = new Set();
      for await (const keys of client.scanStream({ match: "user:*", count: 10, type: "string" })) {
        keys.forEach((key) => seen.add(key));
      }
      assert.equal(seen.size, 300);
      assert.equal(await client.dbsize(), 300);
      assert.deepEqual((await client.keys("user:?")).length, 10);
    });

    test("server", async () => {
      assert.match(await client.info(), /redis_version:/);
      assert.equal(await client.config("SET", "maxmemory-policy", "noeviction"), "OK");
      assert.match(JSON.stringify(await client.config("GET", "maxmemory-policy")), /noeviction/);
      assert.ok(await client.command("COUNT") > 20);
      assert.deepEqual(await client.command("GETKEYS", "MSET", "a", "1", "b", "2"), ["a", "b"]);
      assert.equal(await client.save(), "OK");
      assert.equal(await client.call("DEBUG", "SLEEP", "0"), "OK");
    });

    test("pipelines keep order and carry errors", async () => {
      const pipeline = client.pipeline();
      for (let i = 0; i < 1000; ++i) pipeline.set(`k${i}`, i).incr(`k${i}`);
      pipeline.call("GET");
      const replies = await pipeline.exec();
      for (let i = 0; i < 1000; ++i) {
        assert.deepEqual([replies[2 * i][1], replies[2 * i + 1][1]], ["OK", i + 1]);
      }
      assert.equal(replies[2000][0].message, "ERR wrong number of arguments for 'get' command");
    });

    test("automatic pipelining", async () => {
      const automatic = new Redis({ ...options, enableAutoPipelining: true });
      const requests = Array.from({ length: 500 }, (_, i) => automatic.set(`auto${i}`, i));
      const replies = await Promise.all(requests);
      assert.deepEqual(new Set(replies), new Set(["OK"]));
      assert.equal(await automatic.get("auto499"), "499");
      await automatic.quit();
    });

    test("binary and large values", async () => {
      const key = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      const value = Buffer.alloc(1 << 20, key);
      assert.equal(await client.set(key, value), "OK");
      assert.ok(value.equals(await client.getBuffer(key)));
    });
  });
}
