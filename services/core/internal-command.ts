/**
 * Commands that a timer sends to the owners of other partitions, on `job.commands`, as JSON, through its outbox: so each may
 * arrive twice, and has its effect once.
 *
 * Nobody else is meant to send them. Who may write that topic can, and wins nothing by it: they make what `emit` makes, runs of a
 * job that listens to that event. (`notify` is signed when it is sent on: one more reason why that topic is to be protected.)
 */
import type { EmittedEvent } from './model.ts';

/** An event, for one of the jobs that it matched. */
export type DeliverCommand = {
  type: 'deliver';
  tenant: string;
  jobId: string;
  event: EmittedEvent;
  /** When the emit was applied, ms. */
  at: number;
};

/** The rest of an emit that matches more jobs than one step takes. */
export type FanOutCommand = {
  type: 'fanOut';
  tenant: string;
  /** The event's name: its place. */
  jobId: string;
  event: EmittedEvent;
  at: number;
  /** Jobs up to this id are done. */
  after: string;
  /** From 1: tells the parts of one emit apart. */
  part: number;
  /** Jobs that matched so far. */
  matched: number;
  /** Of the emit, whose answer the last part gives. */
  commandId: string;
  ack: boolean;
};

/** What a webhook is to be sent, for the job that delivers it. The API and the CLI send one, too, as a test. */
export type NotifyCommand = {
  type: 'notify';
  tenant: string;
  /** `webhookJobId` of the webhook. */
  jobId: string;
  /** The id of the outcome: `webhook-id`. */
  commandId: string;
  /** JSON: what is sent. */
  body: unknown;
  /** When the run ended, ms. */
  at: number;
  ack: boolean;
};

export type InternalCommand = DeliverCommand | FanOutCommand | NotifyCommand;
