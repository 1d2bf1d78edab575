/* eslint-disable @typescript-eslint/no-unsafe-assignment -- answers of every shape */
/** A client of the HTTP API that holds every answer against the server's own OpenAPI document. */
import assert from 'node:assert/strict';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

export type Answer = { status: number; headers: Headers; body: Json };
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into answers of every shape
export type Json = any;
export type Asked = { key?: string; body?: unknown; headers?: Record<string, string> };

type Operation = { responses: Record<string, { content?: Record<string, { schema: object }> }> };
type OpenApi = { openapi: string; paths: Record<string, Record<string, Operation>> };

export class HttpApi {
  readonly url: string;
  readonly document: OpenApi;
  readonly key: string;
  private readonly ajv = new Ajv2020({ strict: false, validateFormats: false });
  private readonly validators = new Map<string, ValidateFunction>();
  /** Operations that were asked, as `GET /api/jobs`. */
  readonly asked = new Set<string>();

  private constructor(url: string, key: string, document: OpenApi) {
    this.url = url;
    this.key = key;
    this.document = document;
    this.ajv.addSchema(document, 'api');
  }

  static async at(port: number, key: string): Promise<HttpApi> {
    const url = `http://127.0.0.1:${port}`;
    return new HttpApi(url, key, (await (await fetch(`${url}/openapi.json`)).json()) as OpenApi);
  }

  /** @throws when the answer is none that the document describes */
  async ask(method: string, path: string, { key = this.key, body, headers = {} }: Asked = {}): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const answer = { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
    this.check(method, path, answer);
    return answer;
  }

  /** @throws when the answer is none that the document describes */
  check(method: string, path: string, { status, headers, body }: Answer): void {
    const problem = status >= 400;
    if (problem) {
      assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/);
      assert.equal((body as { status: number }).status, status);
    }
    const route = this.routeOf(method, path);
    if (route === undefined) return assert.equal(status, 404, `${method} ${path} is not in the document`);
    this.asked.add(`${method} ${route}`);
    const { responses } = this.document.paths[route]![method.toLowerCase()]!;
    const described = responses[status] ? String(status) : `${String(status)[0]}XX`;
    const content = responses[described]?.content;
    assert.ok(content, `${method} ${route} answers ${status}, which is not in the document`);
    const [type] = Object.keys(content);
    const pointer = ['paths', route, method.toLowerCase(), 'responses', described, 'content', type!, 'schema'];
    const reference = `api#/${pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;
    const validate = this.validators.get(reference) ?? this.ajv.compile({ $ref: reference });
    this.validators.set(reference, validate);
    assert.ok(
      validate(body),
      `${method} ${path} ${status}: ${JSON.stringify(validate.errors)} in ${JSON.stringify(body)}`,
    );
  }

  private routeOf(method: string, path: string): string | undefined {
    const [plain = ''] = path.split('?');
    const fits = Object.keys(this.document.paths).filter((route) => {
      const pattern = new RegExp(`^${route.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`);
      return pattern.test(plain) && this.document.paths[route]![method.toLowerCase()] !== undefined;
    });
    return fits.toSorted((a, b) => Number(a.includes('{')) - Number(b.includes('{')))[0];
  }
}
