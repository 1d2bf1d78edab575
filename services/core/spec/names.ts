/** What names may look like. Each rule says what is allowed, as the rest of a sentence that begins with the field's name. */
import { JOB_TYPES, PRIORITIES } from '../model.ts';

export type NameRule = { readonly allowed: string; readonly holds: (text: string) => boolean };

const rule = (allowed: string, pattern: RegExp): NameRule => ({ allowed, holds: (text) => pattern.test(text) });

/** Text that every store and every header can carry as it is: no control characters, no halves of surrogate pairs. */
const isPlainText = (text: string): boolean => text.isWellFormed() && !/\p{Cc}/u.test(text);

const plainText = (min: number, max: number): NameRule => ({
  allowed: `must be text of ${min} to ${max} characters without control characters`,
  holds: (text) => text.length >= min && text.length <= max && isPlainText(text),
});

export const TENANT: NameRule = rule(
  'must be 1 to 64 lower-case letters, digits and hyphens, not beginning with a hyphen',
  /^[a-z0-9][a-z0-9-]{0,63}$/,
);

export const JOB_ID: NameRule = rule(
  'must be 1 to 200 letters, digits and . _ : - characters, beginning with a letter or digit',
  /^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$/,
);

export const COMMAND_ID: NameRule = plainText(1, 128);

/** Of an event. */
export const EVENT: NameRule = JOB_ID;

/** Room for the topic, partition and offset of a record of the user's own. */
export const EVENT_ID: NameRule = plainText(1, 300);

/** What made a run: the id of a command or of an event, or the ids of all runs that it runs after. */
export const CAUSE: NameRule = plainText(1, 4_096);

/** Not a job type: executors have the handlers of types under those names. */
export const HANDLER: NameRule = {
  allowed: `${plainText(1, 200).allowed}, and none of ${JOB_TYPES.join(', ')}`,
  holds: (text) => plainText(1, 200).holds(text) && !JOB_TYPES.some((type) => type === text),
};

/** As runs are told apart in executors: by handler, or by the type of what Belfry itself runs. */
export const LIMITED_HANDLER: NameRule = {
  allowed: plainText(1, 200).allowed,
  holds: plainText(1, 200).holds,
};

/** Not a priority: `job.due.high` would be two topics at once. */
export const QUEUE: NameRule = {
  allowed: `must be 1 to 64 lower-case letters, digits and hyphens, not beginning with a hyphen, and none of ${PRIORITIES.join(', ')}`,
  holds: (text) => /^[a-z0-9][a-z0-9-]{0,63}$/.test(text) && !PRIORITIES.some((priority) => priority === text),
};

export const CONCURRENCY_KEY: NameRule = plainText(1, 200);

export const LABEL_KEY: NameRule = rule(
  'must be 1 to 63 letters, digits and . _ / - characters, beginning with a letter or digit',
  /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/,
);

export const LABEL_VALUE: NameRule = plainText(0, 200);

export const RUN_ID: NameRule = rule(
  'must be a run id, such as 019ae2c0-5f00-8d3a-9c41-0b7e6a2f1d55',
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
);

export const KAFKA_TOPIC: NameRule = {
  allowed: 'must be the name of a Kafka topic: 1 to 249 letters, digits and . _ - characters',
  holds: (text) => /^[A-Za-z0-9._-]{1,249}$/.test(text) && text !== '.' && text !== '..',
};

/** A token of RFC 9110. */
export const HEADER_NAME: NameRule = rule(
  "must be letters, digits and the characters !#$%&'*+-.^_`|~",
  /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/,
);

/** With the name of its job around it, it is still the id of a job. */
export const WEBHOOK_ID: NameRule = rule(
  'must be 1 to 64 letters, digits and . _ - characters, beginning with a letter or digit',
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
);

/** A file name below the tenant's folder of secrets: never a path. */
export const SECRET: NameRule = rule(
  'must be 1 to 128 letters, digits and . _ - characters, beginning with a letter or digit',
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
);
