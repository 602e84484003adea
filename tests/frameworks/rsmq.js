// rsmq: queues whose messages come back unless they are deleted.
'use strict';

const assert = require('assert');
const RedisSMQ = require('rsmq');
const redis = require('redis');
const {eventually, host, main, port} = require('./common');

async function queues() {
  const rsmq = new RedisSMQ({host, port, ns: 'q', realtime: true});
  assert.strictEqual(await rsmq.createQueueAsync({qname: 'one', vt: 1}), 1);
  await assert.rejects(rsmq.createQueueAsync({qname: 'one'}), {name: 'queueExists'});
  await rsmq.createQueueAsync({qname: 'two'});
  assert.deepStrictEqual((await rsmq.listQueuesAsync()).sort(), ['one', 'two']);

  const told = [];
  const listener = redis.createClient({socket: {host, port}});
  await listener.connect();
  await listener.subscribe('q:rt:one', (count) => told.push(count));
  const ids = [];
  for (const message of ['a', 'b', 'c']) {
    ids.push(await rsmq.sendMessageAsync({qname: 'one', message}));
  }
  await eventually('each message is told', () => told.length === 3);
  assert.deepStrictEqual(told, ['1', '2', '3']);

  const first = await rsmq.receiveMessageAsync({qname: 'one'});
  assert.deepStrictEqual([first.id, first.message, first.rc], [ids[0], 'a', 1]);
  // Invisible for a second, then it comes again.
  const back = await eventually('the first message comes back', async () => {
    const got = await rsmq.receiveMessageAsync({qname: 'one'});
    return got.id === first.id && got;
  });
  assert.strictEqual(back.rc, 2);
  for (const id of ids) assert.strictEqual(await rsmq.deleteMessageAsync({qname: 'one', id}), 1);
  assert.strictEqual(await rsmq.deleteMessageAsync({qname: 'one', id: ids[0]}), 0);

  await rsmq.sendMessageAsync({qname: 'two', message: 'late', delay: 1});
  assert.deepStrictEqual(await rsmq.popMessageAsync({qname: 'two'}), {});
  const popped = await eventually('the delay is over', async () => {
    const got = await rsmq.popMessageAsync({qname: 'two'});
    return got.id && got;
  });
  assert.strictEqual(popped.message, 'late');

  const hidden = await rsmq.sendMessageAsync({qname: 'two', message: 'hidden'});
  assert.strictEqual(
      await rsmq.changeMessageVisibilityAsync({qname: 'two', id: hidden, vt: 3600}), 1);
  const attributes = await rsmq.getQueueAttributesAsync({qname: 'two'});
  assert.deepStrictEqual(
      [attributes.msgs, attributes.hiddenmsgs, attributes.totalsent, attributes.totalrecv],
      [1, 1, 2, 1]);
  assert.strictEqual((await rsmq.setQueueAttributesAsync({qname: 'two', vt: 7})).vt, 7);
  await rsmq.deleteQueueAsync({qname: 'two'});
  assert.deepStrictEqual(await rsmq.listQueuesAsync(), ['one']);
  await assert.rejects(rsmq.popMessageAsync({qname: 'two'}), {name: 'queueNotFound'});
}

main({queues});
