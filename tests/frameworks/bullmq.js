// BullMQ: bullmq.js ACTION.
'use strict';

const assert = require('assert');
const {FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker} = require('bullmq');
const common = require('./common');
const {eventually, hold} = common;

const connection = {host: common.host, port: common.port};
const opened = [];

function queueOf(name, more = {}) {
  return keep(new Queue(name, {connection, ...more}));
}

function workerOf(name, handle, more = {}) {
  const quick = {stalledInterval: 300, lockDuration: 500, drainDelay: 1};
  return keep(new Worker(name, handle, {connection, ...quick, ...more}));
}

async function eventsOf(name) {
  const events = keep(new QueueEvents(name, {connection}));
  await events.waitUntilReady();
  return events;
}

function keep(object) {
  object.on('error', (error) => console.log('error:', error.message));
  opened.push(object);
  return object;
}

async function results() {
  const queue = queueOf('results');
  const events = await eventsOf('results');
  const progress = [];
  events.on('progress', ({data}) => progress.push(data));
  workerOf('results', async (job) => {
    await job.updateProgress(50);
    await job.log('half');
    return job.data.a + job.data.b;
  });
  const job = await queue.add('sum', {a: 2, b: 3});
  assert.strictEqual(await job.waitUntilFinished(events), 5);
  assert.strictEqual(await job.getState(), 'completed');
  assert.deepStrictEqual((await queue.getJobLogs(job.id)).logs, ['half']);
  await eventually('progress is told', () => progress.length === 1 && progress[0] === 50);
  const many = await queue.addBulk(
      [...Array(30).keys()].map((n) => ({name: 'sum', data: {a: n, b: n}})));
  const values = await Promise.all(many.map((one) => one.waitUntilFinished(events)));
  assert.deepStrictEqual(values, many.map((one) => 2 * one.data.a));
  assert.strictEqual((await queue.getJobCounts('completed')).completed, 31);
  await queue.clean(0, 100, 'completed');
  assert.strictEqual((await queue.getJobCounts('completed')).completed, 0);
  // The same identity, and the same deduplication identity, are taken once.
  await queue.pause();
  await queue.add('once', {a: 1, b: 1}, {jobId: 'mine'});
  await queue.add('once', {a: 1, b: 1}, {jobId: 'mine'});
  await queue.add('once', {a: 1, b: 1}, {deduplication: {id: 'same'}});
  await queue.add('once', {a: 1, b: 1}, {deduplication: {id: 'same'}});
  assert.strictEqual(await queue.count(), 2);
  await queue.resume();
  await eventually('both are done',
      async () => (await queue.getJobCounts('completed')).completed === 2);
  await queue.obliterate({force: true});
  assert.strictEqual(await queue.count(), 0);
}

async function retries() {
  const queue = queueOf('retries');
  const events = await eventsOf('retries');
  workerOf('retries', async (job) => {
    if (job.name === 'never') throw new UnrecoverableError('never');
    if (job.attemptsMade < 2) throw new Error(`attempt ${job.attemptsMade}`);
    return job.attemptsMade;
  });
  const good = await queue.add('good', {}, {attempts: 3, backoff: {type: 'fixed', delay: 100}});
  assert.strictEqual(await good.waitUntilFinished(events), 2);
  const bad = await queue.add('bad', {}, {attempts: 2, backoff: {type: 'exponential', delay: 50}});
  await assert.rejects(bad.waitUntilFinished(events), /attempt 1/);
  const never = await queue.add('never', {}, {attempts: 5});
  await assert.rejects(never.waitUntilFinished(events), /never/);
  const failed = await queue.getFailed();
  assert.deepStrictEqual(failed.map((job) => [job.name, job.attemptsMade]).sort(),
      [['bad', 2], ['never', 1]]);
  // By hand. attemptsMade goes on to count, so the job is done now.
  await (await queue.getJob(bad.id)).retry();
  assert.strictEqual(await (await queue.getJob(bad.id)).waitUntilFinished(events), 2);
}

async function order() {
  const queue = queueOf('order');
  const done = [];
  await queue.add('d', {}, {delay: 400});
  await queue.add('low', {}, {priority: 10});
  await queue.add('high', {}, {priority: 1});
  await queue.add('middle', {}, {priority: 5});
  await queue.add('first', {});
  await queue.add('last in', {}, {lifo: true});
  assert.deepStrictEqual(await queue.getJobCounts('wait', 'prioritized', 'delayed'),
      {wait: 2, prioritized: 3, delayed: 1});
  workerOf('order', async (job) => { done.push(job.name); });
  await eventually('all are done', () => done.length === 6);
  assert.deepStrictEqual(done.filter((name) => name !== 'd'),
      ['last in', 'first', 'high', 'middle', 'low']);
}

