// Bull, the predecessor of BullMQ: bull.js ACTION.
'use strict';

const assert = require('assert');
const Queue = require('bull');
const common = require('./common');
const {eventually, hold} = common;

function queueOf(name, more = {}) {
  const queue = new Queue(name, {
    redis: {host: common.host, port: common.port, maxRetriesPerRequest: null},
    settings: {stalledInterval: 300, lockDuration: 500, guardInterval: 200, drainDelay: 1},
    ...more,
  });
  queue.on('error', (error) => console.log('error:', error.message));
  return queue;
}

async function results() {
  const queue = queueOf('results');
  const told = [];
  queue.on('global:progress', (id, progress) => told.push(progress));
  await queue.isReady();
  queue.process(async (job) => {
    await job.progress(42);
    return job.data.a + job.data.b;
  });
  const job = await queue.add({a: 2, b: 3});
  assert.strictEqual(await job.finished(), 5);
  await eventually('progress is told', () => told.length === 1 && Number(told[0]) === 42);
  const many = await queue.addBulk([...Array(20).keys()].map((n) => ({data: {a: n, b: n}})));
  const values = await Promise.all(many.map((one) => one.finished()));
  assert.deepStrictEqual(values, many.map((one) => 2 * one.data.a));
  assert.strictEqual((await queue.getJobCounts()).completed, 21);
  assert.strictEqual((await queue.clean(0, 'completed')).length, 21);
}

async function retries() {
  const queue = queueOf('retries');
  queue.process(async (job) => {
    if (job.attemptsMade < 2) throw new Error(`attempt ${job.attemptsMade}`);
    return job.attemptsMade;
  });
  const good = await queue.add({}, {attempts: 3, backoff: 100});
  assert.strictEqual(await good.finished(), 2);
  const bad = await queue.add({}, {attempts: 2, backoff: {type: 'exponential', delay: 50}});
  await assert.rejects(bad.finished(), /attempt 1/);
  assert.deepStrictEqual((await queue.getFailed()).map((job) => job.id), [bad.id]);
}

async function order() {
  const queue = queueOf('order');
  const done = [];
  await queue.pause();
  await queue.add({name: 'd'}, {delay: 300});
  for (const [name, priority] of [['low', 10], ['high', 1], ['middle', 5]]) {
    await queue.add({name}, {priority});
  }
  queue.process(async (job) => { done.push(job.data.name); });
  assert.strictEqual((await queue.getJobCounts()).paused, 3);
  await queue.resume();
  await eventually('all are done', () => done.length === 4);
  assert.deepStrictEqual(done.filter((name) => name !== 'd'), ['high', 'middle', 'low']);
}

async function limitsAndRepeat() {
  const limited = queueOf('limits', {limiter: {max: 2, duration: 200}});
  let count = 0;
  limited.process(async () => { ++count; });
  await limited.addBulk([...Array(6).keys()].map((n) => ({data: {n}})));
  await eventually('all are done', () => count === 6);
  const queue = queueOf('repeat');
  const done = [];
  queue.process(async (job) => { done.push(job.data.word); });
  await queue.add({word: 'often'}, {repeat: {every: 150, limit: 3}});
  await queue.add({word: 'cron'}, {repeat: {cron: '* * * * * *'}});
  await eventually('both repeat', () => done.filter((word) => word === 'cron').length >= 2 &&
      done.filter((word) => word === 'often').length === 3);
  const [cron] = (await queue.getRepeatableJobs()).filter((job) => job.cron === '* * * * * *');
  await queue.removeRepeatableByKey(cron.key);
  assert.deepStrictEqual(
      (await queue.getRepeatableJobs()).filter((job) => job.cron === '* * * * * *'), []);
}

// --- programs of the scenarios in which something is killed ---

async function worker() {
  queueOf('work').process(async (job) => {
    if (job.data.hold) return hold(job.data.hold);
    return common.work(job.data.number);
  });
}

async function send(name) {
  await queueOf('work').add({hold: name}, {jobId: 'held'});
}

async function awaitHeld() {
  const job = await queueOf('work').getJob('held');
  assert.strictEqual(await job.finished(), 'middle');
}

async function produce() {
  const queue = queueOf('work');
  await common.enqueueUntilClosed((number) => queue.add({number}));
}

common.main({results, retries, order, limitsAndRepeat, worker, send, awaitHeld, produce});
