/** Patterns that are not linear, or put together at run time, and why that harms nobody here. By package; `own`: `services`. */
export const ACCEPTED: Readonly<Record<string, readonly { pattern: string; why: string }[]>> = {
  own: [
    {
      pattern: '"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"|-?\\d[\\d.eE+-]*|[{}[\\],:]',
      why: 'meets only what JSON.parse has taken: each text in it ends where it should',
    },
    { pattern: '"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"|[{}[\\]:]', why: 'the same, of a file on the machine of its user' },
    { pattern: '\\/+$', why: "meets the path of the API's own address, which its user writes" },
    { pattern: 'api/methods.ts', why: 'made of the routes of the API' },
    {
      pattern: 'core/topics.ts',
      why: "made of the names of Belfry's own topics; what repeats is one class, and stands behind a name",
    },
    {
      pattern: 'executor/handlers/http/http-date.ts',
      why: 'made of names of days and months; HTTP dates are anchored',
    },
  ],
  'cron-parser': [
    { pattern: '^([^\\s=]+)\\s*=\\s*(.*)$', why: 'reads crontab files, which nobody asks for' },
    ...['[?,*\\dLH/-]+$', '[?,*\\dLH#/-]+$', '[?,*\\dH/-]+$'].map((first) => ({
      pattern: `^${first}|^.*H\\(\\d+-\\d+\\)\\/\\d+.*$|^.*H\\(\\d+-\\d+\\).*$|^.*H\\/\\d+.*$`,
      why: 'meets one field, which `cron-fields.ts` has taken before: no H, and no longer than a cron may be',
    })),
  ],
  luxon: [
    {
      pattern: '(\\d+)\\/(\\d+)\\/(\\d+) (AD|BC),? (\\d+):(\\d+):(\\d+)',
      why: "meets what the language's own Intl has written",
    },
  ],
  yaml: ['[\\n\\r]+$', '[ \\t]+$', '^[ \\t]+|[ \\t]+$', '000000\\d*$'].map((pattern) => ({
    pattern,
    why: 'meets files of `belfry apply`, on the machine of whoever wrote them',
  })),
  zod: [{ pattern: '^-+|-+$', why: 'makes slugs, which nobody asks for' }],
  '@marcbachmann/cel-js': [
    {
      pattern: '(\\d*\\.?\\d*)(ns|us|µs|ms|s|m|h)',
      why: 'duration() of the library, which is never called: core/filter/functions.ts stands in its place',
    },
  ],
  'ipaddr.js': [{ pattern: '%.+$', why: 'fails at a line feed alone, which no host of a URL has' }],
  undici: ['^[\\t ]+|[\\t ]+$', '[\\t ]+$', '(\\u0020+)$'].map((pattern) => ({
    pattern,
    why: 'of its cache and of data: URLs, of which neither is used',
  })),
  fastify: [{ pattern: '-(?:rc|pre|alpha).+$', why: 'meets versions of plugins' }],
};
