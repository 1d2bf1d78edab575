/** Reads a user's module of handlers: `belfry executor --handlers FILE`. */
import { stat } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BelfryError, messageOf } from '../../core/errors.ts';
import { listed } from '../../core/spec/problems.ts';
import type { Handlers } from './define.ts';
import { checkHandlers, isRecord, kindOf } from './definition.ts';

const HOW = 'Write: export const handlers = defineHandlers({ "send-invoice": async (ctx) => { … } })';

/**
 * Imports a module (TypeScript where this Node can, or JavaScript) that exports `handlers`, by that name or as its default.
 * @param file path, relative to the working directory
 * @throws BelfryError `handlers_not_found` when there is no such file; `handlers_invalid` when it cannot be imported, exports
 *   no handlers, or one of them is wrong
 */
export async function loadHandlers(file: string): Promise<Handlers> {
  const path = resolve(file);
  const info = await stat(path).catch(() => undefined); // not there, or not to be looked at: the same to the user
  if (!info?.isFile()) throw new BelfryError('handlers_not_found', `There is no file of handlers at ${path}.`);
  if (isTypeScript(path) && !process.features.typescript) throw noTypeScript(file);
  const handlers = handlersOf(await importModule(path, file), file);
  try {
    checkHandlers(handlers);
  } catch (error) {
    throw invalid(`${file}: ${messageOf(error)}`, error);
  }
  return handlers;
}

async function importModule(path: string, file: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (cause) {
    const code = (cause as { code?: unknown } | null | undefined)?.code;
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && isTypeScript(path)) throw noTypeScript(file, cause);
    throw invalid(`${file} cannot be imported: ${messageOf(cause)}`, cause);
  }
}

/** `handlers`, or the default export; CommonJS modules have all that they export in their default. */
function handlersOf(module: Record<string, unknown>, file: string): Handlers {
  const fallback = module.default;
  const found =
    module.handlers ??
    (isRecord(fallback) && isRecord(fallback.handlers) && !isDefinition(fallback.handlers)
      ? fallback.handlers
      : fallback);
  if (isRecord(found) && Object.keys(found).length > 0) return found as Handlers;
  throw invalid(`${file} ${whatIsThere(module)}. ${HOW}.`);
}

const isDefinition = (value: Record<string, unknown>): boolean => typeof value.run === 'function';

function whatIsThere(module: Record<string, unknown>): string {
  if (module.handlers !== undefined) return `exports "handlers", but that is ${described(module.handlers)}`;
  const names = Object.keys(module).filter((name) => name !== 'default' && name !== 'module.exports');
  const other = module.default === undefined ? [] : [`a default that is ${described(module.default)}`];
  return names.length + other.length === 0
    ? 'exports nothing'
    : `exports ${listed([...names, ...other], 'and')}, but no "handlers"`;
}

function described(value: unknown): string {
  return isRecord(value) ? 'an empty object' : kindOf(value);
}

function isTypeScript(path: string): boolean {
  return ['.ts', '.mts', '.cts'].includes(extname(path));
}

function noTypeScript(file: string, cause?: unknown): BelfryError {
  return invalid(
    `${file} is TypeScript, which Node ${process.versions.node} does not run. Use Node 22.18 or newer, or give the compiled JavaScript file`,
    cause,
  );
}

function invalid(message: string, cause?: unknown): BelfryError {
  return new BelfryError('handlers_invalid', message, { cause });
}
