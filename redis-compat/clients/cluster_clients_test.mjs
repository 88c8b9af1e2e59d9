// Cluster of ioredis and createCluster of node-redis, unmodified, against a cluster of Quorate. They
// find the nodes in QUORATE_TEST_NODES (cluster.py runs this) and their packages in node_modules
// under QUORATE_TEST_MODULES (CMake installs them beside the build).

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, beforeEach, describe, test } from "node:test";

const require = createRequire(process.env.QUORATE_TEST_MODULES + "/");
const { Cluster, Redis } = require("ioredis");
const { createCluster } = require("redis");
const nodes = process.env.QUORATE_TEST_NODES.split(" ").map((address) => {
  const [host, port] = address.split(":");
  return { host, port: Number(port) };
});
const KEYS = 1000;
const numbers = [...Array(KEYS).keys()];

// How many commands all nodes have forwarded, and run for others.
async function forwarded() {
  let total = 0;
  for (const node of nodes) {
    const client = new Redis({ ...node, enableReadyCheck: false });  // INFO, of all nodes' keys
    const stats = await client.info("stats");
    for (const field of ["forwarded_commands", "peer_commands"]) {
      total += Number(stats.match(new RegExp(`^${field}:(\\d+)`, "m"))[1]);
    }
    await client.quit();
  }
  return total;
}

// Both clients, as far as the tests need them.
const clients = {
  "ioredis Cluster": {
    open: async () => new Cluster(nodes.slice(0, 1)),
    close: (client) => client.quit(),
    incr: (client, key) => client.incr(key),
    ports: (client) => client.nodes("master").map((node) => node.options.port),
  },
  "node-redis createCluster": {
    open: async () => {
      const client = createCluster({ rootNodes: [{ url: `redis://${nodes[0].host}:${nodes[0].port}` }] });
      await client.connect();
      return client;
    },
    close: (client) => client.quit(),
    incr: (client, key) => client.incr(key),
    ports: (client) => client.masters.map((node) => node.port),
  },
};

for (const [name, how] of Object.entries(clients)) {
  describe(name, () => {
    let client;
    before(async () => { client = await how.open(); });
    after(() => how.close(client));
    beforeEach(async () => {
      const one = new Redis(nodes[0]);
      const flush = () => one.flushall().catch((error) => error.message);
      let reply = await flush();
      for (let again = 0; reply.startsWith("UNCERTAIN") && again < 10; again++) {
        reply = await flush();  // a node did not seem well just then
      }
      assert.equal(reply, "OK");
      await one.quit();
    });

    test("knows all nodes", async () => {
      await client.set("k", "v");
      const known = [...new Set(how.ports(client))].sort();
      assert.deepEqual(known, nodes.map((node) => node.port).sort());
    });

    test("goes straight to each key's coordinator", async () => {
      await Promise.all(numbers.map((i) => client.set(`first:${i}`, "")));  // all are connected
      const use = async () => {
        const earlier = await forwarded();
        await Promise.all(numbers.map((i) => client.set(`key:${i}`, `${i}`)));
        const values = await Promise.all(numbers.map((i) => client.get(`key:${i}`)));
        assert.deepEqual(values, numbers.map((i) => `${i}`));
        const counts = await Promise.all(numbers.map((i) => how.incr(client, `key:${i}`)));
        assert.deepEqual(counts, numbers.map((i) => i + 1));
        assert.equal(await client.del("key:1"), 1);
        assert.equal(await client.get("key:1"), null);
        return await forwarded() - earlier;
      };
      // Again if a node did not seem well for a moment, on a machine that is busy with other things.
      let count = await use();
      for (let again = 0; count !== 0 && again < 3; again++) count = await use();
      assert.equal(count, 0);
    });

    test("keys of one tag together", async () => {
      assert.equal(client.mget ? await client.mset({ "{t}a": "1", "{t}b": "2" })
        : await client.mSet([["{t}a", "1"], ["{t}b", "2"]]), "OK");
      const keys = ["{t}a", "{t}b", "{t}c"];
      assert.deepEqual(client.mget ? await client.mget(keys) : await client.mGet(keys),
        ["1", "2", null]);
    });
  });
}
