// Loaded into Azurite before its own program. Two habits of the emulator, which Azure does not
// have, would otherwise end up in the figures of whoever is measured at that moment:
// - once a minute it collects garbage, in a time that grows with the square of the messages since
//   the last time: after some thousands it answers nobody for half a minute. Here every 100 ms.
// - it closes connections that were idle for 5 s, just when a contender's next turn may begin.
"use strict";
const http = require("node:http");
const path = require("node:path");

const queue = path.join(__dirname, "../node/node_modules/azurite/dist/src/queue");
require(path.join(queue, "utils/constants.js")).DEFAULT_GC_INTERVAL_MS = 100;

const createServer = http.createServer;
http.createServer = (...options) => {
  const server = createServer(...options);
  server.keepAliveTimeout = 600_000;
  return server;
};
