// socket.io with the adapters that connect several servers through Redis: socket_io.js ACTION.
'use strict';

const assert = require('assert');
const http = require('http');
const Redis = require('ioredis');
const redis = require('redis');
const {createAdapter, createShardedAdapter} = require('@socket.io/redis-adapter');
const streams = require('@socket.io/redis-streams-adapter');
const {Server} = require('socket.io');
const {io: connect} = require('socket.io-client');
const {eventually, host, main, port} = require('./common');

async function nodeClient() {
  const client = redis.createClient({socket: {host, port}});
  client.on('error', (error) => console.log('error:', error.message));
  await client.connect();
  return client;
}

const adapters = {
  pubsub: async () => createAdapter(new Redis({host, port}), new Redis({host, port})),
  sharded: async () => createShardedAdapter(await nodeClient(), await nodeClient()),
  streams: async () => streams.createAdapter(await nodeClient()),
};

async function serverWith(adapter) {
  const listener = http.createServer();
  const io = new Server(listener, {adapter});
  io.on('connection', (socket) => {
    socket.on('join', (room, done) => Promise.resolve(socket.join(room)).then(() => done()));
    socket.on('say', (room, text) => socket.to(room).emit('said', text));
  });
  io.on('ask', (number, done) => done(number + 1));
  await new Promise((resolve) => listener.listen(0, host, resolve));
  return {io, url: `http://${host}:${listener.address().port}`};
}

async function clientOf(url) {
  const socket = connect(url, {transports: ['websocket']});
  socket.heard = [];
  socket.on('said', (text) => socket.heard.push(text));
  socket.on('question', (done) => done(socket.id));
  await new Promise((resolve, reject) => {
    socket.on('connect', resolve);
    socket.on('connect_error', reject);
  });
  return socket;
}

async function rooms(kind) {
  const one = await serverWith(await adapters[kind]());
  const two = await serverWith(await adapters[kind]());
  await eventually('the servers know each other', async () =>
    (await one.io.of('/').adapter.serverCount()) === 2 &&
    (await two.io.of('/').adapter.serverCount()) === 2);
  const a = await clientOf(one.url);
  const b = await clientOf(two.url);
  const c = await clientOf(two.url);
  for (const socket of [a, b]) await socket.emitWithAck('join', 'red');
  await c.emitWithAck('join', 'blue');
  await eventually('both are in the room',
      async () => (await one.io.in('red').fetchSockets()).length === 2);
  a.emit('say', 'red', 'hello');
  await eventually('the other server has it', () => b.heard.length === 1);
  two.io.emit('said', 'all');
  await eventually('everybody has it', () => a.heard.includes('all') && b.heard.includes('all') &&
      c.heard.includes('all'));
  assert.deepStrictEqual([a.heard, b.heard, c.heard], [['all'], ['hello', 'all'], ['all']]);
  const answers = await one.io.timeout(30000).emitWithAck('question');
  assert.deepStrictEqual(answers.sort(), [a.id, b.id, c.id].sort());
  assert.deepStrictEqual(await one.io.serverSideEmitWithAck('ask', 1), [2]);
  one.io.in('blue').socketsJoin('red');
  await eventually('three are in the room',
      async () => (await two.io.in('red').fetchSockets()).length === 3);
  one.io.in(b.id).disconnectSockets(true);
  await eventually('it is away', () => b.disconnected);
}

main({rooms});
