/**
 * Lets a connection's queue of requests rest. kafkajs's own looks for waiting requests after every answer, and again one
 * millisecond later, for ever and for each connection, though none waits: two percent of a processor in an idle executor.
 */
type RequestQueue = { readonly pending: readonly unknown[]; scheduleCheckPendingRequests(): void };
export type RequestQueueClass = new (...options: never[]) => RequestQueue;

/** The queue, which looks again only while requests wait: for their turn, or for the end of a throttling. */
export function restWhileNothingWaits(Original: RequestQueueClass): RequestQueueClass {
  return class extends Original {
    override scheduleCheckPendingRequests(): void {
      if (this.pending.length > 0) super.scheduleCheckPendingRequests();
    }
  };
}
