/** Who receives webhooks: a server outside Belfry that checks signatures by an independent implementation, and sometimes fails. */
import { Webhook } from 'standardwebhooks';
import type { Received } from '../checker/history.ts';
import { Random } from '../support/random.ts';
import { serve, type TestServer } from '../unit/handlers/http-server.ts';

const FAILING_CHANCE = 0.05;

export class Receiver {
  readonly received: Received[] = [];
  /** By the id of the webhook. */
  readonly secrets = new Map<string, string>();
  private server: TestServer | undefined;
  private readonly failed = new Set<string>();

  static async open(seed: number): Promise<Receiver> {
    const random = new Random(`receiver ${seed}`);
    const receiver = new Receiver();
    receiver.server = await serve(({ url = '', headers }, response, body) => {
      const id = String(headers['webhook-id']);
      const webhook = url.slice(1);
      const secret = receiver.secrets.get(webhook);
      receiver.received.push({ webhook, id, isGenuine: secret !== undefined && isGenuine(secret, headers, body) });
      const fails = !receiver.failed.has(id) && random.chance(FAILING_CHANCE);
      if (fails) receiver.failed.add(id);
      response.writeHead(fails ? 500 : 204).end();
    });
    return receiver;
  }

  urlOf(webhook: string): string {
    return `${this.server!.url}/${webhook}`;
  }

  async close(): Promise<void> {
    await this.server?.[Symbol.asyncDispose]();
  }
}

function isGenuine(secret: string, headers: object, body: string): boolean {
  try {
    new Webhook(secret).verify(body, headers as Record<string, string>);
    return true;
  } catch {
    return false;
  }
}
