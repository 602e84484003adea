// What the programs of Node's frameworks share: marks in a file, waiting, actions by name.
'use strict';

const fs = require('fs');

const host = '127.0.0.1';
const port = Number(process.env.PORT);
const PATIENCE_MS = 1000 * Number(process.env.PATIENCE);

// Appends one line to the file of marks, in one write.
function mark(...words) {
  fs.appendFileSync(process.env.MARKS, words.join(' ') + '\n');
}

function marks() {
  return fs.readFileSync(process.env.MARKS, 'utf8').split('\n').slice(0, -1);
}

// Waits until the condition, which may be a promise, holds; gives its value.
async function eventually(what, condition) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`this does not happen: ${what}`);
    await pause(10);
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// A job in the middle of which a test does something: it waits until the gate is open.
async function hold(name) {
  mark('began', name);
  await gate(name);
  mark('ended', name);
  return name;
}

function gate(name) {
  return eventually(`gate ${name} is open`, () => fs.existsSync(`${process.env.GATES}/${name}`));
}

// A job of a producer. It takes longer than enqueueing, so that some jobs always wait.
async function work(number) {
  await pause(30);
  mark('done', number);
}

// Enqueues jobs 0, 1, ... until standard input is closed; leaves the mark "enqueued N" for each for
// which the promise of enqueue(N) is kept. One whose promise stays open holds nobody up: clients of
// a lost server may remember a command for ever.
async function enqueueUntilClosed(enqueue) {
  let open = true;
  process.stdin.on('end', () => { open = false; });
  process.stdin.resume();
  for (let number = 0; open; ++number) {
    Promise.resolve().then(() => enqueue(number)).then(
        () => mark('enqueued', number),
        (error) => console.log(`not acknowledged: ${number}: ${error.message}`));
    await pause(5);
  }
}

// What enqueue_to_measure of jobs.py does. Each job waits for the promise of the one before.
async function enqueueToMeasure(enqueue, warm, measured) {
  for (const [name, count] of [['warm', warm], ['measured', measured]]) {
    await gate(name);
    for (let number = 1; number < Number(count); ++number) await enqueue(null);
    await enqueue(`done ${name}`);
  }
}

// Runs the action that the command line names. The process ends when its promise is kept, except
// for actions whose name begins with "worker".
function main(actions) {
  const [name, ...rest] = process.argv.slice(2);
  process.on('unhandledRejection', (error) => {
    console.log('unhandled:', error);
    if (!name.startsWith('worker') && name !== 'produce') process.exit(1);
  });
  Promise.resolve(actions[name](...rest)).then(
      () => { if (!name.startsWith('worker')) process.exit(0); },
      (error) => { console.log(error); process.exit(1); });
}

module.exports = {
  host, port, mark, marks, eventually, pause, hold, work, enqueueUntilClosed,
  enqueueToMeasure, main,
};
