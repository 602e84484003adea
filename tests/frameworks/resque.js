// node-resque: resque.js ACTION.
'use strict';

const assert = require('assert');
const {Plugins, Queue, Scheduler, Worker} = require('node-resque');
const common = require('./common');
const {eventually, hold, mark, marks} = common;

const connection = () => ({
  host: common.host, port: common.port, database: 0, namespace: 'resque',
  options: {maxRetriesPerRequest: null},
});

const jobs = {
  add: {perform: async (a, b) => { mark('sum', a + b); return a + b; }},
  fail: {perform: async () => { throw new Error('on purpose'); }},
  again: {
    plugins: [Plugins.Retry],
    pluginOptions: {Retry: {retryLimit: 3, retryDelay: 1}},
    perform: async () => {
      mark('attempt');
      if (marks().filter((line) => line === 'attempt').length < 2) throw new Error('on purpose');
    },
  },
  once: {plugins: [Plugins.QueueLock], perform: async () => {}},
  hold: {perform: hold},
};

function noted(object) {
  object.on('error', (error) => console.log('error:', error.message));
  return object;
}

async function queueOf() {
  const queue = noted(new Queue({connection: connection()}, jobs));
  await queue.connect();
  return queue;
}

async function worker(name) {
  for (const queues of [['urgent', 'usual'], ['usual']]) {
    const one = noted(new Worker(
        {connection: connection(), queues, timeout: 20, name: `${name}.${queues.length}`}, jobs));
    await one.connect();
    one.start();
  }
  const scheduler = noted(new Scheduler(
      {connection: connection(), timeout: 100, name, leaderLockTimeout: 1, stuckWorkerTimeout: 1000,
        retryStuckJobs: true}, jobs));
  await scheduler.connect();
  scheduler.start();
}

async function run() {
  const queue = await queueOf();
  for (let number = 0; number < 30; ++number) {
    await queue.enqueue(number % 2 ? 'urgent' : 'usual', 'add', [number, 100]);
  }
  await queue.enqueueIn(300, 'usual', 'add', [1000, 1]);
  await queue.enqueueAt(Date.now() + 3600 * 1000, 'usual', 'add', [2000, 1]);
  await eventually('all are done',
      () => marks().filter((line) => line.startsWith('sum ')).length === 31);
  assert(marks().includes('sum 1001'));
  assert.strictEqual((await queue.scheduledAt('usual', 'add', [2000, 1])).length, 1);
  assert.strictEqual((await queue.delDelayed('usual', 'add', [2000, 1])).length, 1);
  assert.strictEqual((await queue.stats()).processed, '31');

  await queue.enqueue('usual', 'fail', []);
  await eventually('it has failed', async () => (await queue.failedCount()) === 1);
  const [failed] = await queue.failed(0, -1);
  assert.strictEqual(failed.error, 'on purpose');
  await queue.removeFailed(failed);
  await queue.enqueue('usual', 'again', []);
  await eventually('the second attempt',
      () => marks().filter((line) => line === 'attempt').length === 2);

  // What is in the queue already is not taken again. Nobody works on this queue.
  const taken = [];
  for (const word of ['a', 'a', 'b']) taken.push(await queue.enqueue('idle', 'once', [word]));
  assert.deepStrictEqual(taken, [true, false, true]);
  assert.strictEqual(await queue.length('idle'), 2);
  assert.strictEqual(await queue.del('idle', 'once', ['a']), 1);
  assert.deepStrictEqual((await queue.queued('idle', 0, -1)).map((job) => job.args), [['b']]);
}

async function send(name) {
  await (await queueOf()).enqueue('usual', 'hold', [name]);
}

common.main({worker, run, send});