async function flow() {
  const events = await eventsOf('parents');
  workerOf('children', async (job) => {
    if (job.name === 'bad') throw new Error('on purpose');
    return job.data.value;
  }, {concurrency: 3});
  workerOf('parents', async (job) => {
    const values = Object.values(await job.getChildrenValues());
    return values.reduce((sum, value) => sum + value, 0);
  });
  const flows = keep(new FlowProducer({connection}));
  const children = [1, 2, 3].map(
      (value) => ({name: 'child', queueName: 'children', data: {value}}));
  const tree = await flows.add({name: 'parent', queueName: 'parents', children});
  assert.strictEqual(await tree.job.waitUntilFinished(events), 6);
  const deep = await flows.add({
    name: 'root', queueName: 'parents',
    children: [{name: 'inner', queueName: 'parents', children}, ...children],
  });
  assert.strictEqual(await deep.job.waitUntilFinished(events), 12);
  const broken = await flows.add({
    name: 'root', queueName: 'parents',
    children: [{name: 'bad', queueName: 'children', opts: {failParentOnFailure: true}}],
  });
  await assert.rejects(broken.job.waitUntilFinished(events));
}

async function limits() {
  const queue = queueOf('limits');
  const events = await eventsOf('limits');
  let running = 0;
  let most = 0;
  let limited = false;
  workerOf('limits', async () => {
    most = Math.max(most, ++running);
    await common.pause(1);
    --running;
  }, {limiter: {max: 3, duration: 200}, concurrency: 5});
  const watcher = eventually('the limit is met', async () => {
    limited = limited || (await queue.getRateLimitTtl()) > 0;
    return limited;
  });
  const many = await queue.addBulk([...Array(10).keys()].map(() => ({name: 'one', data: {}})));
  await Promise.all(many.map((job) => job.waitUntilFinished(events)));
  await watcher;
  assert(most <= 3, `${most} at a time`);
  assert.strictEqual(await queue.getCompletedCount(), 10);
}

async function repeat() {
  const queue = queueOf('repeat');
  const done = [];
  workerOf('repeat', async (job) => { done.push(job.data.word); });
  await queue.upsertJobScheduler(
      'often', {every: 150, limit: 3}, {name: 'tick', data: {word: 'o'}});
  await queue.upsertJobScheduler('cron', {pattern: '* * * * * *'}, {name: 't', data: {word: 'c'}});
  await eventually('both repeat', () => done.filter((word) => word === 'c').length >= 2 &&
      done.filter((word) => word === 'o').length === 3);
  assert.strictEqual(await queue.removeJobScheduler('cron'), true);
  const left = await queue.getJobSchedulers();
  assert(!left.some((scheduler) => scheduler.key === 'cron'), JSON.stringify(left));
}

// --- programs of the scenarios in which something is killed ---

async function worker() {
  workerOf('work', async (job) => {
    if (job.name === 'hold') return hold(job.data.name);
    return common.work(job.data.number);
  });
}

async function send(name) {
  await queueOf('work').add('hold', {name}, {jobId: 'held'});
}

async function awaitHeld() {
  const queue = queueOf('work');
  const job = await eventually('the job is completed', async () => {
    const found = await queue.getJob('held');
    return (await found.getState()) === 'completed' && found;
  });
  assert.strictEqual(job.returnvalue, 'middle');
  assert.strictEqual(job.stalledCounter, 1);
}

async function produce() {
  const queue = queueOf('work');
  await common.enqueueUntilClosed((number) => queue.add('do', {number}));
}

// --- programs of utils/bench-frameworks, with the settings that BullMQ has by itself ---

async function workerSpeed() {
  keep(new Worker('speed', async (job) => {
    if (job.data.word) common.mark(job.data.word);
  }, {connection}));
}

async function speed(warm, measured) {
  const queue = queueOf('speed');
  await common.enqueueToMeasure((word) => queue.add('nothing', {word}), warm, measured);
}

common.main({
  results, retries, order, flow, limits, repeat, worker, send, awaitHeld, produce, workerSpeed,
  speed,
});
