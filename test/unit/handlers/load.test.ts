import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadHandlers } from '../../../services/executor/handlers/load.ts';
import { folderWith } from './support.ts';

/** Loads a module of this text from a file of this name. */
async function load(text: string, name = 'handlers.mjs') {
  await using folder = await folderWith({ [name]: text });
  return await loadHandlers(join(folder.path, name));
}

const refused = (message: RegExp, code = 'handlers_invalid') => ({ name: 'BelfryError', code, message });

void test('handlers are found as a named export, as the default, in TypeScript and in CommonJS', async () => {
  assert.deepEqual(Object.keys(await load('export const handlers = { a: () => 1 }')), ['a']);
  assert.deepEqual(Object.keys(await load('export default { a: () => 1, b: { run() {} } }')), ['a', 'b']);
  assert.deepEqual(Object.keys(await load('export default { handlers: { a() {} } }')), ['a']);
  assert.deepEqual(Object.keys(await load('export const handlers = { a: (n: number): number => n }', 'h.ts')), ['a']);
  assert.deepEqual(Object.keys(await load('module.exports.handlers = { a() {} }', 'h.cjs')), ['a']);
  assert.deepEqual(Object.keys(await load('module.exports = { handlers: { a() {} } }', 'h.cjs')), ['a']);
  assert.deepEqual(Object.keys(await load('module.exports = { a() {} }', 'h.cjs')), ['a']);
});

void test('a handler may itself be called "handlers"', async () => {
  assert.deepEqual(Object.keys(await load('export default { handlers: { run() {} } }')), ['handlers']);
});

void test('a file that is not there is named with its full path', async () => {
  await using folder = await folderWith({ 'sub/x.txt': '' });
  const path = join(folder.path, 'none.ts');
  await assert.rejects(loadHandlers(path), refused(new RegExp(`no file of handlers at ${path}`), 'handlers_not_found'));
  await assert.rejects(loadHandlers(join(folder.path, 'sub')), { code: 'handlers_not_found' });
});

void test('a module without handlers is told what it exports instead, and what to write', async () => {
  await assert.rejects(
    load('export const sendInvoice = () => 1; export function other() {}'),
    refused(/exports other and sendInvoice, but no "handlers".*export const handlers = defineHandlers/),
  );
  await assert.rejects(load('export default () => 1'), refused(/a default that is a function, but no "handlers"/));
  await assert.rejects(load('globalThis.x = 1'), refused(/exports nothing/));
  await assert.rejects(load('export const handlers = [() => 1]'), refused(/"handlers", but that is a list/));
  await assert.rejects(load('export const handlers = {}'), refused(/"handlers", but that is an empty object/));
});

void test('an entry that is no handler is named, with its file', async () => {
  await assert.rejects(
    load('export const handlers = { a: 5 }'),
    refused(/handlers\.mjs: Handler "a": must be a function or an object.*not a number/),
  );
  await assert.rejects(
    load('export const handlers = { a: {} }'),
    refused(/Handler "a": needs a function "run", which is missing/),
  );
  await assert.rejects(load('export const handlers = { a: { run: "x" } }'), refused(/which is a string/));
});

void test('a module that throws or imports what is missing says so', async () => {
  await assert.rejects(load('throw new Error("no database")'), refused(/cannot be imported: no database/));
  await assert.rejects(
    load('import "./gone.mjs"; export const handlers = { a() {} }'),
    refused(/cannot be imported: .*gone\.mjs/),
  );
  await assert.rejects(load('export const handlers = {'), refused(/cannot be imported: /));
});

void test('TypeScript on a Node that cannot run it is told which Node can', async (t) => {
  t.mock.getter(process.features, 'typescript', () => false);
  await assert.rejects(
    load('export const handlers = { a() {} }', 'h.ts'),
    refused(/h\.ts is TypeScript, which Node [\d.]+ does not run\. Use Node 22\.18/),
  );
  assert.deepEqual(Object.keys(await load('export const handlers = { a() {} }')), ['a']);
});
