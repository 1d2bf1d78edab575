/**
 * The HTTP API as one Fastify application: checks, routes, errors, documents. It serves nothing by itself: `main.ts` hands it
 * the requests that are not for operators.
 */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fastify, { type FastifyReply, type FastifyRequest, type RouteOptions } from 'fastify';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { BelfryError } from '../core/errors.ts';
import { addAudit } from './routes/audit.ts';
import { addAuth } from './auth.ts';
import { addBodyBudget } from './body-budget.ts';
import type { Api, ApiDeps } from './deps.ts';
import { addIdempotency } from './idempotency.ts';
import { readJsonBodies } from './json-body.ts';
import { rememberMethods } from './methods.ts';
import { problem, problemOf, type Problem } from './problem.ts';
import { addBackfill } from './routes/backfill.ts';
import { addBatch } from './routes/batch.ts';
import { addCommands } from './routes/commands.ts';
import { addDlq } from './routes/dlq.ts';
import { addEvents } from './routes/events.ts';
import { addJobs } from './routes/jobs.ts';
import { addKeys } from './routes/keys.ts';
import { addPreview } from './routes/preview.ts';
import { addOccurrences } from './routes/occurrences.ts';
import { addRejected } from './routes/rejected.ts';
import { addRuns } from './routes/runs.ts';
import { addTenants } from './routes/tenants.ts';
import { addStatistics } from './routes/statistics.ts';
import { addWebhooks } from './routes/webhooks.ts';
import { validatorCompiler } from './validate.ts';

/** A command has at most 512 KiB. */
const MAX_BODY_BYTES = 512 * 1024;
/** Job ids have up to 200 characters, three bytes each when they are escaped. */
const MAX_PARAM_LENGTH = 700;
const UNREADABLE_PATH = 'The address cannot be read: a part of it is too long, or not UTF-8 in percent-encoding.';
const PROBLEM_JSON = 'application/problem+json; charset=utf-8';

/** Resolves when it can take requests. */
export async function buildServer(deps: ApiDeps): Promise<Api> {
  const api: Api = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    trustProxy: deps.trustProxy ?? false,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // The framework's own message repeats the whole address; hooks do not run for what no route can take.
    frameworkErrors: (_error, _request, reply: FastifyReply) => {
      void answerProblem(safely(reply), problem('unreadable', UNREADABLE_PATH));
    },
  });
  readJsonBodies(api);
  api.setValidatorCompiler(validatorCompiler);
  api.setSerializerCompiler(() => (data) => JSON.stringify(data));
  api.setErrorHandler((error: Error, request, reply) => {
    const told = problemOf(error);
    const route = request.routeOptions.url;
    if (told.status >= 500 && !isRefused(error)) deps.log.error({ err: error, route }, 'a request failed');
    if (error instanceof BelfryError && error.retryable) reply.header('retry-after', '1');
    // Whoever still sends a body would find the connection gone before the answer: the rest is read and dropped, within the time
    // that a request may take.
    if (told.status === 413) reply.removeHeader('connection');
    return answerProblem(reply, told);
  });
  const methodsAt = rememberMethods(api);
  api.setNotFoundHandler((request, reply) => {
    const methods = methodsAt(request.url);
    if (methods.length === 0) return answerProblem(reply, problem('not_found', 'There is nothing here; see /docs.'));
    const allowed = methods.join(', ');
    reply.header('allow', allowed);
    return answerProblem(reply, problem('method_not_allowed', `${request.method} is not for this; ${allowed} is.`));
  });
  api.addHook('onSend', async (_request, reply) => {
    safely(reply);
  });
  measure(api, deps);
  api.addHook('onRoute', openDocuments);
  await addAuth(api, deps);
  addBodyBudget(api);
  await addDocuments(api, deps);
  await api.register(async (scoped) => {
    const routes = scoped as Api;
    addIdempotency(routes, deps);
    for (const add of [
      addJobs,
      addBackfill,
      addBatch,
      addCommands,
      addPreview,
      addRuns,
      addRejected,
      addOccurrences,
      addDlq,
      addEvents,
      addStatistics,
      addAudit,
      addTenants,
      addWebhooks,
    ])
      add(routes, deps);
    if (deps.keys !== null) addKeys(routes, deps, deps.keys);
  });
  await api.ready();
  return api;
}

/** More than is done at once was asked for: nothing failed. */
function isRefused(error: Error): boolean {
  return error instanceof BelfryError && error.code === 'overloaded';
}

/** Browsers neither guess what an answer is nor keep it. */
function safely(reply: FastifyReply): FastifyReply {
  reply.header('x-content-type-options', 'nosniff');
  return reply.hasHeader('cache-control') ? reply : reply.header('cache-control', 'no-store');
}

function answerProblem(reply: FastifyReply, told: Problem): FastifyReply {
  // As text: the serializer of the route is for its own answers.
  return reply.code(told.status).header('content-type', PROBLEM_JSON).serializer(JSON.stringify).send(told);
}

function measure(api: Api, { answered, clock }: ApiDeps): void {
  if (answered === undefined) return;
  const began = new WeakMap<FastifyRequest, number>();
  api.addHook('onRequest', async (request) => void began.set(request, clock.now()));
  api.addHook('onResponse', async (request, reply) => {
    if (request.routeOptions.config.isStream === true) return;
    const durationMs = clock.now() - (began.get(request) ?? clock.now());
    answered(request.routeOptions.url ?? 'none', request.method, reply.statusCode, durationMs);
  });
}

/** The pages of a plugin, which knows no scopes. */
function openDocuments(route: RouteOptions): void {
  if (/^\/docs(\/|$)/.test(route.url)) route.config = { ...route.config, scope: 'public' };
}

/** `/openapi.json`, made of the schemas that validate, and `/docs`, which shows it. */
async function addDocuments(api: Api, { version }: ApiDeps): Promise<void> {
  await api.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Belfry',
        version,
        description: 'Jobs in, runs out. Errors are problem+json (RFC 9457), with `type: urn:belfry:problem:<code>`.',
      },
      components: {
        securitySchemes: { key: { type: 'http', scheme: 'bearer', bearerFormat: 'bfy_<prefix>_<secret>' } },
      },
    },
    transform: createJsonSchemaTransform({ skipList: ['/docs', '/docs/*', '/openapi.json'] }),
    transformObject: createJsonSchemaTransformObject({}),
  });
  await api.register(swaggerUi, { routePrefix: '/docs', staticCSP: true });
  api.get('/openapi.json', { config: { scope: 'public' }, schema: { hide: true } }, () => api.swagger());
}
