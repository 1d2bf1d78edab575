/** Which methods an address takes: for 405, which the router does not tell from 404. */
import type { Api } from './deps.ts';

/** Call it before routes are added. @returns the methods of an address, in order; none where there is no such route */
export function rememberMethods(api: Api): (url: string) => string[] {
  const routes: { pattern: RegExp; methods: readonly string[] }[] = [];
  api.addHook('onRoute', ({ method, url }) => {
    const pattern = new RegExp(`^${url.split('/').map(patternOf).join('/')}$`);
    routes.push({ pattern, methods: [method].flat() });
  });
  return (url) => {
    const path = url.split('?')[0] ?? '';
    const found = routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods);
    return [...new Set(found)].sort();
  };
}

function patternOf(part: string): string {
  if (part === '*') return '.*';
  return part.startsWith(':') ? '[^/]+' : part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
