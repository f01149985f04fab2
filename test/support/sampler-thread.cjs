// A worker thread that starts a native sampler and then waits for its own end.
'use strict';
const { parentPort, workerData } = require('node:worker_threads');
const native = require('../../native/load.cjs');

const sampler = new native.Sampler(workerData);
sampler.start();
parentPort.on('message', () => sampler.stop());
