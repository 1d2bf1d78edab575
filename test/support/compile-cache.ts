/**
 * Preloaded by the test commands: all processes that tests start share what Node compiled, or each of some hundred would strip the
 * types of all that it loads again. https://nodejs.org/api/module.html#module-compile-cache
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';

process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'belfry-compile-cache');
