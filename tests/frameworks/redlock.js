// Redlock: locks that one process holds, over one server and over several databases of it.
'use strict';

const assert = require('assert');
const Redis = require('ioredis');
const Redlock = require('redlock');
const {eventually, host, main, mark, marks, port} = require('./common');

function locks(options) {
  const clients = [0, 1, 2].map((db) => new Redis({host, port, db}));
  return {clients, redlock: new Redlock(clients, {retryDelay: 20, retryJitter: 20, ...options})};
}

async function rules() {
  const {clients, redlock} = locks({retryCount: 0});
  const held = await redlock.lock('thing', 60000);
  assert.strictEqual(await clients[0].get('thing'), held.value);
  await assert.rejects(redlock.lock('thing', 1000), Redlock.LockError);
  await assert.rejects(redlock.lock(['other', 'thing'], 1000), Redlock.LockError);
  const longer = await held.extend(120000);
  assert(await clients[1].pttl('thing') > 60000);
  await longer.unlock();
  await assert.rejects(longer.unlock(), Redlock.LockError);
  const both = await redlock.lock(['thing', 'other'], 60000);
  await assert.rejects(redlock.lock('other', 1000), Redlock.LockError);
  await both.unlock();
  // A majority of the databases is enough.
  await clients[0].set('thing', 'of somebody else');
  const majority = await redlock.lock('thing', 60000);
  assert.strictEqual(await clients[0].get('thing'), 'of somebody else');
  await majority.unlock().catch(() => {});
  assert.strictEqual(await clients[1].get('thing'), null);
  await clients[0].del('thing');
  // A lock that nobody releases runs out.
  await redlock.lock('thing', 200);
  await eventually('the lock is free', async () => {
    try {
      return await redlock.lock('thing', 60000);
    } catch (error) {
      return null;
    }
  });
}

// Several of these run at once: each enters five times.
async function enter(name) {
  const {redlock} = locks({retryCount: -1});
  for (let turn = 0; turn < 5; ++turn) {
    const lock = await redlock.lock('room', 30000);
    mark('in', name);
    await new Promise((resolve) => setImmediate(resolve));
    mark('out', name);
    await lock.unlock();
  }
}

async function judge() {
  const lines = marks();
  assert.strictEqual(lines.length, 30);
  for (let at = 0; at < lines.length; at += 2) {
    assert(lines[at].startsWith('in '), lines[at]);
    assert.strictEqual(lines[at + 1], lines[at].replace('in', 'out'));
  }
}

main({rules, enter, judge});
