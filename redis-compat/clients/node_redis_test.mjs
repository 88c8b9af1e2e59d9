// node-redis, unmodified, over RESP2 and RESP3: the second Node client, with its own parser. What
// it shares with ioredis is tested there; here is what its typed interface makes of the replies.
// Environment as for ioredis_test.mjs.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, beforeEach, describe, test } from "node:test";

const require = createRequire(process.env.QUORATE_TEST_MODULES + "/");
const { createClient } = require("redis");
const url = `redis://${process.env.QUORATE_TEST_HOST}:${process.env.QUORATE_TEST_PORT}`;

for (const RESP of [2, 3]) {
  describe(`node-redis over RESP${RESP}`, () => {
    let client;
    before(async () => { client = await createClient({ url, RESP, name: "tester" }).connect(); });
    after(() => client.close());
    beforeEach(async () => assert.equal(await client.flushAll(), "OK"));

    test("connects with a name", async () => {
      assert.equal(await client.clientGetName(), "tester");
      assert.ok(await client.clientId() > 0);
      assert.equal(await client.ping(), "PONG");
    });

    test("strings", async () => {
      assert.equal(await client.set("k", "v", { EX: 100, NX: true }), "OK");
      assert.equal(await client.set("k", "w", { NX: true }), null);
      assert.equal(await client.set("k", "w", { XX: true, GET: true, KEEPTTL: true }), "v");
      assert.equal(await client.ttl("k"), 100);
      assert.equal(await client.mSet({ a: "1", b: "2" }), "OK");
      assert.deepEqual(await client.mGet(["a", "none", "b"]), ["1", null, "2"]);
      assert.equal(await client.incrBy("a", 41), 42);
      assert.equal(await client.append("b", "3"), 2);
      assert.equal(await client.exists(["a", "b", "none"]), 2);
      assert.equal(await client.del(["a", "b"]), 2);
      const message = "ERR value is not an integer or out of range";
      await assert.rejects(client.incr("k"), { message });
    });

    test("keyspace", async () => {
      await client.mSet(Array.from({ length: 300 }, (_, i) => [`user:${i}`, "v"]));
      const seen = new Set();
      const options = { MATCH: "user:*", COUNT: 10, TYPE: "string" };
      for await (const keys of client.scanIterator(options)) {
        keys.forEach((key) => seen.add(key));
      }
      assert.equal(seen.size, 300);
      assert.equal(await client.dbSize(), 300);
      assert.equal(await client.expire("user:1", 100, "NX"), 1);
      assert.equal(await client.persist("user:1"), 1);
    });

    test("server replies as its transformers expect them", async () => {
      assert.equal((await client.configGet("maxmemory-policy"))["maxmemory-policy"], "noeviction");
      assert.match(await client.info("server"), /redis_version:/);
      const [get] = await client.commandInfo(["get"]);
      assert.equal(get.name, "get");
      assert.equal(get.arity, 2);
      assert.deepEqual(await client.commandGetKeys(["GET", "k"]), ["k"]);
      assert.ok((await client.commandList()).includes("get"));
    });

    test("concurrent commands go out as one pipeline and come back in order", async () => {
      const replies = await Promise.all(Array.from({ length: 1000 }, () => client.incr("hits")));
      assert.deepEqual(replies, Array.from({ length: 1000 }, (_, i) => i + 1));
    });
  });
}
