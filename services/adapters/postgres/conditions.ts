/** The WHERE of a list: each combination of filters is a statement of its own. */

/** A condition of each filter; `$` stands for its value. */
export type Conditions<Filter> = { readonly [Name in keyof Filter]-?: string };

/**
 * The conditions of the filters that are given.
 * @returns `where`, the values of its parameters `$1` and so on, and a name for the combination
 */
export function conditionsOf<Filter extends object>(
  conditions: Conditions<Filter>,
  filter: Filter,
): { where: string; values: unknown[]; key: string } {
  const names = (Object.keys(conditions) as (keyof Filter & string)[]).filter((name) => filter[name] !== undefined);
  const where = names.map((name, index) => conditions[name].replace('$', () => `$${index + 1}`)).join(' AND ');
  return { where: where || 'true', values: names.map((name) => filter[name]), key: names.join('_') };
}
