// rate-limiter-flexible with both clients of Node: limits, blocks, penalties, queues.
'use strict';

const assert = require('assert');
const Redis = require('ioredis');
const redis = require('redis');
const {BurstyRateLimiter, RateLimiterQueue, RateLimiterRedis} = require('rate-limiter-flexible');
const {eventually, host, main, port} = require('./common');

async function limits() {
  const node = redis.createClient({socket: {host, port}});
  await node.connect();
  for (const [keyPrefix, more] of Object.entries({
    ioredis: {storeClient: new Redis({host, port, enableOfflineQueue: true})},
    node: {storeClient: node, useRedisPackage: true},
  })) {
    const limiter = new RateLimiterRedis({...more, keyPrefix, points: 3, duration: 3600});
    for (const left of [2, 1, 0]) {
      assert.strictEqual((await limiter.consume('me')).remainingPoints, left);
    }
    const refused = await limiter.consume('me').then(() => null, (refusal) => refusal);
    assert.strictEqual(refused.consumedPoints, 4);
    assert(refused.msBeforeNext > 0 && refused.msBeforeNext <= 3600 * 1000);
    assert.strictEqual((await limiter.consume('you', 2)).remainingPoints, 1);
    assert.strictEqual((await limiter.get('you')).consumedPoints, 2);
    assert.strictEqual((await limiter.reward('you', 1)).consumedPoints, 1);
    assert.strictEqual((await limiter.penalty('you', 5)).consumedPoints, 6);
    await limiter.block('they', 1000);
    await assert.rejects(limiter.consume('they').catch(() => { throw new Error('blocked'); }));
    await limiter.set('we', 1, 1000);
    assert.strictEqual((await limiter.get('we')).consumedPoints, 1);
    assert.strictEqual(await limiter.delete('me'), true);
    assert.strictEqual(await limiter.get('me'), null);
    // All at once, and only as many as there may be.
    const many = await Promise.allSettled(Array(20).fill().map(() => limiter.consume('all')));
    assert.strictEqual(many.filter((one) => one.status === 'fulfilled').length, 3);

    const short = new RateLimiterRedis(
        {...more, keyPrefix: `${keyPrefix}-short`, points: 1, duration: 1});
    await short.consume('me');
    await eventually('the second is over',
        () => short.consume('me').then(() => true, () => false));
    const bursty = new BurstyRateLimiter(
        new RateLimiterRedis({...more, keyPrefix: `${keyPrefix}-a`, points: 1, duration: 3600}),
        new RateLimiterRedis({...more, keyPrefix: `${keyPrefix}-b`, points: 2, duration: 3600}));
    const burst = [];
    for (let turn = 0; turn < 4; ++turn) {
      burst.push(await bursty.consume('me').then(() => true, () => false));
    }
    assert.deepStrictEqual(burst, [true, true, true, false]);
    const queue = new RateLimiterQueue(
        new RateLimiterRedis({...more, keyPrefix: `${keyPrefix}-q`, points: 2, duration: 1}),
        {maxQueueSize: 2});
    const taken = await Promise.allSettled(Array(6).fill().map(() => queue.removeTokens(1)));
    assert.strictEqual(taken.filter((one) => one.status === 'rejected').length, 2);
  }
}

main({limits});
