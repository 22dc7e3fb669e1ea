// Greets in its container's name on port 8000. WARM_UP: seconds until it listens, as a larger application may need.
'use strict';

const http = require('node:http');
const os = require('node:os');

const PORT = 8000;
const warmUp = Number(process.env.WARM_UP || 0);

const server = http.createServer((request, response) => {
  response.setHeader('Content-Type', 'text/plain');
  response.end(`Hello from ${os.hostname()}\n`);
});

setTimeout(() => {
  server.listen(PORT, () => console.log(`listening on port ${PORT}`));
}, warmUp * 1000);

// What has been asked is answered before it ends.
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
