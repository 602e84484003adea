// bee-queue: bee_queue.js ACTION.
'use strict';

const assert = require('assert');
const Queue = require('bee-queue');
const common = require('./common');
const {eventually, hold} = common;

function queueOf(name, more = {}) {
  const queue = new Queue(name, {
    redis: {host: common.host, port: common.port, retry_strategy: () => 100},
    stallInterval: 500, activateDelayedJobs: true, delayedDebounce: 100, ...more,
  });
  queue.on('error', (error) => {
    console.log('error:', error.message);
    // It loads its scripts only once, so it is of no use any more after a restart of the server.
    if (error.message.startsWith('NOSCRIPT') && process.argv[2] === 'worker') process.exit(1);
  });
  return queue;
}

function outcome(job) {
  return new Promise((resolve) => {
    job.on('succeeded', (result) => resolve({result}));
    job.on('failed', (error) => resolve({error: error.message}));
  });
}

async function save(job) {
  const end = outcome(job);
  await job.save();
  return end;
}

async function results() {
  const queue = queueOf('results');
  await queue.ready();
  queue.process(3, async (job) => {
    job.reportProgress({page: 1});
    return job.data.a + job.data.b;
  });
  const first = queue.createJob({a: 2, b: 3});
  const told = [];
  first.on('progress', (progress) => told.push(progress.page));
  assert.deepStrictEqual(await save(first), {result: 5});
  await eventually('progress is told', () => told[0] === 1);
  const many = [...Array(20).keys()].map((n) => queue.createJob({a: n, b: n}));
  const ends = many.map(outcome);
  assert.strictEqual((await queue.saveAll(many)).size, 0);
  assert.deepStrictEqual(await Promise.all(ends), many.map((job) => ({result: 2 * job.data.a})));
  const health = await queue.checkHealth();
  assert.strictEqual(health.succeeded, 21);
  assert.strictEqual(health.waiting + health.active + health.failed + health.delayed, 0);
  await queue.destroy();
}

async function retriesAndDelays() {
  const queue = queueOf('retries');
  await queue.ready();
  let attempts = 0;
  queue.process(async (job) => {
    ++attempts;
    if (job.options.retries > 0 || job.data.never) throw new Error('on purpose');
    return 'good';
  });
  assert.deepStrictEqual(
      await save(queue.createJob({}).retries(2).backoff('fixed', 100)), {result: 'good'});
  assert.strictEqual(attempts, 3);
  assert.deepStrictEqual(await save(queue.createJob({never: true}).retries(1)),
      {error: 'on purpose'});
  assert.strictEqual((await queue.getJobs('failed', {size: 10})).length, 1);
  const delayed = queue.createJob({}).delayUntil(Date.now() + 300);
  assert.deepStrictEqual(await save(delayed), {result: 'good'});
  const twice = [queue.createJob({}).setId('mine'), queue.createJob({}).setId('mine')];
  await queue.removeJob('mine');
  const end = outcome(twice[0]);
  await twice[0].save();
  await twice[1].save();
  assert.strictEqual(twice[1].id, null);
  assert.deepStrictEqual(await end, {result: 'good'});
}

// --- programs of the scenarios in which something is killed ---

async function worker() {
  const queue = queueOf('work');
  queue.process(async (job) => {
    if (job.data.hold) return hold(job.data.hold);
    return common.work(job.data.number);
  });
  // Also finds what an earlier worker has left.
  queue.checkStalledJobs(300, () => {});
}

async function send(name) {
  await queueOf('work', {isWorker: false}).createJob({hold: name}).setId('held').save();
}

async function awaitHeld() {
  const queue = queueOf('work', {isWorker: false, removeOnSuccess: false});
  await eventually('the job has succeeded',
      async () => (await queue.getJob('held')).status === 'succeeded');
  const health = await queue.checkHealth();
  assert.strictEqual(health.active, 0);
}

async function produce() {
  let queue = queueOf('work', {isWorker: false});
  await common.enqueueUntilClosed(async (number) => {
    const used = queue;
    try {
      await used.createJob({number}).save();
    } catch (error) {
      if (used === queue && error.message.startsWith('NOSCRIPT')) {
        queue = queueOf('work', {isWorker: false});
      }
      throw error;
    }
  });
}

common.main({results, retriesAndDelays, worker, send, awaitHeld, produce});
